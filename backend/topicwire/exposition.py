"""What `/metrics` shows: the figures of every process, whichever web process is asked.

Each process leaves its figures in Redis every few seconds, as lines that are ready to be shown and say
whose they are. So one scrape of one address tells everything, and a counter starts anew only with its
process. One that has ended is shown a while longer, for the next scrape to see its last counts; its
gauges are not, because they tell of what is no more.

How the lanes stand is no process' own figure: the database tells. What cannot be asked is left out, and
a gauge says so.
"""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import accumulate

import msgspec
import structlog
from msgspec import Struct
from prometheus_client import REGISTRY, Metric, generate_latest
from prometheus_client.core import GaugeHistogramMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from redis.asyncio import Redis
from redis.exceptions import RedisError

from topicwire.background import end, outlive
from topicwire.db import Database
from topicwire.domain import backlog
from topicwire.domain.backlog import DELAYS, DEPTHS, Standing
from topicwire.errors import UnavailableError

PROCESSES = "topicwire:figures"
EVERY = 5.0  # seconds between two times that a process leaves its figures
FRESH = 15  # seconds for which its gauges are believed
KEPT = 120  # seconds for which its counters are shown; scrapes are rarely further apart
ASKED_AGAIN = 3.0  # seconds for which what the database said is good enough
PATIENCE = 3.0  # seconds

log = structlog.get_logger()


class Family(Struct, frozen=True):
    """One metric of one process: its lines as they are shown, below a header that all share."""

    header: str
    lines: str
    gauge: bool


Figures = dict[str, Family]
_decoder = msgspec.json.Decoder(Figures)


def name_of_process(role: str) -> str:
    """Tell this process from all others, on whatever machine."""
    return f"{role}-{socket.gethostname()}-{os.getpid()}"


def figures(process: str) -> Figures:
    """The figures of this process."""
    return {metric.name: _family(metric, process) for metric in REGISTRY.collect()}


def _family(metric: Metric, process: str) -> Family:
    named = Metric(metric.name, metric.documentation, metric.type)
    for sample in metric.samples:
        if not sample.name.endswith("_created"):  # which would double every series
            named.add_sample(sample.name, {**sample.labels, "process": process}, sample.value)
    explained, typed, lines = _text([named]).split("\n", 2)
    return Family(f"{explained}\n{typed}\n", lines, gauge=metric.type in ("gauge", "info"))


class _Just(Collector):
    """These metrics and no others."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _text(metrics: Iterable[Metric]) -> str:
    return generate_latest(_Just(metrics)).decode()


class Exposition:
    """Leaves the figures of this process where others find them, and shows those of all."""

    def __init__(self, db: Database, redis: Redis, process: str) -> None:
        self._db = db
        self._redis = redis
        self._process = process
        self._heard = True
        self._standing: Standing | None = None
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    @asynccontextmanager
    async def kept_up(self) -> AsyncIterator[None]:
        """Leave the figures every few seconds while the block runs, and once more when it ends."""
        task = asyncio.create_task(outlive("leaving figures", self._leave_for_ever))
        try:
            yield
        finally:
            await end(task)
            await self.leave()

    async def _leave_for_ever(self) -> None:
        while True:
            await self.leave()
            await asyncio.sleep(EVERY)

    async def leave(self) -> None:
        """Leave the figures of this process in Redis, if that answers."""
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.set(_key(self._process), msgspec.json.encode(figures(self._process)), ex=KEPT)
                pipe.sadd(PROCESSES, self._process)
                await pipe.execute()
            self._heard = True
        except (RedisError, OSError, TimeoutError) as error:
            if self._heard:
                log.warning("no figures left, Redis does not answer", error=str(error))
            self._heard = False

    async def show(self) -> str:
        """Everything in Prometheus' text format."""
        others, standing = await asyncio.gather(self._others(), self._ask())
        known = [figures(self._process), *(others or ())]
        names = dict.fromkeys(name for each in known for name in each)
        shown = [_shown([each[name] for each in known if name in each]) for name in names]
        return "".join(shown) + _text(_common(standing, redis_up=others is not None))

    async def _others(self) -> list[Figures] | None:
        """The figures of the other processes; None when Redis does not answer."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._read()
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("figures of other processes are missing", error=str(error))
            return None

    async def _read(self) -> list[Figures]:
        named = await self._redis.smembers(PROCESSES)  # type: ignore[misc]  # redis-py has one type for two clients
        processes = sorted({each.decode() for each in named} - {self._process})
        async with self._redis.pipeline(transaction=False) as pipe:
            for process in processes:
                pipe.get(_key(process))
                pipe.ttl(_key(process))
            answers = await pipe.execute()
        left = list(zip(processes, answers[::2], answers[1::2], strict=True))
        gone = [process for process, found, _ in left if found is None]
        if gone:
            await self._redis.srem(PROCESSES, *gone)  # type: ignore[misc]
        return [_decoded(found, fresh=ttl > KEPT - FRESH) for _, found, ttl in left if found is not None]

    async def _ask(self) -> Standing | None:
        """How the lanes stand, asked every few seconds at most; None when the database does not answer."""
        async with self._asking:
            if time.monotonic() - self._asked_at > ASKED_AGAIN:
                try:
                    async with asyncio.timeout(PATIENCE), self._db.statement() as db:
                        self._standing = await backlog.standing(db)
                except (UnavailableError, TimeoutError) as error:
                    log.warning("how the lanes stand is unknown", error=str(error))
                    self._standing = None
                self._asked_at = time.monotonic()
            return self._standing


def _key(process: str) -> str:
    return f"{PROCESSES}:{process}"


def _decoded(found: bytes, *, fresh: bool) -> Figures:
    try:
        left = _decoder.decode(found)
    except msgspec.MsgspecError as error:  # of another version of ours, while one replaces the other
        log.warning("figures that make no sense", error=str(error))
        return {}
    return {name: family for name, family in left.items() if fresh or not family.gauge}


def _shown(families: list[Family]) -> str:
    return families[0].header + "".join(family.lines for family in families)


def _common(standing: Standing | None, *, redis_up: bool) -> Iterable[Metric]:
    yield GaugeMetricFamily("topicwire_redis_up", "Whether Redis answered; else only these figures", redis_up)
    up = standing is not None
    yield GaugeMetricFamily("topicwire_database_up", "Whether the database answered; else no lanes", up)
    if standing is None:
        return
    yield GaugeMetricFamily(
        "topicwire_dead_letters", "Messages refused for good that wait for somebody", standing.dead_letters
    )
    for name, words, bounds, one in (
        ("lane_delay_seconds", "How long the oldest entry of a group has waited", DELAYS, standing.delay),
        ("lane_depth", "How many entries of a group wait", DEPTHS, standing.depth),
    ):
        yield GaugeMetricFamily(f"topicwire_{name}_max", f"{words}: the most of any group", one.most)
        counts = zip((*map(str, bounds), "+Inf"), accumulate(one.counts), strict=True)
        yield GaugeHistogramMetricFamily(
            f"topicwire_{name}", f"{words}: over all groups that have any", buckets=list(counts),
            gsum_value=one.total,
        )  # fmt: skip
