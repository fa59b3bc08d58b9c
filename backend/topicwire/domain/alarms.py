"""Alarms: what is wrong with a project's group, as far as its owner was told; one row a project.

    fine ──claim──▶ alarmed ──claim, when nothing is wrong any more──▶ fine
         ◀──give back──     ◀──give back──

Something is wrong while the group refuses us, which may pass within five minutes, or while a message
has waited for 24 hours. Who claims sends the mail; nobody else does. After a claim a project's owner
gets no other mail for an hour, however often its group changes its mind.
"""

from datetime import datetime

from msgspec import Struct
from sqlalchemy import Column, DateTime, ForeignKey, Integer, Table, Text, text

from topicwire.db import Connection, metadata

alarms = Table(
    "alarms",
    metadata,
    Column("project_id", Text, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True),
    Column("trouble", Text),  # what the owner knows to be wrong; None: nothing, as far as they know
    Column("since", DateTime(timezone=True)),
    Column("not_before", DateTime(timezone=True), nullable=False),  # no mail before; names the last claim
    Column("attempts", Integer, nullable=False, server_default="0"),  # claims since a mail was sent
)

LONGEST_BACKOFF = 3600.0  # seconds


class Alarm(Struct, frozen=True):
    """Something that an owner is to be told: what is wrong since when, or (`mended`) was.

    `trouble` is why the group refuses us, or `waiting`: it does not, and yet its messages wait; or
    `no_group`. `group` is the group's title, None without a group. `claim` names who may tell.
    """

    project_id: str
    mended: bool
    trouble: str
    since: datetime
    claim: datetime
    attempts: int
    project: str
    owner: str
    group: str | None
    messages: int
    visitors: int


_LATE = """
    SELECT c.project_id, min(o.created_at) AS since
    FROM outbox o JOIN conversations c ON c.id = o.conversation_id
    WHERE o.state = 'accepted' AND o.kind = 'message' AND o.created_at < now() - interval '24 hours'
    GROUP BY c.project_id"""

_TOLD = """
    SELECT claimed.project_id, claimed.trouble, claimed.since, claimed.not_before AS claim, claimed.attempts,
      p.name AS project, a.email AS owner, g.title AS "group", waiting.messages, waiting.visitors
    FROM claimed JOIN projects p ON p.id = claimed.project_id JOIN accounts a ON a.id = p.account_id
    LEFT JOIN groups g ON g.project_id = p.id
    CROSS JOIN LATERAL (
      SELECT count(*) AS messages, count(DISTINCT o.conversation_id) AS visitors
      FROM conversations c JOIN outbox o ON o.conversation_id = c.id
      WHERE c.project_id = p.id AND o.state = 'accepted' AND o.kind = 'message') waiting"""

# The guard stands twice: to find one, and for whoever meets another claim of the same.
_CLAIM_TROUBLE = text(
    f"""
    WITH late AS ({_LATE}), wrong AS (
      SELECT p.id AS project_id, coalesce(g.trouble_since, late.since) AS since,
        coalesce(g.trouble, CASE WHEN g.id IS NULL THEN 'no_group' ELSE 'waiting' END) AS trouble
      FROM projects p LEFT JOIN groups g ON g.project_id = p.id LEFT JOIN late ON late.project_id = p.id
      WHERE g.trouble_since <= now() - interval '5 minutes' OR late.since IS NOT NULL
    ), claimed AS (
      INSERT INTO alarms AS known (project_id, trouble, since, not_before, attempts)
      SELECT wrong.project_id, wrong.trouble, wrong.since, now() + interval '1 hour', 1
      FROM wrong LEFT JOIN alarms USING (project_id)
      WHERE alarms.trouble IS NULL AND (alarms.not_before IS NULL OR alarms.not_before <= now())
      ORDER BY wrong.since LIMIT 1
      ON CONFLICT (project_id) DO UPDATE SET trouble = excluded.trouble, since = excluded.since,
        not_before = excluded.not_before, attempts = known.attempts + 1
        WHERE known.trouble IS NULL AND known.not_before <= now()
      RETURNING *
    ) {_TOLD}
    """
)

_CLAIM_MENDED = text(
    f"""
    WITH late AS ({_LATE}), mended AS (
      SELECT alarms.project_id, alarms.trouble, alarms.since
      FROM alarms LEFT JOIN groups g ON g.project_id = alarms.project_id
      WHERE alarms.trouble IS NOT NULL AND alarms.not_before <= now() AND g.trouble IS NULL
        AND alarms.project_id NOT IN (SELECT project_id FROM late)
      ORDER BY alarms.since LIMIT 1
    ), claimed AS (
      UPDATE alarms SET trouble = NULL, since = NULL, not_before = now() + interval '1 hour',
        attempts = alarms.attempts + 1
      FROM mended WHERE alarms.project_id = mended.project_id
        AND alarms.trouble IS NOT NULL AND alarms.not_before <= now()
      RETURNING alarms.project_id, mended.trouble, mended.since, alarms.not_before, alarms.attempts
    ) {_TOLD}
    """
)


async def claim(db: Connection) -> Alarm | None:
    """Something that an owner is to be told, by the caller and by nobody else; None for nothing."""
    for statement, mended in ((_CLAIM_TROUBLE, False), (_CLAIM_MENDED, True)):
        row = (await db.execute(statement)).one_or_none()
        if row is not None:
            return Alarm(mended=mended, **dict(row))
    return None


async def told(db: Connection, alarm: Alarm) -> None:
    """The mail was sent."""
    await db.execute(
        text("UPDATE alarms SET attempts = 0 WHERE project_id = :project AND not_before = :claim"),
        {"project": alarm.project_id, "claim": alarm.claim},
    )


_GIVE_BACK = text(
    """
    UPDATE alarms SET trouble = :trouble, since = :since,
      not_before = now() + make_interval(secs => CAST(:delay AS float8))
    WHERE project_id = :project AND not_before = :claim
    """
)


async def give_back(db: Connection, alarm: Alarm) -> None:
    """The mail was not sent: the owner knows what they knew before, and is told later."""
    await db.execute(
        _GIVE_BACK,
        {
            "project": alarm.project_id,
            "claim": alarm.claim,
            "trouble": alarm.trouble if alarm.mended else None,
            "since": alarm.since if alarm.mended else None,
            "delay": backoff(alarm.attempts),
        },
    )


def backoff(attempts: int) -> float:
    """Seconds until a mail that was not sent is tried again: a minute at first, doubling to an hour."""
    return min(LONGEST_BACKOFF, 30.0 * 2.0 ** min(attempts, 16))
