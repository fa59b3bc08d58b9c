"""The replay: everything holds in the sandbox, what differs is found, nothing is left behind."""

import asyncio
from typing import Any

import pytest

from tests.doctor.conftest import Listener, Replay, remains
from tests.sandbox.conftest import Running, Telegram
from topicwire.doctor.bot_api import NoAnswer
from topicwire.doctor.replay import Outcome, Tried
from topicwire.errors import RefusedError


async def test_everything_holds_in_the_sandbox_and_nothing_remains(
    sandbox: Running, replaying: Replay, listener: Listener
) -> None:
    async with sandbox() as telegram:
        await telegram.act("bot", status="administrator", rights=["can_manage_topics", "can_delete_messages"])
        before = await remains(telegram)
        summary = await replaying(telegram, patient=True)
        assert [each for each in listener.lines if each.outcome is not Outcome.HELD] == []
        assert summary.is_good
        assert await remains(telegram) == before
        assert listener.said[-1] == "Everything was removed."


async def test_it_keeps_below_the_limit_and_says_how_long_it_takes(
    sandbox: Running, replaying: Replay, listener: Listener
) -> None:
    async with sandbox(profile="strict") as telegram:
        await replaying(telegram)
        calls = (await telegram.look("/calls"))["calls"]
    assert not [call for call in calls if call["status"] == 429]
    in_chat = [pause for pause in listener.pauses if pause > 1]
    assert min(in_chat) > 3
    assert listener.estimates == sorted(listener.estimates, reverse=True)
    assert listener.estimates[0] > 200


LIES: list[tuple[str, str]] = [
    ("createForumTopic", "Bad Request: chat is not there"),
    ("editForumTopic", "Bad Request: TOPIC_UNKNOWN"),
    ("editMessageReplyMarkup", "Bad Request: keyboard of the wrong kind"),
    ("getFile", "Bad Request: wrong file_id"),
]


@pytest.mark.parametrize(("method", "text"), LIES)
async def test_another_text_is_a_difference(
    sandbox: Running, replaying: Replay, listener: Listener, method: str, text: str
) -> None:
    async with sandbox() as telegram:
        await telegram.act("/faults", kind="refusal", method=method, description=text, count=1)
        summary = await replaying(telegram)
        assert await remains(telegram) == []
    found = listener.came_out(Outcome.DIFFERENT)
    assert len(found) == summary.counts[Outcome.DIFFERENT] == 1
    assert found[0].detail.startswith("expected ")
    assert found[0].detail.endswith(f"got 400 {text}")
    assert not summary.is_good


async def test_what_an_unmade_thing_was_needed_for_is_not_tried(
    sandbox: Running, replaying: Replay, listener: Listener
) -> None:
    async with sandbox() as telegram:
        await telegram.act("/faults", kind="refusal", method="sendDocument", description="No", count=1)
        await replaying(telegram)
    whys = {each.detail for each in listener.came_out(Outcome.NOT_TRIED)}
    assert "there is no document_id: an earlier call failed" in whys


async def test_a_429_is_obeyed_and_told(sandbox: Running, replaying: Replay, listener: Listener) -> None:
    async with sandbox() as telegram:
        await telegram.act("/faults", kind="flood", method="sendMessage", retry_after=37)
        summary = await replaying(telegram)
    assert "429 for sendMessage: waiting 37 s, as Telegram asks" in listener.said
    assert 37 in listener.pauses
    assert summary.is_good


async def test_a_ban_ends_it(sandbox: Running, replaying: Replay, listener: Listener) -> None:
    async with sandbox() as telegram:
        await telegram.act("/faults", kind="flood", method="sendMessage", retry_after=7728)
        summary = await replaying(telegram)
        assert await remains(telegram) == []
    assert listener.came_out(Outcome.NOT_TRIED)[0].detail == "Telegram asks to be left alone for 7728 s"
    assert not [each for each in listener.came_out(Outcome.HELD) if each.section == "13"]
    assert not summary.is_good


async def test_a_429_without_end_ends_it(sandbox: Running, replaying: Replay, listener: Listener) -> None:
    async with sandbox() as telegram:
        await telegram.act("/faults", kind="flood_bare", method="sendDocument", count=None)
        summary = await replaying(telegram)
    assert any("keeps asking to wait" in each.detail for each in listener.came_out(Outcome.NOT_TRIED))
    assert not summary.is_good


@pytest.mark.parametrize("moment", ["a file is sent", "into a topic that never was", "HTML is parsed"])
async def test_interrupted_it_removes_what_it_made(
    sandbox: Running, replaying: Replay, listener: Listener, moment: str
) -> None:
    async with sandbox() as telegram:
        task = asyncio.ensure_future(replaying(telegram))

        def interrupt(tried: Tried) -> None:
            if tried.name == moment:
                task.cancel()

        listener.on_tried = interrupt
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await remains(telegram) == []
    assert listener.said == ["Interrupted: removing what was made …", "Everything was removed."]


@pytest.mark.parametrize("method", ["createForumTopic", "sendDocument"])
async def test_a_call_under_way_is_waited_for(
    sandbox: Running, replaying: Replay, listener: Listener, method: str
) -> None:
    async with sandbox() as telegram:
        await telegram.act("/faults", kind="answer_late", method=method, delay=9)
        task = asyncio.ensure_future(replaying(telegram))
        await telegram.asleep(9)
        task.cancel()
        telegram.clock.advance(9)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await remains(telegram) == []


