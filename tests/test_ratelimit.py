"""Budgets and limits that all processes share."""

import asyncio
import math
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from topicwire import notifier
from topicwire.embedded import Servers
from topicwire.errors import RefusedError
from topicwire.ratelimit import (
    PATIENCE,
    PAUSE,
    Bucket,
    Budget,
    Exceeded,
    Limiter,
    Policy,
    Taken,
    mailbox,
    network,
    policies,
)
from topicwire.settings import Limit, Rate

PLAIN = Policy("conversation", Limit(3, 60))


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


# Limits


def counted(name: str, policy: str) -> float:
    """A counter of this process."""
    return REGISTRY.get_sample_value(f"topicwire_{name}_total", {"policy": policy}) or 0.0


async def pass_time(redis: Redis, bucket: Bucket, seconds: float) -> None:
    """Put a bucket's clock forward: what was said of it was said so much earlier."""
    full_at, lives = await redis.get(bucket.key), await redis.pttl(bucket.key)
    if full_at is None:
        return
    if lives <= seconds * 1000:
        await redis.delete(bucket.key)
    else:
        await redis.set(bucket.key, int(full_at) - int(seconds * 1_000_000), px=int(lives - seconds * 1000))


class Model:
    """A bucket as one would explain it: tokens that drip in one by one, never more than fit."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._tokens = limit.burst
        self._dripped = 0.0  # seconds towards the next token

    def pass_time(self, seconds: float) -> None:
        self._dripped += seconds
        while self._dripped >= self._limit.seconds and self._tokens < self._limit.burst:
            self._dripped -= self._limit.seconds
            self._tokens += 1
        if self._tokens == self._limit.burst:
            self._dripped = 0.0

    def take(self) -> int:
        """0, or the seconds until there is one."""
        if self._tokens:
            self._tokens -= 1
            return 0
        return math.ceil(self._limit.seconds - self._dripped)

    def give_back(self) -> None:
        self._tokens = min(self._limit.burst, self._tokens + 1)
        if self._tokens == self._limit.burst:
            self._dripped = 0.0


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    limit=st.builds(Limit, st.integers(1, 9), st.sampled_from([10.0, 30.0, 300.0])),
    steps=st.lists(st.one_of(st.just("take"), st.just("give back"), st.integers(1, 60)), max_size=40),
)
async def test_a_limit_is_a_token_bucket(redis: Redis, limit: Limit, steps: list[str | int]) -> None:
    """Time passes in tens of seconds, so that the milliseconds of the test itself change nothing."""
    bucket = Policy("conversation", limit).of(uuid.uuid4().hex)
    limiter, model = Limiter(redis), Model(limit)
    taken: list[Taken] = []
    for step in steps:
        if isinstance(step, int):
            model.pass_time(step * 10)
            await pass_time(redis, bucket, step * 10)
        elif step == "give back":
            if taken:
                model.give_back()
                await limiter.give_back(taken.pop())
        else:
            answer = await limiter.take(bucket)
            wait = model.take()
            assert (answer.retry_after if isinstance(answer, Exceeded) else 0) == wait
            if isinstance(answer, Taken):
                taken.append(answer)


async def test_of_many_at_once_only_the_burst_passes(redis: Redis) -> None:
    limiters = [Limiter(redis), Limiter(redis)]  # as of two processes
    answers = await asyncio.gather(*(limiters[n % 2].take(PLAIN.of("ann")) for n in range(40)))
    assert sum(isinstance(answer, Taken) for answer in answers) == 3
    assert isinstance(await limiters[0].take(PLAIN.of("bob")), Taken)


async def test_a_crowd_is_no_reason_to_let_everything_pass(redis: Redis) -> None:
    """What many ask at once goes out together, so that nobody waits until patience ends."""
    limiter = Limiter(redis)
    answers = await asyncio.gather(*(limiter.take(PLAIN.of(f"visitor {n % 300}")) for n in range(1500)))
    assert sum(isinstance(answer, Taken) and answer.buckets != () for answer in answers) == 900
    assert sum(isinstance(answer, Exceeded) for answer in answers) == 600


async def test_a_script_that_redis_forgot_is_loaded_again(redis: Redis) -> None:
    limiter = Limiter(redis)
    assert isinstance(await limiter.take(PLAIN.of("ann")), Taken)
    await redis.script_flush()
    assert await limiter.take(PLAIN.of("ann")) == Taken((PLAIN.of("ann"),))


async def test_a_wait_is_rounded_up_and_long_enough(redis: Redis) -> None:
    limiter, bucket = Limiter(redis), Policy("conversation", Limit(1, 0.05)).of("ann")
    assert await limiter.take(bucket) == Taken((bucket,))
    refused = await limiter.take(bucket)
    assert refused == Exceeded(bucket.policy, 1)
    await asyncio.sleep(0.05)
    assert isinstance(await limiter.take(bucket), Taken)


async def test_what_one_bucket_refuses_costs_the_others_nothing(redis: Redis) -> None:
    narrow, wide = Policy("conversation", Limit(1, 60)), Policy("address", Limit(5, 60))
    limiter = Limiter(redis)
    before = counted("limit_exceeded", "conversation")
    assert isinstance(await limiter.take(narrow.of("ann"), wide.of("net")), Taken)
    for _ in range(9):
        assert await limiter.take(wide.of("net"), narrow.of("ann")) == Exceeded(narrow, 60)
    assert counted("limit_exceeded", "conversation") == before + 9
    for visitor in range(4):
        assert isinstance(await limiter.take(narrow.of(f"v{visitor}"), wide.of("net")), Taken)
    assert await limiter.take(narrow.of("v9"), wide.of("net")) == Exceeded(wide, 60)


async def test_a_policy_that_refuses_nothing_counts(redis: Redis) -> None:
    bucket = policies(
        conversation=None, project=Limit(2, 60), sign_in=None, dashboard=None, address=None
    ).project.of("shop")
    limiter, before = Limiter(redis), counted("limit_exceeded", "project")
    answers = [await limiter.take(bucket) for _ in range(5)]
    nothing = Taken()
    assert answers == [Taken((bucket,))] * 2 + [nothing] * 3
    assert counted("limit_exceeded", "project") == before + 3
    await limiter.give_back(nothing)
    assert await limiter.take(bucket) == Taken()


async def test_a_narrower_limit_counts_at_once(redis: Redis) -> None:
    limiter = Limiter(redis)
    for _ in range(8):
        await limiter.take(Policy("conversation", Limit(8, 3600)).of("ann"))
    now = Policy("conversation", Limit(2, 8))
    assert await limiter.take(now.of("ann")) == Exceeded(now, 8)


async def test_a_full_bucket_is_not_kept(redis: Redis) -> None:
    limiter = Limiter(redis)
    taken = await limiter.take(PLAIN.of("ann"))
    (key,) = await redis.keys()
    assert 59_000 < await redis.pttl(key) <= 60_000
    assert isinstance(taken, Taken)
    await limiter.give_back(taken)
    assert await redis.keys() == []


async def test_a_lifted_limit_asks_nobody(redis: Redis) -> None:
    async def commands() -> int:
        return int((await redis.info("stats"))["total_commands_processed"])

    before, limiter = await commands(), Limiter(redis)
    for _ in range(10):
        assert await limiter.take(Policy("conversation", None).of("ann")) == Taken()
    assert await commands() == before + 1  # to ask for their number


async def test_without_redis_each_policy_does_as_it_says(tmp_path: Path) -> None:
    away = notifier.client(f"unix://{tmp_path}/nobody.sock")
    limiter = Limiter(away)
    known = policies(
        conversation=Limit(1, 8),
        project=Limit(1, 4),
        sign_in=Limit(1, 300),
        dashboard=Limit(1, 2),
        address=Limit(1, 10),
    )
    before = {name: counted("limit_unchecked", name) for name in ("sign_in", "dashboard", "conversation")}
    for policy in (known.conversation, known.project, known.dashboard, known.address):
        assert await limiter.take(policy.of("x")) == Taken()
        assert await limiter.take(policy.of("x")) == Taken()
    assert await limiter.take(known.sign_in.of("x")) == Exceeded(known.sign_in, math.ceil(PAUSE))
    after = {name: counted("limit_unchecked", name) - before[name] for name in before}
    assert after == {"sign_in": 1, "dashboard": 2, "conversation": 2}
    await away.aclose()


async def test_a_redis_that_hangs_is_waited_for_once(short_path: Path) -> None:
    asked = 0

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(say_nothing, short_path / "mute.sock")
    mute = notifier.client(f"unix://{short_path}/mute.sock")
    limiter = Limiter(mute)
    began = time.monotonic()
    for _ in range(100):
        assert await limiter.take(PLAIN.of("ann")) == Taken()
    assert PATIENCE <= time.monotonic() - began < 2 * PATIENCE + 0.3
    assert asked == 1
    await mute.aclose()
    server.close()
    await server.wait_closed()


async def test_limits_hold_again_when_redis_is_back(
    short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topicwire.ratelimit.PAUSE", 0.05)
    with Servers(short_path, postgres=False) as own:
        assert own.redis is not None
        redis = notifier.client(str(own.redis_url))
        limiter = Limiter(redis)
        for _ in range(3):
            assert isinstance(await limiter.take(PLAIN.of("ann")), Taken)
        assert isinstance(await limiter.take(PLAIN.of("ann")), Exceeded)
        await asyncio.to_thread(own.redis.stop)
        assert await limiter.take(PLAIN.of("ann")) == Taken()
        await asyncio.to_thread(own.redis.start)
        async with asyncio.timeout(10):
            while not isinstance(await limiter.take(PLAIN.of("ann")), Exceeded):  # noqa: ASYNC110
                await asyncio.sleep(0.01)  # it has forgotten everything: three pass again
        await redis.aclose()


# Identities


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Ann@Example.com ", "ann@example.com", True),
        ("ann@example.com", "bob@example.com", False),
    ],
)
def test_a_mailbox_is_the_same_however_it_is_spelt(one: str, other: str, same: bool) -> None:
    assert (mailbox(one) == mailbox(other)) == same
    assert "ann" not in mailbox(one)


def test_no_address_is_no_mailbox() -> None:
    with pytest.raises(RefusedError):
        mailbox("nobody")


@pytest.mark.parametrize(
    ("host", "identity"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("2001:db8:1:3::9", "2001:db8:1:3::"),
        ("fe80::1%eth0", "fe80::"),
        ("unknown", None),
        ("", None),
    ],
)
def test_a_household_is_one_network(host: str, identity: str | None) -> None:
    assert network(host) == identity
