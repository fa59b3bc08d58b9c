"""The worker's doorbell: rings are collected, sent once, and never waited for."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from arq.connections import ArqRedis
from arq.constants import health_check_key_suffix

from topicwire import jobs
from topicwire.embedded import Servers
from topicwire.jobs import QUEUE, Jobs


@pytest.fixture
async def arq(servers: Servers) -> AsyncIterator[ArqRedis]:
    """An empty Redis."""
    pool = jobs.pool(str(servers.redis_url))
    await pool.flushall()
    yield pool
    await pool.aclose()


async def rung(arq: ArqRedis) -> list[tuple[str, tuple[object, ...]]]:
    return sorted((job.function, tuple(job.args)) for job in await arq.queued_jobs())


async def test_equal_rings_are_sent_once(arq: ArqRedis) -> None:
    bell = Jobs(arq)
    for _ in range(50):
        bell.drain(7)
        bell.drain(8)
        bell.command(4200, 1)
        bell.typing("ann")
    await bell.close()
    expected = [("command", (4200, 1)), ("drain", (7,)), ("drain", (8,)), ("typing", ("ann",))]
    assert await rung(arq) == expected


async def test_a_ring_is_never_swallowed_by_one_that_was_heard(arq: ArqRedis) -> None:
    bell = Jobs(arq)
    bell.drain(7)
    await asyncio.wait_for(_sent(bell), 5)
    bell.drain(7)
    await bell.close()
    assert await rung(arq) == [("drain", (7,)), ("drain", (7,))]


async def _sent(bell: Jobs) -> None:
    assert bell._task is not None
    await bell._task


async def test_of_two_times_the_sooner_counts(arq: ArqRedis) -> None:
    bell = Jobs(arq)
    bell.drain(7, after=60)
    bell.drain(7, after=5)
    bell.drain(7, after=30)
    await bell.close()
    (job,) = await arq.queued_jobs()
    assert job.score is not None
    assert 4 < job.score / 1000 - job.enqueue_time.timestamp() <= 6


async def test_without_redis_a_ring_is_lost_and_nothing_else(tmp_path: Path) -> None:
    bell = Jobs(jobs.pool(f"unix://{tmp_path}/nobody.sock"))
    bell.drain(7)
    assert await bell.failing() == ["redis"]
    await bell.close()


async def test_a_worker_that_was_not_seen_lately_is_missed(arq: ArqRedis) -> None:
    bell = Jobs(arq)
    assert await bell.failing() == ["worker"]
    await arq.set(QUEUE + health_check_key_suffix, b"alive")
    assert await bell.failing() == []
    await bell.close()
