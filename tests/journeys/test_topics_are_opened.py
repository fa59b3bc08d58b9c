"""A conversation's first message opens its topic; nothing else does."""

import re

from tests.house import Shop


async def test_looking_at_a_page_opens_nothing(shop: Shop) -> None:
    async with shop.visitor(visitor={"email": "jo@example.com"}) as visitor:
        await visitor.send({"type": "identify", "name": "Jo"})
        await visitor.send({"type": "page", "url": "https://shop.example/"})
        await visitor.send({"type": "typing"})
        await visitor.send({"type": "read", "seq": 0})
        assert await visitor.nothing_else() == []
    rows = "SELECT count(*) FROM conversations WHERE project_id = :project"
    assert await shop.house.scalar(rows, project=shop.project_id) == 0
    assert await shop.operators.topics() == {}
    assert await shop.operators.calls() == []


async def test_many_messages_open_one_topic(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        for number in range(5):
            await visitor.type_in(f"message {number}")
        await visitor.expect("relayed", seq=5)
        assert len(await shop.operators.calls("createForumTopic")) == 1
        (name,) = await shop.operators.topics()
        assert re.fullmatch("Anon_[A-Z2-7]{6}", name)


async def test_a_topic_is_named_by_the_visitors_address(shop: Shop) -> None:
    async with shop.visitor(visitor={"email": "jo@example.com"}) as visitor:
        await visitor.say("Hello")
        await visitor.expect("relayed", seq=1)
        assert await shop.operators.topics() == {"jo@example.com": await shop.topic_of(visitor)}


async def test_the_first_message_says_who_writes_from_where(shop: Shop) -> None:
    page = {"url": "https://shop.example/cart?coupon=SECRET#pay", "title": "Cart"}
    told = {"email": "jo@example.com", "name": "Jo", "locale": "de-DE"}
    async with shop.visitor(page=page, visitor=told) as visitor:
        await visitor.say("Hello")
        await visitor.say("Anybody?")
        await visitor.expect("relayed", seq=2)
        first, second = await shop.operators.texts(await shop.topic_of(visitor))
        line, said = first.split("\n")
        assert said == "Hello"
        assert line.replace("\u2060", "") == "Jo · jo@example.com (unverified) · shop.example/cart · de-DE"
        assert second == "Anybody?"
        assert "SECRET" not in str(await shop.operators.calls())


async def test_what_was_told_before_the_first_message_counts(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.send({"type": "page", "url": "https://shop.example/sofa"})
        await visitor.send({"type": "identify", "email": "jo@example.com"})
        await visitor.say("Hello")
        await visitor.expect("relayed", seq=1)
        (first,) = await shop.operators.texts(await shop.topic_of(visitor))
        assert first.replace("\u2060", "") == "jo@example.com (unverified) · shop.example/sofa\nHello"


async def test_an_operator_may_give_a_topic_another_name(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("Hello")
        topic = await shop.topic_of(visitor)
        await shop.operators.rename(topic, "VIP")
        await shop.operators.write(topic, "Hello")
        await visitor.expect("message", text="Hello", from_="operator")
        await visitor.say("Still here")
        await visitor.expect("relayed", seq=3)
        assert await shop.operators.topics() == {"VIP": topic}
