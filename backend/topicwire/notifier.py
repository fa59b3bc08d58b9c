"""The sockets' doorbell: Redis' pub/sub tells every web process which conversations have moved.

A ring carries the conversation's id and `rev`, and as a courtesy what a reader would find. It is
never the only copy of anything: after a lost ring, or a Redis that was away, listeners are told to
look for themselves. One channel for all conversations: a process subscribes once and need not
tell Redis about each of its sockets.
"""

import asyncio
import contextlib
from collections.abc import Callable

import msgspec
import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from topicwire import metrics
from topicwire.domain.conversations import Change

CHANNEL = "topicwire:changes"
QUIET = 20.0  # seconds without a message after which the connection is asked whether it lives

log = structlog.get_logger()
_decoder = msgspec.json.Decoder(Change)


def client(redis_url: str) -> Redis:
    """A client whose every operation gives up after two seconds."""
    return Redis.from_pool(
        BlockingConnectionPool.from_url(
            redis_url, max_connections=8, timeout=2, socket_timeout=2, socket_connect_timeout=2
        )
    )


class Notifier:
    """Rings for the sockets. Nothing here waits or fails: a lost ring is counted and made up for."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._pending: list[Change] = []
        self._task: asyncio.Task[None] | None = None

    def ring(self, change: Change) -> None:
        """Tell every web process, this one too, that a conversation has moved."""
        self._pending.append(change)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._publish())

    async def _publish(self) -> None:
        while self._pending:
            changes, self._pending = self._pending, []
            try:
                async with self._redis.pipeline(transaction=False) as pipe:
                    for change in changes:
                        pipe.publish(CHANNEL, msgspec.json.encode(change))
                    await pipe.execute()
            except (RedisError, OSError, TimeoutError) as error:
                metrics.rings_lost.inc(len(changes))
                log.warning("rings lost, the sweep makes up for them", rings=len(changes), error=str(error))

    async def listen(self, heard: Callable[[Change], None], missed: Callable[[], None]) -> None:
        """Call `heard` for every ring, for ever; `missed` whenever some may have been lost.

        `missed` is called after every subscription, when Redis has confirmed it.
        """
        delay = 0.1
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(CHANNEL)
                    while True:
                        message = await pubsub.get_message(timeout=QUIET)
                        if message is None:
                            await pubsub.ping()
                        elif message["type"] == "subscribe":
                            delay = 0.1
                            missed()
                        elif message["type"] == "message":
                            _hear(message["data"], heard, missed)
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("Redis does not answer, listening again", error=str(error))
                await asyncio.sleep(delay)
                delay = min(2.0, delay * 2)

    async def close(self) -> None:
        """Send what was rung and let go of Redis."""
        if self._task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._redis.aclose()


def _hear(ring: bytes, heard: Callable[[Change], None], missed: Callable[[], None]) -> None:
    try:
        change = _decoder.decode(ring)
    except msgspec.MsgspecError as error:  # of another version of ours, while one replaces the other
        log.warning("a ring that makes no sense, looking at everything", error=str(error))
        missed()
    else:
        heard(change)
