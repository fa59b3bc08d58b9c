"""The Bot API's methods about forum topics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.sandbox.conftest import Telegram

UNABLE = ["can_pin_messages"]


async def test_a_topic_is_the_message_about_it(telegram: Telegram) -> None:
    topic = await telegram.ok("createForumTopic", name=" Anna \n K. ", icon_color=9367192)
    assert topic == {"message_thread_id": 2, "name": "Anna K.", "icon_color": 9367192}
    assert len((await telegram.ok("createForumTopic", name="x" * 300))["name"]) == 128


@pytest.mark.parametrize(
    ("params", "description"),
    [
        ({}, "name must be non-empty"),
        ({"name": " \n"}, "name must be non-empty"),
        ({"name": "x", "icon_color": 99}, "invalid icon color specified"),
        ({"name": "x", "chat_id": ""}, "chat_id is empty"),
    ],
)
async def test_topics_that_cannot_be_created(
    telegram: Telegram, params: dict[str, Any], description: str
) -> None:
    assert await telegram.refused("createForumTopic", **params) == (400, f"Bad Request: {description}")


@pytest.mark.parametrize(
    "method",
    ["createForumTopic", "editForumTopic", "closeForumTopic", "reopenForumTopic", "deleteForumTopic"],
)
async def test_a_group_without_topics_has_none(shared: Telegram, method: str) -> None:
    plain = await shared.group(is_forum=False)
    refusal = await plain.refused(method, name="x", message_thread_id=2)
    assert refusal == (400, "Bad Request: the chat is not a forum")


async def test_creating_needs_the_right(telegram: Telegram) -> None:
    await telegram.act("bot", status="administrator", rights=UNABLE)
    refusal = await telegram.refused("createForumTopic", name="x")
    assert refusal == (400, "Bad Request: not enough rights to create a topic")


@pytest.mark.parametrize(
    ("method", "description"),
    [
        ("editForumTopic", "not enough rights to edit the topic"),
        ("closeForumTopic", "not enough rights to close or open the topic"),
        ("reopenForumTopic", "not enough rights to close or open the topic"),
        ("deleteForumTopic", "not enough rights to delete the topic"),
    ],
)
async def test_others_topics_need_the_right(telegram: Telegram, method: str, description: str) -> None:
    thread = (await telegram.act("topics", name="theirs"))["id"]
    await telegram.act("bot", status="administrator", rights=UNABLE)
    ask = {"message_thread_id": thread, "name": "new"}
    assert await telegram.refused(method, **ask) == (400, "Bad Request: CHAT_ADMIN_REQUIRED")
    await telegram.say("now the server knows it", message_thread_id=thread)
    assert await telegram.refused(method, **ask) == (400, f"Bad Request: {description}")


async def test_own_topics_need_no_right(telegram: Telegram) -> None:
    thread = await telegram.topic()
    await telegram.act("bot", status="member")
    assert await telegram.ok("editForumTopic", message_thread_id=thread, name="new") is True
    assert await telegram.ok("closeForumTopic", message_thread_id=thread) is True


async def test_deleting_needs_the_right_even_for_ones_own(telegram: Telegram) -> None:
    thread = await telegram.topic()
    await telegram.act("bot", status="administrator", rights=["can_manage_topics"])
    assert await telegram.refused("deleteForumTopic", message_thread_id=thread) == (
        400,
        "Bad Request: CHAT_ADMIN_REQUIRED",
    )
    await telegram.act("bot", status="administrator", rights=["can_delete_messages"])
    assert await telegram.ok("deleteForumTopic", message_thread_id=thread) is True


async def test_an_idle_edit_asks_nobody(telegram: Telegram) -> None:
    thread = (await telegram.act("topics", name="theirs"))["id"]
    await telegram.act("bot", status="administrator", rights=UNABLE)
    assert await telegram.ok("editForumTopic", message_thread_id=thread) is True
    await telegram.say("now the server knows it", message_thread_id=thread)
    assert await telegram.refused("editForumTopic", message_thread_id=thread) == (
        400,
        "Bad Request: not enough rights to edit the topic",
    )


async def test_a_closed_general_matters_to_forums_only(telegram: Telegram) -> None:
    await telegram.act("topics/1/close")
    await telegram.act("bot", status="member")
    assert await telegram.refused("sendMessage", text="x") == (400, "Bad Request: TOPIC_CLOSED")
    await telegram.act("forum", on=False)
    await telegram.say("x")


@pytest.mark.parametrize(
    "method", ["editForumTopic", "closeForumTopic", "reopenForumTopic", "deleteForumTopic"]
)
@pytest.mark.parametrize(
    ("thread", "description"),
    [
        ("", "invalid forum topic identifier specified"),
        ("-3", "invalid forum topic identifier specified"),
        ("xyz", "invalid forum topic identifier specified"),
        ("99999", "TOPIC_ID_INVALID"),
    ],
)
async def test_topics_that_are_none(telegram: Telegram, method: str, thread: str, description: str) -> None:
    refusal = await telegram.refused(method, message_thread_id=thread, name="x")
    assert refusal == (400, f"Bad Request: {description}")


async def test_no_change_is_refused(telegram: Telegram) -> None:
    thread = await telegram.topic("Anna")
    not_modified = (400, "Bad Request: TOPIC_NOT_MODIFIED")
    assert await telegram.refused("editForumTopic", message_thread_id=thread, name="Anna ") == not_modified
    assert await telegram.refused("reopenForumTopic", message_thread_id=thread) == not_modified
    await telegram.ok("closeForumTopic", message_thread_id=thread)
    assert await telegram.refused("closeForumTopic", message_thread_id=thread) == not_modified
    await telegram.ok("reopenForumTopic", message_thread_id=thread)
    assert await telegram.ok("editForumTopic", message_thread_id=thread) is True
    assert await telegram.ok("editForumTopic", message_thread_id=99999) is True  # nobody is asked
    assert await telegram.refused("editForumTopic", message_thread_id=thread, name=" ") == (
        400,
        "Bad Request: name must be non-empty",
    )


async def test_a_topic_deleted_by_the_bot_is_gone_at_once(telegram: Telegram) -> None:
    thread = await telegram.topic()
    await telegram.ok("deleteForumTopic", message_thread_id=thread)
    refusal = await telegram.refused("sendMessage", text="x", message_thread_id=thread)
    assert refusal == (400, "Bad Request: message thread not found")
    assert await telegram.refused("deleteForumTopic", message_thread_id=thread) == (
        400,
        "Bad Request: TOPIC_ID_INVALID",
    )


async def test_icons(telegram: Telegram) -> None:
    topic = await telegram.ok("createForumTopic", name="x", icon_custom_emoji_id="5312536423851630001")
    assert topic["icon_custom_emoji_id"] == "5312536423851630001"
    removal = {"message_thread_id": topic["message_thread_id"], "icon_custom_emoji_id": " "}
    assert await telegram.ok("editForumTopic", **removal) is True
    for method, more in (("createForumTopic", {}), ("editForumTopic", removal)):
        params = {"name": "y"} | more | {"icon_custom_emoji_id": "123"}
        assert await telegram.refused(method, **params) == (400, "Bad Request: DOCUMENT_INVALID")
