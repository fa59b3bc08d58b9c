"""The backlog: what waits for its group, of one conversation, group or project, or over all groups."""

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import text

from topicwire.db import Connection

MOST_WAITING = 5000
LONGEST_WAIT = "1 hour"

DELAYS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)  # seconds
DEPTHS = (1, 2, 5, 10, 20, 50, 100, 500, 1000, 5000)  # entries

# Who has no group is found through what has none, and only then. Past so many, how many is no matter.
_TOO_LONG = text(
    f"""
    SELECT count(*) > {MOST_WAITING} OR coalesce(min(created_at) < now() - interval '{LONGEST_WAIT}', false)
    FROM (
      (SELECT o.created_at FROM outbox o
       WHERE o.state = 'accepted' AND o.kind = 'message'
         AND o.group_id = (SELECT id FROM groups WHERE project_id = :project)
       LIMIT {MOST_WAITING + 1})
      UNION ALL
      (SELECT o.created_at FROM outbox o JOIN conversations c ON c.id = o.conversation_id
       WHERE o.state = 'accepted' AND o.kind = 'message' AND o.group_id IS NULL AND c.project_id = :project
         AND NOT EXISTS (SELECT 1 FROM groups WHERE project_id = :project)
       LIMIT {MOST_WAITING + 1})
    ) waiting
    """
)


async def too_long(db: Connection, project_id: str) -> bool:
    """Whether more than 5,000 messages wait, or one for more than an hour."""
    return bool((await db.execute(_TOO_LONG, {"project": project_id})).scalar_one())


_WAITING = text(
    """
    SELECT count(*) AS messages, count(DISTINCT conversation_id) AS visitors FROM outbox
    WHERE group_id = :group AND state = 'accepted' AND kind = 'message'
    """
)


async def waiting(db: Connection, group_id: int) -> tuple[int, int]:
    """How many messages of how many visitors wait in a group."""
    row = (await db.execute(_WAITING, {"group": group_id})).one()
    return row.messages, row.visitors


# What is sure to come: the lane's pause, and a whole window for each time that the calls before a
# conversation's next message, in the order of `take`, fill the budget. Other calls make it longer.
_DELAYS = text(
    """
    WITH late AS MATERIALIZED (
      SELECT conversation_id, group_id FROM outbox
      WHERE conversation_id = ANY (:ids) AND state = 'accepted' AND kind = 'message'
        AND created_at < now() - interval '3 seconds'
    ), head AS (
      SELECT DISTINCT ON (o.conversation_id) o.conversation_id, o.group_id, o.created_at,
        coalesce(c.served_at, o.created_at - interval '1 minute') AS since,
        1 + (c.topic_id IS NULL)::int AS calls
      FROM outbox o JOIN conversations c ON c.id = o.conversation_id
      WHERE o.state = 'accepted' AND o.kind = 'message' AND (
        o.group_id IN (SELECT group_id FROM late) OR o.conversation_id IN (SELECT conversation_id FROM late))
      ORDER BY o.conversation_id, o.id
    ), queued AS (
      SELECT *, sum(calls) OVER (PARTITION BY group_id ORDER BY since, conversation_id) AS place FROM head
    )
    SELECT q.conversation_id, ceil(extract(epoch FROM now() - q.created_at)
      + greatest(0, coalesce(extract(epoch FROM g.not_before - now()), 0))
      + CASE WHEN g.id IS NULL THEN 0
          ELSE coalesce((q.place - 1) / CAST(:allowed AS int) * CAST(:window AS float8), 0) END)::int AS delay
    FROM queued q LEFT JOIN groups g ON g.id = q.group_id
    WHERE q.conversation_id IN (SELECT conversation_id FROM late)
    """
)


async def delays(
    db: Connection, ids: Sequence[str], *, rate: tuple[int, float] | None = None
) -> dict[str, int]:
    """How many seconds these conversations are behind, of those that are: waited, and sure to wait yet.

    `rate` is each group's budget: calls, seconds.
    """
    calls, window = rate or (None, 0.0)
    found = await db.execute(_DELAYS, {"ids": list(ids), "allowed": calls, "window": window})
    return {row.conversation_id: row.delay for row in found}


class Spread(Struct, frozen=True):
    """A figure over all groups: how many are up to each bound and beyond the last, their sum, the most."""

    counts: Sequence[int]
    total: float
    most: float


class Standing(Struct, frozen=True):
    """How the lanes stand: the age of each group's oldest entry, how many wait, and what was given up."""

    delay: Spread
    depth: Spread
    dead_letters: int


# A bucket's bound belongs to it, as in Prometheus; of a whole number that is the one below.
_STANDING = text(
    """
    WITH lane AS (
      SELECT extract(epoch FROM now() - min(created_at))::float8 AS delay, count(*) AS depth
      FROM outbox WHERE state = 'accepted' AND group_id IS NOT NULL GROUP BY group_id
    ), cell AS (
      SELECT width_bucket(delay, CAST(:delays AS float8[])) AS delay_bucket,
        width_bucket(depth - 1, CAST(:depths AS bigint[])) AS depth_bucket, count(*)::int AS lanes,
        sum(delay) AS delay, max(delay) AS most_delay, sum(depth)::float8 AS depth,
        max(depth)::float8 AS most_depth
      FROM lane GROUP BY 1, 2
    )
    SELECT letter.dead_letters, cell.*
    FROM (SELECT count(*)::int AS dead_letters FROM outbox WHERE state = 'failed') letter
    LEFT JOIN cell ON true
    """
)


async def standing(db: Connection) -> Standing:
    """How all the lanes stand, in one statement."""
    values = {"delays": [float(bound) for bound in DELAYS], "depths": list(DEPTHS)}
    rows = (await db.execute(_STANDING, values)).all()
    cells = [row for row in rows if row.lanes is not None]
    return Standing(
        delay=_spread(
            len(DELAYS), [(row.delay_bucket, row.lanes, row.delay, row.most_delay) for row in cells]
        ),
        depth=_spread(
            len(DEPTHS), [(row.depth_bucket, row.lanes, row.depth, row.most_depth) for row in cells]
        ),
        dead_letters=rows[0].dead_letters,
    )


def _spread(bounds: int, cells: Sequence[tuple[int, int, float, float]]) -> Spread:
    counts = [0] * (bounds + 1)
    for bucket, lanes, *_ in cells:
        counts[bucket] += lanes
    return Spread(
        counts, sum(total for *_, total, _ in cells), max((most for *_, most in cells), default=0.0)
    )
