"""What all processes count together, kept in Redis by its own clock.

A `Budget` is what we may ask of others: so many calls in any window. A `Limiter` holds what others
may ask of us: a token bucket for each identity, a burst at once and then one more every so often.
"""

import asyncio
import hashlib
import ipaddress
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from topicwire import metrics
from topicwire.domain.accounts import normal_address
from topicwire.settings import Limit, Rate

PATIENCE = 0.3  # seconds for an answer about limits; somebody waits for it
MOST_AT_ONCE = 500  # questions in one round trip
PAUSE = 2.0  # seconds in which Redis is not asked about limits after it did not answer

log = structlog.get_logger()

# KEYS[1]: a sorted set of the moments (µs) of the calls in the window. ARGV: calls, window in µs.
# Gives 0 when the call is admitted, else the µs until one is.
_TAKE = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local calls, window = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
if redis.call('ZCARD', KEYS[1]) < calls then
  redis.call('ZADD', KEYS[1], now, now .. ':' .. redis.call('INCR', KEYS[1] .. ':n'))
  redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000))
  redis.call('PEXPIRE', KEYS[1] .. ':n', math.ceil(window / 1000) + 60000)
  return 0
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return math.max(1, oldest[2] + window - now)
"""


class Budget:
    """At most so many calls in any window; a true sliding window, not a bucket with a burst."""

    def __init__(self, redis: Redis) -> None:
        self._script = redis.register_script(_TAKE)

    async def take(self, name: str, rate: Rate | None) -> float:
        """Take a slot and give 0, or give the seconds until there may be one.

        While Redis is away calls pass, counted: the other side's refusals still slow us down.
        """
        if rate is None:
            return 0
        try:
            wait = await self._script(
                keys=[f"topicwire:budget:{name}"], args=[rate.calls, int(rate.seconds * 1_000_000)]
            )
        except (RedisError, OSError, TimeoutError) as error:
            metrics.budget_unchecked.inc()
            log.warning("budget not checked, Redis does not answer", budget=name, error=str(error))
            return 0
        return int(wait) / 1_000_000


@dataclass(frozen=True)
class Policy:
    """A limit, what becomes of that which exceeds it, and whether anything passes without Redis."""

    name: str
    limit: Limit | None
    refuses: bool = True  # else what exceeds it passes, counted
    passes_unchecked: bool = True

    def of(self, identity: str) -> "Bucket":
        """The bucket of whom this identity means."""
        return Bucket(self, identity)


@dataclass(frozen=True)
class Bucket:
    """One identity's tokens under a policy."""

    policy: Policy
    identity: str

    @property
    def key(self) -> str:
        """Where Redis keeps it."""
        return f"topicwire:limit:{self.policy.name}:{self.identity}"


@dataclass(frozen=True)
class Policies:
    """All the limits: of visitors' messages, of owners, and of new conversations from an address."""

    conversation: Policy
    project: Policy
    sign_in: Policy
    dashboard: Policy
    address: Policy


def policies(
    *,
    conversation: Limit | None,
    project: Limit | None,
    sign_in: Limit | None,
    dashboard: Limit | None,
    address: Limit | None,
) -> Policies:
    """The policies with these limits; None lifts one.

    Keyed by conversation, project, `mailbox`, account and `network`.
    """
    return Policies(
        conversation=Policy("conversation", conversation),
        project=Policy("project", project, refuses=False),
        sign_in=Policy("sign_in", sign_in, passes_unchecked=False),
        dashboard=Policy("dashboard", dashboard),
        address=Policy("address", address),
    )


def mailbox(address: str) -> str:
    """The identity of an e-mail address, however it is spelt. Raises `RefusedError("bad_email")`."""
    return hashlib.sha256(normal_address(address).encode()).hexdigest()[:32]


def network(host: str) -> str | None:
    """The identity of a network address; None for what is none. One household has an IPv6 /64."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), 64), strict=False).network_address)


@dataclass(frozen=True)
class Taken:
    """It may go on; `buckets` are those that gave a token."""

    buckets: tuple[Bucket, ...] = ()


@dataclass(frozen=True)
class Exceeded:
    """It may not; `retry_after` is in whole seconds."""

    policy: Policy
    retry_after: int


# KEYS: the buckets. Each holds the moment (µs) at which it will be full, and is gone from then on.
# ARGV: `take` or `give back`, then for each bucket: tokens, µs for one more, 1 if it refuses.
# Gives for each bucket 0 or the µs until its next token. If one refuses, none gives a token.
_TOKENS = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local full_at, waits, refused = {}, {}, false
for i, key in ipairs(KEYS) do
  local size, more, refuses = ARGV[3 * i - 1] * ARGV[3 * i], tonumber(ARGV[3 * i]), ARGV[3 * i + 1] == '1'
  local at = tonumber(redis.call('GET', key) or now)
  at = math.min(math.max(at, now), now + size)
  if ARGV[1] == 'take' then
    full_at[i] = at + more
    waits[i] = math.max(0, full_at[i] - now - size)
    refused = refused or (refuses and waits[i] > 0)
  else
    full_at[i], waits[i] = at - more, 0
  end
end
for i, key in ipairs(KEYS) do
  if not refused and waits[i] == 0 then
    if full_at[i] > now then
      redis.call('SET', key, string.format('%.0f', full_at[i]), 'PX', math.ceil((full_at[i] - now) / 1000))
    else
      redis.call('DEL', key)
    end
  end
end
return waits
"""


