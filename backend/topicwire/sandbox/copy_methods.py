"""The Bot API's methods that send messages again: copies and forwards."""

from typing import Any

from topicwire.sandbox import shapes
from topicwire.sandbox.answers import bad_request
from topicwire.sandbox.query import Access, Query
from topicwire.sandbox.sending import Place, caption_content, commit, origin, place, without_caption
from topicwire.sandbox.world import Chat, Message

Json = dict[str, Any]

AT_ONCE = 100
_NOT_SENT_AGAIN = ("media_group_id", "external_reply", "quote")


async def copy_message(query: Query) -> Json:
    """A message of one's own with the same content; a caption replaces the old one."""
    chat = await _source(query)
    caption = query.caption() if "caption" in query.arguments else None
    original = query.message(chat, "message to copy")
    placed = await place(query)
    _check(original, "copied")
    content = _again(original)
    if caption is not None and not shapes.MEDIA.isdisjoint(content):
        content = without_caption(content) | caption_content(caption)
    return {"message_id": commit(query, placed, _kind(content), content).id}


async def forward_message(query: Query) -> Json:
    """A forward tells whose message it was, and cannot be edited."""
    chat = await _source(query)
    original = query.message(chat, "message to forward")
    placed = await place(query)
    _check(original, "forwarded")
    said = _forward(query, placed, original)
    return shapes.message(query.world, placed.chat, said, query.bot_id)


async def copy_messages(query: Query) -> list[Json]:
    """Those that are missing are skipped, and so are those that cannot be copied."""
    originals, placed = await _many(query)
    bare = query.arguments.boolean("remove_caption")
    said = []
    for original in originals:
        content = without_caption(_again(original)) if bare else _again(original)
        said.append(commit(query, placed, _kind(content), content))
    return [{"message_id": each.id} for each in said]


async def forward_messages(query: Query) -> list[Json]:
    """Likewise, as forwards."""
    originals, placed = await _many(query)
    return [{"message_id": _forward(query, placed, each).id} for each in originals]


async def delete_messages(query: Query) -> bool:
    """Those that are missing are skipped."""
    ids = message_ids(query)
    chat = await query.chat()
    messages = [chat.messages[each] for each in ids if each in chat.messages]
    for message in messages:
        query.check_deletable(chat, message)
    for message in messages:
        query.backend.delete(chat, message)
    return True


def message_ids(query: Query) -> list[int]:
    """message_ids, up to a hundred (`Client::get_message_ids`)."""
    if not query.arguments.text("message_ids"):
        raise bad_request("message identifiers are not specified")
    raw = query.arguments.structure("message_ids", "message_ids")
    if not isinstance(raw, list):
        raise bad_request("expected an Array of message identifiers")
    if len(raw) > AT_ONCE:
        raise bad_request("too many message identifiers specified")
    if not all(isinstance(each, (int, str)) for each in raw):
        raise bad_request("message identifier must be a Number")
    if not all(str(each).lstrip("-").isdecimal() for each in raw):
        raise bad_request("can't parse message identifier as a Number")
    ids = [int(each) for each in raw]
    if not ids:
        raise bad_request("message identifiers are not specified")
    if min(ids) <= 0:
        raise bad_request("invalid message identifier specified")
    return ids


async def _many(query: Query) -> tuple[list[Message], Place]:
    if "from_chat_id" not in query.arguments:
        raise bad_request('parameter "from_chat_id" is required')
    ids = message_ids(query)
    placed = await place(query, places=len(ids))
    chat = await _source(query)
    if ids != sorted(set(ids)):
        raise bad_request("message identifiers must be in a strictly increasing order")
    found = [chat.messages[each] for each in ids if each in chat.messages]
    usable = [each for each in found if not each.service and not each.protected]
    if not usable:
        raise bad_request("there are no messages to forward")
    return usable, placed


async def _source(query: Query) -> Chat:
    if not query.arguments.text("from_chat_id"):
        raise bad_request('parameter "from_chat_id" is required')
    return await query.chat(access=Access.READ, name="from_chat_id")


def _check(original: Message, verb: str) -> None:
    if original.service or original.protected:
        raise bad_request(f"the message can't be {verb}")


def _forward(query: Query, placed: Place, original: Message) -> Message:
    content = _again(original) | {"forward_origin": origin(query, original)}
    return commit(query, placed, _kind(content), content, forwarded=True)


def _again(original: Message) -> Json:
    return {name: value for name, value in original.content.items() if name not in _NOT_SENT_AGAIN}


def _kind(content: Json) -> str:
    if "animation" in content:
        return "animation"
    return next((name for name in shapes.MEDIA if name in content), "text")
