"""Each refusal of the Bot API has one meaning."""

import pytest

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
from topicwire.telegram import failures
from topicwire.telegram.failures import BadFormatting, ReplyGone, meaning

MEANINGS: list[tuple[int, str | None, type[ChannelError]]] = [
    (400, "Bad Request: message thread not found", TopicGone),
    (400, "Bad Request: TOPIC_DELETED", TopicGone),
    (400, "Bad Request: TOPIC_ID_INVALID", TopicGone),
    (400, "Bad Request: invalid forum topic identifier specified", TopicGone),
    (400, "Bad Request: TOPIC_CLOSED", TopicClosed),
    (400, "Bad Request: TOPIC_NOT_MODIFIED", Unchanged),
    (400, "Bad Request: CHAT_NOT_MODIFIED", Unchanged),
    (400, "Bad Request: message is not modified: specified new message content and …", Unchanged),
    (400, "Bad Request: can't parse entities: Unsupported start tag", BadFormatting),
    (400, "Bad Request: ENTITY_BOUNDS_INVALID", BadFormatting),
    (400, "Bad Request: entity beginning at UTF-16 offset 5 ends after the end", BadFormatting),
    (400, "Bad Request: entity Wrong HTTP URL", BadFormatting),
    (400, 'Bad Request: can\'t parse MessageEntity: Field "type" must be of type String', BadFormatting),
    (400, "Bad Request: receive an entity with incorrect length", BadFormatting),
    (400, "Bad Request: ENTITIES_TOO_LONG", BadFormatting),
    (400, "Bad Request: message to be replied not found", ReplyGone),
    (400, "Bad Request: message to reply not found", ReplyGone),
    (400, "Bad Request: replied message not found", ReplyGone),
    (400, "Bad Request: reply message not found", ReplyGone),
    (400, "Bad Request: REPLY_MESSAGE_ID_INVALID", ReplyGone),
    (400, "Bad Request: message is too long", Rejected),
    (400, "Bad Request: message text is empty", Rejected),
    (400, "Bad Request: text must be non-empty", Rejected),
    (400, "Bad Request: something new", Rejected),
    (400, None, Rejected),
    (404, "Not Found: method not found", Rejected),
    (413, "Request Entity Too Large", Rejected),
    (500, "Internal Server Error: sent message was immediately deleted and can't be returned", Rejected),
    (409, "Conflict: terminated by other getUpdates request; make sure that …", NotReached),
    (409, "Conflict: can't use getUpdates method while webhook is active; use …", NotReached),
    (418, "I'm a teapot", NotReached),
    (408, "Request Timeout", Unknown),
    (500, "Internal Server Error: restart", Unknown),
    (502, "Bad Gateway", Unknown),
    (504, None, Unknown),
    (200, None, Unknown),
    (302, "Found", Unknown),
]


@pytest.mark.parametrize(("status", "description", "expected"), MEANINGS)
def test_meaning(status: int, description: str | None, expected: type[ChannelError]) -> None:
    error = meaning(status, description)
    assert type(error) is expected
    assert str(error) == description or not description


OF_A_GROUP: list[tuple[int, str | None, str]] = [
    (400, "Bad Request: the chat is not a forum", "not_a_forum"),
    (400, "Bad Request: the chat is not a supergroup forum", "not_a_forum"),
    (400, "Bad Request: CHANNEL_FORUM_MISSING", "not_a_forum"),
    (400, "Bad Request: not enough rights to create a topic", "rights"),
    (400, "Bad Request: not enough rights to send text messages to the chat", "rights"),
    (400, "Bad Request: CHAT_ADMIN_REQUIRED", "rights"),
    (400, "Bad Request: have no write access to the chat", "rights"),
    (400, "Bad Request: have no rights to send a message", "rights"),
    (400, "Bad Request: need administrator rights in the supergroup chat", "rights"),
    (400, "Bad Request: CHAT_GUEST_SEND_FORBIDDEN", "rights"),
    (400, "Bad Request: CHAT_RESTRICTED", "rights"),
    (400, "Bad Request: CHAT_SEND_PLAIN_FORBIDDEN", "rights"),
    (400, "Bad Request: CHAT_WRITE_FORBIDDEN", "rights"),
    (400, "Bad Request: RIGHT_FORBIDDEN", "rights"),
    (400, "Bad Request: chat not found", "chat_gone"),
    (400, "Bad Request: can't access the chat", "chat_gone"),
    (400, "Bad Request: CHANNEL_INVALID", "chat_gone"),
    (400, "Bad Request: CHANNEL_PRIVATE", "chat_gone"),
    (400, "Bad Request: CHAT_ID_INVALID", "chat_gone"),
    (400, "Bad Request: PEER_ID_INVALID", "chat_gone"),
    (400, "Bad Request: group chat was upgraded to a supergroup chat", "chat_gone"),
    (403, "Forbidden: the group chat was deleted", "chat_gone"),
    (403, "Forbidden: user is deactivated", "chat_gone"),
    (403, "Forbidden: bot was kicked from the supergroup chat", "kicked"),
    (403, "Forbidden: bot was blocked by the user", "kicked"),
    (403, "Forbidden: bot can't initiate conversation with a user", "kicked"),
    (403, "Forbidden: the bot can't send messages to the bot", "kicked"),
    (403, "Forbidden: bot is not a member of the supergroup chat", "kicked"),
    (403, "Forbidden: something new", "kicked"),
    (403, None, "kicked"),
    (401, "Unauthorized", "token"),
    (401, "Unauthorized: invalid token specified", "token"),
    (404, "Not Found", "token"),
    (421, "Misdirected Request: unallowed token specified", "token"),
]


@pytest.mark.parametrize(("status", "description", "reason"), OF_A_GROUP)
def test_refusals_of_a_whole_group(status: int, description: str | None, reason: str) -> None:
    error = meaning(status, description)
    assert isinstance(error, ChatRefused)
    assert error.reason == reason


@pytest.mark.parametrize(
    ("status", "retry_after", "seconds"),
    [(429, 35, 35), (429, 0, 5), (429, None, 5), (400, 7, 7), (429, 0.25, 1)],
)
def test_waiting(status: int, retry_after: float | None, seconds: float) -> None:
    error = meaning(status, "Too Many Requests: retry after", retry_after=retry_after)
    assert isinstance(error, Wait)
    assert error.seconds == seconds


def test_a_moved_group_brings_its_new_id() -> None:
    text = "Bad Request: group chat was upgraded to a supergroup chat"
    error = meaning(400, text, migrate_to_chat_id=-1007)
    assert isinstance(error, ChatMoved)
    assert error.chat_id == -1007


def test_case_and_prefix_do_not_matter() -> None:
    assert isinstance(meaning(400, "topic_closed"), TopicClosed)
    assert isinstance(meaning(400, "bad request: Message Thread Not Found"), TopicGone)


def test_no_words_are_known_that_nobody_tests() -> None:
    tested = [(row[1] or "").partition(": ")[2].casefold() for row in (*MEANINGS, *OF_A_GROUP)]
    known = [words for _, beginnings in failures._MEANINGS for words in beginnings]
    assert not [words for words in known if not any(text.startswith(words) for text in tested)]
