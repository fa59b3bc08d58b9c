"""A project's backlog: visitors' messages that wait for its group, which may be none yet."""

from sqlalchemy import text

from topicwire.db import Connection

MOST_WAITING = 5000
LONGEST_WAIT = "1 hour"

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
