"""The worker: arq's, but woken instead of polling, and outliving Redis.

arq 0.28 sleeps the full `poll_delay` between two looks at its queue, which means half a second at
best or a busy loop. This one sleeps until it is rung, has room again, or the next deferred job is
due. arq also guards every job by seven round trips, so that it runs at least once; our jobs are
rings, which a sweep makes up for, and are taken off the queue in one. Private names of arq are
used, so its version is pinned; tests/test_worker.py is the contract.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import structlog
import uvloop
from arq.connections import ArqRedis
from arq.constants import job_key_prefix
from arq.jobs import deserialize_job_raw
from arq.utils import timestamp_ms
from arq.worker import Worker as ArqWorker
from arq.worker import func
from redis.exceptions import RedisError

from topicwire import jobs, logs, wiring
from topicwire.background import end, outlive
from topicwire.errors import UnavailableError
from topicwire.jobs import QUEUE, WAKE
from topicwire.settings import Settings
from topicwire.telegram import polling, webhook

SAFETY_POLL = 5.0  # seconds; for a wake that was lost
SEEN_EVERY = 2.0  # seconds between two signs of life, at most; at rest they come with the safety poll
SEEN_FOR = 12  # seconds that a sign of life lasts
JOB_TIMEOUT = 40  # seconds; a drain ends by itself after 10 s and one call
COMPLETION_WAIT = 15  # seconds for the call in hand when the worker is told to stop

log = structlog.get_logger()


# KEYS[1]: the queue. ARGV: now (ms), how many, the prefix of the jobs' keys. Takes what is due off
# the queue; gives the jobs, and when the next one is due ('' for none).
_TAKE = """
local jobs = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])) do
  redis.call('ZREM', KEYS[1], id)
  jobs[#jobs + 1] = redis.call('GETDEL', ARGV[3] .. id) or nil
end
return {jobs, redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] or ''}
"""


class WokenWorker(ArqWorker):
    """arq's worker, sleeping until there is a reason to look."""

    _woken: asyncio.Event
    _seen = float("-inf")
    _next_due = float("inf")  # seconds since 1970, of the first job that is not due yet

    async def main(self) -> None:
        """Look at the queue whenever something may have come into it."""
        self._woken = asyncio.Event()
        self._take = self.pool.register_script(_TAKE)
        self._again: dict[tuple[Any, ...], bool] = {}  # jobs under way, and whether they were rung since
        ears = asyncio.create_task(self._listen())
        ears.add_done_callback(lambda _: self._woken.set())  # deaf is a reason to look, too
        try:
            while True:
                self._woken.clear()
                await self._poll_iteration()
                # Not `wait_for`: before Python 3.12 it swallows a cancellation that meets a wake.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._patience()):
                        await self._woken.wait()
                if ears.done():
                    ears.result()
        finally:
            ears.cancel()

    async def _poll_iteration(self) -> None:
        """Start every job that is due, as far as there is room."""
        room = self.max_jobs - self.job_counter
        if self.allow_pick_jobs and room > 0:
            jobs, due = await self._take(keys=[self.queue_name], args=[timestamp_ms(), room, job_key_prefix])
            self._next_due = float(due) / 1000 if due else float("inf")
            for job in jobs:
                name, args, *_ = deserialize_job_raw(job, deserializer=self.job_deserializer)
                self._start(name, tuple(args))
        await self.heart_beat()

    def _start(self, name: str, args: tuple[Any, ...]) -> None:
        """Do what a ring asks for; when that is under way already, once more afterwards."""
        key = (name, *args)
        if key in self._again:
            self._again[key] = True
            return
        self.job_counter += 1
        self._again[key] = True
        self.tasks[str(key)] = self.loop.create_task(self._run(key))

    async def _run(self, key: tuple[Any, ...]) -> None:
        name, *args = key
        try:
            while self._again[key]:
                self._again[key] = False
                await self.functions[name].coroutine(self.ctx, *args)
        finally:
            del self._again[key], self.tasks[str(key)]
            if self.job_counter == self.max_jobs:  # there was no room, so some may have been left
                self._woken.set()
            self.job_counter -= 1

    async def heart_beat(self) -> None:
        """Leave a sign of life; arq's own lasts one second longer than its interval, too little here."""
        now = time.monotonic()
        if now - self._seen > SEEN_EVERY:
            await self.pool.setex(self.health_check_key, SEEN_FOR, b"alive")
            self._seen = now

    async def _listen(self) -> None:
        async with self.pool.pubsub() as pubsub:
            await pubsub.subscribe(WAKE)
            while True:
                if await pubsub.get_message(timeout=SAFETY_POLL) is not None:
                    self._woken.set()
                else:
                    await pubsub.ping()

    def _patience(self) -> float:
        """Seconds until the next deferred job, if that is sooner than the safety poll."""
        if self.job_counter >= self.max_jobs:
            return SAFETY_POLL
        return min(SAFETY_POLL, max(0.001, self._next_due - time.time()))


