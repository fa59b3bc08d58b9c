"""What arrives from Telegram, as the relay's events; pure, knows no network.

Only what is read is declared, and what merely decorates is read leniently: a field of another shape
than expected loses the decoration, never the message. A text that the visitor cannot see arrives as
a named placeholder, never as silence; what is none of the visitor's business is no event.
"""

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct, field

from topicwire.relay.channel import (
    ChatMigrated,
    Edited,
    Event,
    LinkAsked,
    MembershipChanged,
    Seen,
    Text,
    TopicChanged,
    Wrote,
)
from topicwire.telegram.formatting import TelegramEntity, from_telegram, shorten, stacked

LINKED_CHANNEL = 777000  # "Telegram", in whose name a linked channel's posts are forwarded (TDLib)
NOTE = "//"  # what operators begin with it stays among them

Id = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Time = Annotated[int, Meta(ge=0, le=2**37)]

_ABSENT = Raw(b"")

_LINK = re.compile(
    r"/(?P<command>connect|start)(?:@(?P<addressed>\w+))?(?:\s+(?P<code>\S+).*)?\s*",
    re.IGNORECASE | re.DOTALL,
)

# field of a message -> what the visitor reads, and which part of it names it more closely
_KINDS: tuple[tuple[str, str, str | None], ...] = (
    ("animation", "animation", None),  # before document, which comes with it
    ("photo", "photo", None),
    ("live_photo", "photo", None),
    ("video", "video", None),
    ("video_note", "video message", None),
    ("voice", "voice message", None),
    ("audio", "audio:", "title"),
    ("document", "file:", "file_name"),
    ("sticker", "sticker", "emoji"),
    ("contact", "contact:", "first_name"),
    ("poll", "poll:", "question"),
    ("location", "location", None),
)
_UNKNOWN_KIND = "message of a kind that cannot be shown here"

# Beginnings of the fields that make a service message (Bot API 10.3): news for operators only.
_SERVICE = (
    "boost_added",
    "channel_chat_created",
    "chat_",
    "checklist_tasks_",
    "community_chat_",
    "connected_website",
    "delete_chat_photo",
    "direct_message_price_changed",
    "ephemeral_message_id",  # seen by one member only
    "forum_topic_",
    "general_forum_topic_",
    "gift",
    "giveaway_c",
    "group_chat_created",
    "left_chat_",
    "managed_bot_",
    "message_auto_delete_timer_changed",
    "migrate_",
    "new_chat_",
    "paid_message_price_changed",
    "passport_data",
    "pinned_message",
    "poll_option_",
    "proximity_alert_triggered",
    "refunded_payment",
    "successful_payment",
    "supergroup_chat_created",
    "unique_gift",
    "user_shared",
    "users_shared",
    "video_chat_",
    "web_app_data",
    "write_access_allowed",
)


class NotAnUpdate(ValueError):
    """The body is no JSON object with an integer `update_id`."""


class Update(Struct, frozen=True):
    """One update: `event` is None where it is none of our business.

    `chat_id` is None where the update belongs to no chat that we read; `topic_id` outside topics.
    """

    update_id: int
    chat_id: int | None = None
    topic_id: int | None = None
    message_id: int | None = None
    event: Event | None = None

    @property
    def seen(self) -> Seen | None:
        """The message of a group that it tells of."""
        if self.chat_id is None or self.message_id is None or self.chat_id > 0:
            return None
        return Seen(self.chat_id, self.message_id)


class _Envelope(Struct):
    update_id: Id
    message: Raw = _ABSENT
    edited_message: Raw = _ABSENT
    my_chat_member: Raw = _ABSENT


class _User(Struct):
    id: Id
    is_bot: bool = False
    first_name: Any = None


class _Chat(Struct):
    id: Id
    title: Any = None


