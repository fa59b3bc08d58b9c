"""What a door or a job may use: made once by the composition root, handed to everyone."""

from dataclasses import dataclass

from topicwire.db import Database
from topicwire.jobs import Jobs
from topicwire.notifier import Notifier
from topicwire.relay import to_visitor
from topicwire.relay.channel import Event
from topicwire.relay.to_visitor import Effects


@dataclass(frozen=True, kw_only=True)
class Services:
    """The rows, and the two doorbells that say where to look."""

    db: Database
    jobs: Jobs
    notifier: Notifier

    async def take_update(self, *, bot_id: int, update_id: int, event: Event | None) -> None:
        """Commit to an update of the operators' side, then ring. Raises `UnavailableError`."""
        async with self.db.begin() as db:
            effects = await to_visitor.take(db, bot_id=bot_id, update_id=update_id, event=event)
        self._ring(effects, bot_id, update_id)

    def _ring(self, effects: Effects, bot_id: int, update_id: int) -> None:
        for change in effects.changes:
            self.notifier.ring(change)
        for group_id in effects.drains:
            self.jobs.drain(group_id)
        if effects.command:
            self.jobs.command(bot_id, update_id)

    async def close(self) -> None:
        """Send the last rings and let go of everything."""
        await self.jobs.close()
        await self.notifier.close()
        await self.db.close()
