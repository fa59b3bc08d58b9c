"""The smallest honest Bot API server: it answers in the right shapes, and notes when a call came.

Texts carry a mark such as `n0000042n`, by which a call is recognized without parsing anything.
"""

import asyncio
import itertools
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import parse_qsl

import httptools

MARK = re.compile(rb"n(\d{7})n")


def mark(number: int) -> str:
    """How a text carries its number."""
    return f"n{number:07d}n"


class BotApi:
    """What the server knows: `arrived` is told of each marked text, its time, its chat and its topic.

    It answers at once; `delay` and `delays`, which is for one chat, are the seconds that it takes otherwise.
    """

    def __init__(self, arrived: Callable[[int, float, int, int], None]) -> None:
        self._arrived = arrived
        self._ids = itertools.count(1000)
        self.delay = 0.0
        self.delays: dict[int, float] = {}

    def answer(self, method: str, body: bytes, at: float) -> tuple[dict[str, Any], float]:
        """Carry out one call that came `at` that time; the answer, and the seconds until it is given."""
        asked = _arguments(body)
        delay = self.delays.get(int(asked.get("chat_id", 0)), self.delay)
        return self._carry_out(method, asked, body, at), delay

    def _carry_out(self, method: str, asked: dict[str, str], body: bytes, at: float) -> dict[str, Any]:
        if method == "sendmessage":
            return self._send(asked, body, at)
        if method == "createforumtopic":
            topic = next(self._ids)
            return _ok({"message_thread_id": topic, "name": asked["name"], "icon_color": 7322096})
        if method == "getme":
            return _ok({"id": 4242, "is_bot": True, "first_name": "Bench", "username": "bench_bot"})
        return _ok(True)

    def _send(self, asked: dict[str, str], body: bytes, at: float) -> dict[str, Any]:
        chat, topic = int(asked["chat_id"]), int(asked.get("message_thread_id", 0))
        for found in MARK.findall(body):
            self._arrived(int(found), at, chat, topic)
        return _ok(
            {
                "message_id": next(self._ids),
                "message_thread_id": topic,
                "is_topic_message": True,
                "date": int(time.time()),
                "chat": {"id": chat, "type": "supergroup", "title": "Bench", "is_forum": True},
                "text": asked["text"],
            }
        )


class _Connection(asyncio.Protocol):
    """One connection of a client, kept alive."""

    def __init__(self, api: BotApi) -> None:
        self._api = api
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        """A request begins; called by the parser, as are those below."""
        self._url, self._body = b"", []

    def on_url(self, url: bytes) -> None:
        """A part of its address."""
        self._url += url

    def on_body(self, body: bytes) -> None:
        """A part of its body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """It is complete: this is when the call has arrived."""
        at = time.monotonic()
        method = self._url.rpartition(b"/")[2].decode().lower()
        answer, delay = self._api.answer(method, b"".join(self._body), at)
        content = json.dumps(answer).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        if delay:
            asyncio.get_running_loop().call_later(delay, self._write, head.encode() + content)
        else:
            self._write(head.encode() + content)

    def _write(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)


def _arguments(body: bytes) -> dict[str, str]:
    if body.startswith(b"{"):
        return {name: str(value) for name, value in json.loads(body).items()}
    return dict(parse_qsl(body.decode()))


def _ok(result: Any) -> dict[str, Any]:
    return {"ok": True, "result": result}


@asynccontextmanager
async def serving(api: BotApi, port: int) -> AsyncIterator[None]:
    """Serve on this port of loopback while the block runs."""
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(api), "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
