"""Lanes: each group's single file; whoever holds its lease speaks in the group, nobody else.

A lease is claimed for one turn, which is one entry of the outbox (`outbox.take`), and given back with
the turn's result. `fence` grows with every claim; the statements that end a turn name the fence that
it claimed and change nothing if somebody else has claimed since. A lane's state stands in its group's
row, so that a turn begins and ends with one statement each. Times are the database's.
"""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from sqlalchemy import text

from topicwire.db import Connection

LEASE = "15 seconds"
ASKED_TOPIC_WAITS = 30.0  # seconds in which a topic may still turn up whose making was not confirmed


class Lane(Struct, frozen=True):
    """A lane claimed for one turn: `calls` are the answers before it, `now` when it was claimed."""

    group_id: int
    bot_id: int
    chat_id: int
    fence: int
    calls: Sequence[datetime]
    now: datetime
    trouble: str | None
    trouble_count: int


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
    UPDATE groups SET lease_until = NULL, sending = NULL, calls = {calls},
      not_before = now() + make_interval(secs => nullif(CAST(:pause AS float8), 0)) {more}
    WHERE id = :group AND fence = :fence RETURNING id"""


# A slot of the budget is free again when the window has passed since the *answer*, not the call.
_ANSWERED = "calls[1 : cardinality(calls) - 1] || now()"
SUCCEEDED = _give_back(_ANSWERED, ", trouble = NULL, trouble_count = 0")
REFUSED = _give_back(
    _ANSWERED,
    ", trouble = coalesce(:trouble, trouble), trouble_count = trouble_count + (:trouble IS NOT NULL)::int",
)
NOT_CALLED = _give_back(
    "calls[1 : cardinality(calls) - 1]",
    ", trouble = coalesce(:trouble, trouble), trouble_count = trouble_count + (:trouble IS NOT NULL)::int",
)


async def give_back(db: Connection, lane: Lane, *, pause: float) -> None:
    """End a turn whose call succeeded but said no entry. Raises `LaneLost`."""
    values = {"group": lane.group_id, "fence": lane.fence, "pause": pause}
    if (await db.execute(text(SUCCEEDED), values)).first() is None:
        raise LaneLost


_ANOTHER_CALL = text(
    f"""
    UPDATE groups SET lease_until = now() + interval '{LEASE}', calls = {_ANSWERED} || now(),
      sending = coalesce(CAST(:sending AS bigint), sending)
    WHERE id = :group AND fence = :fence RETURNING id
    """
)


async def another_call(db: Connection, lane: Lane, *, sending: int | None = None) -> None:
    """Renew the lease and take one more slot of the budget. Raises `LaneLost`.

    `sending` is the entry that the call says, if it says one.
    """
    values = {"group": lane.group_id, "fence": lane.fence, "sending": sending}
    if (await db.execute(_ANOTHER_CALL, values)).first() is None:
        raise LaneLost


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
