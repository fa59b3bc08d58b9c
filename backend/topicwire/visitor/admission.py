"""Whether a visitor's new message may come in now; the limits of what visitors may ask of us.

The first message of a new conversation has to pass two fuses more: the project's backlog, and how
many conversations one network address may begin. Messages of existing conversations never meet them.
"""

import asyncio
import time

import structlog
from msgspec import Struct

from topicwire import metrics
from topicwire.db import Database
from topicwire.domain import backlog
from topicwire.ratelimit import Limiter, Policies, Taken, network

log = structlog.get_logger()

BACKLOG_KNOWN_FOR = 3.0  # seconds
BACKLOG_RETRY_AFTER = 30  # seconds; within them a lane says ten messages


class Refusal(Struct, frozen=True):
    """It may not, for so many seconds."""

    message: str
    retry_after: int


class Backlogs:
    """Whether projects have fallen too far behind, looked up once every few seconds each."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: dict[str, tuple[bool, float]] = {}  # and until when
        self._looking: dict[str, asyncio.Task[bool]] = {}

    async def too_long(self, project_id: str) -> bool:
        """As it was a few seconds ago at most. Raises `UnavailableError`."""
        too_long, until = self._known.get(project_id, (False, 0.0))
        if time.monotonic() < until:
            return too_long
        looking = self._looking.get(project_id)
        if looking is None:  # of many who ask at once, one looks
            looking = self._looking[project_id] = asyncio.create_task(self._look(project_id))
            looking.add_done_callback(lambda _: self._looking.pop(project_id))
        return await asyncio.shield(looking)

    async def _look(self, project_id: str) -> bool:
        async with self._db.statement() as db:
            too_long = await backlog.too_long(db, project_id)
        now = time.monotonic()
        if too_long:
            log.warning("a project is too far behind to take new conversations", project=project_id)
        self._known = {project: known for project, known in self._known.items() if known[1] > now}
        self._known[project_id] = too_long, now + BACKLOG_KNOWN_FOR
        return too_long


class Admission:
    """Asks every limit that a message meets, in one round trip; none if all are lifted."""

    def __init__(self, *, limiter: Limiter, policies: Policies, db: Database) -> None:
        self._limiter = limiter
        self._policies = policies
        self._backlogs = Backlogs(db)

    async def to_existing(self, *, project_id: str, conversation_id: str) -> Taken | Refusal:
        """For one more message of a conversation."""
        return await self._ask(project_id, conversation_id, None)

    async def to_new(self, *, project_id: str, conversation_id: str, host: str | None) -> Taken | Refusal:
        """For a conversation's first message. Raises `UnavailableError`."""
        if await self._backlogs.too_long(project_id):
            metrics.limit_exceeded.labels("backlog").inc()
            return Refusal(
                "Too many messages are waiting here already; a new conversation has to wait for them.",
                BACKLOG_RETRY_AFTER,
            )
        return await self._ask(project_id, conversation_id, None if host is None else network(host))

    async def give_back(self, taken: Taken) -> None:
        """The message was known already, or could not be taken."""
        await self._limiter.give_back(taken)

    async def _ask(self, project_id: str, conversation_id: str, address: str | None) -> Taken | Refusal:
        policies = self._policies
        buckets = [policies.conversation.of(conversation_id), policies.project.of(project_id)]
        if address is not None:
            buckets.append(policies.address.of(address))
        answer = await self._limiter.take(*buckets)
        if isinstance(answer, Taken):
            return answer
        if answer.policy is policies.address:
            return Refusal("Too many conversations were begun from this network.", answer.retry_after)
        return Refusal("Too many messages at once.", answer.retry_after)
