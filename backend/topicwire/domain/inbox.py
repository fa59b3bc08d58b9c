"""The inbox: every update of a bot once, and those whose effect still has to wait.

done       its effect is committed; the key is kept, and which message of which group it told
waiting    it belongs to a topic that nobody owns yet, or comes behind another that is kept
command    it needs a call to Telegram, which only a worker may make
failed     its effect failed, which is a bug of ours; tried again for an hour
lost       it failed for an hour, and the operators were told

While an update of a topic is waiting or failed, later ones of that topic wait behind it: they are
carried out in order, or not at all.
"""

from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, DateTime, Index, PrimaryKeyConstraint, Table, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB

from topicwire.db import Connection, Row, metadata
from topicwire.domain.conversations import (
    ANSWERED_COLUMNS,
    INSERT_ANSWER,
    KNOWN_ANSWER,
    Answer,
    Change,
    message_of,
)
from topicwire.domain.groups import HEARS
from topicwire.domain.topics import OWNER

inbox = Table(
    "inbox",
    metadata,
    Column("bot_id", BigInteger, nullable=False),
    Column("update_id", BigInteger, nullable=False),
    Column("state", Text, nullable=False, server_default="done"),
    Column("chat_id", BigInteger),
    Column("topic_id", BigInteger),
    Column("message_id", BigInteger),  # of whatever message of a group it told
    Column("body", JSONB),  # the event, until it is done
    Column("received_at", DateTime(timezone=True), nullable=False, server_default=func.now(), index=True),
    PrimaryKeyConstraint("bot_id", "update_id"),
    Index(
        "ix_inbox_kept",
        "chat_id",
        "topic_id",
        "update_id",
        postgresql_where=text("state IN ('waiting', 'failed')"),
    ),
    Index("ix_inbox_seen", "chat_id", "message_id", postgresql_where=text("message_id IS NOT NULL")),
    Index("ix_inbox_command", "bot_id", "update_id", postgresql_where=text("state = 'command'")),
)

