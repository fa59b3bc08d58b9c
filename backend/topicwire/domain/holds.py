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


LIFETIME = 400  # days since a token was signed; an older one opens nothing anyway


async def revoke(db: Connection, hold: str) -> None:
    """Make every token of a hold invalid for good."""
    await db.execute(
        text("INSERT INTO revoked_holds (hold) VALUES (:hold) ON CONFLICT DO NOTHING"), {"hold": hold}
    )


async def revoked(db: Connection, hold: str) -> bool:
    """Whether a visitor has given this hold up."""
    found = await db.execute(text("SELECT 1 FROM revoked_holds WHERE hold = :hold"), {"hold": hold})
    return found.first() is not None


_CLEAR_OUT = text(
    f"""
    WITH old AS (
      SELECT hold FROM revoked_holds WHERE at < now() - interval '{LIFETIME} days' ORDER BY at LIMIT :limit
    ), gone AS (
      DELETE FROM revoked_holds USING old WHERE revoked_holds.hold = old.hold RETURNING 1
    )
    SELECT count(*) FROM gone
    """
)


async def clear_out(db: Connection, *, limit: int) -> int:
    """Remove holds whose tokens are too old by now, at most `limit`; how many."""
    return int((await db.execute(_CLEAR_OUT, {"limit": limit})).scalar_one())
