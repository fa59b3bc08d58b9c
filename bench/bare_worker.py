"""arq's own worker with its defaults, the floor of an idle one: `python -m bench.bare_worker`."""

import asyncio
import os
from typing import Any

import uvloop
from arq.connections import RedisSettings
from arq.worker import Worker, func


async def nothing(ctx: dict[str, Any]) -> None:
    """The one job."""


async def work() -> None:
    """Poll for it until told to stop."""
    settings = RedisSettings.from_dsn(os.environ["REDIS_URL"])
    await Worker(functions=[func(nothing, name="nothing")], redis_settings=settings).async_run()


if __name__ == "__main__":
    try:
        uvloop.run(work())
    except asyncio.CancelledError:  # this is how arq ends at a signal
        raise SystemExit(0) from None
