"""What each refusal of the Bot API means: one table; nothing else knows its words.

The lower-case sentences are those of the Bot API server and TDLib, the capitals come from
Telegram's backend and may change without notice; so a meaning is a set of beginnings, compared
without the prefix (`Bad Request: `) and without regard to case.
"""

from collections.abc import Callable

from topicwire.relay.channel import (
    ChannelError,
    ChatMoved,
    ChatRefused,
    NotReached,
    Rejected,
    TopicClosed,
    TopicGone,
    Unchanged,
    Unknown,
    Wait,
)

UNTOLD_WAIT = 5.0  # seconds; a 429 without `retry_after` is the server dropping a call of its own


# These two stay between here and the client, which mends what it sent; its callers see Rejected.


class BadFormatting(Rejected):
    """The entities are refused; the same text without them may pass."""


class ReplyGone(Rejected):
    """The message to be replied to is gone; the same text without the reply may pass."""


def _refused(reason: str) -> Callable[[str], ChannelError]:
    return lambda text: ChatRefused(text, reason)


_MEANINGS: tuple[tuple[Callable[[str], ChannelError], tuple[str, ...]], ...] = (
    (
        TopicGone,
        (
            "message thread not found",
            "topic_deleted",
            "topic_id_invalid",
            "invalid forum topic identifier specified",
        ),
    ),
    (TopicClosed, ("topic_closed",)),
    (Unchanged, ("message is not modified", "topic_not_modified", "chat_not_modified")),
    (
        _refused("not_a_forum"),
        ("the chat is not a forum", "the chat is not a supergroup forum", "channel_forum_missing"),
    ),
    (
        _refused("rights"),
        (
            "not enough rights",
            "have no rights",
            "have no write access to the chat",
            "need administrator rights",
            "chat_admin_required",
            "chat_guest_send_forbidden",
            "chat_restricted",
            "chat_send_",
            "chat_write_forbidden",
            "right_forbidden",
        ),
    ),
    (
        _refused("chat_gone"),
        (
            "can't access the chat",
            "channel_invalid",
            "channel_private",
            "chat not found",
            "chat_id_invalid",
            "group chat was upgraded to a supergroup chat",  # only where its new id is missing
            "peer_id_invalid",
            "the group chat was deleted",
            "user is deactivated",
        ),
    ),
    (
        _refused("kicked"),
        (
            "bot can't initiate conversation",
            "bot is not a member of the",
            "bot was blocked by the user",
            "bot was kicked from the",
            "the bot can't send messages to the bot",
        ),
    ),
    (
        BadFormatting,
        (
            "can't parse entities",
            "can't parse messageentity",
            "entity ",  # TDLib: "entity beginning at UTF-16 offset", "entity Wrong HTTP URL" …
            "entity_",
            "entities_",
            "receive an entity with incorrect",
        ),
    ),
    (
        ReplyGone,
        (
            "message to be replied not found",
            "message to reply not found",
            "replied message not found",
            "reply message not found",
            "reply_message_id_invalid",
        ),
    ),
    # The backend deletes at once what it takes for spam: sending again would only be deleted again.
    (Rejected, ("sent message was immediately deleted",)),
    # Another program holds the bot's updates or its webhook; nothing was done.
    (NotReached, ("terminated by", "can't use getupdates method while webhook is active")),
)

_PREFIXES = (
    "bad request: ",
    "conflict: ",
    "forbidden: ",
    "internal server error: ",
    "not found: ",
    "too many requests: ",
    "unauthorized: ",
)


def meaning(
    status: int,
    description: str | None,
    *,
    retry_after: float | None = None,
    migrate_to_chat_id: int | None = None,
) -> ChannelError:
    """Say what a refusal means: an HTTP status, `description` and the two `parameters` of the Bot API.

    Seconds to wait are Telegram's own, at least one. A status that is no refusal (200 with
    `ok: false`) and words that nobody knows make it `Unknown`.
    """
    text = description or f"HTTP {status} without a description"
    if retry_after or status == 429:
        return Wait(text, max(1.0, retry_after or UNTOLD_WAIT))
    if migrate_to_chat_id:
        return ChatMoved(text, migrate_to_chat_id)
    known = _by_words(text)
    return known if known is not None else _by_status(status, text)


def _by_words(text: str) -> ChannelError | None:
    words = text.casefold()
    for prefix in _PREFIXES:
        words = words.removeprefix(prefix)
    for make, beginnings in _MEANINGS:
        if words.startswith(beginnings):
            return make(text)
    return None


def _by_status(status: int, text: str) -> ChannelError:
    if status in (400, 413) or "method not found" in text:
        return Rejected(text)
    if status == 403:
        return ChatRefused(text, "kicked")
    if status in (401, 404, 421):  # 404 is what a token without its shape gets
        return ChatRefused(text, "token")
    if 400 <= status < 500 and status != 408:
        return NotReached(text)
    return Unknown(text)
