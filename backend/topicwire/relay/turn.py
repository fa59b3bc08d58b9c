"""One turn of a lane: an entry of the outbox, one call for it, and the statement that ends it.

Whoever holds a turn holds the group's lease. A turn is ended once, by `relayed`, `done`, `failed`,
`give_back` or `put_back`, each of which gives the seconds for which the lane pauses now.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from msgspec.structs import replace

from topicwire import metrics
from topicwire.db import Connection, Database, insist
from topicwire.domain import lanes, outbox
from topicwire.domain.conversations import Change
from topicwire.domain.lanes import Lane
from topicwire.domain.outbox import Entry, Notice, Remove
from topicwire.jobs import Jobs
from topicwire.notifier import Notifier
from topicwire.ratelimit import Budget
from topicwire.relay import pacing, troubles
from topicwire.relay.channel import Channel, ChannelError, Wait, Wording, kind_of
from topicwire.settings import Rate

T = TypeVar("T")

log = structlog.get_logger()


SHORT_WAIT = 0.25  # seconds that a turn may wait for the bot's budget
LONG_WAIT = 2.0  # the same before a turn's second call: giving up would cost the first again


@dataclass(frozen=True, kw_only=True)
class Means:
    """What every turn of a worker works with.

    `proved` says of a bot when it was last seen that whose a message is can be found out, in seconds
    of this process' monotonic clock.
    """

    db: Database
    wording: Wording
    jobs: Jobs
    notifier: Notifier
    budget: Budget
    group_rate: Rate | None
    bot_rate: Rate | None
    collect: float  # seconds without another message after which a visitor's burst is over
    proved: dict[int, float] = field(default_factory=dict)

    async def slot_of_bot(self, bot_id: int, *, within: float = SHORT_WAIT) -> float:
        """Take a slot of a bot's budget and give 0, or the seconds to pause if that takes too long."""
        until = time.monotonic() + within
        while pause := await self.budget.take(f"bot:{bot_id}", self.bot_rate):
            if time.monotonic() + pause > until:
                break
            await asyncio.sleep(pause)
        return pause


CALL_WITHIN = 3.0  # seconds of a lease of 15 in which a call, which takes 12 at most, must begin


class TooLate(Exception):
    """The lease would end before the call that was about to begin: nothing was done."""


@dataclass(kw_only=True)
class Held:
    """A lane that is held for one turn; `began` and `renewed` are this process' monotonic clock.

    `saying`: the call that is made is the one that says something.
    """

    means: Means
    lane: Lane
    voice: Channel
    began: float
    renewed: float
    saying: bool = False

    @property
    def channel(self) -> Channel:
        """The bot's voice, for as long as its call would end within the lease.

        Raises `TooLate` for a process that was frozen meanwhile: somebody else may have the lane.
        """
        if time.monotonic() - self.renewed > CALL_WITHIN:
            raise TooLate
        return self.voice

    @property
    def now(self) -> datetime:
        """The database's time."""
        return self.lane.now + timedelta(seconds=time.monotonic() - self.began)

    @property
    def pause(self) -> float:
        """How long the group's budget makes the lane wait after the call of this turn."""
        return pacing.after(self.lane.calls, self.now, self.means.group_rate)

    def pause_for(self, calls: int) -> float:
        """How long the lane has to wait after the call of this turn to make so many in a row."""
        now = self.now
        return pacing.wait((*self.lane.calls, now), now, self.means.group_rate, places=calls)

    @property
    def pause_for_two(self) -> float:
        """Seconds to pause before a turn that makes two calls; 0 when this one may make them."""
        rate = self.means.group_rate
        if rate is None or rate.calls < 2 or self.pause == 0:
            return 0
        return self.pause_for(2)

    async def another_call(self, *, saying: Sequence[int] | None = None) -> None:
        """Make room for one more call: renew the lease, take one more slot of both budgets.

        `saying` are the entries that the call says. Raises `LaneLost`, and `Wait` if the bot's budget
        is used up.
        """
        if pause := await self.means.slot_of_bot(self.lane.bot_id, within=LONG_WAIT):
            raise Wait("The bot's budget is used up.", pause)
        renewed = time.monotonic()
        async with self.means.db.statement() as db:
            await lanes.another_call(db, self.lane, sending=saying)
        self.renewed, self.saying = renewed, saying is not None
        self.lane = replace(self.lane, calls=(*self.lane.calls, self.now))

    def ring(self, changes: Sequence[Change]) -> None:
        """Tell the sockets of messages that were relayed or given up."""
        for change in changes:
            self.means.notifier.ring(change)

    async def persist(self, settle: Callable[[Connection], Awaitable[T]]) -> T:
        """Commit what a call gave; a database that restarts meanwhile must not make us say it twice.

        Settling again is harmless: it changes nothing once it is done, or when the lane is lost.
        """

        async def once() -> T:
            async with self.means.db.statement() as db:
                return await settle(db)

        return await insist(once)

    async def persist_all(self, settle: Callable[[Connection], Awaitable[T]]) -> T:
        """The same for what takes several statements: all of them or none."""

        async def once() -> T:
            async with self.means.db.begin() as db:
                return await settle(db)

        return await insist(once)


