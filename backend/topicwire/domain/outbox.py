"""The outbox: what is to be said in a group, in order.

    accepted ──take──▶ the group is `sending` it ──▶ relayed: the entry is gone
       ▲                        │
       └────────put back────────┴──▶ failed: a dead letter, with its reason

Within one conversation entries go strictly first in, first out; a head that is not due holds its
conversation, not the lane. A recap goes before everything else of its conversation: it opens the
topic that takes the place of one that vanished.
"""

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import (
    BigInteger,
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
from topicwire.domain.groups import LEASE, NOT_CALLED, REFUSED, SUCCEEDED, Lane, LaneLost

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    # None: not linked yet. No foreign key: its check would lock the row that every lane updates.
    Column("group_id", BigInteger),
    Column("conversation_id", Text, ForeignKey("conversations.id", ondelete="CASCADE")),
    Column("seq", Integer),  # the message, for kind `message`
    Column("kind", Text, nullable=False),  # message, recap, notice
    Column("body", JSONB),  # of a notice: text, topic_id, reply_to
    Column("state", Text, nullable=False, server_default="accepted"),
    Column("not_before", DateTime(timezone=True)),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("last_error", Text),
    Column("rank", SmallInteger, nullable=False, server_default="1"),  # 0: a recap
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_outbox_group_id", "group_id", "rank", "id", postgresql_where=text("state = 'accepted'")),
    Index("ix_outbox_conversation_id", "conversation_id", "rank", "id"),
)


class Notice(Struct, omit_defaults=True):
    """Something that we say ourselves to the operators; `topic_id` None: the main thread."""

    text: str
    topic_id: int | None = None
    reply_to: int | None = None


class Entry(Struct, frozen=True):
    """What a lane says next, with all that it needs to know to say it.

    `ready`: its topic is there and open. `left_over`: the entry whose call a predecessor may or may
    not have made. The fields after `body` are those of its conversation, the last ones those of its
    message.
    """

    id: int
    kind: str
    attempts: int
    ready: bool
    left_over: int | None
    body: Notice | None
    conversation_id: str | None
    topic_id: int | None
    topic_name: str | None
    topic_closed: bool
    topic_opened: bool
    project_id: str | None
    email: str | None
    name: str | None
    locale: str | None
    page_url: str | None
    seq: int | None
    text: str | None
    at: datetime | None


# One round trip and one commit for a turn's beginning: lock the lane, find the head, take a slot of
# the budget and write down what is being sent. Both rows are locked, the lane first as everywhere:
# what another worker has settled since this statement began is seen, and not said again. An entry
# that only seems to be held by one settled meanwhile is found by that worker's next look. Where there
# is no entry the lane is not locked, because a lock is written to the disk like any change.
_TAKE = text(
    f"""
    WITH lane AS MATERIALIZED (
      SELECT id, sending FROM groups WHERE id = :group AND (lease_until IS NULL OR lease_until <= now())
        AND (not_before IS NULL OR not_before <= now())
        AND EXISTS (SELECT 1 FROM outbox WHERE group_id = :group AND state = 'accepted')
      FOR UPDATE
    ), head AS MATERIALIZED (
      SELECT o.id, o.kind, o.attempts, o.body, o.conversation_id, o.seq, lane.sending AS left_over,
        c.topic_id, c.topic_name, coalesce(c.topic_closed, false) AS topic_closed,
        coalesce(c.topic_opened, false) AS topic_opened, c.project_id, c.email, c.name, c.locale, c.page_url,
        m.text, m.at,
        o.conversation_id IS NULL OR (c.topic_id IS NOT NULL AND NOT c.topic_closed) AS ready
      FROM lane JOIN outbox o ON o.group_id = lane.id
      LEFT JOIN conversations c ON c.id = o.conversation_id
      LEFT JOIN messages m ON m.conversation_id = o.conversation_id AND m.seq = o.seq
      WHERE o.state = 'accepted' AND (o.not_before IS NULL OR o.not_before <= now())
        AND NOT EXISTS (
          SELECT 1 FROM outbox earlier
          WHERE earlier.conversation_id = o.conversation_id AND earlier.state = 'accepted'
            AND (earlier.rank, earlier.id) < (o.rank, o.id))
      ORDER BY o.rank, o.id LIMIT 1 FOR UPDATE OF o
    ), claimed AS (
      UPDATE groups g SET fence = g.fence + 1, lease_until = now() + interval '{LEASE}',
        sending = CASE WHEN head.ready THEN head.id END,
        calls = g.calls[cardinality(g.calls) - :keep + 1 : cardinality(g.calls)] || now()
      FROM head WHERE g.id = :group RETURNING g.bot_id, g.chat_id, g.fence, g.calls, g.trouble_count
    )
    SELECT head.*, claimed.*, now() AS now FROM head, claimed
    """
)


