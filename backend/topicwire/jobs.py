"""The worker's doorbell: arq carries rings, never work.

A ring says "look at this group"; what there is to do stands in the database. A job may therefore
run twice, run late or get lost: the janitor's sweep makes up for it. Rings are collected and sent
by one task of the process, so that nobody waits for Redis, and equal ones are sent once.

Why not more of arq 0.28: `_job_id` swallows rings while the job runs, `Retry` reorders and uses up
tries, so none of it is used. Its worker polls; a message on the channel `WAKE` wakes ours. Rings are
written in arq's own format, but in one round trip where `enqueue_job` needs three for each.
"""

import asyncio
import contextlib
import uuid
from typing import Any

import msgspec
import structlog
from arq.connections import ArqRedis
from arq.constants import health_check_key_suffix, job_key_prefix
from arq.jobs import serialize_job
from arq.utils import timestamp_ms
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from topicwire import metrics

QUEUE = "topicwire:jobs"
WAKE = "topicwire:wake"
RING_KEPT = 60_000  # milliseconds; whatever is not heard by then the sweep has found long ago

log = structlog.get_logger()


def pool(redis_url: str, *, size: int = 20) -> ArqRedis:
    """A pool that gives up after two seconds, for rings and for arq's worker."""
    connections = BlockingConnectionPool.from_url(
        redis_url,
        max_connections=size,
        timeout=2,
        socket_timeout=2,
        socket_connect_timeout=2,
        health_check_interval=15,
        retry=Retry(NoBackoff(), 1),
    )
    redis = ArqRedis(
        connections,
        job_serializer=_serialize,
        job_deserializer=msgspec.json.decode,
        default_queue_name=QUEUE,
    )
    redis.auto_close_connection_pool = True  # the pool is nobody else's
    return redis


def _serialize(job: Any) -> bytes:
    return msgspec.json.encode(job, enc_hook=str)  # arq keeps exceptions of its own in results


class Jobs:
    """Rings for the workers. Nothing here waits or fails: a lost ring is counted and made up for."""

    def __init__(self, redis: ArqRedis) -> None:
        self._redis = redis
        self._due: dict[tuple[Any, ...], float] = {}
        self._task: asyncio.Task[None] | None = None

    def drain(self, group_id: int, *, after: float = 0) -> None:
        """Have the lane of a group looked at, in `after` seconds."""
        self._ring(("drain", group_id), after)

    def command(self, bot_id: int, update_id: int) -> None:
        """Have a command of an operator carried out."""
        self._ring(("command", bot_id, update_id), 0)

    def typing(self, conversation_id: str) -> None:
        """Show the operators that a visitor is typing."""
        self._ring(("typing", conversation_id), 0)

    def _ring(self, job: tuple[Any, ...], after: float) -> None:
        self._due[job] = min(after, self._due.get(job, after))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._send_all())

    async def _send_all(self) -> None:
        while self._due:
            due, self._due = self._due, {}
            try:
                await self._send(due)
            except (RedisError, OSError, TimeoutError) as error:
                metrics.rings_lost.inc(len(due))
                log.warning("rings lost, the sweep makes up for them", rings=len(due), error=str(error))

    async def _send(self, due: dict[tuple[Any, ...], float]) -> None:
        """What `enqueue_job` does, for all rings in one round trip: ids are new, so none can be taken."""
        now = timestamp_ms()
        async with self._redis.pipeline(transaction=True) as pipe:
            for (name, *args), after in due.items():
                ring, score = uuid.uuid4().hex, now + int(after * 1000)
                job = serialize_job(name, tuple(args), {}, None, now, serializer=_serialize)
                pipe.psetex(job_key_prefix + ring, score - now + RING_KEPT, job)
                pipe.zadd(QUEUE, {ring: score})
            pipe.publish(WAKE, b"")
            await pipe.execute()

    async def failing(self) -> list[str]:
        """What keeps rings from being heard: `redis`, or `worker` when none was seen for 12 s."""
        try:
            seen = await self._redis.exists(QUEUE + health_check_key_suffix)
        except (RedisError, OSError, TimeoutError):
            return ["redis"]
        return [] if seen else ["worker"]

    async def close(self) -> None:
        """Send what was rung and let go of Redis."""
        if self._task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._redis.aclose()
