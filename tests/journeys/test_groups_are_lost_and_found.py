"""A group that refuses us altogether: its messages are held, and said in order once it is mended."""

from typing import Any

import pytest

from tests.house import House, Shop, eventually
from tests.journeys.operators import Operators


async def held(shop: Shop, trouble: str | None) -> None:
    """Wait until it is known what is wrong with the group."""
    query = "SELECT coalesce(trouble, 'nothing') FROM groups WHERE chat_id = :chat"

    async def look() -> bool:
        return bool(await shop.house.scalar(query, chat=shop.operators.chat) == (trouble or "nothing"))

    await eventually(look, f"trouble: {trouble}")


async def said_in(shop: Shop, topic: int) -> list[str]:
    return [text.rpartition("\n")[2] for text in await shop.operators.texts(topic)]


REFUSED: list[tuple[str, str, dict[str, Any]]] = [
    ("token", "my token was not valid", {"status": 401, "description": "Unauthorized"}),
    ("rights", "I lacked the rights that I need here", {"description": "Bad Request: CHAT_WRITE_FORBIDDEN"}),
    (
        "chat_gone", "I could not reach this group",
        {"status": 403, "description": "Forbidden: the group chat was deleted"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("trouble", "words", "refusal"), REFUSED, ids=[row[0] for row in REFUSED])
async def test_what_a_group_refuses_waits_until_it_takes_messages_again(
    shop: Shop, trouble: str, words: str, refusal: dict[str, Any]
) -> None:
    """Whatever was wrong: one note says so, nothing fails, and no visitor has to write again."""
    async with shop.visitor() as visitor, shop.visitor() as second:
        await visitor.say("one")
        await visitor.expect("relayed", seq=1)
        fault = shop.house.telegram.fault("refusal", chat=shop.operators.chat, count=None, **refusal)
        await visitor.say("two")
        await held(shop, trouble)
        await visitor.say("three")
        await second.say("a new visitor")
        shop.house.telegram.sandbox.faults.clear(fault.id)
        async with shop.house.time_flies():
            await visitor.expect("relayed", seq=3)
            await second.expect("relayed", seq=1)
            await held(shop, None)
        assert fault.met < 10, "a group that refuses us is left alone"
        assert await said_in(shop, await shop.topic_of(visitor)) == ["one", "two", "three"]
        note = await shop.operators.see("will follow in order.")
        assert words in note["text"]
        assert len(await shop.operators.texts()) == 1


async def test_the_messages_of_a_deleted_group_go_to_the_next_one(house: House, shop: Shop) -> None:
    async with shop.visitor() as visitor, shop.visitor(token=visitor.token) as other_tab:
        await visitor.say("one")
        await visitor.expect("relayed", seq=1)
        await shop.operators.destroy()
        await visitor.say("two")
        await held(shop, "chat_gone")
        await visitor.say("three")
        shop.operators = await Operators.gather(house.telegram, house.http, "The next group")
        await shop.operators.write(None, f"/connect {await house.link_code(shop.project_id)}")
        for tab in (visitor, other_tab):
            await tab.expect("relayed", seq=3)
        topic = await shop.topic_of(visitor)
        assert (await said_in(shop, topic))[-2:] == ["two", "three"]
        await shop.operators.write(topic, "Here we are")
        for tab in (visitor, other_tab):
            await tab.reads("one", "two", "three", "Here we are")
