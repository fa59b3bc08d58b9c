"""The operators' side as a protocol: what the relay may ask of it, what comes back.

The relay knows topics and texts, not Telegram: `telegram/client.py` implements `Channel` for the
Bot API. A call either returns, or raises exactly one of these:

ChannelError
├── Wait          the budget is used up: nothing was done; try again after `seconds`
├── TopicGone     the topic may have vanished: nothing was done; confirm with `topic_exists`
├── TopicClosed   the topic is closed for us: nothing was done; reopen it
├── Unchanged     the other side is already as asked: nothing to do
├── Astray        the message went out, but landed outside its topic: take it back
├── ChatMoved     the group has another id now: nothing was done; use `chat_id`
├── ChatRefused   the whole group (or bot) refuses us until somebody mends it
├── Unreliable    it cannot be found out whose a message is
├── Rejected      this one message will never be accepted
├── NotReached    the request certainly had no effect (no connection, 429 without a wait …)
└── Unknown       no answer, or one that makes no sense: it may or may not have had an effect
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

from msgspec import Struct


class ChannelError(Exception):
    """Why a call did not return; `str()` is what the other side said."""


def kind_of(error: ChannelError) -> str:
    """The kind of an error as a word that is kept: `topic_gone` for TopicGone."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()


class Wait(ChannelError):
    """Too many calls: nothing was done, try again after `seconds`."""

    def __init__(self, text: str, seconds: float) -> None:
        super().__init__(text)
        self.seconds = seconds


class TopicGone(ChannelError):
    """The topic seems to have vanished; `Channel.topic_exists` tells for certain."""


class TopicClosed(ChannelError):
    """The topic is closed and we may not write into it as it is."""


class Unchanged(ChannelError):
    """What was asked for is so already."""


class Astray(ChannelError):
    """The message was sent, as `message_id`, but not into its topic."""

    def __init__(self, text: str, message_id: int) -> None:
        super().__init__(text)
        self.message_id = message_id


class ChatMoved(ChannelError):
    """The group has become a supergroup with another id."""

    def __init__(self, text: str, chat_id: int) -> None:
        super().__init__(text)
        self.chat_id = chat_id


class ChatRefused(ChannelError):
    """The group refuses everything until somebody mends it; `reason` is a stable word.

    Reasons: `kicked`, `chat_gone`, `not_a_forum`, `rights`, `token`.
    """

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(text)
        self.reason = reason


class Rejected(ChannelError):
    """This one message will never be accepted."""


class NotReached(ChannelError):
    """The request certainly had no effect; trying again is safe."""


class Unreliable(ChannelError):
    """The other side does not refuse what it must: nothing can be found out in this way."""


class Unknown(ChannelError):
    """Nobody can tell whether the request had an effect."""


class Entity(Struct, frozen=True, omit_defaults=True):
    """A stretch of formatted text, in UTF-16 units; `type` as in the visitor's protocol.

    Types: bold, italic, underline, strike, code, pre, link (with `url`), spoiler, quote.
    """

    type: str
    offset: int
    length: int
    url: str | None = None


class Text(Struct, frozen=True):
    """A text with its formatting, ready to be sent."""

    text: str
    entities: tuple[Entity, ...] = ()


class Sent(Struct, frozen=True):
    """A message that was sent, where it was to be sent."""

    message_id: int


class GroupState(Struct, frozen=True):
    """What a group and our rights in it look like.

    `missing` names what its people must mend, `trouble` is the first of it as a word of ChatRefused.
    """

    title: str
    missing: tuple[str, ...] = ()
    trouble: str | None = None


class RecapLine(Struct, frozen=True):
    """One earlier message of a recap; `who` is None for the visitor."""

    at: datetime
    who: str | None
    text: str


class Wrote(Struct, frozen=True, tag=True):
    """Somebody in the group wrote into a topic; `reply_to` is None for the topic's root."""

    chat_id: int
    topic_id: int
    message_id: int
    at: int
    author: str
    text: Text
    reply_to: int | None = None


class Edited(Struct, frozen=True, tag=True):
    """A message in a topic has another text now."""

    chat_id: int
    topic_id: int
    message_id: int
    at: int
    text: Text


class TopicChanged(Struct, frozen=True, tag=True):
    """A topic was created, renamed, closed or reopened; `ours` when our bot did it."""

    chat_id: int
    topic_id: int
    change: Literal["created", "renamed", "closed", "reopened"]
    ours: bool
    name: str | None = None


