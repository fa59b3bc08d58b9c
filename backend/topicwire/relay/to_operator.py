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

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import structlog
from msgspec.structs import replace

from topicwire import metrics
from topicwire.db import Connection, Database, insist
from topicwire.domain import conversations, groups, installation, outbox
from topicwire.domain import topics as domain_topics
from topicwire.domain.groups import Lane, LaneLost
from topicwire.domain.outbox import Entry
from topicwire.jobs import Jobs
from topicwire.notifier import Notifier
from topicwire.ratelimit import Budget
from topicwire.relay import pacing, to_visitor, topics
from topicwire.relay.channel import (
    Channel,
    ChannelError,
    ChatMoved,
    ChatRefused,
    RecapLine,
    Rejected,
    Text,
    TopicClosed,
    TopicGone,
    Wait,
    Wording,
)
from topicwire.settings import Rate

SHORT_WAIT = 0.25  # seconds that a turn may wait for the bot's budget
MARGIN = 0.02  # seconds by which a ring comes after a pause, since clocks round
TURNS = 25
LONGEST_DRAIN = 10.0  # seconds
LONGEST_BACKOFF = 300.0  # seconds
ONE_QUEUE, ONE_QUEUE_LEASE = "relay", 40.0  # seconds; longer than a drain and its last call
ONE_ACTION = Rate(1, 4.5)  # a conversation; Telegram shows a chat action for about five seconds
TYPING_RATES = (Rate(20, 5), Rate(40, 30))  # chat actions a group (Telegram, "AI bots": typing)

T = TypeVar("T")

log = structlog.get_logger()


