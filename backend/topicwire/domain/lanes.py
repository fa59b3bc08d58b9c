"""Lanes: each group's single file; whoever holds its lease speaks in the group, nobody else.

A lease is claimed for one turn, which is one entry of the outbox (`outbox.take`), and given back with
the turn's result. `fence` grows with every claim; the statements that end a turn name the fence that
it claimed and change nothing if somebody else has claimed since. A lane's state stands in its group's
row, so that a turn begins and ends with one statement each. Times are the database's.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import Struct
from sqlalchemy import text

from topicwire.db import Connection

LEASE = "15 seconds"
ASKED_TOPIC_WAITS = 30.0  # seconds in which a topic may still turn up whose making was not confirmed


class Doubt(Struct, frozen=True):
    """A call that nobody answered: the outbox entries that it said, if it did.

    Its message has an id above `after`; `at` is when the call began, in seconds since 1970; `asked` is how
    many ids were asked for in looking for it.
    """

    entries: tuple[int, ...]
    after: int
    at: float
    asked: int = 0


class Lane(Struct, frozen=True):
    """A lane claimed for one turn: `calls` are the answers before it, `now` when it was claimed.

    `ours` are the ids of messages that we were given since the first of the `doubts`. `taken_over`:
    whoever had the lane before has not given it back. What waits would take `needed` calls if each message
    was said by itself, and `free` may be made now; without a budget nothing is ever `needed`.
    """

    group_id: int
    bot_id: int
    chat_id: int
    fence: int
    calls: Sequence[datetime]
    now: datetime
    trouble: str | None
    trouble_since: datetime | None
    trouble_count: int
    known_id: int = 0
    doubts: tuple[Doubt, ...] = ()
    ours: Sequence[int] = ()
    taken_over: bool = False
    needed: int = 0
    free: int = 0

    @property
    def behind(self) -> bool:
        """More waits than may be said now."""
        return self.needed > max(0, self.free)

    @property
    def busy(self) -> bool:
        """So much waits that the lane may soon be behind."""
        return 2 * self.needed > max(0, self.free)


class AskedTopic(Struct, frozen=True):
    """A topic that was asked for in a group, and for whom."""

    group_id: int
    conversation_id: str
    name: str


class LaneLost(Exception):
    """Somebody else has claimed the lane: stop at once, change nothing."""


def _give_back(calls: str, more: str = "") -> str:
    """The first step of every statement that ends a turn: nobody takes the lane for `:pause` seconds."""
    return f"""
    UPDATE groups g SET lease_until = NULL, sending = NULL, calls = {calls},
      not_before = now() + make_interval(secs => nullif(CAST(:pause AS float8), 0)) {more}
    WHERE id = :group AND fence = :fence RETURNING id"""


# A slot of the budget is free again when the window has passed since the *answer*, not the call.
_ANSWERED = "calls[1 : cardinality(calls) - 1] || now()"
_NOT_USED = "calls[1 : cardinality(calls) - 1]"
_TROUBLE = """, trouble = coalesce(:trouble, trouble),
    trouble_count = trouble_count + (:trouble IS NOT NULL)::int,
    trouble_since = CASE WHEN :trouble IS NULL THEN trouble_since ELSE coalesce(trouble_since, now()) END"""
_MENDED = ", trouble = NULL, trouble_count = 0, trouble_since = NULL"
# What ends with an unanswered call is in doubt: its entries wait until somebody has looked.
DOUBTING = """CASE WHEN g.sending IS NULL THEN g.doubts
    ELSE g.doubts || jsonb_build_array(jsonb_build_object('entries', to_jsonb(g.sending),
      'after', g.sent_after, 'at', extract(epoch FROM g.sent_at)::float8)) END"""

SUCCEEDED = _give_back(_ANSWERED, _MENDED)
# The same where a message came of it, with the id `:message_id`.
_GIVEN = """
    known_id = greatest(known_id, CAST(:message_id AS bigint)),
    ours = CASE WHEN {doubts} = '[]' THEN '{{}}'
      ELSE ours || array_remove(ARRAY[CAST(:message_id AS bigint)], NULL) END"""
SAID = _give_back(_ANSWERED, f"{_MENDED}, {_GIVEN.format(doubts='doubts')}")
REFUSED = _give_back(_ANSWERED, _TROUBLE)
NOT_CALLED = _give_back(_NOT_USED, _TROUBLE)
NOT_ANSWERED = _give_back(_ANSWERED, f", doubts = {DOUBTING}, doubt_due = now()")
LOOKED = _give_back(
    _ANSWERED,
    ", doubts = CAST(:doubts AS jsonb),"
    " doubt_due = now() + make_interval(secs => CAST(:again_in AS float8)),"
    + _GIVEN.format(doubts="CAST(:doubts AS jsonb)"),
)


async def give_back(db: Connection, lane: Lane, *, pause: float) -> None:
    """End a turn whose call succeeded but said no entry. Raises `LaneLost`."""
    values = {"group": lane.group_id, "fence": lane.fence, "pause": pause}
    if (await db.execute(text(SUCCEEDED), values)).first() is None:
        raise LaneLost


_ANOTHER_CALL = text(
    f"""
    UPDATE groups SET lease_until = now() + interval '{LEASE}', calls = {_ANSWERED} || now(),
      sending = CAST(:sending AS bigint[]), sent_at = now()
    WHERE id = :group AND fence = :fence RETURNING id
    """
)


async def another_call(db: Connection, lane: Lane, *, sending: Sequence[int] | None = None) -> None:
    """Renew the lease and take one more slot of the budget. Raises `LaneLost`.

    The call before it was answered; `sending` are the entries that this one says, if it says any.
    """
    entries = None if sending is None else list(sending)
    values = {"group": lane.group_id, "fence": lane.fence, "sending": entries}
    if (await db.execute(_ANOTHER_CALL, values)).first() is None:
        raise LaneLost


_ASTRAY = text(
    f"""
    UPDATE groups SET lease_until = now() + interval '{LEASE}', sending = NULL,
      {_GIVEN.format(doubts="doubts")}
    WHERE id = :group AND fence = :fence RETURNING id
    """
)


async def astray(db: Connection, lane: Lane, message_id: int) -> None:
    """Write down that what was said is this message, in the wrong place. Raises `LaneLost`.

    Its entries are still to be said, and no doubt may adopt it.
    """
    values = {"group": lane.group_id, "fence": lane.fence, "message_id": message_id}
    if (await db.execute(_ASTRAY, values)).first() is None:
        raise LaneLost


_SAY_TOGETHER = text(
    f"""
    UPDATE groups SET lease_until = now() + interval '{LEASE}', sending = :entries, sent_at = now()
    WHERE id = :group AND fence = :fence RETURNING id
    """
)


async def say_together(db: Connection, lane: Lane, entries: list[int]) -> None:
    """Write down, before the call, that it says all of these entries. Raises `LaneLost`."""
    values = {"group": lane.group_id, "fence": lane.fence, "entries": entries}
    if (await db.execute(_SAY_TOGETHER, values)).first() is None:
        raise LaneLost


_NOT_ANSWERED = text(NOT_ANSWERED)


async def doubt(db: Connection, lane: Lane, *, pause: float) -> None:
    """End a turn whose call nobody answered: somebody has to look for its message. Raises `LaneLost`."""
    values = {"group": lane.group_id, "fence": lane.fence, "pause": pause}
    if (await db.execute(_NOT_ANSWERED, values)).first() is None:
        raise LaneLost


_LOOKED = text(LOOKED)


async def looked(
    db: Connection,
    lane: Lane,
    *,
    left: Sequence[Doubt],
    message_id: int | None,
    again_in: float | None,
    pause: float,
) -> None:
    """End a turn that looked for messages: these doubts are left, to be looked at `again_in` seconds.

    `message_id` is the highest that was found. Raises `LaneLost`.
    """
    values = {
        "group": lane.group_id,
        "fence": lane.fence,
        "pause": pause,
        "doubts": msgspec.json.encode(left).decode(),
        "message_id": message_id,
        "again_in": again_in,
    }
    if (await db.execute(_LOOKED, values)).first() is None:
        raise LaneLost


_LOCK = text("SELECT 1 FROM groups WHERE id = :group AND fence = :fence FOR UPDATE")


async def lock(db: Connection, lane: Lane) -> None:
    """Keep the lane for the rest of a transaction. Raises `LaneLost`."""
    if (await db.execute(_LOCK, {"group": lane.group_id, "fence": lane.fence})).first() is None:
        raise LaneLost


_SEEN = text(
    """
    SELECT message_id FROM (
      SELECT message_id FROM inbox WHERE chat_id = :chat AND message_id > :after
      UNION SELECT telegram_message_id FROM messages WHERE chat_id = :chat AND telegram_message_id > :after
    ) seen ORDER BY message_id LIMIT 10000
    """
)


async def seen_since(db: Connection, lane: Lane, after: int) -> list[int]:
    """The ids above `after` of messages in a lane's chat whose author is known, in order."""
    found = await db.execute(_SEEN, {"chat": lane.chat_id, "after": after})
    return [row.message_id for row in found]


