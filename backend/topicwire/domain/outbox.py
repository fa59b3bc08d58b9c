"""The outbox: what is to be said in a group, in order.

    accepted ──mark──▶ sending ──settle──▶ relayed
       ▲                  │
       └──put back────────┼──▶ failed   (a dead letter, with its reason)

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
from sqlalchemy.ext.asyncio import AsyncConnection

from topicwire.db import metadata
from topicwire.domain.conversations import MESSAGE_COLUMNS, Change, message_of
from topicwire.domain.groups import ANSWERED, CLAIM, HEALED, RESERVE, UNUSED, Lane, LaneLost

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
    Column("sending_at", DateTime(timezone=True)),
    Column("rank", SmallInteger, nullable=False, server_default="1"),  # 0: a recap
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index(
        "ix_outbox_group_id",
        "group_id",
        "rank",
        "id",
        postgresql_where=text("state IN ('accepted', 'sending')"),
    ),
    Index(
        "ix_outbox_conversation_id",
        "conversation_id",
        "rank",
        "id",
        postgresql_where=text("state IN ('accepted', 'sending')"),
    ),
    Index(
        "ix_outbox_unlinked",
        "conversation_id",
        postgresql_where=text("state = 'accepted' AND group_id IS NULL"),
    ),
)


class Notice(Struct, omit_defaults=True):
    """Something that we say ourselves to the operators; `topic_id` None: the main thread."""

    text: str
    topic_id: int | None = None
    reply_to: int | None = None


class Entry(Struct, frozen=True):
    """What a lane says next, with all that it needs to know to say it.

    `marked`: it is `sending` already, because its topic was there. The fields after `body` are
    those of its conversation, the last ones those of its message.
    """

    id: int
    kind: str
    attempts: int
    marked: bool
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


_DUE = """
    o.state = 'accepted' AND (o.not_before IS NULL OR o.not_before <= now())
    AND NOT EXISTS (
      SELECT 1 FROM outbox earlier
      WHERE earlier.conversation_id = o.conversation_id AND earlier.state IN ('accepted', 'sending')
        AND (earlier.rank, earlier.id) < (o.rank, o.id))"""

_CLAIM = text(
    f"""
    WITH lane AS ({CLAIM}), left_over AS (
      UPDATE outbox o SET state = 'accepted', attempts = attempts + 1,
        last_error = 'The worker was interrupted while it sent this.'
      FROM lane WHERE o.group_id = lane.id AND o.state = 'sending'
    )
    SELECT *, now() AS now FROM lane
    """
)


async def claim(db: AsyncConnection, group_id: int) -> Lane | None:
    """Take the lane of a group for 15 s, unless somebody has it or it is paused.

    What a predecessor left in `sending` is said again: nobody knows whether it was said.
    """
    row = (await db.execute(_CLAIM, {"group": group_id})).one_or_none()
    if row is None:
        return None
    return Lane(row.id, row.bot_id, row.chat_id, row.fence, row.calls, row.now)


# One round trip: renew the lease, find the head and, where its topic is ready, mark it.
_TAKE = text(
    f"""
    WITH head AS (
      SELECT o.*, c.topic_id, c.topic_name, coalesce(c.topic_closed, false) AS topic_closed,
        coalesce(c.topic_opened, false) AS topic_opened, c.project_id, c.email, c.name, c.locale, c.page_url,
        m.text, m.at,
        o.conversation_id IS NULL OR (c.topic_id IS NOT NULL AND NOT c.topic_closed) AS ready
      FROM outbox o
      LEFT JOIN conversations c ON c.id = o.conversation_id
      LEFT JOIN messages m ON m.conversation_id = o.conversation_id AND m.seq = o.seq
      WHERE o.group_id = :group AND {_DUE}
      ORDER BY o.rank, o.id LIMIT 1
    ), lane AS (
      {RESERVE} AND EXISTS (SELECT 1 FROM head WHERE ready) RETURNING id
    ), marked AS (
      UPDATE outbox SET state = 'sending', sending_at = now()
      FROM head, lane WHERE outbox.id = head.id AND head.ready AND outbox.state = 'accepted'
      RETURNING outbox.id
    )
    SELECT head.*, marked.id IS NOT NULL AS marked FROM head LEFT JOIN marked ON true
    """
)


async def take(db: AsyncConnection, lane: Lane, *, keep: int) -> Entry | None:
    """The entry that the lane says next; marked `sending` where its topic is ready.

    None when nothing is due. Raises `LaneLost`.
    """
    found = await db.execute(_TAKE, {"group": lane.group_id, "fence": lane.fence, "keep": keep})
    row = found.one_or_none()
    if row is None:
        return None
    if row.ready and not row.marked:
        raise LaneLost
    body = None if row.body is None else msgspec.convert(row.body, Notice)
    fields = {name: getattr(row, name) for name in Entry.__struct_fields__ if name != "body"}
    return Entry(body=body, **fields)


_MARK = text(
    f"""
    WITH lane AS ({RESERVE} RETURNING id)
    UPDATE outbox SET state = 'sending', sending_at = now()
    FROM lane WHERE outbox.id = :id AND outbox.state = 'accepted' RETURNING outbox.id
    """
)


async def mark(db: AsyncConnection, lane: Lane, entry_id: int, *, keep: int) -> None:
    """Commit to a call before it is made. Raises `LaneLost`."""
    found = await db.execute(
        _MARK, {"group": lane.group_id, "fence": lane.fence, "id": entry_id, "keep": keep}
    )
    if found.one_or_none() is None:
        raise LaneLost


_SETTLE = text(
    f"""
    WITH left_to_say AS (
      SELECT EXISTS (
        SELECT 1 FROM outbox o WHERE o.group_id = :group AND o.id <> :id AND o.state = 'accepted'
          AND (o.not_before IS NULL OR o.not_before <= now())) AS more
    ), lane AS ({HEALED} RETURNING calls, lease_until), entry AS (
      UPDATE outbox SET state = :state, last_error = :reason, attempts = attempts + 1 FROM lane
      WHERE outbox.id = :id AND outbox.state IN ('accepted', 'sending')
      RETURNING outbox.conversation_id, outbox.seq
    ), conversation AS (
      UPDATE conversations c SET rev = c.rev + (entry.seq IS NOT NULL)::int,
        topic_opened = c.topic_opened OR CAST(:message_id AS bigint) IS NOT NULL
      FROM entry WHERE c.id = entry.conversation_id RETURNING c.id, c.rev
    ), message AS (
      UPDATE messages m SET state = :state, reason = :reason, rev = conversation.rev,
        chat_id = CAST(:chat AS bigint), telegram_message_id = :message_id
      FROM conversation, entry WHERE m.conversation_id = conversation.id AND m.seq = entry.seq
      RETURNING m.conversation_id, {MESSAGE_COLUMNS}
    )
    SELECT lane.calls, lane.lease_until IS NOT NULL AS held, now() AS reached, message.*
    FROM lane LEFT JOIN message ON true
    """
)


async def relayed(db: AsyncConnection, lane: Lane, entry_id: int, *, message_id: int | None) -> Change | None:
    """The entry was said, as this message of the lane's chat; what that changes for its visitor.

    Raises `LaneLost`. `message_id` is None where nothing had to be said.
    """
    return await _settle(db, lane, entry_id, state="relayed", message_id=message_id)


async def failed(db: AsyncConnection, lane: Lane, entry_id: int, *, reason: str) -> Change | None:
    """The entry will never be accepted: it is a dead letter now; what that changes for its visitor.

    Raises `LaneLost`.
    """
    return await _settle(db, lane, entry_id, state="failed", reason=reason)


async def _settle(
    db: AsyncConnection,
    lane: Lane,
    entry_id: int,
    *,
    state: str,
    message_id: int | None = None,
    reason: str | None = None,
) -> Change | None:
    found = await db.execute(
        _SETTLE,
        {
            "group": lane.group_id,
            "fence": lane.fence,
            "id": entry_id,
            "state": state,
            "reason": reason,
            "chat": lane.chat_id if message_id is not None else None,
            "message_id": message_id,
        },
    )
    row = found.one_or_none()
    if row is None:
        raise LaneLost
    lane.calls, lane.now, lane.held = row.calls, row.reached, row.held
    return None if row.seq is None else Change(row.conversation_id, row.rev, message_of(row))


def _put_back(slot: str) -> TextClause:
    return text(
        f"""
        WITH lane AS ({slot} RETURNING calls), entry AS (
          UPDATE outbox SET state = 'accepted', last_error = :reason, attempts = attempts + :attempt,
            not_before = now() + make_interval(secs => :delay)
          FROM lane WHERE outbox.id = :id AND outbox.state IN ('accepted', 'sending')
        )
        SELECT calls, now() AS now FROM lane
        """
    )


_PUT_BACK, _PUT_BACK_UNUSED = _put_back(ANSWERED), _put_back(UNUSED)


async def put_back(
    db: AsyncConnection, lane: Lane, entry_id: int, *, reason: str, delay: float = 0, attempt: bool = False
) -> None:
    """The entry was not said: it is due again after `delay` seconds. Raises `LaneLost`."""
    values = {"reason": reason, "delay": float(delay), "attempt": int(attempt)}
    await _put(db, _PUT_BACK, lane, entry_id, values)


async def put_back_unused(db: AsyncConnection, lane: Lane, entry_id: int, *, reason: str) -> None:
    """The call for a marked entry was not made: its slot of the budget is free. Raises `LaneLost`."""
    await _put(db, _PUT_BACK_UNUSED, lane, entry_id, {"reason": reason, "delay": 0.0, "attempt": 0})


async def _put(
    db: AsyncConnection, statement: TextClause, lane: Lane, entry_id: int, values: dict[str, Any]
) -> None:
    keys = {"group": lane.group_id, "fence": lane.fence, "id": entry_id}
    row = (await db.execute(statement, keys | values)).one_or_none()
    if row is None:
        raise LaneLost
    lane.calls, lane.now = row.calls, row.now


_IS_DUE = text(
    f"""
    SELECT EXISTS (SELECT 1 FROM outbox o WHERE o.group_id = :group AND {_DUE}) AND EXISTS (
      SELECT 1 FROM groups WHERE id = :group AND (not_before IS NULL OR not_before <= now()))
    """
)


async def is_due(db: AsyncConnection, group_id: int) -> bool:
    """Whether a lane has something to say now."""
    return bool((await db.execute(_IS_DUE, {"group": group_id})).scalar_one())


_DUE_GROUPS = text(
    """
    SELECT g.id FROM groups g
    WHERE (g.lease_until IS NULL OR g.lease_until <= now())
      AND (g.not_before IS NULL OR g.not_before <= now())
      AND EXISTS (
        SELECT 1 FROM outbox o WHERE o.group_id = g.id AND o.state IN ('accepted', 'sending')
          AND (o.not_before IS NULL OR o.not_before <= now()))
    ORDER BY g.not_before NULLS FIRST, g.id LIMIT 1000
    """
)


async def due_groups(db: AsyncConnection) -> list[int]:
    """The groups that have something to say and that nobody serves."""
    return [row.id for row in await db.execute(_DUE_GROUPS)]


_NOTICE = text("INSERT INTO outbox (group_id, kind, body) VALUES (:group, 'notice', CAST(:body AS jsonb))")


async def add_notice(db: AsyncConnection, group_id: int, notice: Notice) -> None:
    """Say something to the operators of a group."""
    await db.execute(_NOTICE, {"group": group_id, "body": msgspec.json.encode(notice).decode()})


_RECAP = text(
    "INSERT INTO outbox (group_id, conversation_id, kind, rank) VALUES (:group, :conversation, 'recap', 0)"
)


async def add_recap(db: AsyncConnection, group_id: int, conversation_id: str) -> None:
    """Open the conversation's next topic with a recap."""
    await db.execute(_RECAP, {"group": group_id, "conversation": conversation_id})


_ADOPT = text(
    """
    UPDATE outbox o SET group_id = g.id FROM conversations c JOIN groups g ON g.project_id = c.project_id
    WHERE c.id = o.conversation_id AND o.state = 'accepted' AND o.group_id IS NULL
    """
)


async def adopt_unlinked(db: AsyncConnection) -> int:
    """Give what was written before a project had a group to its group; how many entries."""
    return int((await db.execute(_ADOPT)).rowcount)


_ASSIGN = text(
    """
    UPDATE outbox o SET group_id = :group FROM conversations c
    WHERE c.id = o.conversation_id AND c.project_id = :project AND o.state = 'accepted'
    """
)


async def assign(db: AsyncConnection, *, project_id: str, group_id: int) -> None:
    """Everything that a project still has to say goes to this group."""
    await db.execute(_ASSIGN, {"project": project_id, "group": group_id})
