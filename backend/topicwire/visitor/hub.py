"""The sockets of this process, by conversation, and how they learn that something moved.

Rings come through the notifier. A lost ring is found by a sweep: every five seconds one statement
asks where the conversations stand that we hold, another which of them the relay is behind with; when
Redis comes back, all of them are asked.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Protocol

import structlog

from topicwire import metrics
from topicwire.background import end, outlive
from topicwire.db import Connection
from topicwire.domain import backlog, conversations
from topicwire.domain.conversations import Change
from topicwire.errors import UnavailableError
from topicwire.services import Services

SWEEP_EVERY = 5.0  # seconds
MOST_TABS = 20  # sockets of one conversation in one process

log = structlog.get_logger()


class Listener(Protocol):
    """Somebody who wants to know of one conversation."""

    @property
    def conversation_id(self) -> str:
        """The conversation that it wants to know of."""

    def hear(self, change: Change) -> None:
        """The conversation has moved."""


class Hub:
    """Knows who listens to which conversation; `group_rate` is each group's budget: calls, seconds."""

    def __init__(self, services: Services, *, group_rate: tuple[int, float] | None = None) -> None:
        self._services = services
        self._group_rate = group_rate
        self._listeners: dict[str, list[Listener]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._missed = asyncio.Event()

    def start(self) -> None:
        """Listen to the notifier and sweep, until `stop`."""
        listen = self._services.notifier.listen
        self._tasks = [
            asyncio.create_task(outlive("listening", lambda: listen(self._heard, self._missed.set))),
            asyncio.create_task(outlive("the sweep of sockets", self._sweep_for_ever)),
        ]

    async def stop(self) -> None:
        """Listen no longer."""
        await end(*self._tasks)

    def join(self, listener: Listener) -> bool:
        """Tell this listener of its conversation; False when too many listen to it already."""
        others = self._listeners.setdefault(listener.conversation_id, [])
        if len(others) >= MOST_TABS:
            return False
        others.append(listener)
        metrics.sockets.inc()
        return True

    def leave(self, listener: Listener) -> None:
        """Tell this listener nothing more."""
        others = self._listeners.get(listener.conversation_id, [])
        if listener in others:
            others.remove(listener)
            metrics.sockets.dec()
        if not others:
            self._listeners.pop(listener.conversation_id, None)

    def _heard(self, change: Change) -> None:
        for listener in tuple(self._listeners.get(change.conversation_id, ())):
            listener.hear(change)

    async def _sweep_for_ever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_EVERY):
                    await self._missed.wait()
            self._missed.clear()
            try:
                await self.sweep()
            except UnavailableError as error:
                log.warning("no sweep of the sockets", error=str(error))

    async def delays(self, db: Connection, ids: Sequence[str]) -> dict[str, int]:
        """How many seconds these conversations are behind, of those that are."""
        return await backlog.delays(db, ids, rate=self._group_rate)

    async def sweep(self) -> None:
        """Tell every listener where its conversation stands."""
        held = list(self._listeners)
        if not held:
            return
        async with self._services.db.statement() as db:
            heads = await conversations.heads(db, held)
            delays = await self.delays(db, held)
        for conversation_id, rev, state in heads:
            self._heard(Change(conversation_id, rev, state=state, delay=delays.get(conversation_id, 0)))
