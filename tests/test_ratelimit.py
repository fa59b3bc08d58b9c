"""Budgets that all processes share."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from topicwire import notifier
from topicwire.embedded import Servers
from topicwire.ratelimit import Budget
from topicwire.settings import Rate


@pytest.fixture
async def redis(servers: Servers) -> AsyncIterator[Redis]:
    client = notifier.client(str(servers.redis_url))
    await client.flushall()
    yield client
    await client.aclose()


async def test_so_many_calls_pass_and_the_next_is_told_when(redis: Redis) -> None:
    budgets = [Budget(redis), Budget(redis)]  # as of two processes
    taken = [await budgets[number % 2].take("bot", Rate(5, 60)) for number in range(5)]
    assert taken == [0] * 5
    assert 55 < await budgets[0].take("bot", Rate(5, 60)) <= 60
    assert await budgets[0].take("another", Rate(5, 60)) == 0


async def test_of_many_at_once_no_more_pass_than_may(redis: Redis) -> None:
    budget = Budget(redis)
    taken = await asyncio.gather(*(budget.take("bot", Rate(7, 60)) for _ in range(40)))
    assert taken.count(0) == 7


async def test_who_waits_as_told_is_admitted(redis: Redis) -> None:
    budget = Budget(redis)
    rate = Rate(2, 0.1)
    for _ in range(2):
        assert await budget.take("bot", rate) == 0
    wait = await budget.take("bot", rate)
    assert 0 < wait <= 0.1
    await asyncio.sleep(wait)
    assert await budget.take("bot", rate) == 0


async def test_a_budget_leaves_nothing_behind(redis: Redis) -> None:
    await Budget(redis).take("bot", Rate(5, 60))
    for key in await redis.keys():
        assert 0 < await redis.pttl(key) <= 120_000


async def test_without_a_rate_or_without_redis_everything_passes(tmp_path: object) -> None:
    away = notifier.client(f"unix://{tmp_path}/nobody.sock")
    budget = Budget(away)
    assert await budget.take("bot", None) == 0
    assert await budget.take("bot", Rate(1, 60)) == 0
    assert await budget.take("bot", Rate(1, 60)) == 0
    await away.aclose()
