"""How fast visitors may write and begin conversations, from end to end."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.house import House, Shop, Visitor

BURST, REFILL = 4, 1


@pytest.fixture(scope="module")
async def web(house: House) -> AsyncIterator[str]:
    """A web process that lets visitors write four messages at once, and begin two conversations."""
    limits = {"LIMIT_CONVERSATION": f"{BURST}/{REFILL}", "LIMIT_PROJECT": "1/60", "LIMIT_ADDRESS": "2/60"}
    async with house.another_web(**limits) as address:
        yield address


async def test_a_burst_passes_and_the_rest_follows_in_order(shop: Shop, web: str) -> None:
    """A client that does as it is told loses nothing; nothing passes what was refused before it."""
    words = [f"message {number}" for number in range(8)]
    async with shop.visitor(web=web, host="198.51.100.1") as visitor:
        ids = [await visitor.type_in(said) for said in words]
        refused = [await visitor.expect("error", id=message_id) for message_id in ids[BURST:]]
        assert {error["code"] for error in refused} == {"rate_limited"}
        assert {error["retry_after"] for error in refused} == {REFILL}
        assert visitor.transcript == words[:BURST]
        for said, message_id in zip(words[BURST:], ids[BURST:], strict=True):
            await asyncio.sleep(REFILL)
            await visitor.say(said, id=message_id)
        assert visitor.transcript == words
        await visitor.expect("relayed", seq=8)
        texts = await shop.operators.texts(await shop.topic_of(visitor))
        assert [text.rpartition("\n")[2] for text in texts] == words


async def test_the_limit_is_that_of_all_tabs_and_a_repeat_is_free(shop: Shop, web: str) -> None:
    async with (
        shop.visitor(web=web, host="198.51.100.2") as visitor,
        shop.visitor(web=web, host="198.51.100.3", token=visitor.token) as other_tab,
    ):
        message_id = await visitor.type_in("first")
        first = await visitor.expect("ack", id=message_id)
        for _ in range(2 * BURST):
            assert await visitor.say("first", id=message_id) == first
        for number in range(BURST - 1):
            await (visitor, other_tab)[number % 2].say(f"more {number}")
        one_more = await other_tab.type_in("one more")
        assert (await other_tab.expect("error", id=one_more))["retry_after"] == REFILL
        assert await visitor.say("first", id=message_id) == first


async def test_one_address_begins_so_many_conversations_and_goes_on_with_them(shop: Shop, web: str) -> None:
    def from_there() -> Visitor:
        return shop.visitor(web=web, host="2001:db8:9::1")

    async with from_there() as one, from_there() as two, from_there() as three:
        await one.say("one")
        await two.say("two")
        refused = await three.type_in("three")
        error = await three.expect("error", id=refused)
        assert (error["code"], error["retry_after"] > 50) == ("rate_limited", True)
        nothing = "SELECT count(*) FROM conversations WHERE id = :id"
        assert await shop.house.scalar(nothing, id=three.conversation) == 0
        await one.say("one goes on")
        async with shop.visitor(web=web, host="2001:db8:9:1::1") as neighbour:
            await neighbour.say("from next door")


async def test_without_redis_visitors_may_write_on(house: House, shop: Shop, web: str) -> None:
    redis = house.servers.redis
    assert redis is not None
    async with shop.visitor(web=web, host="198.51.100.4") as visitor:
        await visitor.say("with")
        await asyncio.to_thread(redis.stop)
        for number in range(3 * BURST):
            await visitor.say(f"without {number}")
        assert await unchecked(house, web) >= 3 * BURST - 1
        await asyncio.to_thread(redis.start)
        await house.ready()
        await visitor.expect("relayed", seq=3 * BURST + 1)


async def unchecked(house: House, web: str) -> float:
    """How often a conversation's limit was not asked, as `/metrics` tells."""
    lines = (await house.http.get(f"{web}/metrics")).text.splitlines()
    name = 'topicwire_limit_unchecked_total{policy="conversation",process="web-'
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))
