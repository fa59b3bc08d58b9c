"""Tasks that run for as long as their process."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

AGAIN_AFTER = 1.0  # seconds
INSIST_AFTER = 0.5  # seconds until a task that did not end is cancelled again

log = structlog.get_logger()


async def outlive(what: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do work, and start it again if it ends by a bug of ours: nothing may end silently for good."""
    while True:
        try:
            return await work()
        except Exception:
            log.exception("a background task broke, starting it again", task=what)
            await asyncio.sleep(AGAIN_AFTER)


async def end(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks until they have ended.

    Once is not always enough: redis-py uses `wait_for`, which before Python 3.12 swallows a
    cancellation that meets its result.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=INSIST_AFTER)
