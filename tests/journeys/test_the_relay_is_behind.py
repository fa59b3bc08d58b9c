"""When Telegram makes us wait, visitors are told how far behind the relay is, and when it no longer is."""

from tests.house import Shop


async def test_a_visitor_is_told_of_a_delay(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("one")
        await visitor.expect("relayed", seq=1)
        shop.house.telegram.fault("flood", method="sendMessage", chat=shop.operators.chat, retry_after=90)
        await visitor.say("two")
        late = await visitor.expect("status")
        assert late["state"] == "open"
        assert 60 < late["delay"] <= 100
        async with shop.visitor(token=visitor.token) as other_tab:
            assert 60 < other_tab.welcome["delay"] <= 100
            async with shop.house.time_flies():
                await visitor.expect("relayed", seq=2)
            for tab in (visitor, other_tab):
                assert "delay" not in await tab.expect("status")


async def test_who_is_not_kept_waiting_hears_nothing_of_delays(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        for number in range(5):
            await visitor.say(f"message {number}")
        await visitor.expect("relayed", seq=5)
        assert "delay" not in visitor.welcome
        assert all(frame["type"] != "status" for frame in await visitor.nothing_else())
