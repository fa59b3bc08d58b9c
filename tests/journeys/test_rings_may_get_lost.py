"""Redis only rings. When rings get lost, and when Redis is gone, rows are found by looking."""

import asyncio

from tests.house import House, Shop
from topicwire.domain import conversations
from topicwire.domain.conversations import Visitor as Told
from topicwire.relay import to_visitor
from topicwire.relay.channel import Text, Wrote


async def test_a_row_that_nobody_rang_for_is_found(shop: Shop) -> None:
    """As if the web process had been killed between its commit and its ring."""
    async with shop.visitor() as visitor:
        await visitor.say("rung for")
        await visitor.expect("relayed", seq=1)
        topic = await shop.topic_of(visitor)
        async with shop.house.database.statement() as db:
            await conversations.say(
                db, conversation_id=visitor.conversation, project_id=shop.project_id,
                visitor=Told(), client_id="quiet", said="not rung for",
            )  # fmt: skip
        event = Wrote(shop.operators.chat, topic, 777_777, 0, "Mara", Text("nor this"))
        async with shop.house.database.begin() as db:
            await to_visitor.take(db, bot_id=4200, update_id=777_777, event=event)
        for said in ("not rung for", "nor this"):  # in the order of their last change
            await visitor.expect("message", text=said, within=10)
        await shop.operators.see("not rung for", topic=topic, within=10)
        assert visitor.transcript == ["rung for", "not rung for", "nor this"]


async def test_an_answer_that_nobody_rang_for_is_found_by_every_web_process(shop: Shop) -> None:
    """Nothing else happens in its conversation that would lead anybody to look."""
    async with (
        shop.house.another_web() as elsewhere,
        shop.visitor() as visitor,
        shop.visitor(token=visitor.token, web=elsewhere) as other_tab,
    ):
        await visitor.say("rung for")
        for tab in (visitor, other_tab):
            await tab.expect("relayed", seq=1)
        topic = await shop.topic_of(visitor)
        event = Wrote(shop.operators.chat, topic, 888_888, 0, "Mara", Text("not rung for"))
        async with shop.house.database.begin() as db:
            await to_visitor.take(db, bot_id=4200, update_id=888_888, event=event)
        for tab in (visitor, other_tab):
            await tab.expect("message", text="not rung for", within=10)


async def test_rings_that_redis_forgot_are_rung_again(shop: Shop) -> None:
    redis = shop.house.servers.redis
    assert redis is not None
    async with shop.visitor() as visitor, shop.house.telegram.holding("sendMessage") as call:
        await visitor.say("one")
        await call.arrived.wait()
        await visitor.say("two")
        await shop.house.flush_redis()
        call.release()
        await visitor.expect("relayed", seq=2)


async def test_without_redis_everything_still_arrives(house: House, shop: Shop) -> None:
    redis = house.servers.redis
    assert redis is not None
    async with shop.visitor() as visitor, shop.visitor(token=visitor.token) as other_tab:
        await visitor.say("with")
        await visitor.expect("relayed", seq=1)
        topic = await shop.topic_of(visitor)
        await asyncio.to_thread(redis.stop)
        await visitor.say("without")
        await shop.operators.write(topic, "an answer without")
        await other_tab.expect("message", text="without")
        for tab in (visitor, other_tab):
            await tab.expect("message", text="an answer without")
        await asyncio.to_thread(redis.start)
        await house.ready()
        await visitor.expect("relayed", seq=2)
        await visitor.say("with again")
        await visitor.expect("relayed", seq=4)
        assert visitor.transcript == ["with", "without", "an answer without", "with again"]
        texts = await shop.operators.texts(topic)
        assert [said for said in texts if said != "an answer without"] == ["with", "without", "with again"]
