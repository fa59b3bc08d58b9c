"""The outbox: what is to be said in a group, in order.

    accepted ──take──▶ the group is `sending` it ──▶ relayed: the entry is gone
       ▲                        │
       └────────put back────────┴──▶ failed: a dead letter, with its reason

Within one conversation entries go strictly first in, first out; a head that is not due holds its
conversation, not the lane. A recap goes before everything else of its conversation: it opens the
topic that takes the place of one that vanished.

An entry is a visitor's `message`, a `recap`, a `notice` of our own, or it tidies up: `rename` brings a
topic's name up to date, `discard` and `remove` take back what landed where nobody wants it.
"""

import itertools
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    TextClause,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from topicwire.db import Connection, metadata
from topicwire.domain.conversations import MESSAGE_COLUMNS, Change, message_of
from topicwire.domain.lanes import (
    ASKED_TOPIC_WAITS,
    DOUBTING,
    LEASE,
    NOT_CALLED,
    REFUSED,
    SAID,
    SUCCEEDED,
    Doubt,
    Lane,
    LaneLost,
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    # None: not linked yet. No foreign key: its check would lock the row that every lane updates.
    Column("group_id", BigInteger),
    Column("conversation_id", Text, ForeignKey("conversations.id", ondelete="CASCADE")),
    Column("seq", Integer),  # the message, for kind `message`
    Column("kind", Text, nullable=False),  # message, recap, notice, or one of TIDYING
    Column("body", JSONB),  # Notice, Discard or Remove
    Column("state", Text, nullable=False, server_default="accepted"),
    Column("not_before", DateTime(timezone=True)),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("last_error", Text),
    Column("reason", Text),  # of a dead letter: the class of refusal
    Column("failed_at", DateTime(timezone=True)),
    Column("rank", SmallInteger, nullable=False, server_default="1"),  # 0: a recap
    Column("priority", SmallInteger, nullable=False, server_default="0"),  # HIGH, NORMAL, LOW
    Column("alone", Boolean, nullable=False, server_default="false"),  # refused in company
    Column("repeated", Boolean, nullable=False, server_default="false"),  # it may have been said before
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_outbox_group_id", "group_id", "rank", "id", postgresql_where=text("state = 'accepted'")),
    Index("ix_outbox_conversation_id", "conversation_id", "rank", "id"),
    Index("ix_outbox_failed", "id", postgresql_where=text("state = 'failed'")),
)


HIGH, NORMAL, LOW = 0, 1, 2  # what visitors say; what keeps order; announcements


class Notice(Struct, omit_defaults=True):
    """Something that we say ourselves to the operators; `topic_id` None: the main thread.

    `about` is the dead letter that it tells of: when that is sent again, the notice is not true any more.
    """

    text: str
    topic_id: int | None = None
    reply_to: int | None = None
    about: int | None = None


class Discard(Struct, frozen=True):
    """A topic too many."""

    chat_id: int
    topic_id: int


class Remove(Struct, frozen=True):
    """A message of ours that landed outside its topic."""

    chat_id: int
    message_id: int


Body = Notice | Discard | Remove

_BODIES: dict[str, type[Body]] = {"notice": Notice, "discard": Discard, "remove": Remove}
TIDYING = frozenset({"rename", "discard", "remove"})  # what tells nobody anything


class Entry(Struct, frozen=True):
    """What a lane says next, with all that it needs to know to say it.

    `ready`: its topic is there and open, or it needs none. `alone`: it must not be said with others in
    one message. `repeated`: it may have been said before. The fields after `body` are those of its
    conversation, the last ones those of its message.
    """

    id: int
    kind: str
    attempts: int
    ready: bool
    alone: bool
    repeated: bool
    body: Body | None
    conversation_id: str | None
    topic_id: int | None
    topic_name: str | None
    topic_closed: bool
    topic_opened: bool
    topic_renamed: bool
    project_id: str | None
    email: str | None
    name: str | None
    locale: str | None
    page_url: str | None
    seq: int | None
    text: str | None
    at: datetime | None
    age: float


