"""A replay against a sandbox whose clock the pauses move, so that pacing costs nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.sandbox.conftest import TOKEN, Running, Telegram, running
from topicwire.doctor.bot_api import speaking
from topicwire.doctor.replay import Outcome, Summary, Tried, replay
from topicwire.settings import Rate

RATE = Rate(20, 60)


@dataclass
class Listener:
    """Writes down what a replay tells, and when it paused for how long."""

    lines: list[Tried] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    estimates: list[float] = field(default_factory=list)
    on_tried: Callable[[Tried], object] = lambda _: None
    on_said: Callable[[str], object] = lambda _: None

    def tried(self, tried: Tried) -> None:
        self.lines.append(tried)
        self.on_tried(tried)

    def remaining(self, seconds: float) -> None:
        self.estimates.append(seconds)

    def say(self, text: str) -> None:
        self.said.append(text)
        self.on_said(text)

    def came_out(self, outcome: Outcome) -> list[Tried]:
        return [each for each in self.lines if each.outcome is outcome]


Replay = Callable[..., Awaitable[Summary]]


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def sandbox() -> Running:
    return running


@pytest.fixture
def replaying(listener: Listener) -> Replay:
    """Replays in a sandbox's group; the listener hears it."""

    async def run(telegram: Telegram, **options: Any) -> Summary:
        async def pause(seconds: float) -> None:
            listener.pauses.append(seconds)
            telegram.clock.advance(seconds)
            await asyncio.sleep(0)

        async with speaking(telegram.base, options.pop("token", TOKEN)) as api:
            return await replay(api, telegram.chat, listener, rate=RATE, pause=pause, **options)

    return run


async def remains(telegram: Telegram) -> list[str]:
    """What is in the sandbox's group beside General, and in General."""
    state = await telegram.look("/state")
    chat = next(each for each in state["chats"] if each["id"] == telegram.chat)
    topics = [each["name"] for each in chat["topics"] if each["id"] != 1]
    messages = (await telegram.look("topics/1/messages"))["messages"]
    return topics + [each.get("text", "service") for each in messages]