class Turn(NamedTuple):
    """One turn of a lane: what is to be said, by whom; `began` by this process' monotonic clock."""

    lane: Lane
    entry: Entry
    channel: Channel
    began: float

    @property
    def now(self) -> datetime:
        """The database's time."""
        return self.lane.now + timedelta(seconds=time.monotonic() - self.began)


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
    single_file: bool = False  # RELAY_LANES=1: one call at a time over all workers
    holder: str = ""  # this process, among those that want the one queue

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
            async with self.db.statement() as db:
                taken = await outbox.take(db, group_id, keep=pacing.kept(self.group_rate))
            if taken is None:
                return
            try:
                pause = await self._turn(*taken)
            except LaneLost:
                log.warning("lane lost", group=group_id)
                return
            if pause:
                self.jobs.drain(group_id, after=pause + MARGIN)
                return
            if time.monotonic() > until:
                break
        self.jobs.drain(group_id)

    async def _turn(self, lane: Lane, entry: Entry) -> float:
        """One call for an entry, and what follows from it; the seconds for which the lane pauses."""
        if entry.left_over is not None:
            log.warning("a worker was interrupted, its message may be said twice", entry=entry.left_over)
        channel = self.channel(lane.bot_id)
        if channel is None:
            return await self._not_called(lane, entry, groups.patience(lane.trouble_count), trouble="no_bot")
        turn = Turn(lane, entry, channel, time.monotonic())
        pause = await self._slot_of_bot(lane)
        if pause:
            return await self._not_called(lane, entry, pause)
        try:
            if entry.ready:
                return await self._say(turn)
            return await self._ready_topic(turn)
        except ChannelError as error:
            metrics.calls_refused.labels(type(error).__name__).inc()
            log.info("refused", group=lane.group_id, meaning=type(error).__name__, said=str(error))
            return await self._refused(turn, error)

    async def _slot_of_bot(self, lane: Lane) -> float:
        """Take a slot of the bot's budget; the seconds to pause if that takes long."""
        name = f"bot:{lane.bot_id}"
        pause = await self.budget.take(name, self.bot_rate)
        if not 0 < pause <= SHORT_WAIT:
            return pause
        await asyncio.sleep(pause)
        return await self.budget.take(name, self.bot_rate)

    async def _not_called(
        self, lane: Lane, entry: Entry, pause: float, *, trouble: str | None = None
    ) -> float:
        reason = trouble or "The bot's budget was used up."
        async with self.db.statement() as db:
            await outbox.put_back(
                db, lane, entry.id, reason=reason, pause=pause, trouble=trouble, called=False
            )
        return pause

    def _pause(self, turn: Turn) -> float:
        """How long the group's budget makes the lane wait after this turn's call."""
        return pacing.after(turn.lane.calls, turn.now, self.group_rate)

    async def _say(self, turn: Turn) -> float:
        lane, entry = turn.lane, turn.entry
        said, topic_id, reply_to = await self._put_in_words(entry)
        message_id = None
        if said.text:
            sent = await turn.channel.send(lane.chat_id, topic_id, said, reply_to=reply_to)
            message_id = sent.message_id
        pause = self._pause(turn)
        change = await self._persist(
            lambda db: outbox.relayed(db, lane, entry.id, message_id=message_id, pause=pause)
        )
        if change is not None:
            metrics.messages_relayed.inc()
            self.notifier.ring(change)
        return pause

    async def _put_in_words(self, entry: Entry) -> tuple[Text, int | None, int | None]:
        """What to send for an entry: text, topic, and the message that it answers."""
        if entry.body is not None:
            return Text(entry.body.text), entry.body.topic_id, entry.body.reply_to
        head = None
        if not entry.topic_opened:
            head = self.wording.visitor_line(
                email=entry.email, name=entry.name, page_url=entry.page_url, locale=entry.locale
            )
        if entry.kind == "recap":
            recap = await self._recap(entry)
            return (self.wording.stacked(head, recap) if head else recap), entry.topic_id, None
        return self.wording.to_telegram(entry.text or "", head=head), entry.topic_id, None

    async def _recap(self, entry: Entry) -> Text:
        async with self.db.statement() as db:
            rows = await conversations.recent(db, entry.conversation_id or "")
        lines = [
            RecapLine(row.at, None if row.origin == "visitor" else row.author or "", row.text) for row in rows
        ]
        return self.wording.recap(lines)

    async def _ready_topic(self, turn: Turn) -> float:
        """Make or reopen the topic of an entry, which a later turn will say."""
        if turn.entry.topic_id is None:
            for change in await topics.create(self.db, turn.channel, self.wording, turn.lane, turn.entry):
                self.notifier.ring(change)
        else:
            await topics.reopen(self.db, turn.channel, turn.lane, turn.entry)
        pause = self._pause(turn)
        await self._persist(lambda db: groups.give_back(db, turn.lane, pause=pause))
        return pause

    # The fates of an entry that was refused. Each ends the turn and gives the seconds to pause.

    async def _refused(self, turn: Turn, error: ChannelError) -> float:
        return await _FATES.get(type(error), ToOperator._later)(self, turn, error)

    async def _wait(self, turn: Turn, error: Wait) -> float:
        """Too many calls: the whole lane waits, which keeps the order, and no attempt is used up."""
        return await self._put_back(turn, error, pause=max(error.seconds, self._pause(turn)))

    async def _later(self, turn: Turn, error: ChannelError) -> float:
        """A passing fault: this conversation waits, the others go on."""
        delay = backoff(turn.entry.attempts)
        self.jobs.drain(turn.lane.group_id, after=delay + MARGIN)
        return await self._put_back(turn, error, delay=delay, attempt=True)

    async def _heal(self, turn: Turn, error: ChannelError) -> float:
        """A topic seems to have vanished: make sure, since the refusal can have other reasons."""
        lane, entry = turn.lane, turn.entry
        if entry.topic_id is None or entry.conversation_id is None:
            return await self._give_up(turn, error)
        async with self.db.statement() as db:
            await groups.another_call(db, lane)
        turn = turn._replace(lane=replace(lane, calls=(*lane.calls, turn.now)))
        try:
            there = await turn.channel.topic_exists(lane.chat_id, entry.topic_id, entry.topic_name or "")
        except TopicGone:
            there = False
        except (Wait, ChatMoved, ChatRefused) as trouble:
            return await self._refused(turn, trouble)
        except ChannelError:
            there = True
        if there:
            return await self._later(turn, error)
        pause = self._pause(turn)
        await topics.give_up(self.db, lane, entry, pause=pause)
        return pause

    async def _found_closed(self, turn: Turn, error: ChannelError) -> float:
        pause = self._pause(turn)
        async with self.db.begin() as db:
            await outbox.put_back(db, turn.lane, turn.entry.id, reason=str(error), pause=pause)
            if turn.entry.conversation_id is not None:
                await domain_topics.found_closed(db, turn.entry.conversation_id)
        return pause

    async def _follow(self, turn: Turn, error: ChatMoved) -> float:
        lane, pause = turn.lane, self._pause(turn)
        async with self.db.begin() as db:
            await outbox.put_back(db, lane, turn.entry.id, reason=str(error), pause=pause)
            await to_visitor.move_chat(
                db, bot_id=lane.bot_id, old_chat_id=lane.chat_id, new_chat_id=error.chat_id
            )
        return pause

    async def _suspend(self, turn: Turn, error: ChatRefused) -> float:
        return await self._put_back(
            turn, error, pause=groups.patience(turn.lane.trouble_count), trouble=error.reason
        )

    async def _give_up(self, turn: Turn, error: ChannelError) -> float:
        entry = turn.entry
        if not entry.ready:  # the topic could not be made: that is no fault of the message
            pause = groups.patience(turn.lane.trouble_count)
            return await self._put_back(turn, error, pause=pause, trouble="topics")
        pause = self._pause(turn)
        change = await self._persist(
            lambda db: outbox.failed(db, turn.lane, entry.id, reason=str(error), pause=pause)
        )
        log.error("dead letter", entry=entry.id, conversation=entry.conversation_id, reason=str(error))
        if change is not None:
            metrics.messages_failed.inc()
            self.notifier.ring(change)
        return pause

    async def _put_back(
        self,
        turn: Turn,
        error: ChannelError,
        *,
        pause: float | None = None,
        delay: float = 0,
        attempt: bool = False,
        trouble: str | None = None,
    ) -> float:
        if trouble is not None:
            log.error("the group refuses us", group=turn.lane.group_id, reason=trouble, again_in=pause)
        waits = self._pause(turn) if pause is None else pause
        await self._persist(
            lambda db: outbox.put_back(
                db, turn.lane, turn.entry.id, reason=str(error), pause=waits, delay=delay,
                attempt=attempt, trouble=trouble,
            )
        )  # fmt: skip
        return waits

    async def _persist(self, settle: Callable[[Connection], Awaitable[T]]) -> T:
        """Commit what a call gave; a database that restarts meanwhile must not make us say it twice.

        Settling again is harmless: it changes nothing once it is done, or when the lane is lost.
        """

        async def once() -> T:
            async with self.db.statement() as db:
                return await settle(db)

        return await insist(once)

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


_FATES: dict[type[ChannelError], Callable[[ToOperator, Turn, Any], Awaitable[float]]] = {
    Wait: ToOperator._wait,
    TopicGone: ToOperator._heal,
    TopicClosed: ToOperator._found_closed,
    ChatMoved: ToOperator._follow,
    ChatRefused: ToOperator._suspend,
    Rejected: ToOperator._give_up,
}


def backoff(attempts: int) -> float:
    """Seconds until the next attempt: 1 s doubling to 5 min, less up to a half at random."""
    return min(LONGEST_BACKOFF, 2.0 ** min(attempts, 16)) * random.uniform(0.5, 1)  # noqa: S311
