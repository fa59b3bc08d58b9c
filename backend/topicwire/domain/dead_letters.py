"""Dead letters: entries of the outbox that Telegram refused for good, kept until they are sent again.

They are requeued in their old place; a message is `accepted` again for its visitor, too. One that its
visitor tries again is a dead letter no more (`conversations.repeat`).
"""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from sqlalchemy import text

from topicwire.db import Connection
from topicwire.domain.conversations import MESSAGE_COLUMNS, Change, message_of


class DeadLetter(Struct, frozen=True):
    """What could not be delivered, whose it is, and why.

    `kind` is `message`, or `notice` or `recap` of our own. `reason` is the class of refusal,
    `last_error` what Telegram said.
    """

    id: str
    kind: str
    project: str | None
    project_name: str | None
    conversation: str | None
    topic: str | None
    seq: int | None
    text: str | None
    reason: str | None
    attempts: int
    last_error: str | None
    failed_at: datetime | None


class Requeued(Struct, frozen=True):
    """The letters that were put back; which visitors and which lanes to ring for."""

    ids: tuple[int, ...]
    changes: tuple[Change, ...]
    drains: frozenset[int]


_EVERY = text(
    """
    SELECT o.id::text AS id, o.kind, p.id AS project, p.name AS project_name, c.id AS conversation,
      c.topic_name AS topic, o.seq, coalesce(m.text, o.body ->> 'text') AS text, o.reason, o.attempts,
      o.last_error, o.failed_at
    FROM outbox o LEFT JOIN conversations c ON c.id = o.conversation_id
    LEFT JOIN messages m ON m.conversation_id = o.conversation_id AND m.seq = o.seq
    LEFT JOIN groups g ON g.id = o.group_id
    LEFT JOIN projects p ON p.id = coalesce(c.project_id, g.project_id)
    WHERE o.state = 'failed' AND (CAST(:project AS text) IS NULL OR p.id = :project OR p.key = :project)
    ORDER BY o.id
    """
)


async def every(db: Connection, *, project: str | None = None) -> list[DeadLetter]:
    """All dead letters, oldest first; those of one project, named by its id or key."""
    rows = await db.execute(_EVERY, {"project": project})
    return [DeadLetter(**dict(row)) for row in rows.mappings()]


# Conversations are locked before entries, as by a visitor who tries again.
_LOCK = text(
    """
    SELECT 1 FROM conversations WHERE id IN (
      SELECT conversation_id FROM outbox WHERE id = ANY (:ids) AND state = 'failed')
    ORDER BY id FOR UPDATE
    """
)

# What is not said yet about a letter that is sent again would be wrong by the time that it is said.
_TAKE_BACK_NOTICES = text(
    """
    DELETE FROM outbox notice USING outbox letter
    WHERE letter.id = ANY (:ids) AND letter.state = 'failed'
      AND notice.kind = 'notice' AND notice.body ->> 'about' = letter.id::text
    """
)

# For whoever measures how long it waits, it has come just now.
_REQUEUE = text(
    f"""
    WITH letter AS (
      UPDATE outbox o SET state = 'accepted', reason = NULL, failed_at = NULL, attempts = 0,
        not_before = NULL, created_at = now(), group_id = CASE WHEN o.conversation_id IS NULL THEN o.group_id
          ELSE (SELECT g.id FROM groups g JOIN conversations c ON c.project_id = g.project_id
                WHERE c.id = o.conversation_id) END
      WHERE o.id = ANY (:ids) AND o.state = 'failed'
      RETURNING o.id, o.group_id, o.conversation_id, o.seq
    ), piece AS (
      SELECT conversation_id, seq, row_number() OVER conversation::int AS number,
        count(*) OVER (PARTITION BY conversation_id)::int AS pieces
      FROM letter WHERE seq IS NOT NULL WINDOW conversation AS (PARTITION BY conversation_id ORDER BY seq)
    ), conversation AS (
      UPDATE conversations c SET rev = c.rev + piece.pieces, state = 'open'
      FROM (SELECT DISTINCT conversation_id, pieces FROM piece) piece WHERE c.id = piece.conversation_id
      RETURNING c.id, c.rev - piece.pieces AS rev
    ), message AS (
      UPDATE messages m SET state = 'accepted', rev = conversation.rev + piece.number
      FROM conversation JOIN piece ON piece.conversation_id = conversation.id
      WHERE m.conversation_id = conversation.id AND m.seq = piece.seq
      RETURNING m.conversation_id, {MESSAGE_COLUMNS}
    )
    SELECT letter.id AS letter, letter.group_id, message.*
    FROM letter LEFT JOIN message USING (conversation_id, seq) ORDER BY letter.id
    """
)


async def requeue(db: Connection, ids: Sequence[int]) -> Requeued:
    """Put those of the entries that are dead letters back into the outbox. In a transaction.

    Notices about them that nobody has read yet are taken back, also those that are dead letters themselves.
    """
    values = {"ids": list(ids)}
    await db.execute(_LOCK, values)
    await db.execute(_TAKE_BACK_NOTICES, values)
    rows = (await db.execute(_REQUEUE, values)).all()
    return Requeued(
        ids=tuple(row.letter for row in rows),
        changes=tuple(
            Change(row.conversation_id, row.rev, message_of(row), state="open")
            for row in rows
            if row.rev is not None
        ),
        drains=frozenset(row.group_id for row in rows if row.group_id is not None),
    )
