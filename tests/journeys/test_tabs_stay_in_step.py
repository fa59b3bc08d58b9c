"""Two tabs of one visitor show the same, whichever process serves them."""

from tests.house import Shop, Visitor


async def test_two_tabs(shop: Shop) -> None:
    async with shop.visitor() as one, shop.visitor(token=one.token) as two:
        await _talk(shop, one, two)


async def test_two_tabs_on_two_web_processes(shop: Shop) -> None:
    async with (
        shop.house.another_web() as elsewhere,
        shop.visitor() as one,
        shop.visitor(token=one.token, web=elsewhere) as two,
    ):
        await _talk(shop, one, two)


async def _talk(shop: Shop, one: Visitor, two: Visitor) -> None:
    said = await one.say("From the first tab")
    heard = await two.expect("message", id=said["id"])
    assert (heard["seq"], heard["rev"], heard["from"]) == (1, said["rev"], "visitor")
    assert heard["state"] == "accepted"
    for tab in (one, two):
        await tab.expect("relayed", seq=1)
    said = await two.say("From the second tab")
    await one.expect("message", id=said["id"])
    for tab in (one, two):
        await tab.expect("relayed", seq=2)
    topic = await shop.topic_of(one)
    await shop.operators.close(topic)
    for tab in (one, two):
        await tab.expect("status", state="closed")
    await shop.operators.reopen(topic)
    await shop.operators.write(topic, "From the operator")
    for tab in (one, two):
        await tab.expect("status", state="open")
        await tab.expect("message", text="From the operator")
        assert tab.transcript == ["From the first tab", "From the second tab", "From the operator"]
        assert await tab.nothing_else() == []  # an ack is all that a sender hears of its own message
