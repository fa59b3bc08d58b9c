"""Calls that nobody answered: was the message said or not?

The Bot API gives no receipt to ask for, but message ids only grow in a chat, one call at a time is
made in a group, and every id that we are given or see in an update is known. So the message, if it was
said, has an id above those seen before the call, and whose it is can be asked for one id after the
other, by a call that changes nothing, past what others wrote of which we are not told. Found, it is
adopted. Not found half a minute after the call began, it is said again: a request may be under way inside
the server when its client has gone.

Meanwhile the conversation waits and the others go on. When a second call is in doubt all wait: whose
message it is that is found its topic tells, which Telegram shows only of a message that was changed, so a
button is put below it and taken away again. Two calls into one topic cannot be told apart. Where it cannot
be found out, what is in doubt is said again and marked as possibly repeated: a message twice is bad, a
message lost is worse.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import structlog
from msgspec import Struct
from msgspec.structs import replace

from topicwire import metrics
from topicwire.db import Connection
from topicwire.domain import lanes, outbox
from topicwire.domain.conversations import Change
from topicwire.domain.lanes import Doubt
from topicwire.relay import to_visitor
from topicwire.relay.channel import ChannelError, ChatMoved, ChatRefused, Rejected, Unreliable, Wait
from topicwire.relay.turn import Held, TooLate

FINAL_AFTER = 30.0  # seconds after which a message that is not there will not come any more
BEYOND = 5  # ids in a row that nobody has: the message is not beyond them
MOST_ASKED = 60  # ids asked for, after which it is not worth the group's budget any more
NOT_YET = 2147483647  # an id that no message has: the last that there could be
PROVED_FOR = 86400.0  # seconds
RETRY = 2.0  # seconds, when asking itself fails

log = structlog.get_logger()


class Verdict(Struct, frozen=True):
    """What becomes of a doubt; `message_id` for one that is adopted."""

    kind: Literal["adopt", "again", "repeat", "wait"]
    message_id: int | None = None


def judge(doubts: Sequence[Doubt], found: Sequence[int], now: float) -> list[Verdict]:
    """Say of each call in doubt what became of it. Pure.

    `doubts` are in the order of their calls; `found` are the ids, in order, of messages of ours that
    nobody answered for; `now` is in seconds since 1970, by the clock of the doubts.
    """
    missing = [_missing(doubt, now) for doubt in doubts]
    if len(found) >= len(doubts):
        return [Verdict("adopt", message_id) for message_id in found[: len(doubts)]]
    if not found:
        return missing
    if found[0] <= doubts[1].after:  # it was there before the second call began
        return [Verdict("adopt", found[0]), missing[1]]
    final = all(verdict.kind == "again" for verdict in missing)
    return [Verdict("repeat" if final else "wait")] * 2


@dataclass
class Search:
    """Asks of one id after the other whose message it is, up to a row of them that nobody has.

    Ids only grow, so up to the last one that somebody has, the answers are final: up to `settled` there is
    nothing to be found. `known` are the ids that need not be asked for, `found` those of messages of ours.
    """

    held: Held
    known: set[int]
    settled: int
    found: list[int] = field(default_factory=list)
    asked: int = 0

    async def run(self) -> None:
        """Look for as many messages as there are doubts. Raises what the channel raises."""
        at, last, free = self.settled, self._last, 0
        while len(self.found) < len(self.held.lane.doubts) and (at < last or free < BEYOND):
            at += 1
            whose = "known" if at in self.known else await self._ask(at)
            if whose == "ours":
                self.found.append(at)
            free = free + 1 if whose == "nobody's" else 0
            if not free and not self.found:
                self.settled = at

    async def _ask(self, message_id: int) -> str:
        if self.asked + self.held.lane.doubts[0].asked >= MOST_ASKED:
            raise Unreliable("too much was written meanwhile of which we were not told")
        if self.asked:  # the first call is what the lane was claimed for
            await _another_call(self.held, self.calls)
        whose = await self.held.channel.whose(self.held.lane.chat_id, message_id)
        self.asked += 1
        return whose

    @property
    def _last(self) -> int:
        return max(self.known, default=self.settled)

    @property
    def calls(self) -> int:
        """How many calls it takes from `settled` on, if nobody has an id above those that are known."""
        return sum(number not in self.known for number in range(self.settled + 1, self._last)) + BEYOND

    def left(self, doubts: Sequence[Doubt]) -> list[Doubt]:
        """Doubts that a later look need not look for from the beginning."""
        return [
            replace(doubt, after=max(doubt.after, self.settled), asked=doubt.asked + self.asked)
            for doubt in doubts
        ]


def judge_by_topic(
    doubts: Sequence[Doubt], topics: Sequence[int | None], found: Mapping[int | None, int], now: float
) -> list[Verdict]:
    """The same for calls into different `topics`; `found` are messages by the topic that they stand in."""
    return [
        Verdict("adopt", found[topic]) if topic in found else _missing(doubt, now)
        for doubt, topic in zip(doubts, topics, strict=True)
    ]


def _missing(doubt: Doubt, now: float) -> Verdict:
    return Verdict("again") if now - doubt.at >= FINAL_AFTER else Verdict("wait")


async def look(held: Held) -> float:
    """Look for the messages of a lane's doubts. Ends the turn; the seconds for which the lane pauses."""
    search = await _search(held)
    try:
        await _prove(held, search)
        await search.run()
        verdicts = await _judge(held, search)
    except ChannelError as error:
        log.info("looking for a message was put off", group=held.lane.group_id, error=str(error))
        return await _not_found_out(held, search, error)
    except TooLate:
        log.warning("frozen for too long to look", group=held.lane.group_id)
        return await _put_off(held, search, RETRY)
    return await _end(held, verdicts, search)


