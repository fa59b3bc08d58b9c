"""The handshake's patience, and tabs under load, on a socket that is only pretended."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from starlette.websockets import WebSocketState

from tests.domain.conftest import Desk as Shop
from tests.visitor.conftest import ID, Wire
from topicwire.visitor import protocol, socket
from topicwire.visitor.desk import Desk
from topicwire.visitor.hub import MOST_TABS


async def test_who_says_nothing_is_not_waited_for(
    desk: Desk, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HELLO_WITHIN", 0.01)
    wire = Wire(key)
    await socket.serve(desk, wire.websocket)
    assert wire.code == 4408


async def test_what_was_said_before_leaving_still_counts(desk: Desk, key: str, shop: Shop) -> None:
    wire = Wire(key)
    wire.send({"type": "hello"})
    for number in range(10):
        wire.send({"type": "message", "id": ID.format(number), "text": f"message {number}"})
    wire.leave()
    await socket.serve(desk, wire.websocket)
    assert wire.websocket.client_state is WebSocketState.DISCONNECTED
    async with shop.database.statement() as db:
        rows = await db.execute(text("SELECT text FROM messages ORDER BY seq"))
        assert [row.text for row in rows] == [f"message {number}" for number in range(10)]


async def test_a_flood_is_refused_in_order_and_goes_on_at_the_refused_one(desk: Desk, key: str) -> None:
    """Past a full inbox everything is refused until the first refused message is repeated."""
    wire = Wire(key)
    wire.send({"type": "hello"})
    for number in range(100):
        wire.send({"type": "message", "id": ID.format(number), "text": f"message {number}"})
    serving = asyncio.create_task(socket.serve(desk, wire.websocket))
    await _until(lambda: _count(wire, "ack") + _count(wire, "error") == 100)
    acked = [frame["id"] for frame in wire.frames if frame["type"] == "ack"]
    refused = [frame for frame in wire.frames if frame["type"] == "error"]
    assert {frame["code"] for frame in refused} == {"rate_limited"}
    assert all(frame["retry_after"] for frame in refused)
    assert acked == [ID.format(number) for number in range(len(acked))]
    first = refused[0]["id"]
    assert first == ID.format(len(acked))
    wire.send({"type": "message", "id": ID.format(99), "text": "too early"})
    await _until(lambda: _count(wire, "error") == len(refused) + 1)
    wire.send({"type": "message", "id": first, "text": "again"})
    wire.send({"type": "message", "id": ID.format(99), "text": "now"})
    await _until(lambda: _count(wire, "ack") == len(acked) + 2)
    wire.leave()
    await serving


async def test_one_conversation_has_so_many_tabs(desk: Desk, key: str) -> None:
    first = Wire(key)
    first.send({"type": "hello"})
    tabs = [asyncio.create_task(socket.serve(desk, first.websocket))]
    await _until(lambda: _count(first, "welcome") == 1)
    wires = [Wire(key) for _ in range(MOST_TABS)]
    for wire in wires:
        wire.send({"type": "hello", "token": first.frames[0]["token"]})
        tabs.append(asyncio.create_task(socket.serve(desk, wire.websocket)))
    await _until(lambda: sum(wire.code == 4429 for wire in wires) == 1)
    await _until(lambda: sum(_count(wire, "welcome") for wire in wires) == MOST_TABS - 1)
    for wire in (first, *wires):
        wire.leave()
    await asyncio.gather(*tabs)


def _count(wire: Wire, kind: str) -> int:
    return sum(frame["type"] == kind for frame in wire.frames)


async def _until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (nobody tells us)
            await asyncio.sleep(0.002)
