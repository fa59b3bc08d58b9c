"""Processes end, gently or not, while people write: every message arrives, in order."""

import asyncio
import contextlib
import functools

import pytest

from tests.house import House, Process, Shop, eventually
from tests.journeys.visitor import Writer

WORDS = [f"message {number:02}" for number in range(30)]


async def _arrived(shop: Shop, conversation: str, count: int) -> int:
    query = "SELECT count(*) FROM messages WHERE conversation_id = :id AND state = 'relayed'"

    async def all_of_them() -> bool:
        return bool(await shop.house.scalar(query, id=conversation) == count)

    await eventually(all_of_them, "all are relayed", within=40)
    return int(await shop.house.scalar("SELECT topic_id FROM conversations WHERE id = :id", id=conversation))


def _said(texts: list[str]) -> list[str]:
    return [text.rpartition("\n")[2] for text in texts]


async def test_the_web_process_restarts_while_both_write(shop: Shop) -> None:
    async with shop.visitor() as first:
        writer = Writer(first)
        await writer.write("hello")
        topic = await shop.topic_of(first)
        writing = asyncio.create_task(writer.write(*WORDS[:-1]))
        await first.expect("relayed", seq=5)
        restart = asyncio.create_task(shop.house.restart_web())
        answers = [f"answer {number}" for number in range(10)]
        for answer in answers:
            await shop.operators.write(topic, answer)
        await asyncio.gather(writing, restart)
        await writer.write(WORDS[-1])  # on a quick machine the others were said before the restart
        assert 1012 in writer.codes
        assert await _arrived(shop, first.conversation, 31) == topic
        said = _said(await shop.operators.texts(topic))
        assert [text for text in said if text not in answers] == ["hello", *WORDS]
        await writer.tab.expect("message", text=answers[-1])
        transcript = writer.tab.transcript
        assert [text for text in transcript if text in answers] == answers
        assert [text for text in transcript if text not in answers] == ["hello", *WORDS]
        await writer.tab.leave()


async def test_the_web_process_is_killed_while_both_write(shop: Shop) -> None:
    """What it had acknowledged is there, what it had not is repeated; Telegram repeats the answers."""
    async with shop.visitor() as first:
        writer = Writer(first)
        await writer.write("hello")
        await first.expect("relayed", seq=1)
        topic = await shop.topic_of(first)
        writing = asyncio.create_task(writer.write(*WORDS))
        answers = [f"answer {number}" for number in range(10)]
        for answer in answers[:5]:
            await shop.operators.write(topic, answer)
        await first.expect("relayed")
        await shop.house.kill_web()
        for answer in answers[5:]:
            await shop.operators.write(topic, answer)
        await shop.house.start_web()
        await writing
        await writer.write("goodbye")  # on a quick machine the others were said before the kill
        assert 1006 in writer.codes
        assert await _arrived(shop, first.conversation, 32) == topic
        said = _said(await shop.operators.texts(topic))
        assert [text for text in said if text not in answers] == ["hello", *WORDS, "goodbye"]
        await writer.tab.expect("message", text=answers[-1])
        transcript = writer.tab.transcript
        assert [text for text in transcript if text in answers] == answers
        assert [text for text in transcript if text not in answers] == ["hello", *WORDS, "goodbye"]
        await writer.tab.leave()


async def test_a_worker_restarts_while_the_visitor_writes(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        writer = Writer(visitor)
        with shop.house.telegram.far_away(0.03):
            writing = asyncio.create_task(writer.write(*WORDS))
            await visitor.expect("relayed", seq=5)
            await shop.house.restart_worker()
            await writing
            topic = await _arrived(shop, visitor.conversation, 30)
        assert _said(await shop.operators.texts(topic)) == WORDS
        assert visitor.transcript == WORDS


async def test_a_worker_is_killed_in_the_middle_of_its_calls(house: House, shop: Shop) -> None:
    """Nothing is lost, nothing said twice, and order is kept.

    In one group Telegram had said a message, but the answer never came: it is looked for, and found. In
    the other a topic was asked for and made, of which only its own update tells.
    """
    other, hold = await house.open_shop(), house.telegram.holding
    async with shop.visitor() as visitor, other.visitor() as stranger:
        await visitor.say("hello")
        await visitor.expect("relayed", seq=1)
        async with (
            hold("sendMessage", chat=shop.operators.chat, answered=True) as sending,
            hold("createForumTopic", chat=other.operators.chat) as creating,
        ):
            for word in WORDS[:10]:
                await visitor.say(word)
            await stranger.say("first")
            await sending.arrived.wait()
            await creating.arrived.wait()
            await house.kill_worker()
        await house.replace_worker()
        await house.let_leases_pass()
        await stranger.say("second")
        topic = await _arrived(shop, visitor.conversation, 11)
        assert _said(await shop.operators.texts(topic)) == ["hello", *WORDS[:10]]
        assert visitor.transcript == ["hello", *WORDS[:10]]
        topic = await _arrived(other, stranger.conversation, 2)
        assert _said(await other.operators.texts(topic)) == ["first", "second"]


async def test_a_worker_that_was_frozen_changes_nothing_when_it_wakes(shop: Shop) -> None:
    """Another one has its lane by then, and is in the middle of a call of its own."""
    house, chat = shop.house, shop.operators.chat
    hold = functools.partial(house.telegram.holding, "sendMessage", chat=chat, answered=True)
    async with house.another_worker() as other, shop.visitor() as visitor:
        lost = _lanes_lost(other)

        async def came_too_late() -> bool:
            return _lanes_lost(other) > lost

        with contextlib.ExitStack() as asleep:
            async with hold() as call:
                with house.worker.frozen():  # so that the other one speaks
                    await visitor.say("one")
                    await visitor.say("two")
                    await call.arrived.wait()
                asleep.enter_context(other.frozen())
            await house.let_leases_pass()
            await visitor.expect("relayed", seq=2)
            async with hold() as call:
                await visitor.say("three")
                await call.arrived.wait()
                asleep.close()
                await eventually(came_too_late, "what it was told came too late")
                await visitor.say("four")
        await visitor.expect("relayed", seq=4)
        assert house.telegram.line.most[chat] == 1
        assert _said(await shop.operators.texts(await shop.topic_of(visitor))) == visitor.transcript
        other.check()


def _lanes_lost(process: Process) -> int:
    return process.log.read_text().count("lane lost")


@pytest.mark.long
async def test_a_killed_workers_group_goes_on_by_itself(shop: Shop) -> None:
    """Nobody puts the clock forward: the lease runs out, the sweep finds the group, within 20 s."""
    async with shop.visitor() as visitor:
        await visitor.say("first")
        await visitor.expect("relayed", seq=1)
        async with (
            shop.house.another_worker(),
            shop.house.telegram.holding("sendMessage", chat=shop.operators.chat) as call,
        ):
            await visitor.say("second")
            await call.arrived.wait()
            await shop.house.kill_worker()
            call.release()
            await visitor.expect("relayed", seq=2, within=20)
        await shop.house.replace_worker()
