"""The TCP connection under a call, for faults that no HTTP answer can play."""

import asyncio
import socket
import struct
from collections.abc import Mapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

EXTENSION = "sandbox.connection"


class Connection:
    """One client's connection; `gone` is set once either side has closed it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.gone = asyncio.Event()

    async def close(self) -> None:
        """Ends it without an answer; the client sees the end of the stream."""
        self._transport.abort()
        await self.gone.wait()

    async def reset(self) -> None:
        """Ends it so that the client's kernel reports a reset."""
        raw: socket.socket | None = self._transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await self.close()


class SandboxProtocol(HttpToolsProtocol):
    """uvicorn's HTTP with the connection handed to the application."""

    line: Connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.line = Connection(transport)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.line.gone.set()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: self.line}  # type: ignore[dict-item]


def connection_of(scope: Mapping[str, Any]) -> Connection:
    """The connection that a request came over. RuntimeError where another server serves the application."""
    extensions: Mapping[str, Connection] = scope.get("extensions") or {}
    if EXTENSION not in extensions:
        raise RuntimeError("this fault needs SandboxServer: no other server hands its connections out")
    return extensions[EXTENSION]
