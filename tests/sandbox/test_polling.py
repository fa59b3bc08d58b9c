"""What the bot is told, and getUpdates."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from topicwire.sandbox.world import ANONYMOUS

if TYPE_CHECKING:
    from tests.sandbox.conftest import Running, Telegram

ALL_KINDS = ["message", "edited_message", "message_reaction", "my_chat_member", "chat_member"]


@pytest.fixture
async def telegram(sandbox: Running) -> AsyncIterator[Telegram]:
    async with sandbox(group_rate="off", bot_rate="off") as running:
        yield running


def kinds(updates: list[Any]) -> list[str]:
    return [next(name for name in update if name != "update_id") for update in updates]


async def test_operators_messages_and_edits_arrive(telegram: Telegram) -> None:
    thread = await telegram.topic("Anna")
    said = await telegram.act("messages", thread=thread, text="Hello")
    telegram.clock.advance(3)
    await telegram.act(f"messages/{said['message_id']}/edit", text="Hello Anna")
    created, message, edited = await telegram.updates()
    assert created["message"]["forum_topic_created"] == {"name": "Anna", "icon_color": 7322096}
    assert created["message"]["from"]["id"] == 4200
    assert "reply_to_message" not in created["message"]
    assert message["message"]["is_topic_message"] is True
    assert message["message"]["reply_to_message"]["message_id"] == thread
    assert edited["edited_message"]["edit_date"] == message["message"]["date"] + 3
    assert [each["update_id"] - created["update_id"] for each in (created, message, edited)] == [0, 1, 2]


async def test_the_bots_own_messages_do_not_arrive(telegram: Telegram) -> None:
    said = await telegram.say("hello")
    await telegram.ok("editMessageText", message_id=said["message_id"], text="hello again")
    await telegram.ok("setMessageReaction", message_id=said["message_id"])
    assert await telegram.updates(allowed_updates=ALL_KINDS) == []


async def test_deletions_do_not_arrive(telegram: Telegram) -> None:
    said = await telegram.act("messages", text="x")
    thread = (await telegram.act("topics", name="x"))["id"]
    seen = len(await telegram.updates())
    await telegram.erase(f"messages/{said['message_id']}")
    await telegram.act(f"topics/{thread}/delete")
    assert len(await telegram.updates()) == seen


async def test_what_happens_to_a_topic_arrives(telegram: Telegram) -> None:
    thread = await telegram.topic()
    await telegram.act(f"topics/{thread}/close")
    await telegram.act(f"topics/{thread}/reopen")
    await telegram.act(f"topics/{thread}/rename", name="Anna")
    await telegram.ok("closeForumTopic", message_thread_id=thread)
    _, closed, reopened, edited, closed_by_bot = [each["message"] for each in await telegram.updates()]
    assert closed["forum_topic_closed"] == {}
    assert closed["from"]["first_name"] == "Mara"
    assert reopened["forum_topic_reopened"] == {}
    assert edited["forum_topic_edited"] == {"name": "Anna"}
    assert closed_by_bot["from"]["id"] == 4200
    assert {each["message_thread_id"] for each in (closed, reopened, edited, closed_by_bot)} == {thread}


async def test_my_chat_member(telegram: Telegram) -> None:
    await telegram.act("bot", status="administrator", rights=["can_manage_topics"])
    await telegram.act("bot", status="kicked")
    await telegram.act("messages", text="unheard")
    demoted, kicked = [each["my_chat_member"] for each in await telegram.updates()]
    assert demoted["new_chat_member"]["can_manage_topics"] is True
    assert demoted["new_chat_member"]["can_delete_messages"] is False
    assert kicked["old_chat_member"]["status"] == "administrator"
    assert kicked["new_chat_member"]["status"] == "kicked"
    assert kicked["from"]["first_name"] == "Mara"


async def test_an_anonymous_administrators_message(telegram: Telegram) -> None:
    await telegram.act("messages", text="x", as_=ANONYMOUS)
    message = (await telegram.updates())[0]["message"]
    assert message["from"]["id"] == 1087968824
    assert message["sender_chat"]["id"] == telegram.chat


async def test_media_messages_carry_ids_and_no_text(telegram: Telegram) -> None:
    for kind in ("photo", "voice", "document", "video", "sticker", "location"):
        await telegram.act("messages", kind=kind, caption="see @mara_l")
    messages = [each["message"] for each in await telegram.updates()]
    assert all("text" not in message for message in messages)
    photo = messages[0]
    assert photo["caption"] == "see @mara_l"
    assert photo["caption_entities"][0]["type"] == "mention"
    assert [size["width"] for size in photo["photo"]] == sorted(size["width"] for size in photo["photo"])
    assert "caption" not in messages[4]
    ids = [size["file_unique_id"] for size in photo["photo"]] + [messages[1]["voice"]["file_unique_id"]]
    assert len(set(ids)) == len(ids)


async def test_reactions_arrive_if_asked_for(telegram: Telegram) -> None:
    said = await telegram.say("hello")
    react = f"messages/{said['message_id']}/reaction"
    await telegram.act(react, emoji="👍")
    assert await telegram.updates(allowed_updates=ALL_KINDS) == []
    await telegram.act(react, emoji="")
    reaction = (await telegram.updates())[0]["message_reaction"]
    assert reaction["old_reaction"] == [{"type": "emoji", "emoji": "👍"}]
    assert reaction["new_reaction"] == []
    assert "message_thread_id" not in reaction


async def test_privacy_hides_what_is_not_for_the_bot(telegram: Telegram) -> None:
    question = await telegram.say("Which code?")
    await telegram.act("bot", status="member")
    await telegram.updates()
    await telegram.act("messages", text="between us")
    await telegram.act("messages", text="/connect@other_bot 1")
    await telegram.act("messages", text="/connect 1")
    await telegram.act("messages", text="/start@topicwire_sandbox_bot 2")
    await telegram.act("messages", text="this one", reply_to=question["message_id"])
    texts = [each["message"]["text"] for each in await telegram.updates() if "message" in each]
    assert texts == ["/connect 1", "/start@topicwire_sandbox_bot 2", "this one"]


async def test_kinds_are_filtered_when_they_happen(telegram: Telegram) -> None:
    await telegram.updates(allowed_updates=["edited_message", "nonsense"])
    said = await telegram.act("messages", text="x")
    await telegram.act(f"messages/{said['message_id']}/edit", text="y")
    assert kinds(await telegram.updates(allowed_updates=["nonsense"])) == ["edited_message"]
    await telegram.act("messages", text="x")
    assert kinds(await telegram.updates()) == ["edited_message", "message"]
    assert "allowed_updates" not in await telegram.ok("getWebhookInfo")


async def test_an_offset_confirms(telegram: Telegram) -> None:
    for n in range(5):
        await telegram.act("messages", text=str(n))
    first = (await telegram.updates(limit=1))[0]["update_id"]
    assert [each["update_id"] for each in await telegram.updates(offset=first + 2, limit=2)] == [
        first + 2,
        first + 3,
    ]
    assert len(await telegram.updates()) == 3
    assert [each["message"]["text"] for each in await telegram.updates(offset=-1)] == ["4"]
    assert len(await telegram.updates()) == 1


async def test_a_poll_waits_for_the_first_update(telegram: Telegram) -> None:
    poll = asyncio.create_task(telegram.updates(timeout=50))
    await telegram.asleep()
    await telegram.act("messages", text="at last")
    assert [each["message"]["text"] for each in await poll] == ["at last"]


async def test_a_poll_ends_with_its_time(telegram: Telegram) -> None:
    poll = asyncio.create_task(telegram.updates(timeout=600))
    await telegram.asleep()
    assert telegram.clock.alarms() == [50]
    telegram.clock.advance(50)
    assert await poll == []


async def test_a_second_poll_ends_the_first(telegram: Telegram) -> None:
    first = asyncio.create_task(telegram.refused("getUpdates", timeout=50))
    await telegram.asleep()
    second = await telegram.updates()
    assert second == []
    assert await first == (
        409,
        "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
    )


async def test_a_webhook_ends_polling(telegram: Telegram) -> None:
    poll = asyncio.create_task(telegram.refused("getUpdates", timeout=50))
    await telegram.asleep()
    await telegram.ok("setWebhook", url="http://127.0.0.1:9/hook")
    assert await poll == (409, "Conflict: terminated by setWebhook request")
    assert await telegram.refused("getUpdates") == (
        409,
        (
            "Conflict: can't use getUpdates method while webhook is active;"
            " use deleteWebhook to delete the webhook first"
        ),
    )


async def test_updates_are_kept_for_a_day(telegram: Telegram) -> None:
    await telegram.act("messages", text="x")
    telegram.clock.advance(86_401)
    assert await telegram.updates() == []
