"""The janitor: makes up for every ring that was lost, steadily.

Each worker looks every two seconds for groups that have something to say and that nobody serves,
and for commands that nobody carried out. Ringing twice does no harm.
"""

import asyncio
from dataclasses import dataclass

import structlog

from topicwire.db import Database
from topicwire.domain import inbox, outbox
from topicwire.errors import UnavailableError
from topicwire.jobs import Jobs

EVERY = 2.0  # seconds

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Janitor:
    """Sweeps for ever; several at once do no harm."""

    db: Database
    jobs: Jobs

    async def run(self) -> None:
        """Sweep every two seconds until cancelled."""
        while True:
            try:
                await self.sweep()
            except UnavailableError as error:
                log.warning("no sweep", error=str(error))
            await asyncio.sleep(EVERY)

    async def sweep(self) -> None:
        """Ring for everything that is due and that nobody serves."""
        async with self.db.statement() as db:
            await outbox.adopt_unlinked(db)
            for group_id in await outbox.due_groups(db):
                self.jobs.drain(group_id)
            for bot_id, update_id in await inbox.commands(db):
                self.jobs.command(bot_id, update_id)