# One round trip and one commit for a turn's beginning: lock the lane, find the head, take a slot of
# the budget and write down what is being sent. Both rows are locked, the lane first as everywhere:
# what another worker has settled since this statement began is seen, and not said again. An entry
# that only seems to be held by one settled meanwhile is found by that worker's next look. Where there
# is no entry the lane is not locked, because a lock is written to the disk like any change.
#
# Of nine turns five prefer what is HIGH, three what is NORMAL, one what is LOW; who finds nothing that
# it prefers takes what there is. Between conversations goes who has waited longest since it was
# served; who never was is taken to have waited a minute longer than that.
#
# While a call is in doubt its entries wait, and with them their conversations; with a second one all
# do. While a topic that was asked for may still turn up, none is asked for in this group.
_TAKE = text(
    f"""
    WITH lane AS MATERIALIZED (
      SELECT *, sending IS NOT NULL OR coalesce(doubt_due <= now(), false) AS must_look,
        coalesce(asked_at + interval '{ASKED_TOPIC_WAITS} seconds' > now(), false) AS awaits_topic,
        (ARRAY[0, 0, 1, 0, 0, 1, 0, 1, 2])[turns % 9 + 1] AS prefers,
        CASE WHEN doubts <> '[]' THEN ARRAY(
          SELECT e::bigint FROM jsonb_array_elements(doubts) d, jsonb_array_elements_text(d -> 'entries') e)
        END AS in_doubt
      FROM groups WHERE id = :group AND (lease_until IS NULL OR lease_until <= now())
        AND (not_before IS NULL OR not_before <= now())
        AND EXISTS (SELECT 1 FROM outbox WHERE group_id = :group AND state = 'accepted')
      FOR UPDATE
    ), head AS MATERIALIZED (
      SELECT o.id, o.kind, o.attempts, o.alone, o.repeated, o.body, o.conversation_id, o.seq,
        c.topic_id, c.topic_name, coalesce(c.topic_closed, false) AS topic_closed,
        coalesce(c.topic_opened, false) AS topic_opened,
        coalesce(c.topic_renamed, false) AS topic_renamed, c.project_id,
        c.email, c.name, c.locale, c.page_url, m.text, m.at,
        extract(epoch FROM now() - o.created_at)::float8 AS age,
        o.conversation_id IS NULL OR o.kind = 'rename' OR (c.topic_id IS NOT NULL AND NOT c.topic_closed)
          AS ready
      FROM lane JOIN outbox o ON o.group_id = lane.id
      LEFT JOIN conversations c ON c.id = o.conversation_id
      LEFT JOIN messages m ON m.conversation_id = o.conversation_id AND m.seq = o.seq
      WHERE NOT lane.must_look AND jsonb_array_length(lane.doubts) < 2
        AND o.state = 'accepted' AND (o.not_before IS NULL OR o.not_before <= now())
        AND NOT EXISTS (
          SELECT 1 FROM outbox earlier
          WHERE earlier.conversation_id = o.conversation_id AND earlier.state = 'accepted'
            AND (earlier.rank, earlier.id) < (o.rank, o.id))
        AND (lane.in_doubt IS NULL OR o.id <> ALL (lane.in_doubt))
        AND (NOT lane.awaits_topic OR c.topic_id IS NOT NULL OR o.conversation_id IS NULL)
      ORDER BY o.priority <> lane.prefers, o.priority,
        coalesce(c.served_at, o.created_at - interval '1 minute'), o.rank, o.id
      LIMIT 1 FOR UPDATE OF o
    ), claimed AS (
      UPDATE groups g SET fence = g.fence + 1, turns = g.turns + 1,
        lease_until = now() + interval '{LEASE}', sent_at = now(),
        sent_after = greatest(g.known_id, (
          SELECT max(i.message_id) FROM inbox i WHERE i.chat_id = g.chat_id)),
        doubts = {DOUBTING}, doubt_due = CASE WHEN g.sending IS NULL THEN g.doubt_due ELSE now() END,
        sending = CASE WHEN head.ready AND head.kind IN ('message', 'recap', 'notice')
          THEN ARRAY[head.id] END,
        calls = g.calls[cardinality(g.calls) - :keep + 1 : cardinality(g.calls)] || now()
      FROM lane LEFT JOIN head ON true WHERE g.id = lane.id AND (lane.must_look OR head.id IS NOT NULL)
      RETURNING g.bot_id, g.chat_id, g.fence, g.calls, g.trouble, g.trouble_since, g.trouble_count,
        g.known_id, g.doubts, g.ours
    )
    SELECT head.*, claimed.*, now() AS now, lane.must_look, lane.lease_until IS NOT NULL AS taken_over,
      CASE WHEN head.kind = 'message' AND CAST(:allowed AS int) IS NOT NULL THEN (
        SELECT count(*) + count(DISTINCT conversation_id) FILTER (WHERE needs_topic) FROM (
          SELECT w.conversation_id, w.conversation_id IS NOT NULL AND c.topic_id IS NULL AS needs_topic
          FROM outbox w LEFT JOIN conversations c ON c.id = w.conversation_id
          WHERE w.group_id = lane.id AND w.state = 'accepted' LIMIT CAST(:allowed AS int) + 1) waiting
      ) ELSE 0 END AS needed,
      coalesce(CAST(:allowed AS int), 0) - (
        SELECT count(*) FROM unnest(lane.calls) call
        WHERE call > now() - make_interval(secs => CAST(:window AS float8))) AS free
    FROM lane JOIN claimed ON true LEFT JOIN head ON true
    """
)


