"""What the console hears the moment it happens: server-sent events with a small queue a listener."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec

_QUEUED = 1000


class Live:
    """Passes events on to whoever listens; costs nothing while nobody does."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[bytes | None]] = set()
        self._closed = False

    @property
    def heard(self) -> bool:
        """False while an event would reach nobody, so that it need not be made."""
        return bool(self._listeners)

    def tell(self, event: dict[str, Any]) -> None:
        # An update's body has a line break in it, which would end the event.
        line = b"data: " + msgspec.json.encode(event).replace(b"\n", b" ") + b"\n\n"
        for queue in list(self._listeners):
            if queue.qsize() >= _QUEUED:
                self._drop(queue)  # it comes back by itself and reads the state anew
            else:
                queue.put_nowait(line)

    async def stream(self) -> AsyncIterator[bytes]:
        """Lines of an event stream until the listener goes, falls far behind, or the server stops."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        if self._closed:
            return
        self._listeners.add(queue)
        try:
            yield b"retry: 1000\n\n"
            while (line := await queue.get()) is not None:
                yield line
        finally:
            self._listeners.discard(queue)

    def close(self) -> None:
        """Ends every stream."""
        self._closed = True
        for queue in list(self._listeners):
            self._drop(queue)

    def _drop(self, queue: asyncio.Queue[bytes | None]) -> None:
        self._listeners.discard(queue)
        queue.put_nowait(None)
