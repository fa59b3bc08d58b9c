"""What operators edit, and what they keep to themselves."""

import pytest

from tests.house import Shop

PLACEHOLDERS = {
    "photo": "[photo]",
    "voice": "[voice message]",
    "document": "[file: invoice-2041.pdf]",
    "video": "[video]",
    "sticker": "[sticker 👋]",
    "location": "[location]",
}


async def test_an_edit_is_seen_at_once(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("Price?")
        topic = await shop.topic_of(visitor)
        answer = await shop.operators.write(topic, "10 euro")
        told = await visitor.expect("message", text="10 euro")
        bold = [{"type": "bold", "offset": 0, "length": 2}]
        await shop.operators.edit(answer, "12 euro", entities=bold)
        edited = await visitor.expect("edited", seq=told["seq"])
        assert (edited["text"], edited["entities"]) == ("12 euro", bold)
        assert edited["rev"] > told["rev"]
        await shop.operators.edit(answer, "13 euro")
        edited = await visitor.expect("edited", seq=told["seq"])
        assert (edited["text"], edited.get("entities")) == ("13 euro", None)


@pytest.mark.parametrize(("kind", "shown"), PLACEHOLDERS.items())
async def test_what_cannot_be_shown_has_a_name(shop: Shop, kind: str, shown: str) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("Show me")
        topic = await shop.topic_of(visitor)
        sent = await shop.operators.show(topic, kind, "as promised")
        captioned = kind not in ("sticker", "location")
        expected = f"{shown}\nas promised" if captioned else shown
        answer = await visitor.expect("message", from_="operator")
        assert answer["text"] == expected
        if captioned:
            await shop.operators.edit(sent, "as you wished")
            edited = await visitor.expect("edited", seq=answer["seq"])
            assert edited["text"] == f"{shown}\nas you wished"


async def test_notes_and_news_stay_among_the_operators(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("Hello")
        topic = await shop.topic_of(visitor)
        note = await shop.operators.write(topic, "// a difficult one")
        await shop.operators.edit(note, "// a very difficult one")
        await shop.operators.show(topic, "photo", "// for us only")
        await shop.operators.write(None, "Who takes this one?")
        await shop.operators.rename(topic, "Difficult")
        foreign = await shop.operators.open_topic("Lunch")
        await shop.operators.write(foreign, "Pizza?")
        shop.say_as_another_bot(topic, "Buy now!")
        await shop.operators.write(topic, "The end.")
        await visitor.expect("message", text="The end.")
        assert visitor.transcript == ["Hello", "The end."]


async def test_a_closed_topic_is_a_closed_conversation_until_the_visitor_writes(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("Thanks!")
        topic = await shop.topic_of(visitor)
        await shop.operators.close(topic)
        await visitor.expect("status", state="closed")
    async with shop.visitor(token=visitor.token, last_rev=visitor.last_rev) as back:
        assert back.welcome["state"] == "closed"
        await back.say("One more thing")
        await back.expect("status", state="open")
        await back.expect("relayed", seq=2)
        await shop.operators.see("One more thing", topic=topic)
        assert not await shop.operators.is_closed(topic)
        assert len(await shop.operators.topics()) == 1
        await shop.operators.write(topic, "Yes?")
        await back.expect("message", text="Yes?")