class _Ask:
    """A question to Redis, and the µs until each bucket's next token as soon as they are known."""

    __slots__ = ("arguments", "keys", "waits")

    def __init__(self, what: str, buckets: Sequence[Bucket]) -> None:
        self.keys = [bucket.key for bucket in buckets]
        self.arguments = [what, *_terms(buckets)]
        self.waits: asyncio.Future[list[int] | None] = asyncio.get_running_loop().create_future()

    def answer(self, waits: list[int] | None) -> None:
        if not self.waits.done():  # whoever asked may be gone
            self.waits.set_result(waits)


class Limiter:
    """Asks all buckets at once, and whose limit is lifted not at all.

    What is asked while Redis answers goes out together. Redis may be slow or away: after `PATIENCE`
    each policy's own rule applies, counted; for a while nobody waits again, then one asks for all.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._script = hashlib.sha1(_TOKENS.encode(), usedforsecurity=False).hexdigest()
        self._pending: list[_Ask] = []
        self._task: asyncio.Task[None] | None = None
        self._away = False
        self._ask_from = 0.0

    async def take(self, *buckets: Bucket) -> Taken | Exceeded:
        """Take a token from each bucket, or from none if one of them refuses."""
        limited = [bucket for bucket in buckets if bucket.policy.limit is not None]
        if not limited:
            return Taken()
        waits = await self._ask("take", limited)
        if waits is None:
            return _unchecked(limited)
        return _judged(limited, waits)

    async def give_back(self, taken: Taken) -> None:
        """Undo a `take`: what it was for did not happen. Without Redis nothing is given back."""
        if taken.buckets:
            await self._ask("give back", taken.buckets)

    async def _ask(self, what: str, buckets: Sequence[Bucket]) -> list[int] | None:
        """None when Redis does not answer."""
        now = time.monotonic()
        if now < self._ask_from:
            return None
        if self._away:  # this one asks for all
            self._ask_from = now + PAUSE
        ask = _Ask(what, buckets)
        self._pending.append(ask)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._ask_all())
        return await ask.waits

    async def _ask_all(self) -> None:
        while self._pending:
            asked, self._pending = self._pending[:MOST_AT_ONCE], self._pending[MOST_AT_ONCE:]
            answers: Sequence[list[int] | None] = [None] * len(asked)
            try:
                async with asyncio.timeout(PATIENCE):
                    answers = await self._run(asked)
                self._away, self._ask_from = False, 0.0
            except (RedisError, OSError, TimeoutError) as error:
                self._lost(error)
                asked, self._pending = asked + self._pending, []
                answers = [None] * len(asked)
            finally:
                for ask, waits in zip(asked, answers, strict=True):
                    ask.answer(waits)

    async def _run(self, asked: Sequence[_Ask]) -> list[list[int] | None]:
        try:
            return await self._try(asked)
        except NoScriptError:  # Redis has forgotten it, with everything else
            await self._redis.script_load(_TOKENS)
            return await self._try(asked)

    async def _try(self, asked: Sequence[_Ask]) -> list[list[int] | None]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for ask in asked:
                pipe.evalsha(self._script, len(ask.keys), *ask.keys, *ask.arguments)
            answers: list[list[int] | None] = await pipe.execute()
        return answers

    def _lost(self, error: Exception) -> None:
        self._ask_from = time.monotonic() + PAUSE
        if not self._away:
            log.warning("limits not checked, Redis does not answer", error=repr(error))
        self._away = True


def _terms(buckets: Sequence[Bucket]) -> list[str]:
    terms: list[str] = []
    for bucket in buckets:
        if bucket.policy.limit is not None:
            limit = bucket.policy.limit
            terms += [str(limit.burst), f"{limit.seconds * 1_000_000:.0f}", str(int(bucket.policy.refuses))]
    return terms


def _judged(buckets: Sequence[Bucket], waits: Sequence[int]) -> Taken | Exceeded:
    """What exceeds a limit is counted, that of a policy which does not refuse too."""
    asked = list(zip(buckets, waits, strict=True))
    refusals = [(wait, bucket.policy) for bucket, wait in asked if wait and bucket.policy.refuses]
    if refusals:
        wait, policy = max(refusals, key=lambda refusal: refusal[0])
        metrics.limit_exceeded.labels(policy.name).inc()
        return Exceeded(policy, math.ceil(wait / 1_000_000))
    for bucket, wait in asked:
        if wait:
            metrics.limit_exceeded.labels(bucket.policy.name).inc()
    return Taken(tuple(bucket for bucket, wait in asked if not wait))


def _unchecked(buckets: Sequence[Bucket]) -> Taken | Exceeded:
    for bucket in buckets:
        metrics.limit_unchecked.labels(bucket.policy.name).inc()
    closed = next((bucket.policy for bucket in buckets if not bucket.policy.passes_unchecked), None)
    return Taken() if closed is None else Exceeded(closed, math.ceil(PAUSE))
