"""The janitor: makes up for what got lost or went wrong, and throws away what nobody needs any more.

sweep      each worker, every two seconds: rings for groups that have something to say and that nobody
           serves, and for commands that nobody carried out; ringing twice does no harm
mend       one worker, at start and every minute: tries again, in order, what operators said and what
           could not be carried out; tells them of what did not reach its visitor, and of topics in which
           nobody reads
clear out  one worker, every five minutes: updates of Telegram and holds that nobody will ask for again
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from topicwire.db import Database
from topicwire.domain import holds, inbox, installation, outbox
from topicwire.errors import UnavailableError
from topicwire.jobs import Jobs
from topicwire.notifier import Notifier
from topicwire.relay import to_visitor
from topicwire.relay.to_visitor import Effects

EVERY = 2.0  # seconds
MEND_EVERY, CLEAR_OUT_EVERY = 60.0, 300.0  # seconds
LEASE_NAME, LEASE = "janitor", 90.0  # seconds; longer than from one time to the next
BATCH = 1000  # rows that go in one commit

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Janitor:
    """One of as many as there are workers; `holder` tells it from the others."""

    db: Database
    jobs: Jobs
    notifier: Notifier
    holder: str

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

    async def keep_house(self) -> None:
        """Mend and clear out until cancelled, whenever no other worker does."""
        cleared_out = float("-inf")
        try:
            while True:
                try:
                    if await self._mine():
                        await self.mend()
                        if time.monotonic() - cleared_out >= CLEAR_OUT_EVERY:
                            await self.clear_out()
                            cleared_out = time.monotonic()
                except UnavailableError as error:
                    log.warning("the house is not kept", error=str(error))
                await asyncio.sleep(MEND_EVERY)
        finally:
            with contextlib.suppress(UnavailableError):  # then the lease runs out
                async with self.db.statement() as db:
                    await installation.end_lease(db, LEASE_NAME, holder=self.holder)

    async def _mine(self) -> bool:
        async with self.db.statement() as db:
            return await installation.lease(db, LEASE_NAME, holder=self.holder, seconds=LEASE)

    async def mend(self) -> None:
        """Try again what was kept, and tell the operators of what they have to know."""
        async with self.db.statement() as db:
            stuck = await inbox.stuck(db)
        for chat_id, topic_id in stuck:
            async with self.db.begin() as db:
                effects = await to_visitor.replay(db, chat_id=chat_id, topic_id=topic_id)
            self._ring(effects)
        for mending in (to_visitor.replay_outside_topics, to_visitor.tell_unread):
            async with self.db.begin() as db:
                effects = await mending(db)
            self._ring(effects)

    def _ring(self, effects: Effects) -> None:
        for change in effects.changes:
            self.notifier.ring(change)
        for group_id in effects.drains:
            self.jobs.drain(group_id)

    async def clear_out(self) -> None:
        """Remove what is past its time, a batch a commit."""
        for what in (inbox.clear_out, holds.clear_out):
            while await self._removed(what) == BATCH:
                pass

    async def _removed(self, what: Callable[..., Awaitable[int]]) -> int:
        async with self.db.statement() as db:
            return await what(db, limit=BATCH)
