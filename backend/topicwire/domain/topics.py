"""Topics: where in a group a conversation is held, and was held before.

A topic belongs to a conversation by an atomic claim. One that the conversation has lost stays as an
alias, so that an answer given there still arrives. Ids are those of the chat: they start again when
a group becomes another chat.
"""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, PrimaryKeyConstraint, Table, Text, text

from topicwire.db import Connection, metadata

# Topics that belonged to a conversation before: an answer given there still arrives.
topic_aliases = Table(
    "topic_aliases",
    metadata,
    Column("chat_id", BigInteger),
    Column("topic_id", BigInteger),
    Column("conversation_id", Text, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    PrimaryKeyConstraint("chat_id", "topic_id"),
    Index("ix_topic_aliases_conversation_id", "conversation_id"),
)

OWNER = """
    SELECT id FROM conversations WHERE chat_id = :chat AND topic_id = :topic
    UNION ALL SELECT conversation_id FROM topic_aliases WHERE chat_id = :chat AND topic_id = :topic
    LIMIT 1"""

_OWNER_OF = text(OWNER)


async def owner_of(db: Connection, *, chat_id: int, topic_id: int) -> str | None:
    """The conversation that a topic belongs or belonged to."""
    found = await db.execute(_OWNER_OF, {"chat": chat_id, "topic": topic_id})
    owner = found.scalar_one_or_none()
    return None if owner is None else str(owner)


_SET_CLOSED = text(
    """
    UPDATE conversations SET topic_closed = :closed, state = :state
    WHERE id = :id AND topic_id = :topic RETURNING rev
    """
)


async def set_closed(db: Connection, conversation_id: str, *, topic_id: int, closed: bool) -> int | None:
    """An operator closed or reopened the topic, and with it the conversation; its `rev`.

    None when the topic is only an alias: closing that says nothing about the conversation.
    """
    found = await db.execute(
        _SET_CLOSED,
        {"id": conversation_id, "topic": topic_id, "closed": closed, "state": "closed" if closed else "open"},
    )
    rev = found.scalar_one_or_none()
    return None if rev is None else int(rev)


async def reopened(db: Connection, conversation_id: str) -> None:
    """The relay has reopened the topic to write into it."""
    await db.execute(
        text("UPDATE conversations SET topic_closed = false WHERE id = :id"), {"id": conversation_id}
    )


async def found_closed(db: Connection, conversation_id: str) -> None:
    """The relay was told that the topic is closed; the conversation itself stays as it is."""
    await db.execute(
        text("UPDATE conversations SET topic_closed = true WHERE id = :id"), {"id": conversation_id}
    )


async def set_name(db: Connection, conversation_id: str, *, topic_id: int, name: str) -> None:
    """An operator has given the topic another name, which stays."""
    await db.execute(
        text(
            "UPDATE conversations SET topic_name = :name, topic_renamed = true"
            " WHERE id = :id AND topic_id = :topic"
        ),
        {"id": conversation_id, "topic": topic_id, "name": name},
    )


async def named(db: Connection, conversation_id: str, *, topic_id: int, was: str | None, name: str) -> None:
    """The relay has given the topic another name, unless an operator has at the same time."""
    await db.execute(
        text(
            "UPDATE conversations SET topic_name = :name"
            " WHERE id = :id AND topic_id = :topic AND NOT topic_renamed"
            " AND topic_name IS NOT DISTINCT FROM CAST(:was AS text)"
        ),
        {"id": conversation_id, "topic": topic_id, "was": was, "name": name},
    )


# Claiming what was claimed already changes nothing: the topic may be named and closed by now.
_CLAIM_TOPIC = text(
    """
    UPDATE conversations SET chat_id = :chat, topic_id = :topic,
      topic_name = CASE WHEN topic_id IS NULL THEN :name ELSE topic_name END,
      topic_closed = topic_id IS NOT NULL AND topic_closed,
      topic_opened = topic_id IS NOT NULL AND topic_opened
    WHERE id = :id AND (topic_id IS NULL OR (chat_id, topic_id) = (:chat, :topic)) RETURNING topic_id
    """
)


async def claim(db: Connection, conversation_id: str, *, chat_id: int, topic_id: int, name: str) -> bool:
    """Give a conversation its topic; False when it has got another one in the meantime."""
    found = await db.execute(
        _CLAIM_TOPIC, {"id": conversation_id, "chat": chat_id, "topic": topic_id, "name": name}
    )
    return found.first() is not None


async def only_one_called(db: Connection, *, group_id: int, name: str) -> str | None:
    """The one conversation of a group's project that has a topic of this name; None for several."""
    found = await db.execute(
        text(
            "SELECT c.id FROM conversations c JOIN groups g ON g.project_id = c.project_id"
            " WHERE g.id = :group AND c.topic_name = :name LIMIT 2"
        ),
        {"group": group_id, "name": name},
    )
    rows = found.all()
    return str(rows[0].id) if len(rows) == 1 else None


async def add_alias(db: Connection, conversation_id: str, *, chat_id: int, topic_id: int) -> None:
    """Let answers given in this topic reach the conversation."""
    await db.execute(
        text(
            "INSERT INTO topic_aliases (chat_id, topic_id, conversation_id) VALUES (:chat, :topic, :id)"
            " ON CONFLICT DO NOTHING"
        ),
        {"id": conversation_id, "chat": chat_id, "topic": topic_id},
    )


async def drop(db: Connection, conversation_id: str, *, topic_id: int) -> bool:
    """The topic has vanished: keep it as an alias. False when it is not the topic any more."""
    found = await db.execute(
        text(
            "WITH gone AS (SELECT chat_id FROM conversations WHERE id = :id AND topic_id = :gone)"
            " UPDATE conversations c SET topic_id = NULL FROM gone"
            " WHERE c.id = :id AND c.topic_id = :gone RETURNING gone.chat_id"
        ),
        {"id": conversation_id, "gone": topic_id},
    )
    chat_id = found.scalar_one_or_none()
    if chat_id is None:
        return False
    await add_alias(db, conversation_id, chat_id=chat_id, topic_id=topic_id)
    return True


async def lock(db: Connection, *, chat_id: int, topic_id: int) -> None:
    """Make who looks for a topic's owner and who claims the topic wait for one another.

    Without it an answer could be put aside as nobody's just after those put aside were replayed.
    """
    await db.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"{chat_id}:{topic_id}"}
    )


async def leave(db: Connection, *, project_id: str, except_chat: int) -> None:
    """A project has another chat now: topics elsewhere become aliases, new ones will be made."""
    keys = {"project": project_id, "chat": except_chat}
    await db.execute(
        text(
            "INSERT INTO topic_aliases (chat_id, topic_id, conversation_id)"
            " SELECT chat_id, topic_id, id FROM conversations"
            " WHERE project_id = :project AND chat_id <> :chat AND topic_id IS NOT NULL"
            " ON CONFLICT DO NOTHING"
        ),
        keys,
    )
    await db.execute(
        text(
            "UPDATE conversations SET topic_id = NULL, topic_closed = false"
            " WHERE project_id = :project AND chat_id <> :chat AND topic_id IS NOT NULL"
        ),
        keys,
    )
