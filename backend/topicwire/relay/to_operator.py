"""From the visitor to the operators: draining a group's lane, turn by turn.

    take ─▶ bot's budget ─▶ topic ready? ──no──▶ make or reopen it ─▶ end of the turn
     ▲                        │ yes                                        │
     │                        ▼                                            │
     │                      call ─▶ end of the turn: relayed, failed, put back
     └──────────────────────────┴──────────────────────────────────────────┘
                      until nothing is due, or the lane has to pause

A turn claims the lane, makes one call and gives the lane back with the result, so between two turns
anybody may go on. The next `take` is also the look that finds what came while the lease was held,
when rings were in vain. A lane never sleeps: when its budget is used up, the end of the turn says
until when nobody may take it, and a ring is sent for then. A drain ends after 10 s or 25 turns and
rings itself, so that no group keeps a worker for itself.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import structlog

from topicwire import metrics
from topicwire.db import Database
from topicwire.domain import groups, installation, lanes, outbox
from topicwire.domain.lanes import Lane, LaneLost
from topicwire.domain.outbox import Entry
from topicwire.jobs import Jobs
from topicwire.notifier import Notifier
from topicwire.ratelimit import Budget
from topicwire.relay import doubts, fates, pacing, saying
from topicwire.relay.channel import Channel, ChannelError, NotReached, Unknown, Wording
from topicwire.relay.fates import MARGIN
from topicwire.relay.turn import Held, Means, TooLate, Turn
from topicwire.settings import Rate

TURNS = 25
LONGEST_DRAIN = 10.0  # seconds
ONE_QUEUE, ONE_QUEUE_LEASE = "relay", 40.0  # seconds; longer than a drain and its last call
ONE_ACTION = Rate(1, 4.5)  # a conversation; Telegram shows a chat action for about five seconds
TYPING_RATES = (Rate(20, 5), Rate(40, 30))  # chat actions a group (Telegram, "AI bots": typing)

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class ToOperator:
    """Serves the lanes; any number of these, in any number of processes, share the work."""

    db: Database
    channel: Callable[[int], Channel | None]  # the voice of a bot, None for a bot that is not ours
    wording: Wording
    jobs: Jobs
    notifier: Notifier
    budget: Budget
    group_rate: Rate | None
    bot_rate: Rate | None
    collect: float = 0.25  # seconds without another message after which a visitor's burst is over
    single_file: bool = False  # RELAY_LANES=1: one call at a time over all workers
    holder: str = ""  # this process, among those that want the one queue

    @cached_property
    def means(self) -> Means:
        """What its turns work with."""
        return Means(
            db=self.db, wording=self.wording, jobs=self.jobs, notifier=self.notifier,
            budget=self.budget, group_rate=self.group_rate, bot_rate=self.bot_rate, collect=self.collect,
        )  # fmt: skip

    async def drain(self, group_id: int) -> None:
        """Say what is due in a group, unless somebody else is at it."""
        if self.single_file:
            await self._drain_alone(group_id)
        else:
            await self._drain(group_id)

    async def _drain_alone(self, group_id: int) -> None:
        """Drain while no other worker drains anything, then pass the turn on."""
        async with self.db.statement() as db:
            mine = await installation.lease(db, ONE_QUEUE, holder=self.holder, seconds=ONE_QUEUE_LEASE)
        if not mine:
            return  # whoever has it rings for every group that is due when it is done
        try:
            await self._drain(group_id)
        finally:
            await self._pass_turn_on()

    async def _pass_turn_on(self) -> None:
        async with self.db.statement() as db:
            await installation.end_lease(db, ONE_QUEUE, holder=self.holder)
            for due in await outbox.due_groups(db):
                self.jobs.drain(due)

    async def _drain(self, group_id: int) -> None:
        until = time.monotonic() + LONGEST_DRAIN
        for _ in range(TURNS):
            renewed = time.monotonic()
            async with self.db.statement() as db:
                taken = await outbox.take(db, group_id, rate=pacing.window(self.group_rate))
            if taken is None:
                return
            try:
                pause = await self._turn(*taken, renewed)
            except LaneLost:
                log.warning("lane lost", group=group_id)
                return
            if pause:
                self.jobs.drain(group_id, after=pause + MARGIN)
                return
            if time.monotonic() > until:
                break
        self.jobs.drain(group_id)

    async def _turn(self, lane: Lane, entry: Entry | None, renewed: float) -> float:
        """One call for an entry, and what follows from it; the seconds for which the lane pauses."""
        if lane.taken_over:
            metrics.lease_takeovers.inc()
            log.warning("a lane was taken over from a worker that was interrupted", group=lane.group_id)
        channel = self.channel(lane.bot_id)
        if channel is None:
            return await self._not_called(lane, entry, lanes.patience(lane.trouble_count), trouble="no_bot")
        if pause := await self.means.slot_of_bot(lane.bot_id):
            return await self._not_called(lane, entry, pause)
        if entry is None:
            return await doubts.look(
                Held(means=self.means, lane=lane, voice=channel, began=time.monotonic(), renewed=renewed)
            )
        turn = Turn(
            means=self.means, lane=lane, voice=channel, began=time.monotonic(), renewed=renewed, entry=entry
        )
        return await self._speak(turn)

    async def _speak(self, turn: Turn) -> float:
        lane = turn.lane
        try:
            if lane.trouble is not None and (trouble := await self._still_in_trouble(turn)):
                return await turn.suspend("The group is not mended yet.", trouble, called=False)
            return await saying.carry_out(turn)
        except ChannelError as error:
            return await fates.refused(turn, error)
        except TooLate:
            log.warning("frozen for too long to speak", group=lane.group_id)
            return await turn.put_back("The process was frozen.", pause=0, called=False)

    async def _still_in_trouble(self, turn: Turn) -> str | None:
        """Look before speaking in a group that refused us: what we said might land in its main thread."""
        try:
            return (await turn.channel.check_group(turn.lane.chat_id)).trouble
        except (NotReached, Unknown):
            return turn.lane.trouble

    async def _not_called(
        self, lane: Lane, entry: Entry | None, pause: float, *, trouble: str | None = None
    ) -> float:
        reason = trouble or "The bot's budget was used up."
        entry_id = None if entry is None else entry.id
        async with self.db.statement() as db:
            await outbox.put_back(
                db, lane, entry_id, reason=reason, pause=pause, trouble=trouble, called=False
            )
        return pause

    async def show_typing(self, conversation_id: str) -> None:
        """Show in the conversation's topic that its visitor is typing; dropped under any pressure."""
        if await self.budget.take(f"typing:{conversation_id}", ONE_ACTION):
            return
        async with self.db.statement() as db:
            topic = await groups.topic_of(db, conversation_id)
        channel = None if topic is None else self.channel(topic.bot_id)
        if topic is None or channel is None:
            return
        for rate in TYPING_RATES:
            if await self.budget.take(f"typing:{topic.chat_id}:{rate.calls}", rate):
                return
        try:
            await channel.show_typing(topic.chat_id, topic.topic_id)
        except ChannelError as error:
            metrics.calls_refused.labels(f"typing {type(error).__name__}").inc()
