"""The load: visitors on sockets and operators at the webhook, the same code for both sides.

Everything is stamped by one clock in one process: when a frame is handed to the socket or a webhook
call begins, when a frame is read, and when a call reaches our Bot API server.
"""

import asyncio
import itertools
import json
import random
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import ClientSession
from websockets.asyncio.client import ClientConnection, connect

from bench.bot_api import MARK, mark
from bench.figures import percentile

STRAGGLERS = 5.0  # seconds for the last of a pass to arrive
NUMBERS = itertools.count(1)


class Frame(msgspec.Struct):
    """What is read of a server's frame."""

    type: str
    id: str = ""
    text: str = ""
    topic: int = 0
    sender: str = msgspec.field(name="from", default="")


_decode = msgspec.json.Decoder(Frame).decode


@dataclass
class Trip:
    """One way through the relay: when each number left, and when it arrived."""

    left: dict[int, float] = field(default_factory=dict)
    arrived: dict[int, float] = field(default_factory=dict)

    def arrive(self, number: int, at: float) -> None:
        """Note the first arrival of a number that was sent."""
        if number in self.left:
            self.arrived.setdefault(number, at)

    def milliseconds(self) -> list[float]:
        """What each took that arrived."""
        return [(at - self.left[number]) * 1000 for number, at in self.arrived.items()]

    def lost(self) -> int:
        """How many never arrived."""
        return len(self.left) - len(self.arrived)

    def at(self, percent: float) -> float:
        """A percentile in milliseconds."""
        return percentile(self.milliseconds(), percent)


@dataclass
class Trips:
    """What is measured of one side."""

    to_telegram: Trip = field(default_factory=Trip)
    to_ack: Trip = field(default_factory=Trip)
    to_visitor: Trip = field(default_factory=Trip)
    cpu_to_telegram: dict[str, float] = field(default_factory=dict)
    cpu_to_visitor: dict[str, float] = field(default_factory=dict)


class Visitor:
    """One conversation: a socket, and the topic that it got."""

    def __init__(self, connection: ClientConnection, side: "Side") -> None:
        self.chat = self.topic = 0
        self.id = str(uuid.uuid4())
        self._connection = connection
        self._side = side
        self._numbers: dict[str, int] = {}

    async def hello(self) -> None:
        """Say hello and wait for the welcome."""
        await self._connection.send(json.dumps({"type": "hello", "id": self.id}))
        while (frame := _decode(await self._connection.recv())).type != "welcome":
            pass
        self.topic = frame.topic

    async def say(self) -> None:
        """Send a message."""
        number = next(NUMBERS)
        message_id = str(uuid.uuid4())
        self._numbers[message_id] = number
        self._side.said_by[number] = self
        text = f"Good morning, my parcel {mark(number)} has not come yet. Could you have a look?"
        frame = json.dumps({"type": "message", "id": message_id, "text": text})
        trips = self._side.trips
        trips.to_telegram.left[number] = trips.to_ack.left[number] = time.monotonic()
        await self._connection.send(frame)

    async def read(self) -> None:
        """Read frames and note when they came, until the socket is closed."""
        trips = self._side
        async for data in self._connection:
            at = time.monotonic()
            frame = _decode(data)
            if frame.type == "ack":
                trips.trips.to_ack.arrive(self._numbers.pop(frame.id), at)
            elif frame.sender == "operator" and (found := MARK.search(frame.text.encode())):
                trips.trips.to_visitor.arrive(int(found[1]), at)


@dataclass
class Side:
    """Ours or the floor: where its doors are, its visitors, and what was measured."""

    name: str
    hook: str
    secret: str
    visitors: list[Visitor] = field(default_factory=list)
    trips: Trips = field(default_factory=Trips)
    said_by: dict[int, Visitor] = field(default_factory=dict)

    def reached_telegram(self, number: int, at: float, chat: int, topic: int) -> None:
        """A call arrived at the Bot API; if the message was ours, its visitor has a topic now."""
        visitor = self.said_by.get(number)
        if visitor is not None:
            visitor.chat, visitor.topic = chat, topic
            self.trips.to_telegram.arrive(number, at)

    async def answer(self, session: ClientSession, visitor: Visitor) -> None:
        """Deliver an operator's answer, as Telegram would."""
        number = next(NUMBERS)
        body = json.dumps(_update(number, visitor))
        headers = {"X-Telegram-Bot-Api-Secret-Token": self.secret, "Content-Type": "application/json"}
        self.trips.to_visitor.left[number] = time.monotonic()
        async with session.post(self.hook, data=body, headers=headers) as response:
            assert response.status == 200, response.status


def _update(number: int, visitor: Visitor) -> dict[str, Any]:
    return {
        "update_id": 10_000_000 + number,
        "message": {
            "message_id": 50_000_000 + number,
            "message_thread_id": visitor.topic,
            "from": {
                "id": 77,
                "is_bot": False,
                "first_name": "Olga",
                "username": "olga",
                "language_code": "en",
            },
            "chat": {"id": visitor.chat, "title": "Bench", "is_forum": True, "type": "supergroup"},
            "date": int(time.time()),
            "is_topic_message": True,
            "text": f"Of course, I have found your parcel: {mark(number)}. It will be there tomorrow.",
        },
    }


@asynccontextmanager
async def visiting(side: Side, addresses: Sequence[str]) -> AsyncIterator[None]:
    """Hold a visitor's socket open at each of these addresses while the block runs."""
    async with AsyncExitStack() as stack:
        for address in addresses:
            connection = await stack.enter_async_context(connect(address, compression=None, proxy=None))
            visitor = Visitor(connection, side)
            await visitor.hello()
            side.visitors.append(visitor)
        readers = [asyncio.create_task(visitor.read()) for visitor in side.visitors]
        try:
            yield
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)


async def at_once(visitors: Sequence[Visitor], messages: int) -> None:
    """Let each of them write so many messages, all at the same time."""

    async def write(visitor: Visitor) -> None:
        for _ in range(messages):
            await visitor.say()

    await asyncio.gather(*map(write, visitors))


async def steadily(
    rate: float,
    seconds: float,
    act: Callable[[Visitor], Awaitable[None]],
    turns: Iterator[Visitor],
    *,
    even: bool,
) -> None:
    """Let visitors act in turn so many times a second, evenly or at random, whatever comes of it."""
    chance = random.Random(42)  # noqa: S311 - the same moments for both sides
    tasks = set()
    due = time.monotonic()
    until = due + seconds
    while due < until:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        task = asyncio.ensure_future(act(next(turns)))
        tasks.add(task)
        due += 1 / rate if even else chance.expovariate(rate)
    await asyncio.gather(*tasks)


async def arrived(*trips: Trip, within: float = STRAGGLERS) -> None:
    """Wait until everything has arrived, or some seconds have passed."""
    deadline = time.monotonic() + within
    while any(trip.lost() for trip in trips) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
