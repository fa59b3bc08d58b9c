"""What /metrics shows: all processes, read by Prometheus' own parser; what is missing is said."""

import os
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis
from sqlalchemy import text

from tests.domain.conftest import Desk, new_desk
from topicwire import metrics, notifier
from topicwire.db import Database
from topicwire.domain import outbox
from topicwire.embedded import Servers
from topicwire.exposition import FRESH, KEPT, PROCESSES, Exposition, name_of_process


@pytest.fixture
async def redis(servers: Servers) -> AsyncIterator[Redis]:
    """An empty Redis."""
    client = notifier.client(str(servers.redis_url))
    await client.flushall()
    yield client
    await client.aclose()


async def shown(shows: Exposition) -> dict[str, Metric]:
    """Everything that is shown, by name; each family once."""
    families = list(text_string_to_metric_families(await shows.show()))
    assert len({family.name for family in families}) == len(families)
    return {family.name: family for family in families}


def values(family: Metric, suffix: str = "") -> dict[str, float]:
    """The values of a family by process."""
    return {
        sample.labels.get("process", ""): sample.value
        for sample in family.samples
        if sample.name == family.name + suffix
    }


async def age(redis: Redis, process: str, seconds: int) -> None:
    """Let time pass since a process left its figures."""
    key = f"{PROCESSES}:{process}"
    await redis.expire(key, await redis.ttl(key) - seconds)


def test_processes_are_told_apart() -> None:
    assert name_of_process("worker") != name_of_process("web")
    assert name_of_process("web").endswith(f"-{os.getpid()}")


async def test_one_process_shows_the_figures_of_all(database: Database, redis: Redis) -> None:
    web, worker = Exposition(database, redis, "web-1"), Exposition(database, redis, "worker-1")
    metrics.call_seconds.labels("sendMessage").observe(0.2)
    metrics.calls_refused.labels('a "meaning"\n').inc()
    await worker.leave()
    metrics.messages_relayed.inc()
    families = await shown(web)
    relayed = values(families["topicwire_messages_relayed"], "_total")
    assert relayed["web-1"] == relayed["worker-1"] + 1  # the same registry, a moment later
    assert set(values(families["topicwire_sockets"])) == {"web-1", "worker-1"}
    assert set(values(families["topicwire_redis_up"]).values()) == {1}
    calls = families["topicwire_call_seconds"]
    assert calls.type == "histogram"
    buckets = [
        (float(sample.labels["le"]), sample.value)
        for sample in calls.samples
        if sample.name.endswith("_bucket") and sample.labels["process"] == "worker-1"
        and sample.labels["method"] == "sendMessage"
    ]  # fmt: skip
    assert all(low[1] <= high[1] for low, high in pairwise(buckets))
    assert buckets[-1][0] == float("inf")
    assert not any(name.endswith("_created") for name in families)
    assert {'a "meaning"\n'} <= {
        each.labels["meaning"] for each in families["topicwire_calls_refused"].samples
    }


async def test_of_a_process_that_ended_the_last_counts_stay_for_a_while(
    database: Database, redis: Redis
) -> None:
    web, worker = Exposition(database, redis, "web-1"), Exposition(database, redis, "worker-1")
    async with worker.kept_up():
        metrics.messages_relayed.inc()
    await age(redis, "worker-1", FRESH + 1)
    families = await shown(web)
    relayed = values(families["topicwire_messages_relayed"], "_total")
    assert relayed["worker-1"] == relayed["web-1"]  # what it counted last was left when it ended
    assert set(values(families["topicwire_sockets"])) == {"web-1"}
    await age(redis, "worker-1", KEPT)
    assert set(values((await shown(web))["topicwire_messages_relayed"], "_total")) == {"web-1"}
    assert await redis.smembers(PROCESSES) == set()  # type: ignore[misc]


async def test_figures_of_another_version_are_left_out(database: Database, redis: Redis) -> None:
    await redis.set(f"{PROCESSES}:worker-9", msgspec.json.encode({"topicwire_sockets": 1}))
    await redis.sadd(PROCESSES, "worker-9")  # type: ignore[misc]
    assert set(values((await shown(Exposition(database, redis, "web-1")))["topicwire_sockets"])) == {"web-1"}


async def test_without_redis_there_are_our_own_figures(database: Database, tmp_path: Path) -> None:
    away = notifier.client(f"unix://{tmp_path}/nothing")
    alone = Exposition(database, away, "web-1")
    await alone.leave()  # nothing to do about it
    families = await shown(alone)
    assert set(values(families["topicwire_messages_relayed"], "_total")) == {"web-1"}
    assert values(families["topicwire_redis_up"]) == {"": 0}
    assert values(families["topicwire_database_up"]) == {"": 1}


async def test_without_the_database_no_lanes_are_shown(redis: Redis) -> None:
    nowhere = Database("postgresql://x:x@127.0.0.1:1/db")
    families = await shown(Exposition(nowhere, redis, "web-1"))
    assert values(families["topicwire_database_up"]) == {"": 0}
    assert "topicwire_lane_depth" not in families
    await nowhere.close()


async def test_the_lanes_are_shown_as_they_stand(database: Database, redis: Redis) -> None:
    ann, ben = await new_desk(database), await new_desk(database, chat_id=-1002)
    await _wait(ann, "one", "two", seconds=40)
    await _wait(ben, "three", "four", "five", seconds=4000)
    async with database.statement() as db:
        turn = await outbox.take(db, ben.group_id)
        assert turn is not None
        lane, entry = turn
        assert entry is not None
        await outbox.failed(db, lane, entry.id, reason="rejected", last_error="no", pause=0)
    web = Exposition(database, redis, "web-1")
    families = await shown(web)
    assert values(families["topicwire_dead_letters"]) == {"": 1}
    assert values(families["topicwire_lane_depth_max"]) == {"": 2}
    assert 4000 <= values(families["topicwire_lane_delay_seconds_max"])[""] < 4100
    assert _buckets(families["topicwire_lane_depth"]) == {1: 0, 2: 2, 5: 2, float("inf"): 2}
    delays = _buckets(families["topicwire_lane_delay_seconds"], 30, 60, 3600)
    assert delays == {30: 0, 60: 1, 3600: 1, float("inf"): 2}
    lanes = [family for name, family in families.items() if name.startswith("topicwire_lane_")]
    assert all(sample.labels.keys() <= {"le"} for family in lanes for sample in family.samples)
    await _wait(ann, "six", seconds=0)
    assert values((await shown(web))["topicwire_lane_depth_max"]) == {"": 2}  # not asked every time
    later = await shown(Exposition(database, redis, "web-2"))
    assert values(later["topicwire_lane_depth_max"]) == {"": 3}


async def _wait(desk: Desk, *said: str, seconds: int) -> None:
    """Let these have been said so long ago."""
    for words in said:
        await desk.say(words, by=f"visitor of {desk.chat_id}")
    async with desk.database.statement() as db:
        await db.execute(
            text("UPDATE outbox SET created_at = created_at - make_interval(secs => :s) WHERE group_id = :g"),
            {"s": float(seconds), "g": desk.group_id},
        )


def _buckets(family: Metric, *bounds: float) -> dict[float, float]:
    wanted = (*(bounds or (1, 2, 5)), float("inf"))
    found = {
        float(sample.labels["le"]): sample.value
        for sample in family.samples
        if sample.name.endswith("_bucket")
    }
    return {bound: found[bound] for bound in wanted}