async def take(
    db: Connection, group_id: int, *, rate: tuple[int, float] | None = None
) -> tuple[Lane, Entry | None] | None:
    """Claim the lane of a group for 15 s, for the entry that is to be said next.

    None when nothing is due, the lane is paused or somebody has it. Without an entry the lane was
    claimed to look for messages in doubt. `rate` is the group's budget: calls, seconds.
    """
    calls, window = rate or (None, 0.0)
    values = {
        "group": group_id,
        "keep": 0 if calls is None else calls - 1,
        "allowed": calls,
        "window": window,
    }
    row = (await db.execute(_TAKE, values)).one_or_none()
    if row is None:
        return None
    lane = Lane(
        group_id, row.bot_id, row.chat_id, row.fence, row.calls[:-1], row.now,
        row.trouble, row.trouble_since, row.trouble_count,
        row.known_id, msgspec.convert(row.doubts, tuple[Doubt, ...]), row.ours, row.taken_over,
        row.needed, row.free,
    )  # fmt: skip
    if row.must_look:
        return lane, None
    body = None if row.body is None else msgspec.convert(row.body, _BODIES[row.kind])
    fields = {name: getattr(row, name) for name in Entry.__struct_fields__ if name != "body"}
    return lane, Entry(body=body, **fields)


class Follower(Struct, frozen=True):
    """A message right behind another; `age` in seconds."""

    id: int
    text: str
    age: float


_FOLLOWERS = text(
    """
    SELECT o.id, o.kind, o.alone, o.repeated, m.text, extract(epoch FROM now() - o.created_at) AS age
    FROM outbox o
    LEFT JOIN messages m ON m.conversation_id = o.conversation_id AND m.seq = o.seq
    WHERE o.conversation_id = :conversation AND o.state = 'accepted' AND o.rank = 1 AND o.id > :head
      AND (o.not_before IS NULL OR o.not_before <= now())
    ORDER BY o.id LIMIT 50
    """
)


async def followers(db: Connection, head: Entry) -> list[Follower]:
    """What may be said together with a message: those right behind it, in order.

    What is possibly repeated only with its like: the words that say so stand above the whole.
    """
    rows = await db.execute(_FOLLOWERS, {"conversation": head.conversation_id, "head": head.id})
    alike = itertools.takewhile(
        lambda row: row.kind == "message" and not row.alone and row.repeated == head.repeated, rows
    )
    return [Follower(row.id, row.text, float(row.age)) for row in alike]


def _settle(end_of_turn: str, entry: str) -> TextClause:
    return text(
        f"""
        WITH lane AS ({end_of_turn}), entry AS (
          {entry} WHERE outbox.id = ANY (:ids) AND outbox.state = 'accepted'
          RETURNING outbox.conversation_id, outbox.seq
        ), piece AS (
          SELECT conversation_id, seq, row_number() OVER (ORDER BY seq)::int AS number FROM entry
          WHERE seq IS NOT NULL
        ), conversation AS (
          UPDATE conversations c SET rev = c.rev + (SELECT count(*) FROM piece)::int, served_at = now(),
            topic_opened = c.topic_opened OR CAST(:message_id AS bigint) IS NOT NULL
          FROM (SELECT DISTINCT conversation_id FROM entry) entry WHERE c.id = entry.conversation_id
          RETURNING c.id, c.rev - (SELECT count(*) FROM piece)::int AS rev
        ), message AS (
          UPDATE messages m SET state = :state, rev = conversation.rev + piece.number,
            chat_id = CAST(:chat AS bigint), telegram_message_id = :message_id
          FROM conversation, piece WHERE m.conversation_id = conversation.id AND m.seq = piece.seq
          RETURNING m.conversation_id, {MESSAGE_COLUMNS}
        )
        SELECT message.* FROM lane LEFT JOIN message ON true ORDER BY message.seq
        """
    )


_SAID = "DELETE FROM outbox USING lane"
_GIVEN_UP = """
    UPDATE outbox SET state = 'failed', failed_at = now(), attempts = attempts + 1, reason = :reason,
      last_error = :last_error FROM lane"""
