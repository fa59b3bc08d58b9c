"""The installation: its epoch, and leases for what only one process may do.

The epoch tells one history of the database from another. A visitor's token carries it: after a
restore from a backup the client's memory may be ahead of ours, and it must be told.
"""

import secrets

from sqlalchemy import CheckConstraint, Column, DateTime, SmallInteger, Table, Text, text

from topicwire.db import Connection, metadata

installation = Table(
    "installation",
    metadata,
    Column("id", SmallInteger, CheckConstraint("id = 1", name="single"), primary_key=True),
    Column("epoch", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
)

# A restored dump has another database id or cluster, point-in-time recovery and a promoted replica
# another timeline (PostgreSQL, "Control Data Functions").
_EPOCH = text(
    """
    WITH here AS (
      SELECT concat_ws(':', system_identifier, timeline_id, d.oid) AS fingerprint
      FROM pg_control_system(), pg_control_checkpoint(), pg_database d WHERE d.datname = current_database()
    )
    INSERT INTO installation AS i (id, epoch, fingerprint) SELECT 1, :epoch, fingerprint FROM here
    ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint,
      epoch = CASE WHEN i.fingerprint = excluded.fingerprint THEN i.epoch ELSE excluded.epoch END
    RETURNING epoch
    """
)


async def epoch(db: Connection) -> str:
    """The epoch of this database; a new one when it is not the database that it was."""
    return str((await db.execute(_EPOCH, {"epoch": secrets.token_hex(4)})).scalar_one())


_LEASE = text(
    """
    INSERT INTO leases AS l (name, holder, until)
    VALUES (:name, :holder, now() + make_interval(secs => :seconds))
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
      WHERE l.until <= now() OR l.holder = excluded.holder
    RETURNING name
    """
)


async def lease(db: Connection, name: str, *, holder: str, seconds: float) -> bool:
    """Take or renew a named lease; False while somebody else has it."""
    found = await db.execute(_LEASE, {"name": name, "holder": holder, "seconds": float(seconds)})
    return found.first() is not None


async def end_lease(db: Connection, name: str, *, holder: str) -> None:
    """Give a named lease back."""
    await db.execute(
        text("DELETE FROM leases WHERE name = :name AND holder = :holder"), {"name": name, "holder": holder}
    )