def run(settings: Settings) -> None:
    """Run one worker until SIGTERM or SIGINT."""
    logs.configure(settings.log_level, settings.log_format)
    uvloop.run(serve(settings))


async def serve(settings: Settings) -> None:
    """Work until told to stop; then finish the calls in hand."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with wiring.worker(settings) as parts, _background(settings, parts):
        await _supervise(settings, parts, stop)


@contextlib.asynccontextmanager
async def _background(settings: Settings, parts: wiring.Worker) -> AsyncIterator[None]:
    tasks = [
        asyncio.create_task(outlive("the janitor", parts.janitor.run)),
        asyncio.create_task(outlive("telling owners", parts.owners.run)),
        asyncio.create_task(outlive("keeping house", parts.janitor.keep_house)),
    ]
    if parts.bot is not None:
        tasks.append(asyncio.create_task(outlive("updates", lambda: _updates(settings, parts))))
    try:
        yield
    finally:
        await end(*tasks)


async def _updates(settings: Settings, parts: wiring.Worker) -> None:
    bot_id = settings.bot_id
    if bot_id is None:
        return
    db, holder = parts.services.db, parts.holder
    if settings.telegram_updates == "polling":
        await polling.poll(db, parts.services, parts.bot, bot_id=bot_id, holder=holder)
    else:
        await webhook.set_up(
            db, parts.bot, bot_id=bot_id, url=settings.public_url, key=settings.secret_keys[0], holder=holder
        )


async def _supervise(settings: Settings, parts: wiring.Worker, stop: asyncio.Event) -> None:
    """Run arq's worker, and a new one whenever Redis went away under it."""
    stopped = asyncio.create_task(stop.wait())
    while not stop.is_set():
        pool = jobs.pool(settings.redis, size=settings.relay_lanes * 2 + 10)
        worker = _worker(settings, parts, pool)
        main = asyncio.create_task(worker.async_run())
        await asyncio.wait((main, stopped), return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            await _finish(worker)
        await end(main)
        (result,) = await asyncio.gather(main, return_exceptions=True)
        await pool.aclose()
        if not stop.is_set():
            log.warning("arq's worker ended, starting another", error=str(result))
            await asyncio.sleep(0.5)


async def _finish(worker: ArqWorker) -> None:
    """Take no more jobs, and let those under way end."""
    worker.allow_pick_jobs = False
    running = [task for task in worker.tasks.values() if not task.done()]
    if running:
        await asyncio.wait(running, timeout=COMPLETION_WAIT)


def _worker(settings: Settings, parts: wiring.Worker, pool: ArqRedis) -> WokenWorker:
    async def drain(ctx: dict[str, Any], group_id: int) -> None:
        await _quietly(parts.to_operator.drain(group_id))

    async def command(ctx: dict[str, Any], bot_id: int, update_id: int) -> None:
        await _quietly(parts.linking.carry_out(bot_id, update_id))

    async def typing(ctx: dict[str, Any], conversation_id: str) -> None:
        await _quietly(parts.to_operator.show_typing(conversation_id))

    return WokenWorker(
        functions=[func(drain, name="drain"), func(command, name="command"), func(typing, name="typing")],
        redis_pool=pool,
        queue_name=QUEUE,
        handle_signals=False,
        max_jobs=settings.relay_lanes,
        job_deserializer=pool.job_deserializer,
    )


async def _quietly(work: Awaitable[None]) -> None:
    """A job that the database failed is done again by the sweep; its traceback helps nobody.

    Nor does that of one which ran out of time: this process was frozen for a while.
    """
    limit = asyncio.timeout(JOB_TIMEOUT)
    try:
        async with limit:
            await work
    except UnavailableError as error:
        log.warning("a job was interrupted, the sweep will ring again", error=str(error))
    except RedisError as error:
        log.warning("a job lost Redis, the sweep will ring again", error=str(error))
    except Exception:
        if limit.expired():
            log.warning("a job ran out of time, the sweep will ring again", seconds=JOB_TIMEOUT)
        else:
            log.exception("a job broke, the sweep will ring again")
