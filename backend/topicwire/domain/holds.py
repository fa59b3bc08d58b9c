"""Holds: a browser's grip on a conversation, and those that were given up."""

from sqlalchemy import Column, DateTime, Table, Text, func, text

from topicwire.db import Connection, metadata

# Holds that a visitor gave up: their tokens open nothing any more.
revoked_holds = Table(
    "revoked_holds",
    metadata,
    Column("hold", Text, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now(), index=True),
)


async def revoke(db: Connection, hold: str) -> None:
    """Make every token of a hold invalid for good."""
    await db.execute(
        text("INSERT INTO revoked_holds (hold) VALUES (:hold) ON CONFLICT DO NOTHING"), {"hold": hold}
    )


async def revoked(db: Connection, hold: str) -> bool:
    """Whether a visitor has given this hold up."""
    found = await db.execute(text("SELECT 1 FROM revoked_holds WHERE hold = :hold"), {"hold": hold})
    return found.first() is not None