class _Message(Struct):
    message_id: Id
    chat: _Chat
    date: Time = 0
    edit_date: Time | None = None
    sender: _User | None = field(name="from", default=None)
    sender_chat: _Chat | None = None
    author_signature: Any = None
    is_automatic_forward: bool = False
    message_thread_id: Id | None = None
    is_topic_message: bool = False
    reply_to_message: Any = None
    text: str | None = None
    entities: Any = None
    caption: Any = None
    caption_entities: Any = None
    migrate_to_chat_id: Id | None = None
    migrate_from_chat_id: Id | None = None
    forum_topic_created: Any = None
    forum_topic_edited: Any = None
    forum_topic_closed: Any = None
    forum_topic_reopened: Any = None

    @property
    def topic_id(self) -> int | None:
        """A thread id alone may be that of a reply thread outside topics (Bot API)."""
        return self.message_thread_id if self.is_topic_message else None


class _Member(Struct):
    status: str


class _Membership(Struct):
    chat: _Chat
    new_chat_member: _Member


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_MESSAGE = msgspec.json.Decoder(_Message)
_MEMBERSHIP = msgspec.json.Decoder(_Membership)
_PARTS = msgspec.json.Decoder(dict[str, Raw])
_NONSENSE = (msgspec.MsgspecError, UnicodeError, RecursionError)


def decode(raw: bytes, *, bot_id: int) -> Update:
    """Read one update of the Bot API, addressed to the bot with this id.

    Raises NotAnUpdate when not even its number can be read; anything else that makes no sense is an
    update without an event.
    """
    try:
        return _read(_ENVELOPE.decode(raw), bot_id)
    except _NONSENSE:
        return _read_again(raw, bot_id)


def _read_again(raw: bytes, bot_id: int) -> Update:
    """Half a character, which JSON may hold and text may not, must not make a message disappear."""
    try:
        whole = json.dumps(json.loads(raw), ensure_ascii=False).encode("utf-16", "surrogatepass")
        return _read(_ENVELOPE.decode(whole.decode("utf-16", "replace").encode()), bot_id)
    except (*_NONSENSE, ValueError):
        return Update(_number(raw))


def _number(raw: bytes) -> int:
    """Read `update_id` alone, by whichever parser forgives more: unread, an update would come for ever."""
    with contextlib.suppress(*_NONSENSE):
        return _ENVELOPE.decode(raw).update_id
    try:
        return msgspec.convert(json.loads(raw)["update_id"], Id)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise NotAnUpdate(f"not an update of the Bot API: {error!r}") from None


def _read(envelope: _Envelope, bot_id: int) -> Update:
    if envelope.my_chat_member:
        member = _MEMBERSHIP.decode(envelope.my_chat_member)
        return Update(envelope.update_id, member.chat.id, event=_membership(member))
    raw = envelope.message or envelope.edited_message
    if not raw:
        return Update(envelope.update_id)
    message = _MESSAGE.decode(raw)
    read = _message if envelope.message else _edited
    return Update(
        envelope.update_id, message.chat.id, message.topic_id, message.message_id, read(message, raw, bot_id)
    )


def _membership(member: _Membership) -> Event | None:
    if member.chat.id > 0:  # somebody started or blocked the bot in private
        return None
    status = member.new_chat_member.status
    return MembershipChanged(member.chat.id, status, admin=status in ("administrator", "creator"))


def _message(message: _Message, raw: Raw, bot_id: int) -> Event | None:
    if change := _migration(message) or _topic_change(message, bot_id):
        return change
    author = _author(message, bot_id)
    if author is None:
        return None
    if command := _LINK.fullmatch(message.text or ""):
        return _link(message, command)
    text = _shown(message, raw)
    if message.topic_id is None or text is None:
        return None
    return Wrote(
        chat_id=message.chat.id,
        topic_id=message.topic_id,
        message_id=message.message_id,
        at=message.date,
        author=author,
        text=text,
        reply_to=_reply_to(message),
    )


def _migration(message: _Message) -> Event | None:
    """Told twice, once in either chat."""
    if message.migrate_to_chat_id is not None:
        return ChatMigrated(message.chat.id, message.migrate_to_chat_id)
    if message.migrate_from_chat_id is not None:
        return ChatMigrated(message.migrate_from_chat_id, message.chat.id)
    return None


def _edited(message: _Message, raw: Raw, bot_id: int) -> Event | None:
    if message.topic_id is None or _author(message, bot_id) is None:
        return None
    if _LINK.fullmatch(message.text or ""):
        return None
    text = _shown(message, raw)
    if text is None:
        return None
    at = message.edit_date or message.date
    return Edited(message.chat.id, message.topic_id, message.message_id, at, text)


