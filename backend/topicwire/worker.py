"""The worker: arq's, but woken instead of polling, and outliving Redis.

arq 0.28 sleeps the full `poll_delay` between two looks at its queue, which means half a second at
best or a busy loop. This one sleeps until it is rung, a job has finished, or the next deferred job
is due. It uses private names of arq, so its version is pinned; tests/test_worker.py is the contract.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import structlog
from arq.connections import ArqRedis
from arq.worker import Worker as ArqWorker
from arq.worker import func
from redis.exceptions import RedisError

from topicwire import jobs, logs, wiring
from topicwire.background import outlive
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


class WokenWorker(ArqWorker):
    """arq's worker, sleeping until there is a reason to look."""

    _woken: asyncio.Event
    _seen = float("-inf")

    async def main(self) -> None:
        """Look at the queue whenever something may have come into it."""
        self._woken = asyncio.Event()
        ears = asyncio.create_task(self._listen())
        try:
            while True:
                self._woken.clear()
                await self._poll_iteration()
                # Not `wait_for`: before Python 3.12 it swallows a cancellation that meets a wake.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(await self._patience()):
                        await self._woken.wait()
                if ears.done():
                    ears.result()
        finally:
            ears.cancel()

    def _release_sem_dec_counter_on_complete(self) -> None:
        super()._release_sem_dec_counter_on_complete()
        self._woken.set()

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

    async def _patience(self) -> float:
        """Seconds until the next deferred job, if that is sooner than the safety poll."""
        if self.job_counter >= self.max_jobs:
            return SAFETY_POLL
        first = await self.pool.zrange(self.queue_name, 0, 0, withscores=True)
        if not first:
            return SAFETY_POLL
        wait: float = first[0][1] / 1000 - time.time()
        return min(SAFETY_POLL, wait) if wait > 0 else SAFETY_POLL


def run(settings: Settings) -> None:
    """Run one worker until SIGTERM or SIGINT."""
    logs.configure(settings.log_level, settings.log_format)
    asyncio.run(serve(settings))


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
    tasks = [asyncio.create_task(outlive("the janitor", parts.janitor.run))]
    if parts.bot is not None:
        tasks.append(asyncio.create_task(outlive("updates", lambda: _updates(settings, parts))))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


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
        main.cancel()
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
        job_timeout=JOB_TIMEOUT,
        keep_result=0,
        max_tries=1,
        retry_jobs=False,
        log_results=False,
        job_serializer=pool.job_serializer,
        job_deserializer=pool.job_deserializer,
    )


async def _quietly(work: Awaitable[None]) -> None:
    """A job that the database failed is done again by the sweep; its traceback helps nobody."""
    try:
        await work
    except UnavailableError as error:
        log.warning("a job was interrupted, the sweep will ring again", error=str(error))
    except RedisError as error:
        log.warning("a job lost Redis, the sweep will ring again", error=str(error))
    except Exception:
        log.exception("a job broke, the sweep will ring again")
