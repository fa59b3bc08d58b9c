"""The inbox: every update of a bot once, and those whose effect still has to wait.

done       its effect is committed; the key is kept, and which message of which group it told
waiting    it belongs to a topic that nobody owns yet; replayed when the topic is claimed
command    it needs a call to Telegram, which only a worker may make
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
    Index("ix_inbox_waiting", "chat_id", "topic_id", "update_id", postgresql_where=text("state = 'waiting'")),
    Index("ix_inbox_seen", "chat_id", "message_id", postgresql_where=text("message_id IS NOT NULL")),
    Index("ix_inbox_command", "bot_id", "update_id", postgresql_where=text("state = 'command'")),
)

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


# All or nothing: without an owner of the topic, or when the update or the message is known, not even
# the update's key is taken, and the caller goes the long way.
_TAKE_ANSWER = text(
    f"""
    WITH owner AS (
      SELECT owner.id FROM ({OWNER}) owner WHERE EXISTS ({HEARS}) AND NOT EXISTS ({KNOWN_ANSWER})
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


async def waiting(db: Connection, *, chat_id: int, topic_id: int) -> list[Row]:
    """The updates that wait for the owner of a topic, in order: bot_id, update_id, body."""
    found = await db.execute(
        text(
            "SELECT bot_id, update_id, body FROM inbox"
            " WHERE state = 'waiting' AND chat_id = :chat AND topic_id = :topic ORDER BY update_id"
            " FOR UPDATE"
        ),
        {"chat": chat_id, "topic": topic_id},
    )
    return list(found)


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
