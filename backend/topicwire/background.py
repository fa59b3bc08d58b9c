"""Tasks that run for as long as their process."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

AGAIN_AFTER = 1.0  # seconds

log = structlog.get_logger()


async def outlive(what: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do work, and start it again if it ends by a bug of ours: nothing may end silently for good."""
    while True:
        try:
            return await work()
        except Exception:
            log.exception("a background task broke, starting it again", task=what)
            await asyncio.sleep(AGAIN_AFTER)