@dataclass(kw_only=True)
class Turn(Held):
    """A lane held for an entry: what is to be said, where, by whose voice.

    `batch` are the entries that go out in one message, the turn's own first.
    """

    entry: Entry
    batch: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.batch = self.batch or [self.entry.id]
        self.saying = self.entry.ready

    async def say_together(self, batch: list[int]) -> None:
        """Write down, before the call, which entries it says. Raises `LaneLost`."""
        renewed = time.monotonic()
        async with self.means.db.statement() as db:
            await lanes.say_together(db, self.lane, batch)
        self.renewed, self.batch = renewed, batch

    async def astray(self, message_id: int) -> int:
        """Write down that what was said is this message outside its topic; the entry that removes it.

        Raises `LaneLost`.
        """
        lane, renewed = self.lane, time.monotonic()

        async def settle(db: Connection) -> int:
            await lanes.astray(db, lane, message_id)
            return await outbox.tidy_up(db, lane.group_id, Remove(lane.chat_id, message_id))

        removal = await self.persist_all(settle)
        self.renewed, self.saying = renewed, False
        return removal

    # The ends of a turn

    async def relayed(self, message_id: int | None) -> float:
        """The entry was said as this message, or there was nothing to say."""
        pause = self.pause
        changes = await self._succeeded(
            lambda db: outbox.relayed(db, self.lane, self.batch, message_id=message_id, pause=pause)
        )
        metrics.messages_relayed.inc(len(changes))
        self.ring(changes)
        return pause

    async def doubt(self) -> float:
        """Nobody answered: the next turn looks for the message."""
        pause = self.pause
        await self.persist(lambda db: lanes.doubt(db, self.lane, pause=pause))
        return pause

    async def done(self, *, called: bool = True) -> float:
        """Nothing is left to do for an entry that is no message; without a call it costs no slot."""
        pause = self.pause if called else 0.0
        settle = self._succeeded if called else self.persist
        await settle(lambda db: outbox.done(db, self.lane, self.entry.id, pause=pause, called=called))
        return pause

    async def failed(self, error: ChannelError) -> float:
        """The entry will never be accepted: a dead letter, of which the operators are told."""
        entry, pause, reason = self.entry, self.pause, kind_of(error)

        async def settle(db: Connection) -> list[Change]:
            changes = await outbox.failed(
                db, self.lane, entry.id, reason=reason, last_error=str(error), pause=pause
            )
            if changes:  # a visitor's message: a notice that is refused makes no other
                words = self.means.wording.undelivered(entry.text or "", str(error), entry.id)
                await outbox.add_notice(db, self.lane.group_id, Notice(words, entry.topic_id, about=entry.id))
            if self.lane.trouble is not None:  # the group takes calls again, though not this one
                await troubles.note_end(db, self.lane, self.now)
            return changes

        changes = await self.persist_all(settle)
        log.error("dead letter", entry=entry.id, conversation=entry.conversation_id, said=str(error))
        metrics.messages_failed.labels(reason).inc(len(changes))
        self.ring(changes)
        return pause

    async def give_back(self) -> float:
        """The call was a preparation: the entry itself is for the next turn."""
        pause = self.pause
        await self._succeeded(lambda db: lanes.give_back(db, self.lane, pause=pause))
        return pause

    async def _succeeded(self, settle: Callable[[Connection], Awaitable[T]]) -> T:
        """The group took a call; if it had refused us until now, its people read that in the same commit."""
        if self.lane.trouble is None:
            return await self.persist(settle)

        async def mended(db: Connection) -> T:
            settled = await settle(db)
            await troubles.note_end(db, self.lane, self.now)
            return settled

        return await self.persist_all(mended)

    async def put_back(
        self,
        reason: str,
        *,
        pause: float | None = None,
        delay: float = 0,
        attempt: bool = False,
        trouble: str | None = None,
        called: bool = True,
    ) -> float:
        """The entry was not said and is due again after `delay` seconds.

        `trouble` is why the whole group refuses us; a call that was not made costs no slot.
        """
        waits = self.pause if pause is None else pause
        if trouble is not None:
            log.error("the group refuses us", group=self.lane.group_id, reason=trouble, again_in=waits)
        await self.persist(
            lambda db: outbox.put_back(
                db, self.lane, self.entry.id, reason=reason, pause=waits, delay=delay,
                attempt=attempt, trouble=trouble, called=called,
            )
        )  # fmt: skip
        return waits

    async def suspend(self, reason: str, trouble: str, *, called: bool = True) -> float:
        """Leave the group alone for a while, longer each time, until it is mended."""
        pause = max(lanes.patience(self.lane.trouble_count), self.pause if called else 0)
        return await self.put_back(reason, pause=pause, trouble=trouble, called=called)
