"""Budgets that all processes share, kept in Redis by its own clock."""

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from topicwire import metrics
from topicwire.settings import Rate

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
