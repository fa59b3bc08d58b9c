"""Long polling: how updates arrive where Telegram cannot reach us.

One worker polls for a bot, under a lease; updates go through the same door as the webhook's. The
offset moves after the commit, so that a crash means a repeated update, which changes nothing.
"""

import asyncio
from typing import Protocol

import structlog

from topicwire.db import Database
from topicwire.domain import installation
from topicwire.errors import UnavailableError
from topicwire.relay.channel import ChannelError
from topicwire.services import Services
from topicwire.telegram import updates
from topicwire.telegram.webhook import take

LONGEST_POLL = 25  # seconds
LEASE = 60.0  # seconds; longer than a poll and its answer
PATIENCE = 5.0  # seconds until somebody else's lease is looked at again

log = structlog.get_logger()


class Source(Protocol):
    """Where updates are fetched."""

    async def delete_webhook(self) -> None:
        """Polling is refused while a webhook is set."""

    async def get_updates(self, offset: int, timeout: int) -> list[bytes]:
        """The updates from `offset` on, as soon as there is one, at most after `timeout` seconds."""


async def poll(db: Database, services: Services, bot: Source, *, bot_id: int, holder: str) -> None:
    """Fetch a bot's updates for ever, while the lease is ours."""
    offset: int | None = None  # None: somebody else has been polling, or nobody
    while True:
        try:
            if not await _lease(db, bot_id, holder):
                offset = None
                await asyncio.sleep(PATIENCE)
            elif offset is None:
                await bot.delete_webhook()
                log.info("polling for updates", bot=bot_id)
                offset = 0
            else:
                for raw in await bot.get_updates(offset, LONGEST_POLL):
                    offset = await _take(services, raw, bot_id=bot_id) or offset
        except (ChannelError, UnavailableError) as error:
            log.warning("polling was interrupted", bot=bot_id, error=str(error))
            await asyncio.sleep(PATIENCE)


async def _lease(db: Database, bot_id: int, holder: str) -> bool:
    async with db.statement() as connection:
        return await installation.lease(connection, f"polling:{bot_id}", holder=holder, seconds=LEASE)


async def _take(services: Services, raw: bytes, *, bot_id: int) -> int | None:
    """Commit to an update; the offset that confirms it."""
    try:
        update = updates.decode(raw, bot_id=bot_id)
    except updates.NotAnUpdate as error:
        log.warning("not an update", bot=bot_id, error=str(error))
        return None
    await take(services, bot_id, update)
    return update.update_id + 1
