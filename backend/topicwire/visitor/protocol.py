"""The widget's socket protocol, version 1: frames, limits, codes. Pure.

A client's frame is decoded into one of the structs of `ClientFrame`, or refused with
`FrameRefused`, whose code goes into an `error` frame. `null` is the same as absent, unknown fields
are ignored. One example a frame stands in tests/protocol/frames.json.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from topicwire.domain.conversations import Message, Said, Visitor, rfc3339

SUBPROTOCOL = "topicwire.v1"
LARGEST_FRAME = 64 * 1024  # bytes
LONGEST_TEXT = 4000  # UTF-16 units
NEWEST_HISTORY = 100
HELLO_WITHIN = 10.0  # seconds
REFUSED_FOR = 60.0  # seconds for which later messages are refused after one was rate limited

NO_HELLO, BAD_TOKEN, BAD_ORIGIN, NO_PROJECT = 4400, 4401, 4403, 4404
HELLO_TIMEOUT, TOO_LARGE, TOO_MANY = 4408, 4413, 4429

Address = Annotated[str, Meta(max_length=254, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$")]
ClientId = Annotated[
    str, Meta(pattern="^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$")
]
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class FrameRefused(Exception):
    """A frame that cannot be taken; `code` is one of the protocol's error codes."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        id: str | None = None,  # noqa: A002
        retry_after: int | None = None,
        of_hello: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.id = id
        self.retry_after = retry_after  # seconds
        self.of_hello = of_hello  # it was meant as a `hello`


class Page(Struct):
    """Where the visitor is."""

    url: str | None = None
    title: str | None = None
    referrer: str | None = None


class Self(Struct):
    """What a visitor tells of themselves, or the page of them."""

    email: str | None = None
    name: str | None = None
    locale: str | None = None
    timezone: str | None = None


class Hello(Struct, tag_field="type", tag="hello"):
    """Must come first."""

    token: str | None = None
    last_rev: Count | None = None
    page: Page | None = None
    visitor: Self | None = None
    identity: str | None = None


class Say(Struct, tag_field="type", tag="message"):
    """A message; the same `id` again is harmless."""

    id: ClientId
    text: str
    attachments: list[str] | None = None


class Read(Struct, tag_field="type", tag="read"):
    """Everything up to `seq` has been seen."""

    seq: Count


class Typing(Struct, tag_field="type", tag="typing"):
    """The visitor is typing."""


class Identify(Struct, tag_field="type", tag="identify"):
    """Who the visitor is."""

    email: Address | None = None
    name: str | None = None
    identity: str | None = None


class PageChanged(Struct, tag_field="type", tag="page"):
    """The visitor moved to another page."""

    url: str
    title: str | None = None


class History(Struct, tag_field="type", tag="history"):
    """Older messages, please."""

    before: Count
    limit: Annotated[int, Meta(ge=1, le=NEWEST_HISTORY)]


class Reset(Struct, tag_field="type", tag="reset"):
    """This browser lets go of the conversation."""


class Ping(Struct, tag_field="type", tag="ping"):
    """Are you there?"""


ClientFrame = Hello | Say | Read | Typing | Identify | PageChanged | History | Reset | Ping

TYPES = frozenset(("hello", "message", "read", "typing", "identify", "page", "history", "reset", "ping"))


class _Type(Struct):
    type: str
    id: Any = None


_frames: msgspec.json.Decoder[ClientFrame] = msgspec.json.Decoder(ClientFrame)
_types = msgspec.json.Decoder(_Type)
encode = msgspec.json.Encoder().encode


def decode(raw: str | bytes) -> ClientFrame:
    """A client's frame; raises `FrameRefused`: bad_frame, unknown_type, empty, too_long."""
    try:
        frame = _frames.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _why(raw, error) from None
    if isinstance(frame, Say):
        frame.text = _checked(frame.id, frame.text)
    return frame


def _why(raw: str | bytes, error: Exception) -> FrameRefused:
    try:
        kind = _types.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return FrameRefused("bad_frame", "A frame is one JSON object whose `type` names it.")
    if kind.type not in TYPES:
        return FrameRefused("unknown_type", f"There is no frame of type {kind.type[:40]!r}.")
    message_id = kind.id if isinstance(kind.id, str) and len(kind.id) <= 64 else None
    return FrameRefused(
        "bad_frame", f"{kind.type}: {str(error)[:200]}.", id=message_id, of_hello=kind.type == "hello"
    )


# What a text may carry that nobody sees: control and format characters (joiners of emoji among
# them), every kind of space, the marks that Telegram removes, and what it takes for blanks (TDLib,
# `strip_empty_characters`).
_INVISIBLE = {"Cc", "Cf", "Zs", "Zl", "Zp"}
_REMOVED = frozenset("\u030a\u0333\u033f\u2800\ufffc").union(map(chr, range(0xE0000, 0xE0080)))
_NEWLINES = re.compile("\r\n?")


def _checked(message_id: str, said: str) -> str:
    if utf16_length(said) > LONGEST_TEXT:
        raise FrameRefused("too_long", f"A message has at most {LONGEST_TEXT} characters.", id=message_id)
    if all(unicodedata.category(sign) in _INVISIBLE or sign in _REMOVED for sign in said):
        raise FrameRefused("empty", "There is nothing in this message.", id=message_id)
    return _NEWLINES.sub("\n", said).replace("\0", "\ufffd")  # PostgreSQL stores no NUL


