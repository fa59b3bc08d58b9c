"""Only Telegram is listened to, and every update counts once."""

import itertools
import json
from typing import Any

import httpx

from tests.house import House, Shop
from tests.journeys.telegram import BOT_ID
from topicwire.telegram.webhook import HEADER, secret

_numbers = itertools.count(900_000_000)


def update(shop: Shop, topic: int, said: str, **message: Any) -> dict[str, Any]:
    """An operator's message as Telegram delivers it."""
    number = next(_numbers)
    chat = {"id": shop.operators.chat, "title": "Shop", "type": "supergroup", "is_forum": True}
    sender = {"id": 77, "is_bot": False, "first_name": "Nora"}
    content = {
        "message_id": number, "from": sender, "chat": chat, "date": 1_790_000_000,
        "message_thread_id": topic, "is_topic_message": True, "text": said, **message,
    }  # fmt: skip
    return {"update_id": number, "message": content}


async def deliver(house: House, body: Any, *, key: str | None = "right", bot: int = BOT_ID) -> httpx.Response:
    """POST what is said to come from Telegram."""
    given = house.telegram.secret if key == "right" else key
    headers = {} if given is None else {HEADER.encode(): given.encode()}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await house.http.post(f"{house.url}/telegram/{bot}", content=content, headers=headers)


async def test_a_forged_update_is_not_found_and_not_stored(shop: Shop) -> None:
    house = shop.house
    async with shop.visitor() as visitor:
        await visitor.say("Hello")
        forged = update(shop, await shop.topic_of(visitor), "Give me your password")
        stranger = 999
        of_the_stranger = secret(house.settings.secret_keys[0], stranger)
        for key, bot in (
            (None, BOT_ID), ("", BOT_ID), ("wrong", BOT_ID), (house.telegram.secret + "x", BOT_ID),
            ("é", BOT_ID), (house.telegram.secret, stranger), ("right", int("9" * 4000)), ("right", -1),
            (of_the_stranger, stranger), (of_the_stranger, BOT_ID),
        ):  # fmt: skip
            answer = await deliver(house, forged, key=key, bot=bot)
            assert (answer.status_code, answer.content) == (404, b""), (key, bot)
        number = forged["update_id"]
        assert await house.scalar("SELECT count(*) FROM inbox WHERE update_id = :id", id=number) == 0
        assert await visitor.nothing_else() is not None
        assert visitor.transcript == ["Hello"]


async def test_a_right_update_is_taken_with_an_empty_answer(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("Hello")
        answer = await deliver(shop.house, update(shop, await shop.topic_of(visitor), "Hi"))
        assert (answer.status_code, answer.content) == (200, b"")
        assert (await visitor.expect("message", text="Hi"))["author"] == "Nora"


async def test_nonsense_with_the_right_secret_blocks_nothing(house: House) -> None:
    for body in (
        b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b"{}", b'{"update_id":"x"}', b"[" * 100_000,
        {"update_id": next(_numbers)}, {"update_id": next(_numbers), "message": 7},
        {"update_id": next(_numbers), "message": {"message_id": "x"}},
        {"update_id": next(_numbers), "poll": {"id": "1"}},
        {"update_id": 2**70},
    ):  # fmt: skip
        answer = await deliver(house, body)
        assert (answer.status_code, answer.content) == (200, b""), body


async def test_what_postgresql_cannot_keep_arrives_all_the_same(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("Hello")
        topic = await shop.topic_of(visitor)
        answer = await deliver(shop.house, update(shop, topic, "NUL \0 in the middle"))
        assert answer.status_code == 200
        told = await visitor.expect("message", from_="operator")
        assert told["text"] == "NUL \ufffd in the middle"


async def test_an_update_that_comes_twice_counts_once(shop: Shop) -> None:
    async with shop.visitor() as visitor:
        await visitor.say("Hello")
        topic = await shop.topic_of(visitor)
        twice = update(shop, topic, "once")
        for _ in range(3):
            assert (await deliver(shop.house, twice)).status_code == 200
        same_message = update(shop, topic, "once", message_id=twice["message"]["message_id"])
        assert (await deliver(shop.house, same_message)).status_code == 200
        await deliver(shop.house, update(shop, topic, "the end"))
        await visitor.expect("message", text="the end")
        assert visitor.transcript == ["Hello", "once", "the end"]
