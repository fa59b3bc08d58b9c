"""A topic that was deleted is made anew at the visitor's next message; nothing said is lost."""

import pytest

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


@pytest.mark.parametrize("after", ["at once", "a minute later"])
async def test_a_deleted_topic_is_noticed(shop: Shop, after: str) -> None:
    """For a minute Telegram's server believes in a topic that it knew, and refuses in other words."""
    async with shop.visitor() as visitor:
        await visitor.say("one")
        await visitor.expect("relayed", seq=1)
        old = await shop.topic_of(visitor)
        await shop.operators.delete(old)
        if after != "at once":
            shop.house.telegram.forget_topics(shop.operators.chat)
        await visitor.say("two")
        await visitor.say("three")
        await visitor.expect("relayed", seq=3)
        (new,) = (await shop.operators.topics()).values()
        assert new != old
        assert (await shop.operators.texts(new))[1:] == ["two", "three"]
        first, refused, *_ = await shop.operators.calls("sendMessage")
        gone = "TOPIC_DELETED" if after == "at once" else "message thread not found"
        assert (first["status"], refused["status"]) == (200, 400)
        assert gone in str(refused)


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