_ADDRESS = re.compile(r"[^@\s\0]+@[^@\s\0]+")


def described(frame: Hello | Identify | PageChanged) -> Visitor:
    """What a frame tells of the visitor, cut to what is kept. Too long a page is no reason not to chat.

    The page's address loses its query and fragment here: they may carry secrets of the visitor's.
    """
    match frame:
        case Identify():
            return Visitor(email=_kept(frame.email, 254), name=_kept(frame.name, 200))
        case PageChanged():
            return Visitor(page_url=_page(frame.url), page_title=_kept(frame.title, 300))
    page, told = frame.page or Page(), frame.visitor or Self()
    address = told.email if told.email and _ADDRESS.fullmatch(told.email) and len(told.email) <= 254 else None
    return Visitor(
        email=address,
        name=_kept(told.name, 200),
        locale=_kept(told.locale, 40),
        timezone=_kept(told.timezone, 60),
        page_url=_page(page.url),
        page_title=_kept(page.title, 300),
    )


def _page(url: str | None) -> str | None:
    return _kept(None if url is None else url.partition("#")[0].partition("?")[0], 1000)


def _kept(value: str | None, limit: int) -> str | None:
    cleaned = None if value is None else value.replace("\0", "").strip()[:limit]
    return cleaned or None


def utf16_length(said: str) -> int:
    """The length of a text as browsers and Telegram count it."""
    return len(said) if said.isascii() else len(said.encode("utf-16-le", "surrogatepass")) // 2


class Welcome(Struct, tag_field="type", tag="welcome", omit_defaults=True):
    """The answer to `hello`; everything above the client's `last_rev` follows."""

    conversation: str
    token: str
    rev: int
    recovered: bool
    state: str
    config: dict[str, Any]
    delay: int | None = None


class Ack(Struct, tag_field="type", tag="ack"):
    """The message is committed."""

    id: str
    seq: int
    rev: int
    at: str


class MessageFrame(Struct, tag_field="type", tag="message", rename={"from_": "from"}, omit_defaults=True):
    """A message of the conversation as it is now."""

    seq: int
    rev: int
    from_: Literal["visitor", "operator", "system"]
    text: str
    at: str
    id: str | None = None
    author: str | None = None
    entities: list[Any] | None = None
    state: str | None = None
    edited: str | None = None
    deleted: bool = False
    reply_to: int | None = None


class Relayed(Struct, tag_field="type", tag="relayed"):
    """Telegram has accepted this message."""

    seq: int
    rev: int


class Failed(Struct, tag_field="type", tag="failed"):
    """This message is a dead letter."""

    seq: int
    rev: int
    reason: str


class Edited(Struct, tag_field="type", tag="edited", omit_defaults=True):
    """An earlier message has another text."""

    seq: int
    rev: int
    text: str
    entities: list[Any] | None = None


class Deleted(Struct, tag_field="type", tag="deleted"):
    """An earlier message is gone."""

    seq: int
    rev: int


class HistoryFrame(Struct, tag_field="type", tag="history"):
    """The answer to `history`, oldest first."""

    messages: Sequence[MessageFrame]
    more: bool


class Status(Struct, tag_field="type", tag="status", omit_defaults=True):
    """The conversation's state, and how many seconds the relay is behind."""

    state: str
    delay: int | None = None


class Error(Struct, tag_field="type", tag="error", omit_defaults=True):
    """A frame was refused; the socket stays open."""

    code: str
    message: str
    id: str | None = None
    retry_after: int | None = None


class Pong(Struct, tag_field="type", tag="pong"):
    """I am here."""


ServerFrame = (
    Welcome | Ack | MessageFrame | Relayed | Failed | Edited | Deleted | HistoryFrame | Status | Error | Pong
)

FAILED_REASON = "The message could not be delivered."


def ack(message_id: str, said: Said) -> Ack:
    """The `ack` for a committed message."""
    return Ack(message_id, said.seq, said.rev, rfc3339(said.at))


def whole(message: Message) -> MessageFrame:
    """A message in full."""
    return MessageFrame(
        seq=message.seq,
        rev=message.rev,
        from_=message.origin,  # type: ignore[arg-type]  # the database knows no other origin
        text="" if message.deleted else message.text,
        at=rfc3339(message.at),
        id=message.client_id,
        author=message.author,
        entities=None if message.deleted else message.entities,
        state=message.state,
        edited=None if message.edited_at is None else rfc3339(message.edited_at),
        deleted=message.deleted,
        reply_to=message.reply_to,
    )


def change(message: Message) -> ServerFrame:
    """What has changed in a message that the client knows already."""
    if message.deleted:
        return Deleted(message.seq, message.rev)
    if message.origin == "operator":
        return Edited(message.seq, message.rev, message.text, message.entities)
    if message.state == "relayed":
        return Relayed(message.seq, message.rev)
    if message.state == "failed":
        return Failed(message.seq, message.rev, FAILED_REASON)
    return whole(message)