async def test_a_topic_whose_answer_was_lost_is_named(
    sandbox: Running, replaying: Replay, listener: Listener
) -> None:
    async with sandbox() as telegram:
        await telegram.act("/faults", kind="answer_lost", method="createForumTopic")
        summary = await replaying(telegram)
        (left,) = await remains(telegram)
    assert left.startswith("Topicwire doctor ")
    assert "perhaps a topic named" in summary.left[0]
    assert listener.said[-1].startswith("Left behind, please delete by hand: perhaps a topic named")
    assert not summary.is_good


@pytest.mark.parametrize("kind", ["reset", "http_502"])
async def test_cleaning_up_insists(
    sandbox: Running, replaying: Replay, listener: Listener, kind: str
) -> None:
    async with sandbox() as telegram:
        await telegram.act("/faults", kind=kind, method="deleteForumTopic", skip=2, count=2)
        await replaying(telegram)
        assert await remains(telegram) == []


async def test_silence_ends_it(sandbox: Running, replaying: Replay, listener: Listener) -> None:
    async with sandbox() as telegram:
        await telegram.act("/faults", kind="http_504", method="editMessageText", count=3)
        await telegram.act("/faults", kind="http_504", method="sendMessage", skip=10, count=None)
        summary = await replaying(telegram)
        assert await remains(telegram) == []
    assert any(each.detail == "no answers any more" for each in listener.lines)
    assert not summary.is_good


async def test_where_it_cannot_be_tried(sandbox: Running, replaying: Replay, listener: Listener) -> None:
    async with sandbox() as telegram:
        plain = await telegram.group(is_forum=False)
        unable = await telegram.group()
        await unable.act("bot", status="administrator", rights=["can_manage_topics"])
        strange = Telegram(telegram.base, telegram.http, telegram.clock, -1009)
        for group, why in ((plain, "turn on Topics"), (unable, "make the bot"), (strange, "chat not found")):
            with pytest.raises(RefusedError, match=f"--chat: .*{why}"):
                await replaying(group)
        with pytest.raises(RefusedError, match="TELEGRAM_BOT_TOKEN: Unauthorized"):
            await replaying(telegram, token="4200:wrong")
        assert await remains(unable) == []
    with pytest.raises(NoAnswer) as silence:
        await replaying(telegram, token="4200:hush")
    assert "hush" not in str(silence.value)
    assert listener.lines == []


def updates_of(listener: Listener) -> set[tuple[Outcome, str]]:
    return {(each.outcome, each.detail) for each in listener.lines if each.name.startswith("the bot is ")}


async def test_updates_are_not_asked_for_beside_a_webhook(
    sandbox: Running, replaying: Replay, listener: Listener
) -> None:
    async with sandbox() as telegram:
        await telegram.ok("setWebhook", url="http://127.0.0.1:9/telegram/4200")
        summary = await replaying(telegram)
    assert updates_of(listener) == {(Outcome.NOT_TRIED, "a webhook is set")}
    assert "polling beside a webhook" in [each.name for each in listener.came_out(Outcome.HELD)]
    assert summary.is_good


async def test_updates_that_wait_for_the_relay_stay(
    sandbox: Running, replaying: Replay, listener: Listener
) -> None:
    async with sandbox() as telegram:
        await telegram.act("messages", text="hello")
        await replaying(telegram)
        assert [each["message"]["text"] for each in await telegram.updates(limit=1)] == ["hello"]
    assert updates_of(listener) == {(Outcome.HELD, "")}


async def test_many_updates_are_left_alone(sandbox: Running, replaying: Replay, listener: Listener) -> None:
    async with sandbox() as telegram:
        for number in range(51):
            await telegram.act("messages", text=str(number))
        await replaying(telegram)
    assert updates_of(listener) == {(Outcome.NOT_TRIED, "51 updates wait for somebody else")}


async def test_a_missing_update_is_a_difference(
    sandbox: Running, replaying: Replay, listener: Listener
) -> None:
    async with sandbox() as telegram:
        await telegram.updates(allowed_updates=["callback_query"])
        await replaying(telegram)
    outcomes = [each.outcome for each in listener.lines if each.name.startswith("the bot is ")]
    assert outcomes == [Outcome.DIFFERENT] * 4 + [Outcome.HELD]


async def test_another_poller_is_no_difference(
    sandbox: Running, replaying: Replay, listener: Listener
) -> None:
    async with sandbox() as telegram:
        refusal: dict[str, Any] = {"status": 409, "description": "Conflict: terminated by other getUpdates"}
        await telegram.act("/faults", kind="refusal", method="getUpdates", **refusal)
        await replaying(telegram)
    ((outcome, why),) = updates_of(listener)
    assert (outcome, why) == (Outcome.NOT_TRIED, f"updates cannot be had: {refusal['description']}")


async def test_interrupted_twice_it_says_what_is_left(
    sandbox: Running, replaying: Replay, listener: Listener
) -> None:
    async with sandbox() as telegram:
        await telegram.act("/faults", kind="flood", method="deleteForumTopic", skip=2)  # the one that cleans
        task = asyncio.ensure_future(replaying(telegram))
        listener.on_tried = lambda tried: task.cancel() if tried.name == "the same name" else None
        listener.on_said = lambda text: task.cancel() if text.startswith("429") else None
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(await remains(telegram)) == 1
    assert listener.said[-1].startswith("Left behind, please delete by hand: topic ")
