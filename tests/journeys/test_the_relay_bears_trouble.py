"""Telegram says: not so fast, not this one, not here. Nothing is lost and order is kept."""

import uuid

import pytest

from tests.house import House, Shop, eventually
from tests.journeys.telegram import Line

WORDS = [f"message {number}" for number in range(9)]


async def test_a_group_that_is_too_busy_waits_alone(house: House, shop: Shop) -> None:
    """Ten calls where Telegram takes four a second: it refuses, we wait as told, and only this group."""
    other = await house.open_shop()
    busy = house.telegram.limiting(shop.operators.chat, calls=4, seconds=1)
    async with shop.visitor() as visitor, other.visitor() as neighbour:
        with busy:
            for said in WORDS:
                await visitor.type_in(said)
            await visitor.expect("relayed", seq=3)
            await neighbour.say("quick")
            await neighbour.expect("relayed", seq=1)
            assert visitor.messages[9]["state"] == "accepted"
            await visitor.expect("relayed", seq=9)
            texts = await shop.operators.texts(await shop.topic_of(visitor))
            assert [text.rpartition("\n")[2] for text in texts] == WORDS
            statuses = {call["status"] for call in await shop.operators.calls()}
            assert statuses == {200, 429}


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        pytest.param("flood", {"retry_after": 30, "count": 2}, id="told how long"),
        pytest.param("flood_bare", {"count": 2}, id="not told"),
        pytest.param("fake_flood", {}, id="an outage", marks=pytest.mark.long),  # told after seven seconds
    ],
)
async def test_a_storm_of_refusals_is_waited_out(
    house: House, shop: Shop, kind: str, more: dict[str, int]
) -> None:
    """What was refused was not said, so nothing is in doubt, and nobody else waits."""
    other, chat = await house.open_shop(), shop.operators.chat
    async with shop.visitor() as visitor, other.visitor() as neighbour:
        await visitor.say("one")
        await visitor.expect("relayed", seq=1)
        storm = house.telegram.fault(kind, method="sendMessage", chat=chat, **more)
        await visitor.say("two")
        await visitor.say("three")
        await neighbour.say("quick")
        await neighbour.expect("relayed", seq=1, within=5)
        assert visitor.messages[2]["state"] == "accepted"
        async with house.time_flies():
            await visitor.expect("relayed", seq=3)
        assert storm not in house.telegram.sandbox.faults.active
        assert await shop.operators.texts(await shop.topic_of(visitor)) == ["one", "two", "three"]
        assert await shop.operators.calls("editMessageReplyMarkup") == []  # nobody had to look


async def test_what_telegram_refuses_for_good_fails_and_may_be_tried_again(shop: Shop) -> None:
    async with shop.visitor() as visitor, shop.visitor(token=visitor.token) as other_tab:
        await visitor.say("before")
        with shop.house.telegram.refusing("poison", 400, "Bad Request: MESSAGE_IS_CURSED") as line:
            message_id = str(uuid.uuid4())
            said = await visitor.say("poison", id=message_id)
            await visitor.say("after")
            for tab in (visitor, other_tab):
                failed = await tab.expect("failed", seq=2)
                assert failed["reason"] == "The message could not be delivered."
            await visitor.expect("relayed", seq=3)  # nobody waits for a dead letter
            await eventually(lambda: _was_refused(line, times=2), "what tells of it is refused, too")
        topic = await shop.topic_of(visitor)
        assert [text.rpartition("\n")[2] for text in await shop.operators.texts(topic)] == ["before", "after"]
        again = await visitor.say("poison", id=message_id)
        assert (again["seq"], again["at"]) == (2, said["at"])
        for tab in (visitor, other_tab):
            await tab.expect("relayed", seq=2)
        await shop.operators.see("poison", topic=topic)
        assert visitor.transcript == ["before", "poison", "after"]
        other_tab.messages[2]["state"] = "relayed"


async def test_a_failed_message_is_told_to_who_comes_back(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        with shop.house.telegram.refusing("poison", 400, "Bad Request: MESSAGE_IS_CURSED"):
            await visitor.say("poison")
            await visitor.expect("failed", seq=1)
    async with shop.visitor(token=visitor.token) as back:
        assert (await back.expect("message", seq=1))["state"] == "failed"


async def test_passing_faults_are_waited_out(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("before")
        await visitor.expect("relayed", seq=1)
        with shop.house.telegram.refusing("trouble", 500, "Internal Server Error: restart") as line:
            await visitor.say("trouble")
            await visitor.say("behind it")
            await eventually(lambda: _was_refused(line), "it is refused")
        async with shop.house.time_flies():  # perhaps it was said all the same
            await visitor.expect("relayed", seq=3)
        texts = await shop.operators.texts(await shop.topic_of(visitor))
        assert [text.rpartition("\n")[2] for text in texts] == ["before", "trouble", "behind it"]


async def _was_refused(line: Line, times: int = 1) -> bool:
    return line.refused >= times


async def test_a_group_that_threw_us_out_is_served_when_we_are_back(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("before")
        await visitor.expect("relayed", seq=1)
        await shop.operators.set_bot("kicked")
        await visitor.say("are you there?")
        trouble = "SELECT trouble FROM groups WHERE chat_id = :chat"

        async def noticed() -> bool:
            return bool(await shop.house.scalar(trouble, chat=shop.operators.chat) == "kicked")

        await eventually(noticed, "the refusal is noticed")
        await shop.operators.set_bot("administrator")
        await visitor.expect("relayed", seq=2)
        assert await shop.house.scalar(trouble, chat=shop.operators.chat) is None


async def test_being_thrown_out_is_noticed_before_anybody_writes(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("one")
        await visitor.expect("relayed", seq=1)
        await shop.operators.set_bot("left")
        trouble = "SELECT trouble FROM groups WHERE chat_id = :chat"

        async def known() -> bool:
            return bool(await shop.house.scalar(trouble, chat=shop.operators.chat) == "kicked")

        await eventually(known, "it is known that we are not in the group")
        calls = len(await shop.operators.calls("sendMessage"))
        for number in range(2, 6):
            await visitor.say(f"message {number}")
        assert len(await shop.operators.calls("sendMessage")) == calls
        await shop.operators.set_bot("administrator")
        await visitor.expect("relayed", seq=5)
        await shop.operators.see("3 messages of 1 visitor still wait and will follow in order.")
        texts = await shop.operators.texts(await shop.topic_of(visitor))
        assert [text.rpartition("\n")[2] for text in texts] == ["one", *(f"message {n}" for n in range(2, 6))]


async def test_forum_mode_turned_off_holds_messages_until_it_is_on_again(shop: Shop) -> None:
    async with shop.visitor() as visitor, shop.visitor() as second:
        await visitor.say("before")
        await visitor.expect("relayed", seq=1)
        topic = await shop.topic_of(visitor)
        await shop.operators.set_forum(False)
        await second.say("a new visitor")

        async def noticed() -> bool:
            query = "SELECT trouble FROM groups WHERE chat_id = :chat"
            return bool(await shop.house.scalar(query, chat=shop.operators.chat) == "not_a_forum")

        await eventually(noticed, "the refusal is noticed")
        await shop.operators.set_forum(True)
        await shop.operators.set_bot("administrator")  # what an owner who mends things does
        await second.expect("relayed", seq=1)
        await visitor.say("after")
        await visitor.expect("relayed", seq=2)
        assert await shop.topic_of(visitor) == topic
