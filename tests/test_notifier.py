"""The sockets' doorbell: every process hears every ring, or is told that it may have missed some."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis.asyncio import Redis

from topicwire import notifier
from topicwire.domain.conversations import Change, Message
from topicwire.embedded import Servers
from topicwire.notifier import CHANNEL, Notifier

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
BOLD = [{"type": "bold", "offset": 0, "length": 2}]
CHANGES = [
    Change("ann", 1),
    Change("ann", 2, state="closed"),
    Change("ann", 0, revoked="hold"),
    Change("ann", 3, Message(2, 3, 3, "operator", "über 👋", AT, author="Mara", entities=BOLD, reply_to=1)),
]


class Ear:
    """What one process hears."""

    def __init__(self) -> None:
        self.heard: list[Change] = []
        self.missed = 0

    def miss(self) -> None:
        self.missed += 1


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[Ear]:
    """A process that listens, from the moment that Redis has confirmed it."""
    ear, redis = Ear(), notifier.client(url)
    task = asyncio.create_task(Notifier(redis).listen(ear.heard.append, ear.miss))
    try:
        await until(lambda: ear.missed == 1)
        yield ear
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await redis.aclose()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (nobody tells us)
            await asyncio.sleep(0.002)


@pytest.fixture
async def redis(servers: Servers) -> AsyncIterator[Redis]:
    client = notifier.client(str(servers.redis_url))
    yield client
    await client.aclose()


async def test_every_process_hears_every_ring_as_it_was(servers: Servers, redis: Redis) -> None:
    bell = Notifier(redis)
    async with listening(str(servers.redis_url)) as one, listening(str(servers.redis_url)) as two:
        for change in CHANGES:
            bell.ring(change)
        for ear in (one, two):
            await until(lambda ear=ear: len(ear.heard) == len(CHANGES))  # type: ignore[misc]
            assert ear.heard == CHANGES
            assert ear.missed == 1  # after subscribing: what came before is to be looked up
    await bell.close()


async def test_a_ring_of_another_version_is_a_reason_to_look(servers: Servers, redis: Redis) -> None:
    async with listening(str(servers.redis_url)) as ear:
        for ring in (b"", b"[]", b'{"conversation_id":7}', b"\xff"):
            await redis.publish(CHANNEL, ring)
        await until(lambda: ear.missed == 5)
        bell = Notifier(redis)
        bell.ring(CHANGES[0])
        await until(lambda: ear.heard == CHANGES[:1])
        await bell.close()


async def test_after_redis_was_away_everybody_looks(short_path: Path) -> None:
    with Servers(short_path, postgres=False) as servers:
        assert servers.redis is not None
        ringing = notifier.client(str(servers.redis_url))
        bell = Notifier(ringing)
        async with listening(str(servers.redis_url)) as ear:
            await asyncio.to_thread(servers.redis.stop)
            bell.ring(CHANGES[0])  # nobody hears it, and nobody fails
            await asyncio.to_thread(servers.redis.start)
            await until(lambda: ear.missed == 2)
            bell.ring(CHANGES[1])
            await until(lambda: CHANGES[1] in ear.heard)
        await bell.close()
