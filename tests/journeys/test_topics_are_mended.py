"""A topic that was deleted is made anew at the visitor's next message; nothing said is lost."""

from tests.house import Shop


async def test_a_deleted_topic_is_replaced_by_one_with_a_recap(shop: Shop) -> None:
    async with shop.visitor(visitor={"email": "jo@example.com"}) as visitor:
        await visitor.say("Do you ship?")
        old = await shop.topic_of(visitor)
        await shop.operators.write(old, "Where to?")
        await visitor.expect("message", text="Where to?")
        await shop.operators.delete(old)
        await visitor.say("To Spain")
        await visitor.expect("relayed", seq=3)
        new = await shop.topic_of(visitor)
        assert new != old
        recap, message = await shop.operators.texts(new)
        line, header, *lines = recap.replace("\u2060", "").split("\n")
        assert line == "jo@example.com (unverified)"
        assert header == "Earlier in this conversation"
        assert [told.split(" ", 2)[2] for told in lines[:1]] == ["Visitor: Do you ship?"]
        assert lines[1].endswith(" Mara: Where to?")
        assert message == "To Spain"
        await shop.operators.write(new, "We do.")
        await visitor.reads("Do you ship?", "Where to?", "To Spain", "We do.")


async def test_an_answer_in_the_old_topic_still_arrives(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("first")
        old = await shop.topic_of(visitor)
        await shop.operators.delete(old)
        await visitor.say("second")
        await visitor.expect("relayed", seq=2)
        shop.house.telegram.restore(shop.operators.chat, old)
        await shop.operators.write(old, "found the old one")
        await visitor.expect("message", text="found the old one")
        await shop.operators.close(old)  # says nothing about the conversation
        await shop.operators.write(await shop.topic_of(visitor), "and the new one")
        await visitor.reads("first", "second", "found the old one", "and the new one")
        assert all(frame["type"] != "status" for frame in visitor.frames)


async def test_a_topic_deleted_twice_is_mended_twice(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        seen = []
        for number in range(1, 4):
            await visitor.say(f"message {number}")
            await visitor.expect("relayed", seq=number)
            topic = await shop.topic_of(visitor)
            assert (await shop.operators.texts(topic))[-1].endswith(f"message {number}")
            await shop.operators.delete(topic)
            seen.append(topic)
        assert len(set(seen)) == 3


async def test_the_bots_own_closing_is_not_the_operators(shop: Shop) -> None:
    """The update about a topic that we reopen ourselves changes nothing."""
    async with shop.visitor() as visitor:
        await visitor.say("first")
        topic = await shop.topic_of(visitor)
        await shop.operators.close(topic)
        await visitor.expect("status", state="closed")
        await visitor.say("second")
        await visitor.expect("relayed", seq=2)
        await visitor.say("third")
        await visitor.expect("relayed", seq=3)
        states = [frame["state"] for frame in visitor.frames if frame["type"] == "status"]
        assert states == ["closed", "open"]
