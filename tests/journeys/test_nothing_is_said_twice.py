"""Answers of Telegram get lost, come late or never: every message is said once, in order."""

import pytest

from tests.house import Shop, eventually
from topicwire.sandbox.faults import Fault

PASSING = [
    ("answer_lost", {}),  # it was said: the connection was closed instead of an answer
    ("http_502", {"accepted": True}),
    ("http_504", {"accepted": True}),
    ("http_500", {"accepted": True}),
    ("restart", {"accepted": True}),
]
NOT_SAID: list[tuple[str, dict[str, bool]]] = [
    ("reset", {}),
    ("http_502", {}),
    ("http_504", {}),
    ("http_500", {}),
]


async def said_in_topic(shop: Shop, topic: int) -> list[str]:
    return [text.rpartition("\n")[2] for text in await shop.operators.texts(topic)]


@pytest.mark.parametrize(("kind", "more"), PASSING, ids=[kind for kind, _ in PASSING])
async def test_a_message_without_an_answer_is_found(shop: Shop, kind: str, more: dict[str, bool]) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("one")
        await visitor.expect("relayed", seq=1)
        topic = await shop.topic_of(visitor)
        await shop.operators.write(topic, "Hello")  # somebody else's id in between
        await visitor.expect("message", text="Hello")
        shop.house.telegram.fault(kind, method="sendMessage", chat=shop.operators.chat, **more)
        await visitor.say("two")
        await visitor.say("three")
        await visitor.expect("relayed", seq=4, within=10)
        assert [text for text in await said_in_topic(shop, topic) if text != "Hello"] == [
            "one",
            "two",
            "three",
        ]
        reply = next(each for each in await shop.operators.read(topic) if each["text"] == "two")
        await shop.operators.write(topic, "To two", reply_to=reply["message_id"])
        assert (await visitor.expect("message", text="To two"))["reply_to"] == 3


@pytest.mark.parametrize(("kind", "more"), NOT_SAID, ids=[kind for kind, _ in NOT_SAID])
async def test_a_message_that_was_not_said_is_said_once(shop: Shop, kind: str, more: dict[str, bool]) -> None:
    async with shop.visitor() as visitor, shop.visitor() as other:
        await visitor.say("one")
        await visitor.expect("relayed", seq=1)
        await other.say("from another")
        await other.expect("relayed", seq=1)
        fault = shop.house.telegram.fault(kind, method="sendMessage", chat=shop.operators.chat, **more)
        await visitor.say("two")
        await visitor.say("three")

        async def met() -> bool:
            return fault.met == 1

        await eventually(met, "the call failed")
        await other.say("the others go on")
        await other.expect("relayed", seq=2, within=10)
        async with shop.house.time_flies():
            await visitor.expect("relayed", seq=3)
        assert await said_in_topic(shop, await shop.topic_of(visitor)) == ["one", "two", "three"]


async def test_a_message_that_lands_after_its_client_has_gone_is_not_repeated(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("one")
        await visitor.expect("relayed", seq=1)
        shop.house.telegram.fault("late", method="sendMessage", chat=shop.operators.chat, delay=2)
        await visitor.say("two")
        topic = await shop.topic_of(visitor)
        await shop.operators.see("two", topic=topic)
        async with shop.house.time_flies():
            await visitor.expect("relayed", seq=2)
        assert await said_in_topic(shop, topic) == ["one", "two"]


async def test_of_two_in_doubt_at_once_each_is_said_once(shop: Shop) -> None:
    """One call was never heard of, the other's answer got lost: which is which, the topic tells."""
    async with shop.visitor() as visitor, shop.visitor() as other:
        for each in (visitor, other):
            await each.say("one")
            await each.expect("relayed", seq=1)
        for kind, who in (("reset", visitor), ("answer_lost", other)):
            fault = shop.house.telegram.fault(kind, method="sendMessage", chat=shop.operators.chat)
            await who.say("two")

            async def met(fault: Fault = fault) -> bool:
                return fault.met == 1

            await eventually(met, f"{kind} was met")
        await other.expect("relayed", seq=2, within=10)  # that it is found is no matter of time
        async with shop.house.time_flies():
            await visitor.expect("relayed", seq=2)
        for each in (visitor, other):
            topic = await shop.topic_of(each)
            assert await said_in_topic(shop, topic) == ["one", "two"]
            assert not any("reply_markup" in message for message in await shop.operators.read(topic))


@pytest.mark.long
async def test_an_answer_that_never_comes_is_given_up(shop: Shop) -> None:
    """The connection stays open and silent: after twelve seconds somebody looks, and the others go on."""
    async with shop.visitor() as visitor, shop.visitor() as other:
        await visitor.say("one")
        await visitor.expect("relayed", seq=1)
        shop.house.telegram.fault("answer_never", method="sendMessage", chat=shop.operators.chat)
        await visitor.say("two")
        await visitor.say("three")
        await other.say("from another")
        await visitor.expect("relayed", seq=3, within=40)
        await other.expect("relayed", seq=1, within=5)
        assert await said_in_topic(shop, await shop.topic_of(visitor)) == ["one", "two", "three"]


async def test_where_the_probe_is_not_to_be_trusted_nothing_is_lost(shop: Shop) -> None:
    chat, telegram = shop.operators.chat, shop.house.telegram
    async with shop.visitor() as visitor:
        await visitor.say("one")
        await visitor.expect("relayed", seq=1)
        telegram.fault(
            "refusal", method="editMessageReplyMarkup", chat=chat, count=None,
            description="Bad Request: something that nobody knows",
        )  # fmt: skip
        telegram.fault("answer_lost", method="sendMessage", chat=chat)
        await visitor.say("two")
        await visitor.expect("relayed", seq=2)
        texts = await shop.operators.texts(await shop.topic_of(visitor))
        assert texts[1:] == ["two", "(possibly repeated)\ntwo"]
    telegram.sandbox.faults.clear()
