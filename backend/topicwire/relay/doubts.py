"""Calls that nobody answered: was the message said or not?

The Bot API gives no receipt to ask for, but message ids only grow in a chat, one call at a time is
made in a group, and every id that we are given or see in an update is known. So the message, if it was
said, has an id above those seen before the call, and whose it is can be asked for one id after the
other, by a call that changes nothing. Found, it is adopted. Not found half a minute after the call
began, it is said again: a request may be under way inside the server when its client has gone.

Meanwhile the conversation waits and the others go on. When a second call is in doubt all wait, since
one message that is found could be of either. Where it cannot be found out, what is in doubt is said
again and marked as possibly repeated: a message twice is bad, a message lost is worse.
"""

import time
from collections.abc import Sequence
from typing import Literal

import structlog
from msgspec import Struct

from topicwire import metrics
from topicwire.db import Connection
from topicwire.domain import lanes, outbox
from topicwire.domain.conversations import Change
from topicwire.domain.lanes import Doubt
from topicwire.relay import to_visitor
from topicwire.relay.channel import ChannelError, ChatMoved, ChatRefused, Unreliable, Wait
from topicwire.relay.turn import Held

FINAL_AFTER = 30.0  # seconds after which a message that is not there will not come any more
BEYOND = 5  # ids asked for above the highest that was seen
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
    final = [now - doubt.at >= FINAL_AFTER for doubt in doubts]
    missing = [Verdict("again") if over else Verdict("wait") for over in final]
    if len(found) >= len(doubts):
        return [Verdict("adopt", message_id) for message_id in found[: len(doubts)]]
    if not found:
        return missing
    if found[0] <= doubts[1].after:  # it was there before the second call began
        return [Verdict("adopt", found[0]), missing[1]]
    return [Verdict("repeat")] * 2 if all(final) else [Verdict("wait")] * 2


async def look(held: Held) -> float:
    """Look for the messages of a lane's doubts. Ends the turn; the seconds for which the lane pauses."""
    ids = await _unknown_ids(held)
    calls = len(ids) + _proofs(held)
    try:
        if not _fits(held, calls):
            raise Unreliable(f"it would take {calls} calls, more than the group's budget")
        await _prove(held, calls)
        found = await _find(held, ids, calls)
    except ChannelError as error:
        log.info("looking for a message was put off", group=held.lane.group_id, error=str(error))
        return await _not_found_out(held, error)
    return await _end(held, judge(held.lane.doubts, found, held.now.timestamp()), found)


def _fits(held: Held, calls: int) -> bool:
    rate = held.means.group_rate
    return rate is None or calls <= rate.calls


async def _another_call(held: Held, calls: int) -> None:
    """Make room for one more call of a look that takes so many.

    Raises `Wait` when the budget is used up: until it has room for a whole look, since the next one
    begins anew, and in a group whose budget has a place now and then would never come to its end.
    """
    if held.pause > 0:
        raise Wait("Looking takes more calls than are left.", held.pause_for(calls))
    await held.another_call()


async def _not_found_out(held: Held, error: ChannelError) -> float:
    match error:
        case Unreliable():
            log.error("nothing can be found out, messages may be repeated", reason=str(error))
            return await _end(held, [Verdict("repeat")] * len(held.lane.doubts))
        case Wait(seconds=seconds):
            return await _put_off(held, seconds, pause=seconds)
        case ChatRefused():
            return await _leave_alone(held, error)
        case ChatMoved():
            return await _follow(held, error)
    return await _put_off(held, RETRY)


def _proofs(held: Held) -> int:
    """How many calls it takes to prove that whose a message is can be found out; 0 for a day after that."""
    lane, proved = held.lane, held.means.proved
    if time.monotonic() - proved.get(lane.bot_id, float("-inf")) < PROVED_FOR:
        return 0
    return 2 if lane.known_id else 1


async def _prove(held: Held, calls: int) -> None:
    """Ask, once a day, what is known: an id that nobody has, and the last that we were given.

    The second may have been deleted meanwhile; then it proves nothing, but contradicts nothing. Raises
    `Unreliable`.
    """
    lane = held.lane
    if not _proofs(held):
        return
    if await held.channel.whose(lane.chat_id, NOT_YET) != "nobody's":
        raise Unreliable("a message that cannot exist is said to exist")
    if lane.known_id:
        await _another_call(held, calls)
        if await held.channel.whose(lane.chat_id, lane.known_id) == "theirs":
            raise Unreliable("a message of ours is said to be somebody else's")
    await _another_call(held, calls)
    held.means.proved[lane.bot_id] = time.monotonic()


async def _unknown_ids(held: Held) -> list[int]:
    """The ids that a message in doubt may have."""
    lane = held.lane
    after = lane.doubts[0].after
    async with held.means.db.statement() as db:
        seen = await lanes.seen_since(db, lane, after)
    known = {*seen, *lane.ours}
    highest = max(known, default=after)
    return [message_id for message_id in range(after + 1, highest + BEYOND + 1) if message_id not in known]


async def _find(held: Held, ids: Sequence[int], calls: int) -> list[int]:
    """Those of the ids that are messages of ours, which nobody answered for."""
    lane, wanted = held.lane, len(held.lane.doubts)
    found: list[int] = []
    for number, message_id in enumerate(ids):
        if number:  # the first call is what the lane was claimed for
            await _another_call(held, calls)
        if await held.channel.whose(lane.chat_id, message_id) == "ours":
            found.append(message_id)
        if len(found) == wanted:
            break
    return found


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


async def _put_off(held: Held, seconds: float, *, pause: float = 0) -> float:
    """Look again after so many seconds; all the doubts are left. `pause` is for the whole lane."""
    lane, pause = held.lane, max(pause, held.pause)
    seconds = max(seconds, pause)
    await held.persist(
        lambda db: lanes.looked(db, lane, left=lane.doubts, message_id=None, again_in=seconds, pause=pause)
    )
    held.means.jobs.drain(lane.group_id, after=seconds)
    return pause


async def _end(held: Held, verdicts: Sequence[Verdict], found: Sequence[int] = ()) -> float:
    """End the turn. What was found and is left to nobody is known now: no later doubt may adopt it."""
    lane, pause = held.lane, held.pause
    left = [doubt for doubt, verdict in zip(lane.doubts, verdicts, strict=True) if verdict.kind == "wait"]
    again_in = max(0.0, FINAL_AFTER - (held.now.timestamp() - left[0].at)) if left else None
    adopted = [verdict.message_id for verdict in verdicts if verdict.message_id is not None]
    highest = max(adopted if left else found, default=None)

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


async def _settle(db: Connection, held: Held, doubt: Doubt, verdict: Verdict) -> list[Change]:
    if verdict.message_id is not None:
        return await outbox.adopted(db, held.lane, doubt.entries, message_id=verdict.message_id)
    if verdict.kind in ("again", "repeat"):
        await outbox.say_again(db, doubt.entries, repeated=verdict.kind == "repeat")
    return []
