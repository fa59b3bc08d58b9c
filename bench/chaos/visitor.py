"""A visitor who talks on, whatever happens: what a widget does, without a page.

What was written is sent in order, a few at a time, and kept until it is acknowledged; the same id is
repeated after ten silent seconds, after a refusal and after every reconnect. What the server tells is
applied in the order of `rev`.
"""

import asyncio
import contextlib
import json
import random
import time
import uuid
from collections.abc import Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from bench.chaos.ledger import Ledger
from topicwire.background import end

Frame = dict[str, Any]

IN_FLIGHT = 8
PATIENCE = 10.0  # seconds for an acknowledgement
LOOK_EVERY = 0.5  # seconds
OPEN_WITHIN = 10.0
BASE, CAP = 0.25, 2.0  # seconds before a reconnect, jittered; a widget waits longer
PING_EVERY = 10.0


class Visitor:
    """One conversation. `run` holds its socket open until it is cancelled."""

    def __init__(self, number: int, group: int, addresses: Sequence[str], ledger: Ledger) -> None:
        self.number = number
        self.group = group
        self.messages: dict[int, Frame] = {}  # by seq, as they are now
        self.troubles: list[str] = []  # what should never happen to a client
        self.written = 0
        self.wrote_at = 0.0
        self._addresses = addresses
        self._ledger = ledger
        self._token: str | None = None
        self._last_rev = 0
        self._unsent: dict[str, str] = {}
        self._flying: dict[str, float] = {}
        self._held_until = 0.0
        self._news = asyncio.Event()

    @property
    def transcript(self) -> list[str]:
        """What was said, in order."""
        return [message["text"] for _, message in sorted(self.messages.items())]

    @property
    def failed(self) -> list[str]:
        """Own messages that were given up."""
        return [each["text"] for each in self.messages.values() if each.get("state") == "failed"]

    def say(self) -> None:
        """Write a message."""
        self.wrote_at = time.monotonic()
        self.written += 1
        said = self._ledger.write("v", self.number, self.group, self.wrote_at)
        self._unsent[str(uuid.uuid4())] = f"{said.mark} Has my parcel been sent? It is number {self.written}."
        self._news.set()

    async def run(self) -> None:
        """Be there, for ever."""
        attempt = 0
        while True:
            address = random.choice(self._addresses)  # noqa: S311
            with contextlib.suppress(OSError, WebSocketException, TimeoutError):
                async with connect(
                    address,
                    subprotocols=[Subprotocol("topicwire.v1")],
                    compression=None,
                    proxy=None,
                    max_size=None,
                    open_timeout=OPEN_WITHIN,
                    ping_interval=PING_EVERY,
                    ping_timeout=PING_EVERY,
                ) as socket:
                    attempt = await self._converse(socket, attempt)
            self._flying.clear()
            self._held_until = 0.0
            await asyncio.sleep(random.uniform(0, min(CAP, BASE * 2**attempt)))  # noqa: S311
            attempt += 1

    async def _converse(self, socket: ClientConnection, attempt: int) -> int:
        """Read until the socket closes; how many attempts count after that."""
        hello: Frame = {"type": "hello", "last_rev": self._last_rev}
        await socket.send(json.dumps(hello if self._token is None else {**hello, "token": self._token}))
        pump: asyncio.Task[None] | None = None
        try:
            async for raw in socket:
                frame = json.loads(raw)
                if frame["type"] == "welcome":
                    self._welcomed(frame)
                    attempt = 0
                    pump = asyncio.create_task(self._pump(socket))
                else:
                    self._take(frame)
        finally:
            if pump is not None:
                await end(pump)
        if socket.close_code not in (1000, 1006, 1011, 1012):
            self.troubles.append(f"closed with {socket.close_code}")
        return attempt

    # What is sent

    async def _pump(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):  # whoever reads finds out, too
            await self._send_on(socket)

    async def _send_on(self, socket: ClientConnection) -> None:
        while True:
            self._news.clear()
            self._recall_overdue()
            for message_id, text in list(self._unsent.items()):
                if len(self._flying) >= IN_FLIGHT or time.monotonic() < self._held_until:
                    break
                if message_id not in self._flying and message_id in self._unsent:
                    self._flying[message_id] = time.monotonic()
                    await socket.send(json.dumps({"type": "message", "id": message_id, "text": text}))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._news.wait()

    def _recall_overdue(self) -> None:
        overdue = [each for each, at in self._flying.items() if time.monotonic() - at > PATIENCE]
        if overdue:
            self._recall_from(overdue[0])

    def _recall_from(self, message_id: str) -> None:
        """From this one on everything counts as not sent, so that it is sent again in order."""
        order = list(self._unsent)
        for later in order[order.index(message_id) :] if message_id in order else ():
            self._flying.pop(later, None)

    def _settle(self, message_id: str) -> str:
        self._flying.pop(message_id, None)
        self._news.set()
        return self._unsent.pop(message_id, "")

    # What is heard

    def _welcomed(self, frame: Frame) -> None:
        if not frame["recovered"]:
            self.troubles.append("what it knew did not fit")
            self.messages, self._last_rev = {}, 0
        self._token = frame["token"]

    def _take(self, frame: Frame) -> None:
        kind = frame["type"]
        if kind in ("message", "relayed", "failed", "edited", "deleted"):
            if frame["rev"] <= self._last_rev:
                self.troubles.append(f"rev does not grow: {frame} after {self._last_rev}")
                return
            self._last_rev = frame["rev"]
        if kind == "message":
            self.messages[frame["seq"]] = frame
            if frame.get("id"):
                self._settle(frame["id"])
            if frame["from"] == "operator":
                self._ledger.read(frame["text"], time.monotonic())
        elif kind == "ack":
            text = self._settle(frame["id"])
            self.messages.setdefault(frame["seq"], {"seq": frame["seq"], "from": "visitor", "text": text})
        elif kind in ("relayed", "failed") and frame["seq"] in self.messages:
            self.messages[frame["seq"]]["state"] = kind
        elif kind == "error":
            self._refused(frame)

    def _refused(self, frame: Frame) -> None:
        if frame["code"] not in ("rate_limited", "unavailable"):
            self.troubles.append(f"refused: {frame}")
            return
        self._held_until = time.monotonic() + (frame.get("retry_after") or 2)
        if frame.get("id"):
            self._recall_from(frame["id"])
