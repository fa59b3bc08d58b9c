"""What a visitor types stands in the group; what an operator answers there stands in the chat."""

from tests.house import Shop, Visitor
from tests.journeys.operators import ANONYMOUS, JONAS


async def test_a_message_and_its_answer(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        said = await visitor.say("Do you ship to Spain?")
        assert (said["seq"], said["rev"]) == (1, 1)
        relayed = await visitor.expect("relayed", seq=1)
        assert relayed["rev"] == 2
        topic = await shop.topic_of(visitor)
        await shop.operators.see("Do you ship to Spain?", topic=topic)
        await shop.operators.write(topic, "Yes, we do.")
        answer = await visitor.expect("message", from_="operator")
        assert (answer["text"], answer["author"], answer["seq"]) == ("Yes, we do.", "Mara", 2)
        assert visitor.transcript == ["Do you ship to Spain?", "Yes, we do."]


async def test_what_several_people_say_at_once_keeps_its_order(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("0")
        topic = await shop.topic_of(visitor)
        for number in range(1, 11):
            await visitor.type_in(f"visitor {number}")
            await shop.operators.write(topic, f"operator {number}", by=JONAS)
        for number in range(1, 11):
            await visitor.expect("message", text=f"operator {number}", author="Jonas")
        await visitor.expect("relayed", seq=_seq(visitor, "visitor 10"))
        texts = await shop.operators.texts(topic)
        for who in ("visitor", "operator"):
            said = [f"{who} {number}" for number in range(1, 11)]
            assert [text for text in texts if text.startswith(who)] == said
            assert [text for text in visitor.transcript if text.startswith(who)] == said


def _seq(visitor: Visitor, said: str) -> int:
    return next(seq for seq, message in visitor.messages.items() if message["text"] == said)


async def test_two_visitors_do_not_meet(shop: Shop) -> None:
    async with shop.visitor() as ann, shop.visitor() as ben:
        await ann.say("I am Ann")
        await ben.say("I am Ben")
        topics = [await shop.topic_of(visitor) for visitor in (ann, ben)]
        assert topics[0] != topics[1]
        await shop.operators.write(topics[1], "Hello Ben")
        await ben.expect("message", text="Hello Ben")
        await shop.operators.write(topics[0], "Hello Ann")
        await ann.expect("message", text="Hello Ann")
        assert ann.transcript == ["I am Ann", "Hello Ann"]
        assert ben.transcript == ["I am Ben", "Hello Ben"]


async def test_formatting_arrives_as_entities(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("Where?")
        topic = await shop.topic_of(visitor)
        entities = [
            {"type": "bold", "offset": 3, "length": 3},
            {"type": "text_link", "offset": 7, "length": 4, "url": "https://shop.example/help"},
        ]
        await shop.operators.write(topic, "👋 See here, @mara", entities=entities)
        answer = await visitor.expect("message", from_="operator")
        assert answer["text"] == "👋 See here, @mara"
        assert answer["entities"] == [
            {"type": "bold", "offset": 3, "length": 3},
            {"type": "link", "offset": 7, "length": 4, "url": "https://shop.example/help"},
        ]


async def test_a_visitor_cannot_format_mention_or_command(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("first")
        await visitor.say("<b>hi</b> **you** @jonas_weber /connect abc #tag")
        await visitor.expect("relayed", seq=2)
        topic = await shop.topic_of(visitor)
        message = (await shop.operators.read(topic))[-1]
        assert message["text"].replace("\u2060", "") == "<b>hi</b> **you** @jonas_weber /connect abc #tag"
        assert "entities" not in message


async def test_replies_name_what_they_answer(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("Red?")
        await visitor.say("Or blue?")
        await visitor.expect("relayed", seq=2)
        topic = await shop.topic_of(visitor)
        red, blue = await shop.operators.read(topic)
        answer = await shop.operators.write(topic, "Red.", reply_to=red["message_id"])
        assert (await visitor.expect("message", text="Red."))["reply_to"] == 1
        await shop.operators.write(topic, "Not this one.", reply_to=blue["message_id"])
        assert (await visitor.expect("message", text="Not this one."))["reply_to"] == 2
        await shop.operators.write(topic, "I mean it.", reply_to=answer)
        assert (await visitor.expect("message", text="I mean it."))["reply_to"] == 3
        await shop.operators.write(topic, "Anything else?")
        assert "reply_to" not in await visitor.expect("message", text="Anything else?")


async def test_an_anonymous_administrator_is_an_operator(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("Hello?")
        await shop.operators.write(await shop.topic_of(visitor), "Hello.", by=ANONYMOUS)
        assert (await visitor.expect("message", text="Hello."))["author"] == f"Shop {shop.house.shops}"


async def test_the_projects_name_goes_before_an_operators_own(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("Hello?")
        topic = await shop.topic_of(visitor)
        await shop.operators.write(topic, "one", by=JONAS)
        assert (await visitor.expect("message", text="one"))["author"] == "Jonas"
        await shop.set_operator_name("The team")
        await shop.operators.write(topic, "two", by=JONAS)
        assert (await visitor.expect("message", text="two"))["author"] == "The team"
