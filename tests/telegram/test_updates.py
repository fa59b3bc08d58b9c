"""What operators do in the group becomes the relay's events, and nothing else does."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topicwire.relay.channel import (
    ChatMigrated,
    Edited,
    Entity,
    Event,
    LinkAsked,
    MembershipChanged,
    Text,
    TopicChanged,
    Wrote,
)
from topicwire.telegram.updates import NotAnUpdate, Update, decode

BOT = 42
CHAT = -1001234567890
ROOT = {"message_id": 77, "message_thread_id": 77, "forum_topic_created": {"name": "x"}}
MESSAGE = {
    "message_id": 2001,
    "from": {"id": 555, "is_bot": False, "first_name": "Ann"},
    "chat": {"id": CHAT, "title": "Support", "is_forum": True, "type": "supergroup"},
    "date": 1790000000,
    "message_thread_id": 77,
    "is_topic_message": True,
    "reply_to_message": ROOT,
}
ANONYMOUS: dict[str, Any] = {
    "from": {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"},
    "sender_chat": {"id": CHAT, "title": "Support", "type": "supergroup"},
}
CHANNEL: dict[str, Any] = {
    "from": {"id": 136817688, "is_bot": True, "first_name": "Channel"},
    "sender_chat": {"id": -100777, "title": "Our News", "type": "channel"},
}
GENERAL: dict[str, Any] = {"message_thread_id": None, "is_topic_message": False, "reply_to_message": None}


def update(kind: str = "message", **fields: Any) -> bytes:
    content = {key: value for key, value in {**MESSAGE, **fields}.items() if value is not None}
    return json.dumps({"update_id": 9, kind: content}).encode()


def event(kind: str = "message", **fields: Any) -> Event | None:
    return decode(update(kind, **fields), bot_id=BOT).event


def wrote(**fields: Any) -> Wrote:
    found = event(**fields)
    assert isinstance(found, Wrote)
    return found


def test_a_message_in_a_topic() -> None:
    assert decode(update(text="Hello"), bot_id=BOT) == Update(
        9,
        CHAT,
        77,
        2001,
        Wrote(CHAT, 77, 2001, 1790000000, "Ann", Text("Hello")),
    )


def test_an_edit_has_the_time_of_the_edit() -> None:
    found = event("edited_message", text="Hello!", edit_date=1790000009)
    assert found == Edited(CHAT, 77, 2001, 1790000009, Text("Hello!"))


def test_formatting_is_kept() -> None:
    entities = [
        {"type": "bold", "offset": 0, "length": 2},
        {"type": "bold", "offset": "?", "length": 2},
        {"type": "mention", "offset": 0, "length": 1},
        7,
    ]
    assert wrote(text="😀 x", entities=entities).text == Text("😀 x", (Entity("bold", 0, 2),))


@pytest.mark.parametrize(
    ("reply", "to"),
    [
        (ROOT, None),
        ({"message_id": 77}, None),
        ({"message_id": 78, "forum_topic_created": {"name": "x"}}, None),
        ({"message_id": 1999, "text": "earlier"}, 1999),
        ({"message_id": "1999"}, None),
        ("nonsense", None),
        (None, None),
    ],
)
def test_replies(reply: Any, to: int | None) -> None:
    assert wrote(text="x", reply_to_message=reply).reply_to == to


@pytest.mark.parametrize(
    ("sender", "author"),
    [
        ({}, "Ann"),
        ({"from": {"id": 5, "first_name": "A\n B"}}, "A B"),
        ({"from": {"id": 5, "first_name": "A\0"}}, "A\ufffd"),
        ({"from": {"id": 5, "is_bot": False, "first_name": ""}}, "Operator"),
        ({"from": {"id": 5, "first_name": 7}}, "Operator"),
        (ANONYMOUS, "Support"),
        ({**ANONYMOUS, "author_signature": "Chief"}, "Chief"),
        (CHANNEL, "Our News"),
    ],
)
def test_authors(sender: dict[str, Any], author: str) -> None:
    assert wrote(text="x", **sender).author == author


@pytest.mark.parametrize(
    "fields",
    [
        {"from": {"id": 6, "is_bot": True, "first_name": "Other bot"}},
        {"from": {"id": BOT, "is_bot": True, "first_name": "Relay"}},
        {"from": {"id": BOT, "first_name": "Relay"}},
        {"from": {"id": 777000, "is_bot": False}, "sender_chat": CHANNEL["sender_chat"]},
        {**CHANNEL, "is_automatic_forward": True},
        {"from": None},
        GENERAL,
        {"is_topic_message": None},  # a reply thread outside topics
        {"message_thread_id": None},
        {"text": "// only for us"},
        {"text": "//"},
        {"text": None, "photo": [], "caption": "// only for us"},
        {"text": None, "pinned_message": {"message_id": 1}},
        {"text": None, "new_chat_title": "New"},
        {"text": None, "new_chat_members": [{"id": 5}]},
        {"text": None, "video_chat_started": {}},
        {"text": None, "general_forum_topic_hidden": {}},
        {"ephemeral_message_id": 5, "text": None},
    ],
)
@pytest.mark.parametrize("kind", ["message", "edited_message"])
def test_what_is_none_of_the_visitors_business(kind: str, fields: dict[str, Any]) -> None:
    assert event(kind, **{"text": "x", **fields}) is None


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ({"photo": [{"file_id": "x"}]}, "[photo]"),
        ({"live_photo": {}}, "[photo]"),
        ({"video": {}}, "[video]"),
        ({"video_note": {}}, "[video message]"),
        ({"voice": {}}, "[voice message]"),
        ({"animation": {}, "document": {"file_name": "x.gif"}}, "[animation]"),
        ({"document": {"file_name": "name.pdf"}}, "[file: name.pdf]"),
        ({"document": {"file_name": "a\nb" + "x" * 200}}, "[file: a b" + "x" * 96 + "…]"),
        ({"document": {}}, "[file]"),
        ({"document": "?"}, "[file]"),
        ({"audio": {"title": "Song"}}, "[audio: Song]"),
        ({"audio": {}}, "[audio]"),
        ({"sticker": {"emoji": "😀"}}, "[sticker 😀]"),
        ({"sticker": {}}, "[sticker]"),
        ({"location": {"latitude": 1}}, "[location]"),
        ({"venue": {"title": "Café"}, "location": {}}, "[location]"),
        ({"contact": {"first_name": "Jo", "last_name": "Doe"}}, "[contact: Jo Doe]"),
        ({"contact": {"first_name": "Jo"}}, "[contact: Jo]"),
        ({"poll": {"question": "Tea?"}}, "[poll: Tea?]"),
        ({"dice": {"value": 3}}, "[message of a kind that cannot be shown here]"),
        ({"story": {}}, "[message of a kind that cannot be shown here]"),
        ({"rich_message": {}}, "[message of a kind that cannot be shown here]"),
        ({}, "[message of a kind that cannot be shown here]"),
    ],
)
def test_media_is_named(content: dict[str, Any], shown: str) -> None:
    assert wrote(**content).text == Text(shown)


def test_a_caption_stands_below_the_name_with_its_formatting() -> None:
    text = wrote(photo=[], caption="look", caption_entities=[{"type": "bold", "offset": 0, "length": 4}]).text
    assert text == Text("[photo]\nlook", (Entity("bold", 8, 4),))


@pytest.mark.parametrize(
    ("fields", "change"),
    [
        (
            {"message_id": 77, "forum_topic_created": {"name": "Jo"}},
            TopicChanged(CHAT, 77, "created", ours=False, name="Jo"),
        ),
        ({"forum_topic_edited": {"name": "Jo"}}, TopicChanged(CHAT, 77, "renamed", ours=False, name="Jo")),
        ({"forum_topic_edited": {"icon_custom_emoji_id": ""}}, None),
        ({"forum_topic_closed": {}}, TopicChanged(CHAT, 77, "closed", ours=False)),
        ({"forum_topic_reopened": {}}, TopicChanged(CHAT, 77, "reopened", ours=False)),
        ({"forum_topic_closed": {}, **GENERAL}, None),
        (
            {"forum_topic_closed": {}, "from": {"id": BOT, "is_bot": True}},
            TopicChanged(CHAT, 77, "closed", ours=True),
        ),
        (
            {"forum_topic_closed": {}, "from": {"id": 6, "is_bot": True}},
            TopicChanged(CHAT, 77, "closed", ours=False),
        ),
    ],
)
def test_topics_change(fields: dict[str, Any], change: TopicChanged | None) -> None:
    assert event(**{"reply_to_message": None, **fields}) == change


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("/connect AB-12", "AB-12"),
        ("/connect@relay_bot AB-12", "AB-12"),
        ("/start AB-12", "AB-12"),
        ("/start@relay_bot   AB-12  ", "AB-12"),
        ("/Connect AB-12 please\nnow", "AB-12"),
    ],
)
@pytest.mark.parametrize("topic", [77, None])
@pytest.mark.parametrize("user", [555, None])
def test_asking_for_a_link(text: str, code: str, topic: int | None, user: int | None) -> None:
    fields = {**(GENERAL if topic is None else {}), **(ANONYMOUS if user is None else {})}
    addressed = "relay_bot" if "@" in text else None
    assert event(text=text, **fields) == LinkAsked(CHAT, "Support", topic, 2001, user, code, addressed)


def test_asking_without_a_code() -> None:
    assert event(text="/connect") == LinkAsked(CHAT, "Support", 77, 2001, 555, "")


@pytest.mark.parametrize(
    "fields",
    [
        CHANNEL,
        {"from": {"id": 6, "is_bot": True}},
        {"chat": {"id": 555, "type": "private"}, **GENERAL},
        {"text": "/start@relay_bot"},
    ],
)
def test_who_may_not_ask_is_not_heard_by_the_visitor_either(fields: dict[str, Any]) -> None:
    assert event(**{"text": "/connect AB-12", **fields}) is None


def test_an_edit_asks_for_nothing() -> None:
    assert event("edited_message", text="/connect AB-12") is None


@pytest.mark.parametrize("text", ["/help", "/starting prices", "/connected", "see /connect X", "/ start"])
def test_other_commands_are_ordinary_words(text: str) -> None:
    assert wrote(text=text).text == Text(text)


def test_half_a_character_does_not_make_a_message_disappear() -> None:
    raw = update(text="Hello HALF").replace(b"HALF", b"\\ud83d")
    found = decode(raw, bot_id=BOT).event
    assert isinstance(found, Wrote)
    assert found.text.text == "Hello \ufffd"


@pytest.mark.parametrize(
    ("status", "admin"),
    [("administrator", True), ("creator", True), ("member", False), ("left", False), ("kicked", False)],
)
def test_our_own_membership(status: str, admin: bool) -> None:
    member = {"chat": {"id": CHAT}, "new_chat_member": {"status": status, "user": {"id": BOT}}}
    raw = json.dumps({"update_id": 9, "my_chat_member": member}).encode()
    assert decode(raw, bot_id=BOT) == Update(9, CHAT, event=MembershipChanged(CHAT, status, admin))


def test_a_private_chat_is_no_group() -> None:
    member = {"chat": {"id": 5}, "new_chat_member": {"status": "kicked"}}
    raw = json.dumps({"update_id": 9, "my_chat_member": member}).encode()
    assert decode(raw, bot_id=BOT).event is None


def test_a_group_becomes_a_supergroup() -> None:
    assert event(chat={"id": -5}, migrate_to_chat_id=CHAT, **GENERAL) == ChatMigrated(-5, CHAT)
    assert event(migrate_from_chat_id=-5, **GENERAL) == ChatMigrated(-5, CHAT)  # told in either chat


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"<html>",
        b"\xff",
        b"{}",
        b'{"update_id":"1"}',
        b'{"update_id":true}',
        b'{"update_id":1.5}',
        b'{"update_id":null}',
        b'{"update_id":99999999999999999999999}',
        b'{"update_id":1',
        b'{"message":{}}',
        b"[" * 100000,
    ],
)
def test_bodies_that_are_no_update(raw: bytes) -> None:
    with pytest.raises(NotAnUpdate):
        decode(raw, bot_id=BOT)


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        b',"from_the_future":{"chat":{"id":1}}',
        b',"message":null',
        b',"message":5',
        b',"message":{}',
        b',"message":{"message_id":1,"chat":{"id":"x"}}',
        b',"message":{"message_id":1,"chat":{"id":-1},"text":7}',
        b',"message":{"message_id":1,"chat":{"id":-99999999999999999999999}}',
        b',"message":{"text":"\\ud800"}',
        b',"message":{"text":"\xff"}',
        b',"my_chat_member":[]',
    ],
)
def test_content_that_makes_no_sense_keeps_its_number(rest: bytes) -> None:
    assert decode(b'{"update_id":1' + rest + b"}", bot_id=BOT) == Update(1)


@pytest.mark.parametrize(
    "oddity",
    [
        {"entities": "?"},
        {"author_signature": 5},
        {"reply_to_message": []},
        {"chat": {"id": CHAT, "title": 5}},
        {"via_bot": 7},
        {"quote": None, "external_reply": "?"},
        {"link_preview_options": []},
    ],
)
def test_an_odd_decoration_does_not_lose_the_message(oddity: dict[str, Any]) -> None:
    assert wrote(text="x", **oddity).text == Text("x")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "name"]), inner),
    max_leaves=5,
)
fields = st.sampled_from(
    [*MESSAGE, "text", "entities", "caption", "photo", "document", "sender_chat", "forum_topic_edited", "x"]
)


@given(st.sampled_from(["message", "edited_message", "my_chat_member"]), st.dictionaries(fields, values))
def test_no_content_is_an_error(kind: str, odd: dict[str, Any]) -> None:
    raw = json.dumps({"update_id": 9, kind: {**MESSAGE, **odd}}).encode()
    assert decode(raw, bot_id=BOT).update_id == 9
