"""The contract with arq's private names: a woken worker starts jobs because it is rung, not by looking.

The safety poll is set to an hour here, so that whatever starts was woken.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import arq.version
import pytest
import structlog
from arq.connections import ArqRedis
from arq.worker import func
from redis.exceptions import RedisError

from topicwire import jobs, worker
from topicwire.embedded import Servers
from topicwire.jobs import QUEUE, Jobs
from topicwire.worker import WokenWorker

HOUR = 3600.0


@pytest.fixture(autouse=True)
def _never_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "SAFETY_POLL", HOUR)


class Done:
    """A job that notes what it was given, and can be held."""

    def __init__(self) -> None:
        self.args: list[Any] = []
        self.at: list[float] = []
        self.now = self.most = 0
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def run(self, ctx: dict[str, Any], arg: Any) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        self.at.append(time.time())
        self.args.append(arg)
        await self.may_end.wait()
        self.now -= 1
        if arg == "broken":
            raise RuntimeError("a bug")


def a_worker(pool: ArqRedis, done: Done, *, max_jobs: int = 10) -> WokenWorker:
    """A woken worker, made as the product makes its own."""
    return WokenWorker(
        functions=[func(done.run, name="drain"), func(done.run, name="typing")],
        redis_pool=pool,
        queue_name=QUEUE,
        handle_signals=False,
        max_jobs=max_jobs,
        keep_result=0,
        max_tries=1,
        retry_jobs=False,
        job_serializer=pool.job_serializer,
        job_deserializer=pool.job_deserializer,
    )


@asynccontextmanager
async def working(url: str, done: Done, *, max_jobs: int = 10) -> AsyncIterator[WokenWorker]:
    """A woken worker whose jobs are all `done`, and which listens already."""
    pool = jobs.pool(url)
    running = a_worker(pool, done, max_jobs=max_jobs)
    task = asyncio.create_task(running.async_run())
    try:
        await until(lambda: _listens(pool), task)
        yield running
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait((task,), timeout=0.5)
        await pool.aclose()


async def _listens(pool: ArqRedis) -> bool:
    return bool((await pool.pubsub_numsub(jobs.WAKE))[0][1])


async def until(condition: Callable[[], Any], task: asyncio.Task[None] | None = None) -> None:
    async with asyncio.timeout(10):
        while True:
            found = condition()
            if await found if asyncio.iscoroutine(found) else found:
                return
            if task is not None and task.done():
                task.result()
            await asyncio.sleep(0.002)


@pytest.fixture
async def bell(servers: Servers) -> AsyncIterator[Jobs]:
    pool = jobs.pool(str(servers.redis_url))
    await pool.flushall()
    bell = Jobs(pool)
    yield bell
    await bell.close()


def test_the_version_is_the_one_that_was_read() -> None:
    assert arq.version.VERSION.startswith("0.28.")


async def test_a_ring_wakes(servers: Servers, bell: Jobs) -> None:
    done = Done()
    async with working(str(servers.redis_url), done):
        for number in range(5):
            bell.drain(number)
            await until(lambda: len(done.args) == number + 1)  # noqa: B023 (it is waited for here)
        assert done.args == list(range(5))


async def test_what_was_rung_before_the_start_is_heard(servers: Servers, bell: Jobs) -> None:
    done = Done()
    bell.drain(7)
    await until(lambda: bell._task is not None and bell._task.done())
    async with working(str(servers.redis_url), done):
        await until(lambda: done.args == [7])


async def test_a_job_for_later_starts_when_it_is_due(servers: Servers, bell: Jobs) -> None:
    done = Done()
    async with working(str(servers.redis_url), done):
        rung = time.time()
        bell.drain(2, after=0.5)
        bell.drain(1, after=0.2)
        bell.drain(0)
        await until(lambda: len(done.args) == 3)
        assert done.args == [0, 1, 2]
        assert done.at[1] >= rung + 0.19
        assert done.at[2] >= rung + 0.49


async def test_with_room_for_one_all_run_one_after_the_other(servers: Servers, bell: Jobs) -> None:
    done = Done()
    async with working(str(servers.redis_url), done, max_jobs=1):
        for number in range(20):
            bell.drain(number)
        await until(lambda: len(done.args) == 20)
        assert sorted(done.args) == list(range(20))
        assert done.most == 1


async def test_no_more_run_at_once_than_may(servers: Servers, bell: Jobs) -> None:
    done = Done()
    done.may_end.clear()
    async with working(str(servers.redis_url), done, max_jobs=3):
        for number in range(9):
            bell.drain(number)
        await until(lambda: done.now == 3)
        done.may_end.set()
        await until(lambda: len(done.args) == 9)
        assert done.most == 3


async def test_rings_while_their_job_runs_are_one_more_run_afterwards(servers: Servers, bell: Jobs) -> None:
    done = Done()
    done.may_end.clear()
    async with working(str(servers.redis_url), done):
        bell.drain(7)
        await until(lambda: done.now == 1)
        for _ in range(3):
            bell.drain(7)
            await until(lambda: bell._task is not None and bell._task.done())
        bell.drain(8)
        await until(lambda: 8 in done.args)  # so the others were heard as well
        done.may_end.set()
        await until(lambda: done.args == [7, 8, 7])
        bell.drain(7)
        await until(lambda: done.args == [7, 8, 7, 7])


async def test_a_job_that_breaks_breaks_nothing_else(servers: Servers, bell: Jobs) -> None:
    done = Done()
    async with working(str(servers.redis_url), done, max_jobs=1):
        for number in range(3):
            bell.typing("broken")
            await until(lambda: len(done.args) == number + 1)  # noqa: B023 (it is waited for here)
        bell.drain(1)
        await until(lambda: done.args[-1] == 1)
    assert await bell._redis.keys("arq:job*") == []  # nothing is left behind


async def test_two_workers_take_each_ring_once(servers: Servers, bell: Jobs) -> None:
    one, two = Done(), Done()
    url = str(servers.redis_url)
    async with working(url, one), working(url, two):
        for number in range(50):
            bell.drain(number)
        await until(lambda: len(one.args) + len(two.args) >= 50)
        assert sorted(one.args + two.args) == list(range(50))


async def test_a_worker_leaves_signs_of_life(servers: Servers, bell: Jobs) -> None:
    assert await bell.failing() == ["worker"]
    async with working(str(servers.redis_url), Done()):
        await until(lambda: _seen(bell))


async def _seen(bell: Jobs) -> bool:
    return await bell.failing() == []


async def test_an_idle_worker_ends_at_once(servers: Servers, bell: Jobs) -> None:
    for _ in range(20):
        async with working(str(servers.redis_url), Done()):
            pass


async def test_a_supervised_worker_outlives_redis(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """arq's worker ends when Redis restarts; ours starts another."""
    done, stop = Done(), asyncio.Event()
    monkeypatch.setattr(worker, "SAFETY_POLL", 5.0)
    with Servers(short_path, postgres=False) as servers:
        assert servers.redis is not None
        url = str(servers.redis_url)
        made: list[WokenWorker] = []

        def make(settings: Any, parts: Any, pool: ArqRedis) -> WokenWorker:
            made.append(a_worker(pool, done))
            return made[-1]

        monkeypatch.setattr(worker, "_worker", make)
        task = asyncio.create_task(worker._supervise(_Settings(url), None, stop))  # type: ignore[arg-type]
        watching = jobs.pool(url)
        await until(lambda: _listens(watching), task)
        await asyncio.to_thread(servers.redis.stop)
        await asyncio.to_thread(servers.redis.start)
        await until(lambda: _answers(watching), task)
        await until(lambda: _listens(watching), task)
        bell = Jobs(watching)
        bell.drain(7)
        await until(lambda: done.args == [7], task)
        assert len(made) >= 2
        stop.set()
        await asyncio.wait_for(task, 10)
        await bell.close()


async def _answers(pool: ArqRedis) -> bool:
    try:
        return bool(await pool.ping())
    except (RedisError, OSError):
        return False


class _Settings:
    relay_lanes = 4

    def __init__(self, url: str) -> None:
        self.redis = url


async def test_a_job_that_ran_out_of_time_is_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process was frozen; what broke a job tells where, with a traceback."""
    monkeypatch.setattr(worker, "JOB_TIMEOUT", 0.01)
    with structlog.testing.capture_logs() as logs:
        await worker._quietly(asyncio.sleep(5))
        await worker._quietly(_break())
    assert [(line["log_level"], line.get("exc_info", False)) for line in logs] == [
        ("warning", False),
        ("error", True),
    ]


async def _break() -> None:
    raise TimeoutError
