"""The Bot API's methods about files: sending, changing, albums, downloading."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from topicwire.sandbox import media, shapes
from topicwire.sandbox.answers import RefusedError, bad_request
from topicwire.sandbox.arguments import Arguments, Upload
from topicwire.sandbox.files import LONGEST_DOWNLOAD
from topicwire.sandbox.flood import Cost
from topicwire.sandbox.methods import NOT_MODIFIED
from topicwire.sandbox.query import Access, Query
from topicwire.sandbox.sending import Content, caption_content, commit, place, send, without_caption
from topicwire.sandbox.text import Entity

Json = dict[str, Any]
Caption = tuple[str, list[Entity]]

ALBUM_LIMIT = 10
_WITHOUT_CAPTION = ("sticker", "video_note")
_IN_ALBUMS = ("photo", "video", "audio", "document", "animation")
_ALONE_IN_ALBUMS = {"audio": "Audio", "document": "Document"}


def sender(kind: str) -> Callable[[Query], Awaitable[Json]]:
    """The method that sends files of that kind."""

    async def send_file(query: Query) -> Json:
        source = _source(query.arguments, kind, query.arguments.values.get(kind))
        if source is None:
            raise bad_request(f"there is no {kind.replace('_', ' ')} in the request")
        caption = ("", []) if kind in _WITHOUT_CAPTION else query.caption()

        async def make() -> Content:
            content = await _content(query, kind, source, query.arguments)
            return kind, content | caption_content(caption)

        return await send(query, make)

    return send_file


async def send_media_group(query: Query) -> list[Json]:
    """Each item takes a place in the windows; one that is refused takes the album with it."""
    items = [_item(query, item, in_album=True) for item in _items(query)]
    placed = await place(query, places=max(1, len(items)))
    _check_album([kind for kind, _, _, _ in items])
    contents = []
    for number, item in enumerate(items, 1):
        try:
            contents.append((item[0], await _item_content(query, item)))
        except RefusedError as refused:
            why = refused.description.removeprefix("Bad Request: ")
            raise bad_request(f'failed to send message #{number} with the error message "{why}"') from None
    for kind, _ in contents:
        query.check_may_write(placed.chat, placed.thread, kind)
    album = query.world.take_album() if len(contents) > 1 else {}
    said = [commit(query, placed, kind, content | album) for kind, content in contents]
    return [shapes.message(query.world, placed.chat, each, query.bot_id) for each in said]


async def edit_message_caption(query: Query) -> Json:
    """No caption takes the old one away."""
    markup = query.markup()
    caption = query.caption()
    chat = await query.chat(Cost.EDIT, access=Access.EDIT)
    message = query.own_message(chat)
    if shapes.MEDIA.isdisjoint(message.content):
        raise bad_request("there is no caption in the message to edit")
    fresh = caption_content(caption, too_long="MEDIA_CAPTION_TOO_LONG")
    query.check_inline(markup)
    content = without_caption(message.content) | fresh
    if content == message.content and markup.inline == message.markup:
        raise bad_request(NOT_MODIFIED)
    query.backend.edit(chat, message, content, markup=markup.inline)
    return shapes.message(query.world, chat, message, query.bot_id)


async def edit_message_media(query: Query) -> Json:
    """Another file in the place of the old one, of another kind if it is not in an album."""
    markup = query.markup()
    raw = query.arguments.structure("media", "input media")
    if raw is None:
        raise bad_request('parameter "media" is required')
    item = _item(query, raw, in_album=False)
    chat = await query.chat(Cost.EDIT, access=Access.EDIT)
    message = query.own_message(chat)
    if shapes.MEDIA.isdisjoint(message.content) and "text" not in message.content:
        raise bad_request("message can't be edited")
    content = await _item_content(query, item)
    query.check_inline(markup)
    album = {name: message.content[name] for name in ("media_group_id",) if name in message.content}
    if content | album == message.content and markup.inline == message.markup:
        raise bad_request(NOT_MODIFIED)
    query.backend.edit(chat, message, content | album, markup=markup.inline)
    return shapes.message(query.world, chat, message, query.bot_id)


async def get_file(query: Query) -> Json:
    """A link that is good for an hour."""
    asked = query.arguments.text("file_id")
    if not asked:
        raise bad_request("file_id not specified")
    if shapes.unique_of(asked) not in query.world.files:
        raise bad_request("invalid file_id")
    stored = query.files.find(query.bot_id, asked)
    if stored is None or (content := await query.files.content(stored)) is None:
        raise bad_request("wrong file_id or the file is temporarily unavailable")
    if max(stored.size, len(content)) > LONGEST_DOWNLOAD:
        raise bad_request("file is too big")
    return {
        "file_id": asked,
        "file_unique_id": stored.unique,
        "file_size": stored.size,
        "file_path": query.files.link(query.bot_id, stored),
    }


Item = tuple[str, str | Upload, Caption, Arguments]


def _source(arguments: Arguments, field: str, given: Any) -> str | Upload | None:
    """A file_id or an address, or the upload that is attached (`Client::get_input_file`)."""
    if isinstance(given, str) and given:
        if not given.startswith("attach://"):
            return given
        field = given.removeprefix("attach://")
    return arguments.files.get(field)


async def _content(query: Query, kind: str, source: str | Upload, fields: Arguments) -> Json:
    if isinstance(source, Upload):
        if len(source.content) > media.LARGEST_UPLOAD:
            raise RefusedError(413, "Request Entity Too Large")
        return await media.uploaded(query.files, kind, source, fields.integer)
    if source.lower().startswith(("http://", "https://")):
        raise bad_request("failed to get HTTP URL content")  # the sandbox fetches nothing from anywhere
    stored = query.files.find(query.bot_id, source)
    if stored is None:
        raise bad_request("wrong file identifier/HTTP URL specified")
    return media.content_again(kind, stored)


def _items(query: Query) -> list[Any]:
    if not query.arguments.text("media"):
        raise bad_request('parameter "media" is required')
    raw = query.arguments.structure("media", "media")
    if not isinstance(raw, list):
        raise bad_request("expected an Array of InputMedia")
    return raw


def _item(query: Query, raw: Any, *, in_album: bool) -> Item:
    """An InputMedia, checked as far as that goes without the file."""
    if not isinstance(raw, dict):
        raise _bad_media("expected an Object")
    fields = Arguments({name: _as_text(value) for name, value in raw.items()})
    caption = query.formatted(fields.text("caption"), fields.text("parse_mode"), "caption_entities", fields)
    kind = raw.get("type")
    if not isinstance(kind, str):
        raise _bad_media('Can\'t find field "type"')
    source = _source(query.arguments, "", raw.get("media"))
    if source is None:
        raise _bad_media("media not found")
    if kind not in _IN_ALBUMS:
        raise _bad_media(f'type "{kind}" is unsupported')
    if in_album and kind == "animation":
        raise _bad_media(f'type "{kind}" can\'t be used in sendMediaGroup')
    return kind, source, caption, fields


async def _item_content(query: Query, item: Item) -> Json:
    kind, source, caption, fields = item
    return await _content(query, kind, source, fields) | caption_content(caption)


def _check_album(kinds: list[str]) -> None:
    if not kinds:
        raise bad_request("there are no messages to send")
    if len(kinds) > ALBUM_LIMIT:
        raise bad_request("too many messages to send as an album")
    for kind, name in _ALONE_IN_ALBUMS.items():
        if kind in kinds and set(kinds) != {kind}:
            raise bad_request(f"{name.lower()} can't be mixed with other media types")


def _as_text(value: Any) -> Any:
    return value if isinstance(value, (str, list, dict)) else msgspec.json.encode(value).decode()


def _bad_media(why: str) -> RefusedError:
    return bad_request(f"can't parse InputMedia: {why}")