async def take(db: Connection, group_id: int, *, keep: int) -> tuple[Lane, Entry] | None:
    """Claim the lane of a group for 15 s, for the entry that is to be said next.

    None when nothing is due, the lane is paused or somebody has it. `keep` is how many earlier calls
    the budget has to remember.
    """
    row = (await db.execute(_TAKE, {"group": group_id, "keep": keep})).one_or_none()
    if row is None:
        return None
    lane = Lane(group_id, row.bot_id, row.chat_id, row.fence, row.calls[:-1], row.now, row.trouble_count)
    body = None if row.body is None else msgspec.convert(row.body, Notice)
    fields = {name: getattr(row, name) for name in Entry.__struct_fields__ if name != "body"}
    return lane, Entry(body=body, **fields)


def _settle(entry: str) -> TextClause:
    return text(
        f"""
        WITH lane AS ({SUCCEEDED}), entry AS (
          {entry} WHERE outbox.id = :id AND outbox.state = 'accepted'
          RETURNING outbox.conversation_id, outbox.seq
        ), conversation AS (
          UPDATE conversations c SET rev = c.rev + (entry.seq IS NOT NULL)::int,
            topic_opened = c.topic_opened OR CAST(:message_id AS bigint) IS NOT NULL
          FROM entry WHERE c.id = entry.conversation_id RETURNING c.id, c.rev
        ), message AS (
          UPDATE messages m SET state = :state, rev = conversation.rev,
            chat_id = CAST(:chat AS bigint), telegram_message_id = :message_id
          FROM conversation, entry WHERE m.conversation_id = conversation.id AND m.seq = entry.seq
          RETURNING m.conversation_id, {MESSAGE_COLUMNS}
        )
        SELECT message.* FROM lane LEFT JOIN message ON true
        """
    )


_RELAYED = _settle("DELETE FROM outbox USING lane")
_FAILED = _settle(
    "UPDATE outbox SET state = 'failed', last_error = :reason, attempts = attempts + 1 FROM lane"
)


async def relayed(
    db: Connection, lane: Lane, entry_id: int, *, message_id: int | None, pause: float
) -> Change | None:
    """The entry was said, as this message of the lane's chat; what that changes for its visitor.

    Ends the turn. Raises `LaneLost`. `message_id` is None where nothing had to be said.
    """
    values = {
        "id": entry_id,
        "state": "relayed",
        "chat": None if message_id is None else lane.chat_id,
        "message_id": message_id,
    }
    return await _end_turn(db, _RELAYED, lane, pause, values)


async def failed(db: Connection, lane: Lane, entry_id: int, *, reason: str, pause: float) -> Change | None:
    """The entry will never be accepted: it is a dead letter now; what that changes for its visitor.

    Ends the turn. Raises `LaneLost`.
    """
    values = {"id": entry_id, "state": "failed", "chat": None, "message_id": None, "reason": reason}
    return await _end_turn(db, _FAILED, lane, pause, values)


async def _end_turn(
    db: Connection, statement: TextClause, lane: Lane, pause: float, values: dict[str, Any]
) -> Change | None:
    keys = {"group": lane.group_id, "fence": lane.fence, "pause": pause}
    row = (await db.execute(statement, keys | values)).one_or_none()
    if row is None:
        raise LaneLost
    return None if row.seq is None else Change(row.conversation_id, row.rev, message_of(row))


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
    entry_id: int,
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
      AND EXISTS (
        SELECT 1 FROM outbox o WHERE o.group_id = g.id AND o.state = 'accepted'
          AND (o.not_before IS NULL OR o.not_before <= now()))
    ORDER BY g.not_before NULLS FIRST, g.id LIMIT 1000
    """
)


async def due_groups(db: Connection) -> list[int]:
    """The groups that have something to say and that nobody serves."""
    return [row.id for row in await db.execute(_DUE_GROUPS)]


_NOTICE = text("INSERT INTO outbox (group_id, kind, body) VALUES (:group, 'notice', CAST(:body AS jsonb))")


async def add_notice(db: Connection, group_id: int, notice: Notice) -> None:
    """Say something to the operators of a group."""
    await db.execute(_NOTICE, {"group": group_id, "body": msgspec.json.encode(notice).decode()})


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
