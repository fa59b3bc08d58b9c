"""What the socket does not take: each gets its code, and the socket stays open where it can."""

import contextlib
import json
import uuid

import pytest
from websockets.exceptions import ConnectionClosed

from tests.house import Shop

REFUSED: dict[str, tuple[str | bytes, str]] = {
    "no JSON": ('{"type":', "bad_frame"),
    "a list": ("[]", "bad_frame"),
    "no type": ('{"text":"hi"}', "bad_frame"),
    "a type of tomorrow": ('{"type":"wave"}', "unknown_type"),
    "binary": (b'{"type":"ping"}', "bad_frame"),
    "a second hello": ('{"type":"hello"}', "bad_frame"),
    "no id": ('{"type":"message","text":"hi"}', "bad_frame"),
    "too much history": ('{"type":"history","before":9,"limit":101}', "bad_frame"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_nonsense_is_named(shop: Shop, name: str) -> None:
    raw, code = REFUSED[name]
    async with shop.visitor() as visitor:
        await visitor.send(raw)
        error = await visitor.expect("error")
        assert error["code"] == code
        assert error["message"]
        await visitor.say("but I am still here")


@pytest.mark.parametrize(
    ("said", "code"),
    [("", "empty"), (" \n\u200b", "empty"), ("a" * 4001, "too_long"), ("😀" * 2001, "too_long")],
)
async def test_a_message_that_cannot_be_taken_is_named_by_its_id(shop: Shop, said: str, code: str) -> None:
    async with shop.visitor() as visitor:
        message_id = await visitor.type_in(said)
        assert (await visitor.expect("error", id=message_id))["code"] == code
        assert (await visitor.say("😀" * 2000))["seq"] == 1


async def test_attachments_are_refused_rather_than_lost(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        frame = {"type": "message", "id": str(uuid.uuid4()), "text": "see", "attachments": ["a"]}
        await visitor.send(frame)
        assert (await visitor.expect("error", id=frame["id"]))["code"] == "bad_frame"


async def test_too_much_nonsense_closes(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        for _ in range(21):
            await visitor.send("nonsense")
        assert await visitor.closed() == 4429
        assert len([frame for frame in visitor.frames if frame["type"] == "error"]) == 20


async def test_a_frame_that_is_too_large_closes(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.send(json.dumps({"type": "message", "text": "a" * 70_000}))
        assert await visitor.closed() == 4413


async def test_a_monstrous_frame_is_not_even_read(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        with contextlib.suppress(ConnectionClosed):  # it may close while we still send
            await visitor.send("a" * 200_000)
        assert await visitor.closed() == 1009


async def test_hello_comes_first(shop: Shop) -> None:
    for raw in ('{"type":"ping"}', '{"type":"message","text":"hi"}', "nonsense", b"\x00"):
        visitor = shop.visitor()
        await visitor.open()
        await visitor.send(raw)
        assert await visitor.closed() == 4400
        await visitor.leave()


async def test_a_hello_that_was_not_understood_may_be_said_again(shop: Shop) -> None:
    visitor = shop.visitor()
    await visitor.open()
    await visitor.send('{"type":"hello","last_rev":-1}')
    assert (await visitor.expect("error"))["code"] == "bad_frame"
    await visitor.hello()
    await visitor.say("Hello")
    await visitor.leave()


@pytest.mark.long
async def test_a_silent_socket_is_closed(shop: Shop) -> None:
    visitor = shop.visitor()
    await visitor.open()
    assert await visitor.closed(within=15) == 4408
    await visitor.leave()
