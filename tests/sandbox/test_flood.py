"""Telegram's limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from topicwire.sandbox.flood import Cost, Limits, Rate, parse_rate

if TYPE_CHECKING:
    from tests.sandbox.conftest import Running, Telegram

GROUP = -100


def limits(group: str = "20/60", bot: str = "30/1") -> Limits:
    return Limits(parse_rate(group), parse_rate(bot))


def test_a_window_slides() -> None:
    window = limits("2/60")
    assert window.admit(Cost.MESSAGE, GROUP, 0.0) == 0
    assert window.admit(Cost.MESSAGE, GROUP, 30.0) == 0
    assert window.admit(Cost.MESSAGE, GROUP, 40.5) == 20
    assert window.admit(Cost.MESSAGE, GROUP, 60.6) == 0
    assert window.left(GROUP, 60.6) == 0
    assert window.left(GROUP, 91.0) == 1


def test_a_call_during_an_announced_wait_is_told_the_rest_of_it() -> None:
    window = limits("1/60")
    window.admit(Cost.MESSAGE, GROUP, 0.0)
    assert window.admit(Cost.MESSAGE, GROUP, 0.5) == 60
    assert window.admit(Cost.MESSAGE, GROUP, 50.5) == 10
    assert window.admit(Cost.MESSAGE, GROUP, 60.4) == 1  # the window is free, the announced wait is not over
    assert window.admit(Cost.MESSAGE, GROUP, 60.5) == 0


def test_groups_have_windows_of_their_own_and_share_the_bots() -> None:
    window = limits("20/60", "3/1")
    assert [window.admit(Cost.MESSAGE, -chat, 0.0) for chat in (1, 2, 3, 4)] == [0, 0, 0, 1]
    assert window.left(-4, 0.0) == 20


def test_typing_is_limited_apart() -> None:
    window = limits("1/60")
    assert [window.admit(Cost.TYPING, GROUP, 0.0) for _ in range(21)] == [0] * 20 + [5]
    assert window.admit(Cost.MESSAGE, GROUP, 0.0) == 0
    assert [window.admit(Cost.TYPING, GROUP, 6.0) for _ in range(21)] == [0] * 20 + [24]


def test_off_lifts_a_limit() -> None:
    window = limits("off", "off")
    assert not any(window.admit(Cost.MESSAGE, GROUP, 0.0) for _ in range(1000))
    assert window.left(GROUP, 0.0) is None


def test_rates() -> None:
    assert parse_rate("20/60") == Rate(20, 60)
    for senseless in ("", "20", "0/60", "x/y"):
        with pytest.raises(ValueError, match=r".*"):
            parse_rate(senseless)


async def test_sends_edits_and_topics_share_twenty_a_minute(strict: Telegram) -> None:
    thread = await strict.topic()
    said = await strict.say("hello", message_thread_id=thread)
    await strict.ok("editMessageText", message_id=said["message_id"], text="hello again")
    await strict.ok("closeForumTopic", message_thread_id=thread)
    for n in range(16):
        strict.clock.advance(1)
        await strict.say(f"message {n}", message_thread_id=thread)

    status, answer = await strict.call("sendMessage", text="too much")

    assert status == 429
    assert strict.retry_after == "44"
    assert answer == {
        "ok": False,
        "error_code": 429,
        "description": "Too Many Requests: retry after 44",
        "parameters": {"retry_after": 44},
    }
    strict.clock.advance(44)
    await strict.say("now it fits")


async def test_another_group_is_not_held_up(strict: Telegram) -> None:
    other = await strict.group()
    for n in range(20):
        strict.clock.advance(0.5)
        await strict.say(f"message {n}")
    assert (await strict.refused("sendMessage", text="x"))[0] == 429
    await other.say("x")


async def test_typing_and_reading_cost_nothing_of_it(strict: Telegram) -> None:
    for _ in range(20):
        await strict.ok("sendChatAction", action="typing")
        await strict.ok("getChat")
    assert (await strict.refused("sendChatAction", action="typing")) == (
        429,
        "Too Many Requests: retry after 5",
    )
    await strict.say("x")


async def test_the_bot_has_thirty_a_second(sandbox: Running) -> None:
    async with sandbox(group_rate="off") as telegram:
        for n in range(30):
            await telegram.say(f"message {n}")
        assert (await telegram.refused("sendMessage", text="x")) == (429, "Too Many Requests: retry after 1")
