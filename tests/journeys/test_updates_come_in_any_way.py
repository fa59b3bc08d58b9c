"""Telegram's updates come twice, late, among others that nobody knows: each answer arrives once, in order."""

import pytest

from tests.house import House, Shop, eventually

ANSWERS = [f"answer {number}" for number in range(6)]


@pytest.mark.parametrize("kind", ["update_duplicate", "update_unknown_type", "update_unknown_fields"])
async def test_answers_arrive_once_and_in_order(shop: Shop, kind: str) -> None:
    async with shop.visitor() as visitor, shop.visitor(token=visitor.token) as other_tab:
        await visitor.say("hello")
        await visitor.expect("relayed", seq=1)
        topic = await shop.topic_of(visitor)
        fault = shop.house.telegram.fault(kind, update="message", chat=shop.operators.chat, count=3)
        for answer in ANSWERS:
            await shop.operators.write(topic, answer)
        for tab in (visitor, other_tab):
            await tab.reads("hello", *ANSWERS)
            assert [frame["text"] for frame in tab.frames if frame.get("from") == "operator"] == ANSWERS
        assert fault.met == 3


async def test_a_late_answer_arrives_all_the_same(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("hello")
        await visitor.expect("relayed", seq=1)
        topic = await shop.topic_of(visitor)
        shop.house.telegram.fault("update_late", update="message", chat=shop.operators.chat, delay=1)
        await shop.operators.write(topic, "late")
        await shop.operators.write(topic, "in time")
        await visitor.reads("hello", "in time", "late")


async def test_what_was_answered_while_no_web_process_was_there_comes_in_order(
    house: House, shop: Shop
) -> None:
    """Telegram has nobody to tell, and tries again until somebody takes it."""
    async with shop.visitor() as visitor:
        await visitor.say("hello")
        await visitor.expect("relayed", seq=1)
        topic = await shop.topic_of(visitor)
    await house.stop_web()
    for answer in ANSWERS:
        await shop.operators.write(topic, answer)
    webhook = house.telegram.sandbox.webhook.settings

    async def refused() -> bool:
        return bool(webhook.last_error_message)

    await eventually(refused, "an update was not taken")
    await house.start_web()
    async with shop.visitor(token=visitor.token) as back:
        await back.reads("hello", *ANSWERS)