# Topics that belong to no conversation, in which we have said so.
unowned_topics = Table(
    "unowned_topics",
    metadata,
    Column("chat_id", BigInteger),
    Column("topic_id", BigInteger),
    Column("told_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("chat_id", "topic_id"),
)

PATIENCE = "1 hour"  # for what fails, and for a topic to be claimed
KEPT, KEPT_UNDONE = "4 days", "6 days"  # Telegram repeats an update for a day

_TAKE = text(
    """
    INSERT INTO inbox (bot_id, update_id, chat_id, message_id) VALUES (:bot, :update, :chat, :message)
    ON CONFLICT DO NOTHING RETURNING update_id
    """
)


async def take(
    db: Connection, *, bot_id: int, update_id: int, chat_id: int | None = None, message_id: int | None = None
) -> bool:
    """Note that an update came, and which message of which group it told; False when it was taken before."""
    values = {"bot": bot_id, "update": update_id, "chat": chat_id, "message": message_id}
    return (await db.execute(_TAKE, values)).first() is not None


_KEPT = """
    SELECT 1 FROM inbox kept
    WHERE kept.chat_id = :chat AND kept.topic_id = :topic AND kept.state IN ('waiting', 'failed')"""

# All or nothing: without an owner of the topic, behind an update that is kept, or when the update or the
# message is known, not even the update's key is taken, and the caller goes the long way.
_TAKE_ANSWER = text(
    f"""
    WITH owner AS (
      SELECT owner.id FROM ({OWNER}) owner WHERE EXISTS ({HEARS}) AND NOT EXISTS ({KNOWN_ANSWER})
        AND NOT EXISTS ({_KEPT})
    ), taken AS (
      INSERT INTO inbox (bot_id, update_id, chat_id, message_id)
      SELECT :bot, :update, :chat, :message_id FROM owner
      ON CONFLICT DO NOTHING RETURNING update_id
    ), conversation AS (
      UPDATE conversations c SET seq = c.seq + 1, rev = c.rev + 1, last_message_at = now()
      FROM owner, taken, projects p WHERE c.id = owner.id AND p.id = c.project_id
      RETURNING c.id, c.seq, c.rev, p.operator_name
    )
    {INSERT_ANSWER} FROM conversation c RETURNING conversation_id, {ANSWERED_COLUMNS}
    """
)


async def take_answer(db: Connection, *, bot_id: int, update_id: int, answer: Answer) -> Change | None:
    """Take an update that is an operator's answer, with its effect, in one round trip.

    None, and nothing is changed, when there is more to it than that: `take` tells.
    """
    found = await db.execute(_TAKE_ANSWER, {"bot": bot_id, "update": update_id, **answer.values()})
    row = found.one_or_none()
    return None if row is None else Change(row.conversation_id, row.rev, message_of(row))


async def keep(
    db: Connection,
    *,
    bot_id: int,
    update_id: int,
    state: str,
    event: Any,
    chat_id: int,
    topic_id: int | None,
) -> None:
    """Keep an event whose effect has to wait: `state` is `waiting`, `command` or `failed`."""
    await db.execute(
        text(
            "UPDATE inbox SET state = :state, body = CAST(:body AS jsonb), chat_id = :chat, topic_id = :topic"
            " WHERE bot_id = :bot AND update_id = :update"
        ),
        {
            "bot": bot_id,
            "update": update_id,
            "state": state,
            "body": msgspec.json.encode(event).decode(),
            "chat": chat_id,
            "topic": topic_id,
        },
    )


_KEPT_BEFORE = text(f"SELECT EXISTS ({_KEPT})")


async def keeps(db: Connection, *, chat_id: int, topic_id: int) -> bool:
    """Whether an update of this topic is kept, behind which later ones have to wait."""
    found = await db.execute(_KEPT_BEFORE, {"chat": chat_id, "topic": topic_id})
    return bool(found.scalar_one())


_OF_TOPIC = text(
    f"""
    SELECT bot_id, update_id, state, body, received_at < now() - interval '{PATIENCE}' AS late FROM inbox
    WHERE state IN ('waiting', 'failed') AND chat_id = :chat AND topic_id = :topic
    ORDER BY update_id FOR UPDATE
    """
)


async def of_topic(db: Connection, *, chat_id: int, topic_id: int) -> list[Row]:
    """What is kept of a topic, in order: bot_id, update_id, state, body, late."""
    return list(await db.execute(_OF_TOPIC, {"chat": chat_id, "topic": topic_id}))


_STUCK = text(
    """
    SELECT DISTINCT i.chat_id, i.topic_id FROM inbox i
    WHERE i.state IN ('waiting', 'failed') AND i.topic_id IS NOT NULL AND (i.state = 'failed'
      OR EXISTS (SELECT 1 FROM conversations c WHERE c.chat_id = i.chat_id AND c.topic_id = i.topic_id)
      OR EXISTS (SELECT 1 FROM topic_aliases a WHERE a.chat_id = i.chat_id AND a.topic_id = i.topic_id))
    ORDER BY i.chat_id, i.topic_id LIMIT 1000
    """
)


async def stuck(db: Connection) -> list[tuple[int, int]]:
    """The topics of which something is kept that can be tried: chat and topic."""
    return [(row.chat_id, row.topic_id) for row in await db.execute(_STUCK)]


_STUCK_OUTSIDE = text(
    f"""
    SELECT bot_id, update_id, body, received_at < now() - interval '{PATIENCE}' AS late FROM inbox
    WHERE state = 'failed' AND topic_id IS NULL
    ORDER BY update_id LIMIT 1000 FOR UPDATE SKIP LOCKED
    """
)


async def stuck_outside_topics(db: Connection) -> list[Row]:
    """Updates of no topic whose effect failed, in order: bot_id, update_id, body, late."""
    return list(await db.execute(_STUCK_OUTSIDE))


async def mark(db: Connection, *, bot_id: int, update_id: int, state: str) -> None:
    """An update stays kept, as `waiting` or `failed`, or is `lost`."""
    await db.execute(
        text("UPDATE inbox SET state = :state WHERE bot_id = :bot AND update_id = :update"),
        {"bot": bot_id, "update": update_id, "state": state},
    )


_UNREAD = text(
    f"""
    WITH unread AS (
      SELECT DISTINCT i.chat_id, i.topic_id, g.id AS group_id FROM inbox i
      JOIN groups g ON g.bot_id = i.bot_id AND g.chat_id = i.chat_id
      WHERE i.state = 'waiting' AND i.body ->> 'type' = 'Wrote'
        AND i.received_at < now() - interval '{PATIENCE}' AND g.project_id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM conversations c WHERE c.chat_id = i.chat_id AND c.topic_id = i.topic_id)
        AND NOT EXISTS (SELECT 1 FROM topic_aliases a WHERE a.chat_id = i.chat_id AND a.topic_id = i.topic_id)
    ), told AS (
      INSERT INTO unowned_topics (chat_id, topic_id) SELECT chat_id, topic_id FROM unread
      ON CONFLICT DO NOTHING RETURNING chat_id, topic_id
    )
    SELECT unread.group_id, told.topic_id FROM told JOIN unread USING (chat_id, topic_id)
    """
)


async def unread(db: Connection) -> list[tuple[int, int]]:
    """Topics of nobody in which somebody wrote an hour ago, each once and for all: group and topic."""
    return [(row.group_id, row.topic_id) for row in await db.execute(_UNREAD)]


# Of each chat the newest message stays: a call in doubt is looked for above it.
_CLEAR_OUT = text(
    f"""
    WITH gone AS (
      DELETE FROM inbox WHERE ctid = ANY (ARRAY(
        SELECT i.ctid FROM inbox i
        WHERE i.received_at < now() - interval '{KEPT}' AND (i.state = 'done'
            OR (i.state <> 'failed' AND i.received_at < now() - interval '{KEPT_UNDONE}'))
          AND (i.message_id IS NULL OR EXISTS (
            SELECT 1 FROM inbox newer WHERE newer.chat_id = i.chat_id AND newer.message_id > i.message_id))
        ORDER BY i.received_at LIMIT :limit))
      RETURNING 1
    )
    SELECT count(*) FROM gone
    """
)


async def clear_out(db: Connection, *, limit: int) -> int:
    """Remove updates that nobody will ask for any more, at most `limit`; how many."""
    return int((await db.execute(_CLEAR_OUT, {"limit": limit})).scalar_one())


async def command(db: Connection, *, bot_id: int, update_id: int) -> Any | None:
    """The event of a command that nobody has carried out yet; locked for this transaction."""
    found = await db.execute(
        text(
            "SELECT body FROM inbox WHERE bot_id = :bot AND update_id = :update AND state = 'command'"
            " FOR UPDATE"
        ),
        {"bot": bot_id, "update": update_id},
    )
    return found.scalar_one_or_none()


async def commands(db: Connection) -> list[tuple[int, int]]:
    """Commands that have waited for a worker for more than five seconds: bot_id, update_id."""
    found = await db.execute(
        text(
            "SELECT bot_id, update_id FROM inbox"
            " WHERE state = 'command' AND received_at < now() - interval '5 seconds'"
            " ORDER BY update_id LIMIT 100"
        )
    )
    return [(row.bot_id, row.update_id) for row in found]


async def done(db: Connection, *, bot_id: int, update_id: int) -> None:
    """The effect of a kept event is committed with this."""
    await db.execute(
        text("UPDATE inbox SET state = 'done', body = NULL WHERE bot_id = :bot AND update_id = :update"),
        {"bot": bot_id, "update": update_id},
    )
