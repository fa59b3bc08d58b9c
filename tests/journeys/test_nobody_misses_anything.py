"""Who was away gets what was said and changed meanwhile, in order; once."""

from tests.house import Shop


async def test_answers_wait_for_the_visitor(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("I have to go")
        await visitor.expect("relayed", seq=1)
        topic = await shop.topic_of(visitor)
        await shop.operators.write(topic, "Before")
        await visitor.expect("message", text="Before")
    for number in range(3):
        await shop.operators.write(topic, f"While away {number}")
    await shop.rev_reaches(visitor.conversation, 6)
    async with shop.visitor(token=visitor.token, last_rev=visitor.last_rev) as back:
        assert back.welcome["recovered"] is True
        assert back.welcome["conversation"] == visitor.conversation
        await back.reads("While away 0", "While away 1", "While away 2")
        assert await back.nothing_else() == [back.messages[seq] for seq in (3, 4, 5)]


async def test_an_edit_waits_too(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("Price?")
        await visitor.expect("relayed", seq=1)
        topic = await shop.topic_of(visitor)
        answer = await shop.operators.write(topic, "10 euro")
        await visitor.expect("message", text="10 euro")
    await shop.operators.write(topic, "Still there?")
    await shop.operators.edit(answer, "12 euro")
    await shop.rev_reaches(visitor.conversation, 5)
    async with shop.visitor(token=visitor.token, last_rev=visitor.last_rev) as back:
        came = await back.nothing_else()
        assert [(frame["seq"], frame["text"], frame["rev"]) for frame in came] == [
            (3, "Still there?", 4),
            (2, "12 euro", 5),
        ]
        assert came[1]["edited"]
        back.messages[1] = visitor.messages[1]


async def test_without_memory_everything_comes(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("Hello")
        await visitor.expect("relayed", seq=1)
        await shop.operators.write(await shop.topic_of(visitor), "Hi")
        await visitor.expect("message", text="Hi")
    async with shop.visitor(token=visitor.token) as back:
        await back.reads("Hello", "Hi")
        assert back.messages[1]["state"] == "relayed"
        assert back.welcome["rev"] == back.last_rev == 3


async def test_a_memory_that_does_not_fit_is_said_to(shop: Shop) -> None:
    """As after a database was restored from a backup."""
    async with shop.visitor() as visitor:
        await visitor.say("Hello")
        await visitor.expect("relayed", seq=1)
    async with shop.visitor(token=visitor.token, last_rev=99) as back:
        assert back.welcome["recovered"] is False
        await back.reads("Hello")


async def test_history_comes_in_pages(shop: Shop) -> None:
    words = [f"message {number}" for number in range(1, 131)]
    async with shop.visitor() as visitor:
        for start in range(0, 130, 50):
            ids = [await visitor.type_in(said) for said in words[start : start + 50]]
            for message_id in ids:
                await visitor.expect("ack", id=message_id)
    async with shop.visitor(token=visitor.token) as back:
        await back.expect("message", seq=130)
        assert sorted(back.messages) == list(range(31, 131))
        await back.send({"type": "history", "before": 31, "limit": 20})
        page = await back.expect("history")
        assert [message["text"] for message in page["messages"]] == words[10:30]
        assert page["more"] is True
        await back.send({"type": "history", "before": 11, "limit": 20})
        page = await back.expect("history")
        assert [message["seq"] for message in page["messages"]] == list(range(1, 11))
        assert page["more"] is False
