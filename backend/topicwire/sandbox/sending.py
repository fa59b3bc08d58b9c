"""What every sending method shares, in the server's order.

Reply and keyboard are read, then chat, topic and what is answered are looked up, then the content is
checked, then rights; the backend's own refusals come last.

The order is that of `Client::do_send_message` and `check_reply_parameters` of the Bot API server.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from topicwire.sandbox import shapes
from topicwire.sandbox.answers import bad_request
from topicwire.sandbox.arguments import to_integer
from topicwire.sandbox.flood import Cost
from topicwire.sandbox.query import Markup, Query
from topicwire.sandbox.text import CAPTION_LIMIT, TEXT_LIMIT, Entity, clean
from topicwire.sandbox.world import Chat, Message

Json = dict[str, Any]
Content = tuple[str, Json]  # what kind of message it is, and what is in it


@dataclass(slots=True)
class Reply:
    """reply_parameters as they were given."""

    message_id: int = 0
    chat: str = ""
    lenient: bool = False
    quote: str = ""


@dataclass(slots=True)
class Place:
    """Where a message goes and what it answers, once everything about that was checked."""

    chat: Chat
    thread: int | None
    markup: Markup
    reply_to: int | None = None
    extra: Json | None = None  # what an answer to somewhere else shows of it


async def place(query: Query, *, places: int = 1) -> Place:
    """Reads and checks where the message goes. RefusedError in the server's words."""
    reply = _reply(query)
    markup = query.markup()
    chat = await query.chat(Cost.MESSAGE, places=places)
    placed = Place(chat, query.thread_to_write(chat), markup)
    if reply.message_id:
        _answer(query, placed, reply)
    return placed


async def send(query: Query, make: Callable[[], Awaitable[Content]]) -> Json:
    """Places a message, makes its content, sends it; the result is the Message."""
    placed = await place(query)
    kind, content = await make()
    said = commit(query, placed, kind, content)
    return shapes.message(query.world, placed.chat, said, query.bot_id)


def commit(query: Query, placed: Place, kind: str, content: Json, *, forwarded: bool = False) -> Message:
    """The message is sent, unless the backend refuses it at last."""
    query.check_may_write(placed.chat, placed.thread, kind)
    return query.backend.say(
        placed.chat,
        query.bot_id,
        content if placed.extra is None else content | placed.extra,
        thread=placed.thread,
        reply_to=placed.reply_to,
        markup=placed.markup.inline,
        protected=query.arguments.boolean("protect_content"),
        forwarded=forwarded,
    )


def text_content(raw: tuple[str, list[Entity]], *, too_long: str = "message is too long") -> Json:
    """A text as it is kept. RefusedError if nothing of it is left or there is too much of it."""
    text, entities = clean(*raw)
    if len(text) > TEXT_LIMIT:
        raise bad_request(too_long)
    return {"text": text, "entities": entities} if entities else {"text": text}


def caption_content(raw: tuple[str, list[Entity]], *, too_long: str = "message caption is too long") -> Json:
    """A caption as it is kept; one that cannot be seen is none. RefusedError if it is too long."""
    text, entities = clean(*raw, may_be_empty=True)
    if not text:
        return {}
    if len(text) > CAPTION_LIMIT:
        raise bad_request(too_long)
    return {"caption": text} | ({"caption_entities": entities} if entities else {})


def without_caption(content: Json) -> Json:
    """The content with nothing written under it."""
    return {name: value for name, value in content.items() if not name.startswith("caption")}


def _reply(query: Query) -> Reply:
    arguments = query.arguments
    if "reply_parameters" not in arguments:
        lenient = arguments.boolean("allow_sending_without_reply")
        return Reply(max(0, arguments.integer("reply_to_message_id")), lenient=lenient)
    if not arguments.text("reply_parameters"):
        return Reply()
    raw = arguments.structure("reply_parameters", "reply parameters")
    if not isinstance(raw, dict):
        raise bad_request("object expected as reply parameters")
    if not raw:
        return Reply()
    if "message_id" not in raw:
        raise bad_request('can\'t find field "message_id"')
    lenient = raw.get("allow_sending_without_reply", False)
    if not isinstance(lenient, bool):
        raise bad_request('field "allow_sending_without_reply" must be of type Boolean')
    return Reply(
        max(0, to_integer(str(raw["message_id"]))),
        str(raw.get("chat_id") or ""),
        lenient,
        str(raw.get("quote") or ""),
    )


def _answer(query: Query, placed: Place, reply: Reply) -> None:
    """What is answered: in this topic, in another one that the answer follows, or elsewhere."""
    chat = placed.chat
    if reply.chat and to_integer(reply.chat) != chat.id:
        chat = query.readable_chat(reply.chat)
    original = chat.messages.get(reply.message_id)
    if original is None:
        if not reply.lenient:
            raise bad_request("message to be replied not found")
        return
    is_here = chat is placed.chat and placed.thread in (None, original.thread)
    if not is_here:
        placed.extra = _elsewhere(query, chat, original)
        return
    placed.reply_to = original.id
    if placed.thread is None and chat.is_forum:
        placed.thread = original.thread
    if reply.quote:
        placed.extra = _quote(original, reply.quote)


def _quote(original: Message, quote: str) -> Json:
    text = original.content.get("text") or original.content.get("caption") or ""
    position = text.find(quote)
    if position < 0:
        raise bad_request("QUOTE_TEXT_INVALID")
    return {"quote": {"text": quote, "position": position, "is_manual": True}}


def _elsewhere(query: Query, chat: Chat, original: Message) -> Json:
    """An answer to another chat or topic carries what it answers, instead of pointing at it."""
    shown = shapes.with_file_ids(original.content, query.bot_id)
    media = {name: value for name, value in shown.items() if name in shapes.MEDIA}
    return {
        "external_reply": {
            "origin": origin(query, original),
            "chat": shapes.chat(chat),
            "message_id": original.id,
            **media,
        }
    }


def origin(query: Query, original: Message) -> Json:
    """Whose message it was: a MessageOriginUser."""
    author = shapes.user(query.world.people[original.author])
    return {"type": "user", "sender_user": author, "date": original.date}
