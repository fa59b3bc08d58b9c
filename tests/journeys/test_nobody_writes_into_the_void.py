"""A topic that belongs to no conversation: what is written there reaches nobody, and that is said."""

from sqlalchemy import text

from tests.house import House, Shop


async def let_an_hour_pass(house: House) -> None:
    """Put the clock forward for updates that wait."""
    async with house.database.statement() as db:
        await db.execute(text("UPDATE inbox SET received_at = received_at - interval '1 hour'"))


async def test_operators_learn_in_which_topic_nobody_reads(house: House, shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("hello")
        topic = await shop.topic_of(visitor)
        ours = await shop.operators.open_topic("Among ourselves")
        await shop.operators.write(ours, "can you hear me?")
        await shop.operators.write(topic, "I can hear you")
        await visitor.reads("hello", "I can hear you")
        await let_an_hour_pass(house)
        await house.restart_worker()  # which looks at once
        notice = await shop.operators.see("what is written here reaches no visitor.", topic=ours)
        assert notice["text"].startswith("This topic belongs to no conversation")
        assert len(await shop.operators.texts(topic)) == 2
