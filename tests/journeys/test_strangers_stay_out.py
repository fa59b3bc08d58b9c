"""Who may open a conversation, from where, and until when."""

import contextlib

from websockets.exceptions import ConnectionClosed

from tests.house import House, Shop, Visitor


async def _refused(visitor: Visitor, **hello: object) -> int:
    await visitor.open()
    with contextlib.suppress(ConnectionClosed):  # it may be closed before we have said anything
        await visitor.send({"type": "hello", **hello})
    code = await visitor.closed()
    assert all(frame["type"] != "welcome" for frame in visitor.frames)
    await visitor.leave()
    return code


async def test_a_token_that_was_tampered_with_opens_nothing(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("Private")
        body, rest = visitor.token.split(".", 1)
        for token in (f"{body[:-2]}AA.{rest}", f"{visitor.token}x", "", "...", "a.b.c", visitor.token[:-1]):
            assert await _refused(shop.visitor(), token=token) == 4401, token


async def test_a_token_of_another_project_opens_nothing(house: House, shop: Shop) -> None:
    elsewhere = await house.open_shop()
    async with shop.visitor() as visitor:
        await visitor.say("Private")
        assert await _refused(elsewhere.visitor(), token=visitor.token) == 4401


async def test_reset_ends_every_tab_of_this_browser_and_its_token(shop: Shop) -> None:
    async with (
        shop.house.another_web() as elsewhere,
        shop.visitor() as one,
        shop.visitor(token=one.token) as two,
        shop.visitor(token=one.token, web=elsewhere) as three,
    ):
        await one.say("Forget me")
        await two.send({"type": "reset"})
        for tab in (one, two, three):
            assert await tab.closed() == 4401
        for tab in (one, two, three):
            assert await _refused(shop.visitor(), token=tab.token) == 4401
    async with shop.visitor() as fresh:
        assert fresh.conversation != one.conversation
        assert fresh.welcome["rev"] == 0


async def test_only_allowed_origins_may_embed_the_chat(house: House) -> None:
    shop = await house.open_shop(origins=["https://shop.example", "https://*.shop.example"])
    for origin in ("https://shop.example", "https://www.shop.example", "https://a.b.shop.example"):
        async with shop.visitor(origin=origin) as visitor:
            await visitor.say("Hello")
    for refused in (
        "https://evil.example", "http://shop.example", "https://shop.example.evil.example",
        "https://evilshop.example", "https://shop.example:8443", "null", None,
    ):  # fmt: skip
        assert await _refused(shop.visitor(origin=refused)) == 4403, refused


async def test_without_configured_origins_any_may(shop: Shop) -> None:
    for origin in ("https://anything.example", "null", None):
        async with shop.visitor(origin=origin):
            pass


async def test_an_unknown_project_has_no_chat(shop: Shop) -> None:
    for key in ("pk_unknown", "", "%00", "pk_" + "0" * 5000):
        visitor = Visitor(shop.visitor().url.replace(shop.key, key))
        assert await _refused(visitor) == 4404
