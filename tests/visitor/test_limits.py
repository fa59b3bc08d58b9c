"""What a visitor meets who writes too fast, and what nobody meets who does not."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from tests.domain.conftest import Desk as Shop
from tests.visitor.conftest import ID, Frame, Wire, limits
from topicwire import notifier
from topicwire.db import Database
from topicwire.domain import backlog
from topicwire.embedded import Servers
from topicwire.errors import UnavailableError
from topicwire.ratelimit import Limiter
from topicwire.settings import Limit
from topicwire.visitor import admission, protocol, socket
from topicwire.visitor.admission import Admission
from topicwire.visitor.desk import Desk

MANY = Limit(1000, 1)


def counted(policy: str) -> float:
    """How often something went beyond this limit, in this process."""
    return REGISTRY.get_sample_value("topicwire_limit_exceeded_total", {"policy": policy}) or 0.0


@asynccontextmanager
async def limited(desk: Desk, database: Database, redis_url: str, **given: Limit) -> AsyncIterator[Desk]:
    """The same desk with these limits."""
    redis = notifier.client(redis_url)
    asks = Admission(limiter=Limiter(redis), policies=limits(**given), db=database)
    yield replace(desk, admission=asks)
    await redis.aclose()


@asynccontextmanager
async def tab(desk: Desk, key: str, *, host: str | None = None, **hello: Any) -> AsyncIterator[Wire]:
    """A tab that was welcomed."""
    wire = Wire(key, host=host)
    serving = asyncio.create_task(socket.serve(desk, wire.websocket))
    wire.send({"type": "hello", **hello})
    await wire.comes("welcome")
    yield wire
    wire.leave()
    await serving


async def say(wire: Wire, number: int) -> Frame:
    """Send the message of this number; its `ack` or `error`."""
    known = len(wire.about(ID.format(number)))
    wire.send({"type": "message", "id": ID.format(number), "text": f"message {number}"})
    return await wire.answer(ID.format(number), after=known)


async def said(database: Database) -> list[str]:
    """All that is stored, in order."""
    async with database.statement() as db:
        return [row.text for row in await db.execute(text("SELECT text FROM messages ORDER BY seq"))]


async def test_the_burst_passes_and_the_ninth_is_told_when(
    desk: Desk, key: str, database: Database, servers: Servers
) -> None:
    async with (
        limited(desk, database, str(servers.redis_url), conversation=Limit(8, 8)) as strict,
        tab(strict, key) as wire,
    ):
        for number in range(12):
            wire.send({"type": "message", "id": ID.format(number), "text": f"message {number}"})
        answers = [await wire.answer(ID.format(number)) for number in range(12)]
    assert [answer["type"] for answer in answers] == ["ack"] * 8 + ["error"] * 4
    assert {answer["code"] for answer in answers[8:]} == {"rate_limited"}
    assert {answer["retry_after"] for answer in answers[8:]} <= {7, 8}
    assert all(answer["message"] for answer in answers[8:])
    assert await said(database) == [f"message {number}" for number in range(8)]


async def test_order_survives_being_refused(
    desk: Desk, key: str, database: Database, servers: Servers
) -> None:
    """What is behind a refused message stays behind it, although a token has come meanwhile."""
    async with (
        limited(desk, database, str(servers.redis_url), conversation=Limit(2, 0.05)) as strict,
        tab(strict, key) as wire,
    ):
        waiting = list(range(9))
        while waiting:
            answers = [await say(wire, number) for number in waiting[:4]]
            taken = [answer["type"] == "ack" for answer in answers]
            assert taken == sorted(taken, reverse=True), "none passes one that was refused before it"
            waiting = waiting[sum(taken) :]
            await asyncio.sleep(0.05)
        wire.send({"type": "ping"})
        await wire.comes("pong")
    assert await said(database) == [f"message {number}" for number in range(9)]


async def test_what_is_behind_a_refused_message_waits_for_it(
    desk: Desk, key: str, database: Database, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        limited(desk, database, str(servers.redis_url), conversation=Limit(1, 3600)) as strict,
        tab(strict, key) as wire,
    ):
        assert (await say(wire, 0))["type"] == "ack"
        assert (await say(wire, 1))["retry_after"] == 3600
        behind = await say(wire, 2)
        assert (behind["code"], behind["retry_after"]) == ("rate_limited", 3600)
        assert "earlier" in behind["message"]
        monkeypatch.setattr(protocol, "REFUSED_FOR", 0.0)
        assert (await say(wire, 1))["type"] == "error"
        assert "earlier" not in (await say(wire, 2))["message"], "the gate does not stay shut for ever"


async def test_what_is_known_is_acknowledged_and_costs_nothing(
    desk: Desk, key: str, database: Database, servers: Servers
) -> None:
    async with (
        limited(desk, database, str(servers.redis_url), conversation=Limit(3, 3600)) as strict,
        tab(strict, key) as wire,
    ):
        first = await say(wire, 0)
        for _ in range(5):
            assert await say(wire, 0) == first
        second, third = await say(wire, 1), await say(wire, 2)
        assert [second["seq"], third["seq"]] == [2, 3]
        for _ in range(5):  # nothing is left, and nothing is asked for
            assert await say(wire, 1) == second
        assert (await say(wire, 3))["code"] == "rate_limited"
        async with tab(strict, key, token=wire.frames[0]["token"], last_rev=3) as reload:
            assert await say(reload, 2) == third
            assert (await say(reload, 4))["code"] == "rate_limited", "the limit is the conversation's"


async def test_a_project_is_counted_and_never_refused(
    desk: Desk, key: str, database: Database, servers: Servers
) -> None:
    before = counted("project")
    async with (
        limited(desk, database, str(servers.redis_url), conversation=MANY, project=Limit(2, 60)) as strict,
        tab(strict, key) as one,
        tab(strict, key) as other,
    ):
        for number in range(3):
            assert (await say(one, number))["type"] == "ack"
            assert (await say(other, number + 10))["type"] == "ack"
    assert counted("project") == before + 4


async def test_without_redis_everything_passes_at_once(
    desk: Desk, key: str, database: Database, tmp_path: Path
) -> None:
    away = f"unix://{tmp_path}/nobody.sock"
    async with (
        limited(desk, database, away, conversation=Limit(1, 3600), address=Limit(1, 3600)) as strict,
        tab(strict, key, host="198.51.100.7") as wire,
    ):
        began = time.monotonic()
        for number in range(20):
            assert (await say(wire, number))["type"] == "ack"
        assert time.monotonic() - began < 2


async def test_a_database_that_was_away_costs_nothing(
    desk: Desk, key: str, database: Database, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        limited(desk, database, str(servers.redis_url), conversation=Limit(2, 3600)) as strict,
        tab(strict, key) as wire,
    ):
        assert (await say(wire, 0))["type"] == "ack"
        with monkeypatch.context() as patched:
            patched.setattr(Database, "statement", _no_database)
            for _ in range(3):
                assert (await say(wire, 1))["code"] == "unavailable"
        assert (await say(wire, 1))["type"] == "ack"
        assert (await say(wire, 2))["code"] == "rate_limited"


def _no_database(self: Database) -> NoReturn:
    raise UnavailableError("The database does not answer.")


# New conversations


async def test_one_address_begins_so_many_conversations(
    desk: Desk, key: str, database: Database, servers: Servers
) -> None:
    async with (
        limited(desk, database, str(servers.redis_url), address=Limit(2, 10)) as strict,
        tab(strict, key, host="2001:db8::1") as one,
        tab(strict, key, host="2001:db8::2") as two,
        tab(strict, key, host="2001:db8::3") as three,
        tab(strict, key, host="2001:db8:0:1::1") as neighbour,
        tab(strict, key) as unknown,
    ):
        for wire in (one, two):
            assert (await say(wire, 0))["type"] == "ack"
        refused = await say(three, 0)
        assert (refused["code"], refused["retry_after"]) == ("rate_limited", 10)
        assert "network" in refused["message"]
        assert await said(database) == ["message 0"] * 2, "nothing is stored of the third"
        for wire in (neighbour, unknown):
            assert (await say(wire, 0))["type"] == "ack"
        for number in range(1, 6):  # who has a conversation goes on
            assert (await say(one, number))["type"] == "ack"


async def test_a_backlog_refuses_new_conversations_only(
    desk: Desk, key: str, shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "BACKLOG_KNOWN_FOR", 0.0)
    before = counted("backlog")
    async with tab(desk, key) as old, tab(desk, key) as new:
        assert (await say(old, 0))["type"] == "ack"
        async with database.statement() as db:
            await db.execute(text("UPDATE outbox SET created_at = now() - interval '61 minutes'"))
        refused = await say(new, 1)
        assert (refused["code"], refused["retry_after"]) == ("rate_limited", 30)
        assert "waiting" in refused["message"]
        assert (await say(old, 2))["type"] == "ack"
        async with tab(desk, key, token=old.frames[0]["token"]) as reload:
            assert (await say(reload, 3))["type"] == "ack"
        async with database.statement() as db:
            await db.execute(text("DELETE FROM outbox"))
        assert (await say(new, 1))["type"] == "ack"
    assert counted("backlog") == before + 1


async def test_a_conversation_that_another_tab_began_meets_no_fuse(
    desk: Desk, key: str, database: Database, servers: Servers
) -> None:
    """Nobody rings here: the second tab learns of the first one's message only by being refused."""
    async with (
        limited(desk, database, str(servers.redis_url), address=Limit(1, 3600)) as strict,
        tab(strict, key, host="198.51.100.7") as one,
        tab(strict, key, host="198.51.100.7", token=one.frames[0]["token"]) as other,
    ):
        assert (await say(one, 0))["type"] == "ack"
        assert (await say(other, 1))["seq"] == 2


async def test_many_new_conversations_look_once(
    desk: Desk, key: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    really = backlog.too_long

    async def noted(db: Any, project_id: str) -> bool:
        looked.append(project_id)
        return await really(db, project_id)

    monkeypatch.setattr(backlog, "too_long", noted)
    async with tab(desk, key) as one, tab(desk, key) as two, tab(desk, key) as three:
        answers = await asyncio.gather(*(say(wire, 0) for wire in (one, two, three)))
        assert {answer["type"] for answer in answers} == {"ack"}
        for number in range(1, 4):
            assert (await say(one, number))["type"] == "ack"
    assert len(looked) == 1
