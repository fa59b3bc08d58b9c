"""Faults on demand: what the client sees, and what really happened."""
# ruff: noqa: E501 - a row of a table stays a row

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from topicwire.sandbox.faults import Fault, Faults, UnknownFaultError

if TYPE_CHECKING:
    from tests.sandbox.conftest import Running, Telegram


@pytest.fixture
async def telegram(sandbox: Running) -> AsyncIterator[Telegram]:
    async with sandbox(group_rate="off", bot_rate="off") as running:
        yield running


async def texts(telegram: Telegram) -> list[str]:
    return [each["text"] for each in (await telegram.look("topics/1/messages"))["messages"]]


async def raw(telegram: Telegram, method: str, **params: Any) -> tuple[int, str, bytes]:
    url = f"{telegram.base}/bot4200:secret/{method}"
    async with telegram.http.post(url, data={"chat_id": str(telegram.chat)} | params) as response:
        return response.status, response.content_type, await response.read()


async def last_call(telegram: Telegram) -> Any:
    return (await telegram.look("/calls"))["calls"][-1]


@pytest.mark.parametrize(
    ("fault", "error", "landed"),
    [
        ({"kind": "answer_lost"}, aiohttp.ServerDisconnectedError, True),
        ({"kind": "answer_lost", "accepted": False}, aiohttp.ServerDisconnectedError, False),
        ({"kind": "reset"}, aiohttp.ClientOSError, False),
        ({"kind": "reset", "accepted": True}, aiohttp.ClientOSError, True),
    ],
)
async def test_connections_that_end(
    telegram: Telegram, fault: dict[str, Any], error: type[Exception], landed: bool
) -> None:
    await telegram.act("/faults", **fault)
    with pytest.raises(error):
        await raw(telegram, "sendMessage", text="x")
    assert await texts(telegram) == (["x"] if landed else [])
    call = await last_call(telegram)
    assert (call["fault"], call["accepted"]) == (fault["kind"], landed)
    assert (await telegram.say("y"))["text"] == "y"  # it was met once


async def test_an_answer_that_never_comes(telegram: Telegram) -> None:
    await telegram.act("/faults", kind="answer_never")
    waiting = asyncio.create_task(raw(telegram, "sendMessage", text="x"))
    calls = await telegram.look("/calls?after=0")
    while not calls["last"]:
        calls = await telegram.look("/calls?after=0")
    assert await texts(telegram) == ["x"]
    assert not waiting.done()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_sandbox_stops_with_a_silent_client(sandbox: Running) -> None:
    async with sandbox() as telegram:
        await telegram.act("/faults", kind="answer_never")
        waiting = asyncio.create_task(raw(telegram, "sendMessage", text="x"))
        while not (await telegram.look("/calls?after=0"))["last"]:
            pass
    with pytest.raises(aiohttp.ClientError):
        await waiting


async def test_a_late_landing(telegram: Telegram) -> None:
    await telegram.act("/faults", kind="late", delay=20)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await raw(telegram, "sendMessage", text="late")
    await telegram.say("meanwhile")
    assert await texts(telegram) == ["meanwhile"]
    await telegram.asleep(20)
    telegram.clock.advance(20)
    while len(await texts(telegram)) < 2:
        pass
    assert await texts(telegram) == ["meanwhile", "late"]
    call = await last_call(telegram)
    assert (call["done"] - call["at"], call["accepted"]) == (20, True)


async def test_an_answer_after_ones_own_update(telegram: Telegram) -> None:
    await telegram.act("/faults", kind="answer_late", method="createForumTopic", delay=9)
    creating = asyncio.create_task(telegram.topic())
    await telegram.asleep(9)
    assert "forum_topic_created" in (await telegram.updates())[0]["message"]
    assert not creating.done()
    telegram.clock.advance(9)
    await creating


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"kind": "http_504"}, (504, "text/plain", b"")),
        ({"kind": "http_500"}, (500, "application/json", b'{"ok":false,"error_code":500,"description":"Internal Server Error"}')),
        ({"kind": "restart"}, (500, "application/json", b'{"ok":false,"error_code":500,"description":"Internal Server Error: restart"}')),
        ({"kind": "flood_bare"}, (429, "application/json", b'{"ok":false,"error_code":429,"description":"Too Many Requests"}')),
        ({"kind": "flood", "retry_after": 35}, (429, "application/json", b'{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 35","parameters":{"retry_after":35}}')),
        ({"kind": "refusal", "status": 400, "description": "Bad Request: CHAT_RESTRICTED"}, (400, "application/json", b'{"ok":false,"error_code":400,"description":"Bad Request: CHAT_RESTRICTED"}')),
    ],
)  # fmt: skip
@pytest.mark.parametrize("accepted", [False, True])
async def test_answers_of_trouble(
    telegram: Telegram, fault: dict[str, Any], expected: tuple[int, str, bytes], accepted: bool
) -> None:
    await telegram.act("/faults", **fault, accepted=accepted)
    assert await raw(telegram, "sendMessage", text="x") == expected
    assert await texts(telegram) == (["x"] if accepted else [])


