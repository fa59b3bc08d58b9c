"""A crowd of sockets that do as little as they can: the handshake by hand, `hello`, perhaps a message.

A client's frames have to be masked; a mask of zeros leaves them as they are.
"""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

PACE = 500  # sockets a second, whatever the server could do: pings come in the same rhythm to all
WITHIN = 30.0  # seconds for one socket to get to rest
TEXT, PING, PONG = 0x81, 0x89, 0x8A
NO_MASK = b"\0\0\0\0"


@dataclass(frozen=True)
class Script:
    """What one socket does before it rests."""

    port: int
    path: str
    hello: bool
    message: bool


class _Socket(asyncio.Protocol):
    """One socket; `resting` is done when its script is."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._buffer = b""
        self._open = False
        self.transport: asyncio.Transport | None = None
        self.resting: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(
            f"GET {self._script.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.resting.done():
            self.resting.set_exception(ConnectionError("a socket was closed before it rested"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._open:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.resting.set_exception(ConnectionError(head.decode().splitlines()[0]))
                return
            self._open, self._buffer = True, rest
            self._opened()
        while (frame := self._next()) is not None:
            self._heard(*frame)

    def _next(self) -> tuple[int, bytes] | None:
        """The next whole frame: its first byte and what it carries."""
        if len(self._buffer) < 2:
            return None
        length, start = self._buffer[1], 2
        if length == 126:
            length, start = int.from_bytes(self._buffer[2:4]), 4
        if len(self._buffer) < start + length:
            return None
        kind, payload = self._buffer[0], self._buffer[start : start + length]
        self._buffer = self._buffer[start + length :]
        return kind, payload

    def _opened(self) -> None:
        if self._script.hello:
            self._say({"type": "hello"})
        else:
            self.resting.set_result(None)

    def _heard(self, kind: int, payload: bytes) -> None:
        if kind == PING:
            self._send(PONG, payload)
        elif kind == TEXT and not self.resting.done():
            said = json.loads(payload)["type"]
            if said == "welcome" and self._script.message:
                self._say(
                    {"type": "message", "id": str(uuid.uuid4()), "text": "Good morning, is anybody there?"}
                )
            elif said in ("welcome", "ack"):
                self.resting.set_result(None)

    def _say(self, frame: dict[str, str]) -> None:
        self._send(TEXT, json.dumps(frame).encode())

    def _send(self, kind: int, payload: bytes) -> None:
        size = len(payload)
        head = bytes((kind, 0x80 | size)) if size < 126 else bytes((kind, 0x80 | 126)) + size.to_bytes(2)
        if self.transport is not None:
            self.transport.write(head + NO_MASK + payload)


@asynccontextmanager
async def gathered(scripts: Callable[[int], Script], count: int) -> AsyncIterator[None]:
    """Hold so many sockets open, all at rest, while the block runs."""
    sockets: list[_Socket] = []
    began = time.monotonic()

    async def join(script: Script) -> None:
        async with asyncio.timeout(WITHIN):
            loop = asyncio.get_running_loop()
            _, one = await loop.create_connection(lambda: _Socket(script), "127.0.0.1", script.port)
            sockets.append(one)
            await one.resting

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(join(scripts(number)))
                await asyncio.sleep(max(0.0, began + number / PACE - time.monotonic()))
        yield
    finally:
        for one in sockets:
            if one.transport is not None:
                one.transport.abort()
