"""Bots: what each keeps across restarts, and what serves it while the sandbox runs."""

from typing import Any

import msgspec

from topicwire.sandbox.clock import Clock
from topicwire.sandbox.faults import Faults
from topicwire.sandbox.flood import Limits
from topicwire.sandbox.updates import Feed, FeedState
from topicwire.sandbox.webhook import WebhookEngine, WebhookSettings
from topicwire.sandbox.world import Person

FIRST_UPDATE_ID = 730_410_001


class BotState(msgspec.Struct):
    """What is kept of a bot across restarts, besides the person that it is."""

    token: str
    feed: FeedState = msgspec.field(default_factory=lambda: FeedState(next_id=FIRST_UPDATE_ID))
    webhook: WebhookSettings = msgspec.field(default_factory=WebhookSettings)


class Account:
    """A bot being served: its updates, its webhook, its limits."""

    def __init__(self, person: Person, state: BotState, limits: Limits, clock: Clock, faults: Faults) -> None:
        self.person = person
        self.state = state
        self.limits = limits
        self.feed = Feed(state.feed, clock, faults, person.id)
        self.webhook = WebhookEngine(state.webhook, self.feed, clock)
        self.started = clock.now()
        self.logged_out = False
        self.commands: list[dict[str, Any]] = []
        self.pressed: dict[str, float] = {}  # callback queries that may still be answered, until when

    @property
    def id(self) -> int:
        """The bot's user id."""
        return self.person.id