async def test_the_front_proxys_page(telegram: Telegram) -> None:
    await telegram.act("/faults", kind="http_502")
    status, kind, body = await raw(telegram, "sendMessage", text="x")
    assert (status, kind) == (502, "text/html")
    assert body.startswith(b"<html>")


@pytest.mark.parametrize(("method", "after", "told"), [("sendMessage", 7, 8), ("sendChatAction", 3, 2)])
async def test_an_outage_looks_like_a_flood_wait(
    telegram: Telegram, method: str, after: int, told: int
) -> None:
    await telegram.act("/faults", kind="fake_flood")
    refused = asyncio.create_task(telegram.refused(method, text="x", action="typing"))
    await telegram.asleep(after)
    telegram.clock.advance(after)
    assert await refused == (429, f"Too Many Requests: retry after {told}")


def test_faults_are_chosen_by_method_chat_bot_and_count() -> None:
    faults = Faults()
    faults.add(Fault(kind="reset", method="SendMessage", chat=-5, skip=1, count=2))
    met = [
        faults.meet_call("sendMessage", 1, -5) is not None,
        faults.meet_call("sendPhoto", 1, -5) is not None,
        faults.meet_call("sendMessage", 1, -6) is not None,
        faults.meet_call("sendMessage", 1, -5) is not None,
        faults.meet_call("sendmessage", 1, -5) is not None,
        faults.meet_call("sendMessage", 1, -5) is not None,
    ]
    assert met == [False, False, False, True, True, False]
    assert faults.active == []


def test_a_fault_without_an_end_lasts_until_it_is_cleared() -> None:
    faults = Faults()
    lasting = faults.add(Fault(kind="restart", count=None))
    assert all(faults.meet_call("getMe", 1, 0) for _ in range(5))
    assert lasting.met == 5
    faults.clear(lasting.id)
    assert faults.meet_call("getMe", 1, 0) is None


def test_unknown_faults() -> None:
    with pytest.raises(UnknownFaultError, match="there is no fault 'gremlin'"):
        Faults().add(Fault(kind="gremlin"))


async def test_faults_over_http(telegram: Telegram) -> None:
    fault = await telegram.act("/faults", kind="http_500", method="getMe", count=None)
    listed = await telegram.look("/faults")
    assert [each["id"] for each in listed["faults"]] == [fault["id"]]
    assert "answer_lost" in listed["kinds"]
    assert (await telegram.refused("getMe"))[0] == 500
    await telegram.erase(f"/faults/{fault['id']}")
    await telegram.ok("getMe")
    await telegram.act("/faults", kind="http_500")
    await telegram.act("/faults/clear")
    await telegram.ok("getMe")
    for senseless in ({"kind": "gremlin"}, {"kind": "reset", "count": "x"}, {}):
        url = f"{telegram.console}/api/faults"
        async with telegram.http.post(url, json=senseless) as response:
            assert response.status == 400


async def test_updates_that_come_twice(telegram: Telegram) -> None:
    await telegram.act("/faults", kind="update_duplicate", update="message")
    await telegram.act("messages", text="x")
    first = await telegram.updates()
    offset = first[-1]["update_id"] + 1
    assert await telegram.updates(offset=offset) == first
    assert await telegram.updates(offset=offset) == []


async def test_updates_that_come_late(telegram: Telegram) -> None:
    await telegram.act("/faults", kind="update_late", delay=30)
    await telegram.act("messages", text="a")
    await telegram.act("messages", text="b")
    (first,) = await telegram.updates()
    assert first["message"]["text"] == "b"
    telegram.clock.advance(30)
    await telegram.until(lambda: not telegram.clock.alarms())
    late = await telegram.updates(offset=first["update_id"] + 1, timeout=1)
    assert [each["message"]["text"] for each in late] == ["a"]


async def test_updates_that_nobody_knows(telegram: Telegram) -> None:
    await telegram.act("/faults", kind="update_unknown_type")
    await telegram.act("/faults", kind="update_unknown_fields")
    await telegram.act("messages", text="a")
    await telegram.act("messages", text="b")
    unknown, plain, strange = await telegram.updates()
    assert set(unknown) == {"update_id", "holographic_message"}
    assert plain["message"]["text"] == "a"
    assert (strange["message"]["text"], strange["message"]["is_holographic"]) == ("b", True)


async def test_a_fault_may_be_for_one_bot_only(telegram: Telegram) -> None:
    bot = await telegram.act("/bots", first_name="Second")
    await telegram.act("/faults", kind="http_500", bot=bot["id"])
    await telegram.ok("getMe")
    async with telegram.http.get(f"{telegram.base}/bot{bot['token']}/getMe") as response:
        assert response.status == 500


async def test_the_clock_is_driven_over_http(telegram: Telegram) -> None:
    before = telegram.clock.now()
    assert (await telegram.act("/clock", advance=60))["now"] == before + 60