def _topic_change(message: _Message, bot_id: int) -> TopicChanged | None:
    changes: tuple[tuple[Literal["created", "renamed", "closed", "reopened"], Any], ...] = (
        ("created", message.forum_topic_created),
        ("renamed", message.forum_topic_edited),
        ("closed", message.forum_topic_closed),
        ("reopened", message.forum_topic_reopened),
    )
    for change, content in changes:
        if content is None:
            continue
        # A topic's id is the id of the message that tells of its creation.
        topic_id = message.message_id if change == "created" else message.topic_id
        name = _line(content.get("name")) if isinstance(content, dict) else ""
        if topic_id is None or (change == "renamed" and not name):  # another icon is no other name
            return None
        ours = message.sender is not None and message.sender.id == bot_id
        return TopicChanged(message.chat.id, topic_id, change, ours, name or None)
    return None


def _author(message: _Message, bot_id: int) -> str | None:
    """Who speaks to the visitor here; None for bots, this one too, and for forwarded channel posts.

    Anonymous administrators and people who write as a channel come with a bot of Telegram's as
    sender; who they are is in `sender_chat`.
    """
    sender, behind = message.sender, message.sender_chat
    if message.is_automatic_forward or sender is None or sender.id in (bot_id, LINKED_CHANNEL):
        return None
    if behind is not None:
        anonymous = behind.id == message.chat.id
        return (anonymous and _line(message.author_signature)) or _line(behind.title) or "Operator"
    return None if sender.is_bot else _line(sender.first_name) or "Operator"


def _link(message: _Message, command: re.Match[str]) -> LinkAsked | None:
    """Only people and the group's own anonymous administrator may ask; a channel proves nothing."""
    chat, behind, code = message.chat, message.sender_chat, command["code"] or ""
    if not code and command["command"].casefold() == "start":  # it has other uses
        return None
    if chat.id > 0 or (behind is not None and behind.id != chat.id):
        return None
    user_id = message.sender.id if message.sender and behind is None else None
    return LinkAsked(
        chat.id, _line(chat.title), message.topic_id, message.message_id, user_id, code, command["addressed"]
    )


def _reply_to(message: _Message) -> int | None:
    """Every message of a topic that is no reply carries the topic's root as if it were one."""
    reply = message.reply_to_message
    if not isinstance(reply, dict) or "forum_topic_created" in reply:
        return None
    target = reply.get("message_id")
    return target if type(target) is int and target != message.message_thread_id else None


def _shown(message: _Message, raw: Raw) -> Text | None:
    """What the visitor gets to read; None for operators' notes and service messages."""
    if message.text is not None:
        text = from_telegram(message.text, _entities(message.entities))
        return None if message.text.startswith(NOTE) else text
    parts = _PARTS.decode(raw)
    if any(part.startswith(_SERVICE) for part in parts):
        return None
    caption = message.caption if isinstance(message.caption, str) else ""
    if caption.startswith(NOTE):
        return None
    below = from_telegram(caption, _entities(message.caption_entities))
    return stacked(Text(_placeholder(parts)), below)


def _placeholder(parts: dict[str, Raw]) -> str:
    for kind, label, detail in _KINDS:
        if kind in parts:
            name = detail and _name(parts[kind], detail)
            return f"[{label} {name}]" if name else f"[{label.rstrip(':')}]"
    return f"[{_UNKNOWN_KIND}]"


def _name(raw: Raw, detail: str) -> str:
    try:
        content = msgspec.json.decode(raw, type=dict[str, Any])
    except _NONSENSE:
        return ""
    keys = (detail, "last_name") if detail == "first_name" else (detail,)
    return shorten(" ".join(filter(None, (_line(content.get(key)) for key in keys))), 100)


def _entities(value: Any) -> Iterator[TelegramEntity]:
    for item in value if isinstance(value, list) else ():
        try:
            yield msgspec.convert(item, TelegramEntity)
        except msgspec.ValidationError:
            continue


def _line(value: Any) -> str:
    """Somebody's words on one line; empty where they are none. PostgreSQL cannot keep a NUL."""
    return " ".join(value.replace("\0", "\ufffd").split()) if isinstance(value, str) else ""
