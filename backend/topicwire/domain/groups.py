"""Groups: the operators' chats, each with a lane (`lanes.py`) in which we speak there."""

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from topicwire.db import Connection, metadata
from topicwire.errors import RefusedError

groups = Table(
    "groups",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("bot_id", BigInteger, nullable=False),
    Column("chat_id", BigInteger, nullable=False),
    Column("title", Text, nullable=False, server_default=""),
    Column("project_id", Text, ForeignKey("projects.id", ondelete="SET NULL"), unique=True),
    Column("fence", BigInteger, nullable=False, server_default="0"),
    Column("lease_until", DateTime(timezone=True)),
    Column("not_before", DateTime(timezone=True)),
    # The call that says something: the outbox entries that it says, when it began, and the highest id
    # of a message in the chat that we had seen by then.
    Column("sending", ARRAY(BigInteger)),
    Column("sent_at", DateTime(timezone=True)),
    Column("sent_after", BigInteger),
    Column("known_id", BigInteger, nullable=False, server_default="0"),  # the highest that we were given
    Column("doubts", JSONB, nullable=False, server_default="[]"),  # such calls that nobody answered
    Column("doubt_due", DateTime(timezone=True)),  # when to look for their messages
    Column("ours", ARRAY(BigInteger), nullable=False, server_default="{}"),  # ids given since the first doubt
    Column("turns", Integer, nullable=False, server_default="0"),
    Column("calls", ARRAY(DateTime(timezone=True)), nullable=False, server_default="{}"),
    Column("trouble", Text),  # why the group refuses us, while it does
    Column("trouble_since", DateTime(timezone=True)),
    Column("trouble_count", Integer, nullable=False, server_default="0"),
    # The topic that was asked for last and whose id nobody has told us yet.
    Column("asked_for", Text),  # the conversation
    Column("asked_name", Text),
    Column("asked_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("bot_id", "chat_id"),
    # Two bots in one group must not both answer: only one link a chat.
    Index("uq_groups_linked_chat", "chat_id", unique=True, postgresql_where=text("project_id IS NOT NULL")),
    postgresql_with={"fillfactor": "50"},  # every turn writes this row twice, in place while there is room
)


class Topic(Struct, frozen=True):
    """Where a conversation is held."""

    bot_id: int
    chat_id: int
    topic_id: int


_TOPIC_OF = text(
    """
    SELECT g.bot_id, c.chat_id, c.topic_id FROM conversations c
    JOIN groups g ON g.project_id = c.project_id AND g.chat_id = c.chat_id
    WHERE c.id = :id AND c.topic_id IS NOT NULL AND NOT c.topic_closed AND g.trouble IS NULL
      AND (g.not_before IS NULL OR g.not_before <= now())
    """
)


async def topic_of(db: Connection, conversation_id: str) -> Topic | None:
    """The open topic of a conversation whose group is not paused."""
    row = (await db.execute(_TOPIC_OF, {"id": conversation_id})).one_or_none()
    return None if row is None else Topic(row.bot_id, row.chat_id, row.topic_id)


_WAKE = text(
    """
    WITH woken AS (
      SELECT id, EXISTS (SELECT 1 FROM outbox o WHERE o.group_id = g.id AND o.state = 'accepted') AS waits
      FROM groups g WHERE bot_id = :bot AND chat_id = :chat AND trouble IS NOT NULL FOR UPDATE
    )
    UPDATE groups g SET not_before = NULL, trouble = CASE WHEN waits THEN trouble END,
      trouble_since = CASE WHEN waits THEN trouble_since END,
      trouble_count = CASE WHEN waits THEN trouble_count ELSE 0 END
    FROM woken WHERE g.id = woken.id RETURNING g.id
    """
)


async def wake(db: Connection, *, bot_id: int, chat_id: int) -> int | None:
    """End the pause of a group that may have been mended; its id, if we know the group.

    Where nothing waits no call would show that it is: it is believed until the next one.
    """
    row = await db.execute(_WAKE, {"bot": bot_id, "chat": chat_id})
    found = row.scalar_one_or_none()
    return None if found is None else int(found)


async def suspend(db: Connection, *, bot_id: int, chat_id: int, trouble: str) -> None:
    """A group has told that it will refuse us: do not try before the first look."""
    await db.execute(
        text(
            "UPDATE groups SET trouble = :trouble, trouble_count = trouble_count + 1,"
            " trouble_since = coalesce(trouble_since, now()), not_before = now() + interval '5 seconds'"
            " WHERE bot_id = :bot AND chat_id = :chat AND project_id IS NOT NULL"
        ),
        {"bot": bot_id, "chat": chat_id, "trouble": trouble},
    )


async def ensure(db: Connection, *, bot_id: int, chat_id: int, title: str = "") -> int:
    """The id of the group with this chat; made, linked to nothing, if we did not know it."""
    row = await db.execute(
        text(
            "INSERT INTO groups (bot_id, chat_id, title) VALUES (:bot, :chat, :title)"
            " ON CONFLICT (bot_id, chat_id) DO UPDATE SET"
            " title = coalesce(nullif(excluded.title, ''), groups.title) RETURNING id"
        ),
        {"bot": bot_id, "chat": chat_id, "title": title},
    )
    return int(row.scalar_one())


async def link(db: Connection, group_id: int, project_id: str) -> None:
    """Let a group answer for a project, whose former group (if any) is left.

    Conversations get new topics in the new group; answers given in the old ones still arrive.
    Raises `RefusedError("group_taken")` when the chat is another project's.
    """
    taken = await db.execute(
        text(
            "SELECT 1 FROM groups WHERE chat_id = (SELECT chat_id FROM groups WHERE id = :group)"
            " AND project_id <> :project"
        ),
        {"group": group_id, "project": project_id},
    )
    if taken.first() is not None:
        raise RefusedError("group_taken", "This group already answers for another project.")
    await db.execute(
        text("UPDATE groups SET project_id = NULL WHERE project_id = :project AND id <> :group"),
        {"group": group_id, "project": project_id},
    )
    await db.execute(
        text("UPDATE groups SET project_id = :project, not_before = NULL WHERE id = :group"),
        {"group": group_id, "project": project_id},
    )


async def move(db: Connection, *, bot_id: int, old_chat_id: int, new_chat_id: int) -> int | None:
    """Follow a group whose chat has another id now; the group's id, if it was ours and could be moved.

    What we knew of the new chat, without a project to answer for, goes over to the group. The ids of
    messages start again there: what was in doubt cannot be found any more, and is said again.
    """
    keys = {"new": new_chat_id, "old": old_chat_id, "bot": bot_id}
    await db.execute(_LOCK_BOTH, keys)  # before their entries, as everywhere
    await db.execute(_MERGE, keys)
    await db.execute(_GIVE_UP_DOUBTS, keys)
    found = await db.execute(
        text(
            "UPDATE groups SET chat_id = :new, not_before = NULL, known_id = 0, ours = '{}',"
            " doubts = '[]', doubt_due = NULL"
            " WHERE bot_id = :bot AND chat_id = :old AND NOT EXISTS ("
            "   SELECT 1 FROM groups other WHERE other.chat_id = :new AND ("
            "     other.bot_id = :bot OR (other.project_id IS NOT NULL AND groups.project_id IS NOT NULL)))"
            " RETURNING id"
        ),
        keys,
    )
    group_id = found.scalar_one_or_none()
    return None if group_id is None else int(group_id)


_LOCK_BOTH = text(
    "SELECT 1 FROM groups WHERE bot_id = :bot AND chat_id IN (:old, :new) ORDER BY id FOR UPDATE"
)
_MERGE = text(
    """
    WITH former AS (
      DELETE FROM groups known USING groups moving
      WHERE known.bot_id = :bot AND known.chat_id = :new AND known.project_id IS NULL
        AND moving.bot_id = :bot AND moving.chat_id = :old
      RETURNING known.id, moving.id AS becomes
    )
    UPDATE outbox SET group_id = former.becomes FROM former WHERE outbox.group_id = former.id
    """
)


_GIVE_UP_DOUBTS = text(
    """
    UPDATE outbox SET repeated = true
    FROM groups g, jsonb_array_elements(g.doubts) d, jsonb_array_elements_text(d -> 'entries') entry
    WHERE g.bot_id = :bot AND g.chat_id = :old AND outbox.id = entry::bigint
    """
)


HEARS = """
    SELECT 1 FROM groups g WHERE g.bot_id = :bot AND g.chat_id = :chat
      AND (g.project_id IS NOT NULL OR NOT EXISTS (
        SELECT 1 FROM groups other WHERE other.chat_id = :chat AND other.project_id IS NOT NULL))"""

_HEARS = text(HEARS)


async def hears(db: Connection, *, bot_id: int, chat_id: int) -> bool:
    """Whether this bot is the one whose updates count in a chat: of two bots only one answers."""
    return (await db.execute(_HEARS, {"bot": bot_id, "chat": chat_id})).first() is not None


async def of_chat(db: Connection, *, bot_id: int, chat_id: int) -> int | None:
    """The id of the group with this chat, if we know it."""
    row = await db.execute(
        text("SELECT id FROM groups WHERE bot_id = :bot AND chat_id = :chat"),
        {"bot": bot_id, "chat": chat_id},
    )
    found = row.scalar_one_or_none()
    return None if found is None else int(found)


async def project_of(db: Connection, group_id: int) -> str | None:
    """The id of the project that a group answers for."""
    row = await db.execute(text("SELECT project_id FROM groups WHERE id = :group"), {"group": group_id})
    found = row.scalar_one_or_none()
    return None if found is None else str(found)