class LinkAsked(Struct, frozen=True, tag=True):
    """Somebody wrote `/connect CODE`; `user_id` is None for the group's anonymous administrator.

    `topic_id` is where they wrote it, None for the main thread; `code` is empty where none was sent.
    `addressed` is the bot's name in `/connect@name`.
    """

    chat_id: int
    chat_title: str
    topic_id: int | None
    message_id: int
    user_id: int | None
    code: str
    addressed: str | None = None


class MembershipChanged(Struct, frozen=True, tag=True):
    """Our bot was added, promoted, restricted or removed; `admin` says what it is now."""

    chat_id: int
    status: str
    admin: bool


class ChatMigrated(Struct, frozen=True, tag=True):
    """The group became a supergroup with another id."""

    old_chat_id: int
    new_chat_id: int


class Seen(Struct, frozen=True):
    """A message of a group that an update told of, whoever wrote it."""

    chat_id: int
    message_id: int


Event = Wrote | Edited | TopicChanged | LinkAsked | MembershipChanged | ChatMigrated


class Channel(Protocol):
    """One bot's voice. Every method may raise the errors at the top of this module."""

    async def send(
        self, chat_id: int, topic_id: int | None, text: Text, *, reply_to: int | None = None
    ) -> Sent:
        """Send a text into a topic, or into the group's main thread for None.

        A message that was sent, but landed elsewhere, raises `Astray`.
        """

    async def create_topic(self, chat_id: int, name: str) -> int:
        """Create a topic and give its id."""

    async def rename_topic(self, chat_id: int, topic_id: int, name: str) -> None:
        """Give a topic another name."""

    async def topic_exists(self, chat_id: int, topic_id: int, name: str) -> bool:
        """Whether a topic is there; sets its name to `name`, which is its present one."""

    async def reopen_topic(self, chat_id: int, topic_id: int) -> None:
        """Reopen a closed topic."""

    async def close_topic(self, chat_id: int, topic_id: int) -> None:
        """Close a topic."""

    async def delete_topic(self, chat_id: int, topic_id: int) -> None:
        """Delete a topic with all its messages."""

    async def delete_message(self, chat_id: int, message_id: int) -> None:
        """Delete a message of ours; one that is gone already is Rejected."""

    async def whose(self, chat_id: int, message_id: int) -> Literal["ours", "theirs", "nobody's"]:
        """Whose message has this id; cannot change anything. Raises `Unreliable` when it would have."""

    async def show_button(self, chat_id: int, message_id: int) -> None:
        """Put a button below a message of ours, for `hide_button`; harmless if it is there."""

    async def hide_button(self, chat_id: int, message_id: int) -> int | None:
        """Take the button away again; the topic in which the message stands, None for the main thread."""

    async def show_typing(self, chat_id: int, topic_id: int) -> None:
        """Show in a topic for about five seconds that somebody is typing."""

    async def check_group(self, chat_id: int) -> GroupState:
        """Look at a group: its title, whether it is a forum, which of our rights are missing."""

    async def username(self) -> str:
        """The bot's name without the @, in lower case."""

    async def is_admin(self, chat_id: int, user_id: int) -> bool:
        """Whether a person is the creator or an administrator of the group."""


class Wording(Protocol):
    """How things are put for the operators; pure. `telegram/formatting.py` is the one."""

    def joined(self, above: Text, text: str) -> Text | None:
        """A visitor's further text below others of theirs; None where one message does not hold it."""

    def repeated(self) -> Text:
        """A line that says that what follows may have been said before."""

    def undelivered(self, text: str, error: str, letter: int) -> str:
        """Tell the operators of a visitor's message that was refused for good, and what they can do."""

    def to_telegram(self, text: str, *, head: Text | None = None) -> Text:
        """A visitor's text, unable to format, mention or command, below an optional head."""

    def visitor_line(
        self, *, email: str | None, name: str | None, page_url: str | None, locale: str | None
    ) -> Text:
        """One line that says who the visitor is."""

    def topic_name(self, email: str | None, conversation_id: str) -> str:
        """What a conversation's topic is called."""

    def recap(self, lines: Sequence[RecapLine]) -> Text:
        """What was said before, for a topic that takes the place of another."""

    def stacked(self, above: Text, below: Text) -> Text:
        """Two texts, one below the other."""
