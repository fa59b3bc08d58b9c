"""Conversations: one visitor of one project, and everything said in it.

A conversation's row carries two counters that are taken under its lock, so that their order is the
order of commits: `seq` numbers messages without gaps, `rev` numbers changes. A message carries its
`seq`, the `rev` at which it was `born` and the `rev` of its last change; catching up is
`rev > :last ORDER BY rev`, each message once, as it is now. No row exists before the first message.

Visitor's messages: accepted ─▶ relayed, or failed ─▶ accepted again when the visitor repeats it.
"""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from topicwire.db import Connection, Row, UniqueViolation, metadata

conversations = Table(
    "conversations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, ForeignKey("projects.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("seq", Integer, nullable=False, server_default="0"),
    Column("rev", Integer, nullable=False, server_default="0"),
    Column("state", Text, nullable=False, server_default="open"),  # open, closed
    Column("read_seq", Integer, nullable=False, server_default="0"),
    Column("chat_id", BigInteger),
    Column("topic_id", BigInteger),
    Column("topic_name", Text),
    Column("topic_renamed", Boolean, nullable=False, server_default="false"),  # by an operator: it stays
    Column("topic_closed", Boolean, nullable=False, server_default="false"),
    Column("topic_opened", Boolean, nullable=False, server_default="false"),  # its head was said
    Column("served_at", DateTime(timezone=True)),  # when one of its messages was relayed last
    Column("email", Text),
    Column("name", Text),
    Column("locale", Text),
    Column("timezone", Text),
    Column("page_url", Text),
    Column("page_title", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("last_message_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("chat_id", "topic_id"),
    postgresql_with={"fillfactor": "70"},  # every message changes this row, in place while there is room
)

messages = Table(
    "messages",
    metadata,
    Column("conversation_id", Text, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("born", Integer, nullable=False),
    Column("rev", Integer, nullable=False),
    Column("client_id", Text),
    Column("origin", Text, nullable=False),  # visitor, operator, system
    Column("author", Text),
    Column("text", Text, nullable=False),
    Column("entities", JSONB),
    Column("state", Text),  # of visitors' messages: accepted, relayed, failed
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("edited_at", DateTime(timezone=True)),
    Column("deleted", Boolean, nullable=False, server_default="false"),
    Column("reply_to", Integer),
    Column("chat_id", BigInteger),
    Column("telegram_message_id", BigInteger),
    PrimaryKeyConstraint("conversation_id", "seq"),
    UniqueConstraint("conversation_id", "client_id"),
    Index("ix_messages_conversation_id_rev", "conversation_id", "rev"),
    Index(
        "ix_messages_chat_id_telegram_message_id",
        "chat_id",
        "telegram_message_id",
        postgresql_where=text("telegram_message_id IS NOT NULL"),
    ),
    Index(
        "uq_messages_operator",
        "chat_id",
        "telegram_message_id",
        unique=True,
        postgresql_where=text("origin = 'operator'"),
    ),
)

NEWEST = 100  # what a client that knows nothing gets, and the most that one statement reads


class AlreadySaid(Exception):
    """This conversation has a message with this client's id already."""


class Visitor(Struct, frozen=True, omit_defaults=True):
    """What a visitor tells of themselves; unverified. None: not told."""

    email: str | None = None
    name: str | None = None
    locale: str | None = None
    timezone: str | None = None
    page_url: str | None = None
    page_title: str | None = None


class Said(Struct, frozen=True):
    """A visitor's message that is committed; `new` unless its id was known already."""

    seq: int
    rev: int
    at: datetime
    group_id: int | None
    new: bool


class Message(Struct, frozen=True):
    """A message as it is now; `born` and `rev` are the revs of its making and its last change."""

    seq: int
    born: int
    rev: int
    origin: str
    text: str
    at: datetime
    client_id: str | None = None
    author: str | None = None
    entities: list[Any] | None = None
    state: str | None = None
    edited_at: datetime | None = None
    deleted: bool = False
    reply_to: int | None = None


class Present(Struct, frozen=True):
    """A conversation as it is, with the messages that were asked for, in the order of `rev`."""

    rev: int
    state: str
    messages: Sequence[Message]


class Change(Struct, frozen=True, omit_defaults=True):
    """That a conversation has reached `rev`; the rest is what changed last, where that is known.

    `revoked` is a hold that its visitor has given up; `delay` is how many seconds the relay is behind.
    """

    conversation_id: str
    rev: int
    message: Message | None = None
    state: str | None = None
    revoked: str | None = None
    delay: int | None = None


def new_id() -> str:
    """An unguessable id for a conversation: 128 bits."""
    return secrets.token_urlsafe(16)


_SAY = text(
    """
    WITH conversation AS (
      INSERT INTO conversations AS c
        (id, project_id, seq, rev, email, name, locale, timezone, page_url, page_title)
      VALUES (:id, :project, 1, 1, :email, :name, :locale, :timezone, :page_url, :page_title)
      ON CONFLICT (id) DO UPDATE SET seq = c.seq + 1, rev = c.rev + 1, state = 'open', last_message_at = now()
        WHERE c.project_id = :project
      RETURNING seq, rev
    ), message AS (
      INSERT INTO messages (conversation_id, seq, born, rev, client_id, origin, text, state)
      SELECT :id, seq, rev, rev, :client_id, 'visitor', :text, 'accepted' FROM conversation
    ), entry AS (
      INSERT INTO outbox (group_id, conversation_id, seq, kind)
      SELECT (SELECT id FROM groups WHERE project_id = :project), :id, seq, 'message' FROM conversation
      RETURNING group_id
    )
    SELECT seq, rev, now() AS at, group_id FROM conversation, entry
    """
)


async def say(
    db: Connection, *, conversation_id: str, project_id: str, visitor: Visitor, client_id: str, said: str
) -> Said:
    """Commit to a visitor's message: the message, its outbox entry, both counters, in one statement.

    The message is inserted without ON CONFLICT on purpose: a repeated id raises `AlreadySaid`,
    which rolls the counters back, and `repeat` then reads what is stored.
    """
    values = {"id": conversation_id, "project": project_id, "client_id": client_id, "text": said}
    try:
        found = await db.execute(_SAY, {**values, **msgspec.structs.asdict(visitor)})
    except UniqueViolation as error:
        if "uq_messages_conversation_id_client_id" in str(error):
            raise AlreadySaid from error
        raise
    row = found.one()
    return Said(row.seq, row.rev, row.at, row.group_id, new=True)


_KNOWS = text(
    """
    SELECT EXISTS (SELECT 1 FROM messages WHERE conversation_id = c.id AND client_id = :client_id)
    FROM conversations c WHERE c.id = :id
    """
)


async def knows(db: Connection, *, conversation_id: str, client_id: str) -> bool | None:
    """Whether there is a message with this client's id; None while there is no conversation."""
    found = await db.execute(_KNOWS, {"id": conversation_id, "client_id": client_id})
    known: bool | None = found.scalar_one_or_none()
    return known


async def repeat(db: Connection, *, conversation_id: str, client_id: str) -> Said:
    """What was stored for this client's id; a message that had failed goes into the outbox anew."""
    keys = {"id": conversation_id, "client_id": client_id}
    await db.execute(text("SELECT 1 FROM conversations WHERE id = :id FOR UPDATE"), keys)
    row = (
        await db.execute(
            text(
                "SELECT seq, born, at, state FROM messages"
                " WHERE conversation_id = :id AND client_id = :client_id"
            ),
            keys,
        )
    ).one()
    if row.state != "failed":
        return Said(row.seq, row.born, row.at, None, new=False)
    again = (await db.execute(_SAY_AGAIN, {"id": conversation_id, "seq": row.seq})).one()
    return Said(row.seq, again.rev, row.at, again.group_id, new=False)


_SAY_AGAIN = text(
    """
    WITH conversation AS (
      UPDATE conversations SET rev = rev + 1, state = 'open' WHERE id = :id RETURNING rev, project_id
    ), message AS (
      UPDATE messages m SET state = 'accepted', rev = conversation.rev
      FROM conversation WHERE m.conversation_id = :id AND m.seq = :seq
    ), letter AS (
      DELETE FROM outbox WHERE conversation_id = :id AND seq = :seq AND state = 'failed' RETURNING id
    ), notice AS (
      DELETE FROM outbox USING letter
      WHERE outbox.kind = 'notice' AND outbox.body ->> 'about' = letter.id::text
    ), entry AS (
      INSERT INTO outbox (group_id, conversation_id, seq, kind)
      SELECT (SELECT id FROM groups g WHERE g.project_id = c.project_id), :id, :seq, 'message'
      FROM conversation c RETURNING group_id
    )
    SELECT rev, group_id FROM conversation, entry
    """
)


class Answer(Struct, frozen=True):
    """An operator's message as the group has it; `reply_to` is another message of the chat."""

    chat_id: int
    topic_id: int
    message_id: int
    author: str
    said: str
    entities: bytes | None
    reply_to: int | None

    def values(self) -> dict[str, Any]:
        """The parameters of the statements below."""
        return {
            "chat": self.chat_id,
            "topic": self.topic_id,
            "message_id": self.message_id,
            "author": self.author,
            "text": self.said,
            "entities": None if self.entities is None else self.entities.decode(),
            "reply_to": self.reply_to,
        }


KNOWN_ANSWER = """
    SELECT 1 FROM messages k
    WHERE k.chat_id = :chat AND k.telegram_message_id = :message_id AND k.origin = 'operator'"""

ANSWERED_COLUMNS = "seq, born, rev, origin, text, at, author, entities, reply_to"

INSERT_ANSWER = """
    INSERT INTO messages (conversation_id, seq, born, rev, origin, author, text, entities, at, reply_to,
      chat_id, telegram_message_id)
    SELECT c.id, c.seq, c.rev, c.rev, 'operator', coalesce(c.operator_name, :author), :text,
      CAST(:entities AS jsonb), now(), (
        SELECT max(m.seq) FROM messages m WHERE m.conversation_id = c.id AND m.chat_id = :chat
          AND m.telegram_message_id = :reply_to),
      :chat, :message_id"""

_ANSWER = text(
    f"""
    WITH conversation AS (
      UPDATE conversations c SET seq = c.seq + 1, rev = c.rev + 1, last_message_at = now()
      FROM projects p WHERE c.id = :id AND p.id = c.project_id AND NOT EXISTS ({KNOWN_ANSWER})
      RETURNING c.id, c.seq, c.rev, p.operator_name
    )
    {INSERT_ANSWER} FROM conversation c RETURNING {ANSWERED_COLUMNS}
    """
)


async def answer(db: Connection, conversation_id: str, answered: Answer) -> Message | None:
    """Commit to an operator's message; None when this message of the chat is known already."""
    row = (await db.execute(_ANSWER, {"id": conversation_id, **answered.values()})).one_or_none()
    return None if row is None else message_of(row)


_EDIT = text(
    """
    WITH message AS (
      SELECT conversation_id, seq FROM messages
      WHERE chat_id = :chat AND telegram_message_id = :message_id AND origin = 'operator'
        AND NOT deleted AND (edited_at IS NULL OR edited_at <= to_timestamp(:at))
        AND (text, entities) IS DISTINCT FROM (:text, CAST(:entities AS jsonb))
    ), conversation AS (
      UPDATE conversations c SET rev = c.rev + 1 FROM message WHERE c.id = message.conversation_id
      RETURNING c.id, c.rev
    )
    UPDATE messages m SET text = :text, entities = CAST(:entities AS jsonb), rev = c.rev,
      edited_at = to_timestamp(:at)
    FROM message, conversation c WHERE m.conversation_id = message.conversation_id AND m.seq = message.seq
    RETURNING m.conversation_id, m.seq, m.born, m.rev, m.origin, m.text, m.at, m.author, m.entities,
      m.reply_to, m.edited_at
    """
)


async def edit(
    db: Connection, *, chat_id: int, message_id: int, at: int, said: str, entities: bytes | None
) -> Change | None:
    """An operator's message has another text since `at` (Unix time); None when that changes nothing."""
    found = await db.execute(
        _EDIT,
        {
            "chat": chat_id,
            "message_id": message_id,
            "at": float(at),
            "text": said,
            "entities": None if entities is None else entities.decode(),
        },
    )
    row = found.one_or_none()
    return None if row is None else Change(row.conversation_id, row.rev, message_of(row))


# What makes up a `Message`, for statements over `messages m`.
MESSAGE_COLUMNS = """
    m.seq, m.born, m.rev, m.origin, m.text, m.at, m.client_id, m.author, m.entities, m.state,
    m.edited_at, m.deleted, m.reply_to"""

_SINCE = text(
    f"""
    SELECT c.rev AS reached, c.state AS conversation_state, m.* FROM conversations c LEFT JOIN LATERAL (
      SELECT {MESSAGE_COLUMNS} FROM messages m WHERE m.conversation_id = c.id AND m.rev > :last
      ORDER BY m.rev LIMIT {NEWEST}) m ON true
    WHERE c.id = :id ORDER BY m.rev
    """
)

_NEWEST = text(
    f"""
    SELECT c.rev AS reached, c.state AS conversation_state, m.* FROM conversations c LEFT JOIN LATERAL (
      SELECT {MESSAGE_COLUMNS} FROM messages m WHERE m.conversation_id = c.id
      ORDER BY m.seq DESC LIMIT {NEWEST}) m ON true
    WHERE c.id = :id ORDER BY m.rev
    """
)


async def since(db: Connection, conversation_id: str, last_rev: int) -> Present | None:
    """What changed after `last_rev`, at most 100 messages; None while there is no row.

    A `last_rev` of 0 asks for the newest 100. When 100 came back, ask again from the last one.
    """
    statement = _SINCE if last_rev else _NEWEST
    rows = (await db.execute(statement, {"id": conversation_id, "last": last_rev})).all()
    if not rows:
        return None
    found = [message_of(row) for row in rows if row.seq is not None]
    return Present(rows[0].reached, rows[0].conversation_state, found)


_BEFORE = text(
    f"""
    SELECT {MESSAGE_COLUMNS} FROM messages m
    WHERE m.conversation_id = :id AND m.seq < :before ORDER BY m.seq DESC LIMIT :limit
    """
)


async def before(db: Connection, conversation_id: str, *, seq: int, limit: int) -> list[Message]:
    """The newest messages older than `seq`, oldest of them first."""
    rows = await db.execute(_BEFORE, {"id": conversation_id, "before": seq, "limit": limit})
    return [message_of(row) for row in rows][::-1]


def message_of(row: Row) -> Message:
    """A row with (some of) MESSAGE_COLUMNS as a message."""
    values: dict[str, Any] = {name: getattr(row, name, None) for name in Message.__struct_fields__}
    values["deleted"] = bool(values["deleted"])
    return Message(**values)


_HEADS = text("SELECT id, rev, state FROM conversations WHERE id = ANY(:ids)")


async def heads(db: Connection, ids: Sequence[str]) -> list[tuple[str, int, str]]:
    """Where these conversations stand: id, rev, state; those without a row are left out."""
    return [(row.id, row.rev, row.state) for row in await db.execute(_HEADS, {"ids": list(ids)})]


# Who learns of another e-mail address brings the topic's name up to date. A renaming that waits will
# find the newest address; one whose call is under way may not.
_DESCRIBE = text(
    """
    WITH before AS (
      SELECT id, email FROM conversations WHERE id = :id FOR UPDATE
    ), described AS (
      UPDATE conversations c SET email = coalesce(:email, c.email), name = coalesce(:name, c.name),
        locale = coalesce(:locale, c.locale), timezone = coalesce(:timezone, c.timezone),
        page_url = coalesce(:page_url, c.page_url),
        page_title = CASE WHEN :page_url IS NULL THEN c.page_title ELSE :page_title END
      FROM before WHERE c.id = before.id
      RETURNING c.id, c.project_id, c.topic_renamed, c.email IS DISTINCT FROM before.email AS another
    )
    INSERT INTO outbox (group_id, conversation_id, kind, priority)
    SELECT g.id, d.id, 'rename', 1 FROM described d LEFT JOIN groups g ON g.project_id = d.project_id
    WHERE d.another AND NOT d.topic_renamed AND (g.lease_until > now() OR NOT EXISTS (
      SELECT 1 FROM outbox o WHERE o.conversation_id = d.id AND o.kind = 'rename' AND o.state = 'accepted'))
    RETURNING group_id
    """
)


async def describe(db: Connection, conversation_id: str, visitor: Visitor) -> int | None:
    """Fill in what a visitor told of themselves since; without a row nothing is stored.

    Gives the group to ring for, if its topic may need another name.
    """
    found = await db.execute(_DESCRIBE, {"id": conversation_id, **msgspec.structs.asdict(visitor)})
    group_id: int | None = found.scalar_one_or_none()
    return group_id


async def mark_read(db: Connection, conversation_id: str, seq: int) -> None:
    """The visitor has seen everything up to `seq`."""
    await db.execute(
        text("UPDATE conversations SET read_seq = least(:seq, seq) WHERE id = :id AND read_seq < :seq"),
        {"id": conversation_id, "seq": seq},
    )


_RECENT = text(
    """
    SELECT m.origin, m.author, m.text, m.at FROM messages m
    WHERE m.conversation_id = :id AND NOT m.deleted AND NOT EXISTS (
      SELECT 1 FROM outbox o WHERE o.conversation_id = m.conversation_id AND o.seq = m.seq
        AND o.state = 'accepted')
    ORDER BY m.seq DESC LIMIT 10
    """
)


async def recent(db: Connection, conversation_id: str) -> list[Row]:
    """The last ten messages that the operators have seen, oldest first: origin, author, text, at."""
    return list(await db.execute(_RECENT, {"id": conversation_id}))[::-1]


def rfc3339(moment: datetime) -> str:
    """A time as it stands on the wire: UTC, milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