async def _judge(held: Held, search: Search) -> list[Verdict]:
    """Say what became of each doubt; where there are two, the topics tell whose message it is."""
    doubts, found = held.lane.doubts, search.found
    if len(doubts) == 1 or not found:
        return judge(doubts, found, held.now.timestamp())
    async with held.means.db.statement() as db:
        topics_of = await outbox.topics_of(db, [doubt.entries[0] for doubt in doubts])
    topics = [topics_of.get(doubt.entries[0]) for doubt in doubts]
    if len(set(topics)) == 1:
        return judge(doubts, found, held.now.timestamp())
    calls = search.calls + 2 * len(found)
    stand = {await _topic_of(held, message_id, calls): message_id for message_id in found}
    return judge_by_topic(doubts, topics, stand, held.now.timestamp())


async def _topic_of(held: Held, message_id: int, calls: int) -> int | None:
    """In which topic a message stands, by a button that comes and goes: nothing else tells."""
    _need_room(held, 2, all_in_all=calls)
    await held.another_call()
    await held.channel.show_button(held.lane.chat_id, message_id)
    await held.another_call()
    return await held.channel.hide_button(held.lane.chat_id, message_id)


async def _search(held: Held) -> Search:
    lane = held.lane
    after = lane.doubts[0].after
    async with held.means.db.statement() as db:
        seen = await lanes.seen_since(db, lane, after)
    return Search(held, {message_id for message_id in (*seen, *lane.ours) if message_id > after}, after)


async def _another_call(held: Held, calls: int) -> None:
    """Make room for one more call of a look that would take so many from here.

    Raises `Wait` when the budget is used up: until it has room for them all, since in a group whose budget
    has a place now and then a look would never come to its end.
    """
    _need_room(held, 1, all_in_all=calls)
    await held.another_call()


def _need_room(held: Held, calls: int, *, all_in_all: int) -> None:
    rate = held.means.group_rate
    if rate is not None and held.pause_for(calls) > 0:
        pause = held.pause_for(min(all_in_all, rate.calls))
        raise Wait("Looking takes more calls than are left.", pause)


async def _not_found_out(held: Held, search: Search, error: ChannelError) -> float:
    match error:
        case Unreliable() | Rejected():
            log.error("nothing can be found out, messages may be repeated", reason=str(error))
            return await _end(held, [Verdict("repeat")] * len(held.lane.doubts), search)
        case Wait(seconds=seconds):
            return await _put_off(held, search, seconds, pause=seconds)
        case ChatRefused():
            return await _leave_alone(held, error)
        case ChatMoved():
            return await _follow(held, error)
    return await _put_off(held, search, RETRY)


def _proofs(held: Held) -> int:
    """How many calls it takes to prove that whose a message is can be found out; 0 for a day after that."""
    lane, proved = held.lane, held.means.proved
    if time.monotonic() - proved.get(lane.bot_id, float("-inf")) < PROVED_FOR:
        return 0
    return 2 if lane.known_id else 1


