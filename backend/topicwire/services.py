"""What a door or a job may use: made once by the composition root, handed to everyone."""

from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from topicwire import metrics
from topicwire.db import Database
from topicwire.domain.conversations import Change
from topicwire.errors import UnavailableError
from topicwire.jobs import Jobs
from topicwire.notifier import Notifier
from topicwire.relay import to_visitor
from topicwire.relay.channel import Event, Seen, Wrote
from topicwire.relay.to_visitor import Effects

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Services:
    """The rows, and the two doorbells that say where to look."""

    db: Database
    jobs: Jobs
    notifier: Notifier

    async def take_update(
        self, *, bot_id: int, update_id: int, event: Event | None, seen: Seen | None = None
    ) -> None:
        """Commit to an update of the operators' side, then ring. Raises `UnavailableError`.

        An effect that fails the same way twice is a bug of ours: the update is kept as failed, since
        refusing it would make Telegram hold back the whole group for a day. The janitor tries it again.
        """
        try:
            effects = await self._take(bot_id, update_id, event, seen)
        except UnavailableError:
            raise
        except Exception:
            log.exception("an update's effect failed, trying once more", bot=bot_id, update=update_id)
            effects = await self._take_or_keep(bot_id, update_id, event, seen)
        self.ring(changes=effects.changes, drains=effects.drains)
        if effects.command:
            self.jobs.command(bot_id, update_id)

    async def _take(self, bot_id: int, update_id: int, event: Event | None, seen: Seen | None) -> Effects:
        if isinstance(event, Wrote):
            async with self.db.statement() as db:
                taken = await to_visitor.take_answer(db, bot_id=bot_id, update_id=update_id, event=event)
            if taken is not None:
                return taken
        async with self.db.begin() as db:
            return await to_visitor.take(db, bot_id=bot_id, update_id=update_id, event=event, seen=seen)

    async def _take_or_keep(
        self, bot_id: int, update_id: int, event: Event | None, seen: Seen | None
    ) -> Effects:
        try:
            return await self._take(bot_id, update_id, event, seen)
        except UnavailableError:
            raise
        except Exception:
            log.exception("an update is kept as failed", bot=bot_id, update=update_id)
            metrics.updates_failed.inc()
            async with self.db.begin() as db:
                await to_visitor.keep_failed(db, bot_id=bot_id, update_id=update_id, event=event, seen=seen)
            return Effects()

    def ring(self, *, changes: Iterable[Change] = (), drains: Iterable[int] = ()) -> None:
        """Tell the sockets of what has changed, and the workers of groups that have something to say."""
        for change in changes:
            self.notifier.ring(change)
        for group_id in drains:
            self.jobs.drain(group_id)

    async def close(self) -> None:
        """Send the last rings and let go of everything."""
        await self.jobs.close()
        await self.notifier.close()
        await self.db.close()