_ASK_FOR_TOPIC = text(
    f"""
    UPDATE groups g SET lease_until = now() + interval '{LEASE}',
      asked_for = CASE WHEN c.topic_id IS NULL THEN c.id END,
      asked_name = CASE WHEN c.topic_id IS NULL THEN CAST(:name AS text) END,
      asked_at = CASE WHEN c.topic_id IS NULL THEN now() END
    FROM conversations c WHERE c.id = :conversation AND g.id = :group AND g.fence = :fence
    RETURNING g.asked_for
    """
)


async def ask_for_topic(db: Connection, lane: Lane, conversation_id: str, name: str) -> bool:
    """Write down, before the call, for whom a topic is asked for. Raises `LaneLost`.

    False when the conversation has one: who took the turn may have looked just before it was found.
    """
    values = {"group": lane.group_id, "fence": lane.fence, "conversation": conversation_id, "name": name}
    row = (await db.execute(_ASK_FOR_TOPIC, values)).one_or_none()
    if row is None:
        raise LaneLost
    return row.asked_for is not None


async def got_topic(db: Connection, group_id: int, conversation_id: str) -> None:
    """It is known now what became of the topic that was asked for."""
    await db.execute(
        text(
            "UPDATE groups SET asked_for = NULL, asked_name = NULL, asked_at = NULL"
            " WHERE id = :group AND asked_for = :conversation"
        ),
        {"group": group_id, "conversation": conversation_id},
    )


async def lock_asked_topic(db: Connection, *, bot_id: int, chat_id: int) -> tuple[int, AskedTopic | None]:
    """Lock a group, which this bot must be in: its id, and the topic that was asked for and not seen yet."""
    found = await db.execute(
        text(
            "SELECT id, asked_for, asked_name FROM groups WHERE bot_id = :bot AND chat_id = :chat FOR UPDATE"
        ),
        {"bot": bot_id, "chat": chat_id},
    )
    row = found.one()
    asked = None if row.asked_for is None else AskedTopic(row.id, row.asked_for, row.asked_name)
    return row.id, asked


def patience(trouble_count: int) -> float:
    """For how many seconds a group that refuses us is left alone: 5 at first, doubling to a minute."""
    return float(min(60, 5 * 2 ** min(trouble_count, 10)))
