"""That a visitor types is shown in the topic; seldom, since Telegram shows it for seconds."""

from tests.house import Shop, eventually


async def test_typing_becomes_one_chat_action(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.send({"type": "typing"})  # there is no topic to show it in
        await visitor.say("Hello")
        await visitor.expect("relayed", seq=1)
        topic = await shop.topic_of(visitor)
        for _ in range(10):
            await visitor.send({"type": "typing"})
        (action,) = await eventually(lambda: shop.operators.calls("sendChatAction"), "it is shown")
        assert action["params"]["message_thread_id"] == str(topic)
        assert action["params"]["action"] == "typing"
        await visitor.say("What I was typing")
        await visitor.expect("relayed", seq=2)
        assert len(await shop.operators.calls("sendChatAction")) == 1