_STILL_MINE = "SELECT id FROM groups WHERE id = :group AND fence = :fence FOR UPDATE"

_RELAYED, _ADOPTED = _settle(SAID, _SAID), _settle(_STILL_MINE, _SAID)
_FAILED = _settle(SUCCEEDED, _GIVEN_UP)


async def relayed(
    db: Connection, lane: Lane, entries: Sequence[int], *, message_id: int | None, pause: float
) -> list[Change]:
    """The entries were said, as this message of the lane's chat; what that changes for their visitor.

    Ends the turn. Raises `LaneLost`. `message_id` is None where nothing had to be said.
    """
    values = {**_said(lane, entries, message_id), "pause": pause}
    return await _change(db, _RELAYED, lane, values)


async def adopted(db: Connection, lane: Lane, entries: Sequence[int], *, message_id: int) -> list[Change]:
    """The entries had been said, as this message, which was found. Does not end the turn.

    Raises `LaneLost`.
    """
    return await _change(db, _ADOPTED, lane, _said(lane, entries, message_id))


def _said(lane: Lane, entries: Sequence[int], message_id: int | None) -> dict[str, Any]:
    chat_id = None if message_id is None else lane.chat_id
    return {"ids": list(entries), "state": "relayed", "chat": chat_id, "message_id": message_id}


async def failed(
    db: Connection, lane: Lane, entry_id: int, *, reason: str, last_error: str, pause: float
) -> list[Change]:
    """The entry will never be accepted: it is a dead letter now; what that changes for its visitor.

    Ends the turn. Raises `LaneLost`.
    """
    values = {
        "ids": [entry_id],
        "state": "failed",
        "chat": None,
        "message_id": None,
        "reason": reason,
        "last_error": last_error,
        "pause": pause,
    }
    return await _change(db, _FAILED, lane, values)


async def _change(db: Connection, statement: TextClause, lane: Lane, values: dict[str, Any]) -> list[Change]:
    rows = (await db.execute(statement, {"group": lane.group_id, "fence": lane.fence, **values})).all()
    if not rows:
        raise LaneLost
    return [Change(row.conversation_id, row.rev, message_of(row)) for row in rows if row.seq is not None]


_SAY_AGAIN = text(
    """
    UPDATE outbox SET repeated = repeated OR :repeated, attempts = attempts + 1,
      not_before = now() + make_interval(secs => nullif(least(300, 2 ^ least(attempts, 9)), 1))
    WHERE id = ANY (:ids)
    """
)


async def say_again(db: Connection, entries: Sequence[int], *, repeated: bool) -> None:
    """Entries in doubt were not said, or (`repeated`) nobody can tell.

    They are due at once, after that ever later: what nobody ever answers would use up the group's budget.
    """
    await db.execute(_SAY_AGAIN, {"ids": list(entries), "repeated": repeated})


_TOPICS = text(
    """
    SELECT o.id, coalesce(c.topic_id, CAST(o.body ->> 'topic_id' AS bigint)) AS topic_id
    FROM outbox o LEFT JOIN conversations c ON c.id = o.conversation_id WHERE o.id = ANY (:ids)
    """
)


async def topics_of(db: Connection, entries: Sequence[int]) -> dict[int, int | None]:
    """In which topic each of these entries is said, None for the main thread."""
    found = await db.execute(_TOPICS, {"ids": list(entries)})
    return {row.id: row.topic_id for row in found}


async def say_alone(db: Connection, entries: Sequence[int]) -> None:
    """Entries that were refused in one message will each go alone."""
    await db.execute(text("UPDATE outbox SET alone = true WHERE id = ANY (:ids)"), {"ids": list(entries)})


def _done(end_of_turn: str) -> TextClause:
    return text(
        f"""
        WITH lane AS ({end_of_turn}), entry AS (DELETE FROM outbox USING lane WHERE outbox.id = :id)
        SELECT id FROM lane
        """
    )


_DONE, _DONE_NOT_CALLED = _done(SUCCEEDED), _done(NOT_CALLED)


async def done(db: Connection, lane: Lane, entry_id: int, *, pause: float, called: bool) -> None:
    """Nothing is left to do for an entry that is no message. Ends the turn. Raises `LaneLost`."""
    values: dict[str, Any] = {"id": entry_id, "group": lane.group_id, "fence": lane.fence, "pause": pause}
    if not called:
        values["trouble"] = None
    if (await db.execute(_DONE if called else _DONE_NOT_CALLED, values)).first() is None:
        raise LaneLost