async def _prove(held: Held, search: Search) -> None:
    """Ask, once a day, what is known: an id that nobody has, and the last that we were given.

    The second may have been deleted meanwhile; then it proves nothing, but contradicts nothing. Raises
    `Unreliable`, also where the budget has no room for these calls and the shortest look.
    """
    lane, rate, proofs = held.lane, held.means.group_rate, _proofs(held)
    calls = proofs + search.calls
    if rate is not None and proofs + BEYOND > rate.calls:
        raise Unreliable(f"it would take {calls} calls, more than the group's budget")
    if not proofs:
        return
    if await held.channel.whose(lane.chat_id, NOT_YET) != "nobody's":
        raise Unreliable("a message that cannot exist is said to exist")
    if lane.known_id:
        await _another_call(held, calls)
        if await held.channel.whose(lane.chat_id, lane.known_id) == "theirs":
            raise Unreliable("a message of ours is said to be somebody else's")
    await _another_call(held, calls)
    held.means.proved[lane.bot_id] = time.monotonic()


async def _leave_alone(held: Held, error: ChatRefused) -> float:
    """The group refuses us; when it has been left alone for a while, the next turn looks again."""
    pause = max(lanes.patience(held.lane.trouble_count), held.pause)
    await held.persist(
        lambda db: outbox.put_back(db, held.lane, None, reason=str(error), pause=pause, trouble=error.reason)
    )
    return pause


async def _follow(held: Held, error: ChatMoved) -> float:
    """Ids start again in the new chat, so `move_chat` gives the doubts up."""
    lane = held.lane
    pause = max(lanes.patience(lane.trouble_count), held.pause)

    async def follow(db: Connection) -> None:
        await to_visitor.move_chat(
            db, bot_id=lane.bot_id, old_chat_id=lane.chat_id, new_chat_id=error.chat_id
        )
        await outbox.put_back(db, lane, None, reason=str(error), pause=pause)

    await held.persist_all(follow)
    return pause


async def _put_off(held: Held, search: Search, seconds: float, *, pause: float = 0) -> float:
    """Look again after so many seconds; all the doubts are left. `pause` is for the whole lane."""
    lane, pause = held.lane, max(pause, held.pause)
    seconds, left = max(seconds, pause), search.left(lane.doubts)
    await held.persist(
        lambda db: lanes.looked(db, lane, left=left, message_id=None, again_in=seconds, pause=pause)
    )
    held.means.jobs.drain(lane.group_id, after=seconds)
    return pause


async def _end(held: Held, verdicts: Sequence[Verdict], search: Search) -> float:
    """End the turn. What was found and is left to nobody is known now: no later doubt may adopt it."""
    lane, pause = held.lane, held.pause
    judged = zip(search.left(lane.doubts), verdicts, strict=True)
    left = [doubt for doubt, verdict in judged if verdict.kind == "wait"]
    again_in = _next_look(left, held.now.timestamp())
    adopted = [verdict.message_id for verdict in verdicts if verdict.message_id is not None]
    highest = max(adopted if left else search.found, default=None)

    async def settle(db: Connection) -> list[Change]:
        await lanes.lock(db, lane)  # the lane first, as everywhere: its entries come after
        changes = []
        for doubt, verdict in zip(lane.doubts, verdicts, strict=True):
            changes += await _settle(db, held, doubt, verdict)
        await lanes.looked(db, lane, left=left, message_id=highest, again_in=again_in, pause=pause)
        return changes

    changes = await held.persist_all(settle)
    metrics.messages_relayed.inc(len(changes))
    held.ring(changes)
    log.info("calls in doubt", group=lane.group_id, found=[verdict.kind for verdict in verdicts])
    for verdict in verdicts:
        metrics.doubts.labels(verdict.kind).inc()
    if again_in is not None:
        held.means.jobs.drain(lane.group_id, after=again_in)
    return pause


def _next_look(left: Sequence[Doubt], now: float) -> float | None:
    """Seconds until the next of the doubts that are left becomes final: before that nothing new is known."""
    if not left:
        return None
    waits = (FINAL_AFTER - (now - doubt.at) for doubt in left)
    return min((wait for wait in waits if wait > 0), default=0.0)


async def _settle(db: Connection, held: Held, doubt: Doubt, verdict: Verdict) -> list[Change]:
    if verdict.message_id is not None:
        return await outbox.adopted(db, held.lane, doubt.entries, message_id=verdict.message_id)
    if verdict.kind in ("again", "repeat"):
        await outbox.say_again(db, doubt.entries, repeated=verdict.kind == "repeat")
    return []