def _put_back(end_of_turn: str) -> TextClause:
    return text(
        f"""
        WITH lane AS ({end_of_turn}), entry AS (
          UPDATE outbox SET last_error = :reason, attempts = attempts + :attempt,
            not_before = now() + make_interval(secs => nullif(CAST(:delay AS float8), 0))
          FROM lane WHERE outbox.id = :id AND outbox.state = 'accepted'
        )
        SELECT id FROM lane
        """
    )


_PUT_BACK, _PUT_BACK_NOT_CALLED = _put_back(REFUSED), _put_back(NOT_CALLED)


async def put_back(
    db: Connection,
    lane: Lane,
    entry_id: int | None,
    *,
    reason: str,
    pause: float,
    delay: float = 0,
    attempt: bool = False,
    trouble: str | None = None,
    called: bool = True,
) -> None:
    """The entry was not said: it is due again after `delay` seconds.

    Ends the turn. Raises `LaneLost`. `trouble` is why the group refuses us, if it does; a call that
    was not made costs no slot of the budget.
    """
    values = {
        "group": lane.group_id,
        "fence": lane.fence,
        "pause": pause,
        "trouble": trouble,
        "id": entry_id,
        "reason": reason,
        "delay": delay,
        "attempt": int(attempt),
    }
    statement = _PUT_BACK if called else _PUT_BACK_NOT_CALLED
    if (await db.execute(statement, values)).first() is None:
        raise LaneLost


_DUE_GROUPS = text(
    """
    SELECT g.id FROM groups g
    WHERE (g.lease_until IS NULL OR g.lease_until <= now())
      AND (g.not_before IS NULL OR g.not_before <= now())
      AND (g.sending IS NOT NULL OR g.doubt_due <= now() OR EXISTS (
        SELECT 1 FROM outbox o WHERE o.group_id = g.id AND o.state = 'accepted'
          AND (o.not_before IS NULL OR o.not_before <= now())))
    ORDER BY g.not_before NULLS FIRST, g.id LIMIT 1000
    """
)


async def due_groups(db: Connection) -> list[int]:
    """The groups that have something to say and that nobody serves."""
    return [row.id for row in await db.execute(_DUE_GROUPS)]


_OF_OURS = text(
    "INSERT INTO outbox (group_id, kind, priority, body)"
    " VALUES (:group, :kind, :priority, CAST(:body AS jsonb)) RETURNING id"
)


async def add_notice(db: Connection, group_id: int, notice: Notice) -> None:
    """Say something to the operators of a group."""
    await _add(db, group_id, "notice", notice)


async def tidy_up(db: Connection, group_id: int, what: Discard | Remove) -> int:
    """Take something back that landed in a group where nobody wants it; the entry's id."""
    return await _add(db, group_id, "discard" if isinstance(what, Discard) else "remove", what)


async def _add(db: Connection, group_id: int, kind: str, body: Body) -> int:
    values = {"group": group_id, "kind": kind, "priority": NORMAL, "body": msgspec.json.encode(body).decode()}
    return int((await db.execute(_OF_OURS, values)).scalar_one())


async def tidied(db: Connection, entry_id: int) -> None:
    """What had to be taken back is gone already."""
    await db.execute(text("DELETE FROM outbox WHERE id = :id"), {"id": entry_id})


_RECAP = text(
    "INSERT INTO outbox (group_id, conversation_id, kind, rank) VALUES (:group, :conversation, 'recap', 0)"
)


async def add_recap(db: Connection, group_id: int, conversation_id: str) -> None:
    """Open the conversation's next topic with a recap."""
    await db.execute(_RECAP, {"group": group_id, "conversation": conversation_id})


_ADOPT = text(
    """
    WITH adopted AS (
      UPDATE outbox o SET group_id = g.id FROM conversations c JOIN groups g ON g.project_id = c.project_id
      WHERE c.id = o.conversation_id AND o.state = 'accepted' AND o.group_id IS NULL RETURNING 1
    )
    SELECT count(*) FROM adopted
    """
)


async def adopt_unlinked(db: Connection) -> int:
    """Give what was written before a project had a group to its group; how many entries."""
    return int((await db.execute(_ADOPT)).scalar_one())


_ASSIGN = text(
    """
    UPDATE outbox o SET group_id = :group FROM conversations c
    WHERE c.id = o.conversation_id AND c.project_id = :project AND o.state = 'accepted'
    """
)


async def assign(db: Connection, *, project_id: str, group_id: int) -> None:
    """Everything that a project still has to say goes to this group."""
    await db.execute(_ASSIGN, {"project": project_id, "group": group_id})
