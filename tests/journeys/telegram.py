"""Telegram as the workers see it: the sandbox, on a line that tests can hold, slow down and cut."""

import asyncio
import contextlib
import json
import re
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any, NamedTuple, Self

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from topicwire.sandbox.faults import Fault
from topicwire.sandbox.meters import Rate, Window
from topicwire.sandbox.server import Sandbox, SandboxConfig, SandboxServer

BOT_ID = 4200
TOKEN = f"{BOT_ID}:secret-of-the-bot"
PATH = "console-of-the-tests"

_CHAT = re.compile(rb'name="chat_id"\s+(-?\d+)|chat_id=(-?\d+)')


class Held:
    """Calls that wait on the line: `arrived` when the first came, `release` lets all of them go."""

    def __init__(self, method: str, chat: int | None, *, answered: bool) -> None:
        self.method = method.lower()
        self.chat = chat  # calls of this group only
        self.answered = answered  # the call is carried out, only its answer waits
        self.arrived = asyncio.Event()
        self._gate = asyncio.Event()

    def release(self) -> None:
        """Let them go, and hold no more."""
        self._gate.set()

    async def wait(self) -> None:
        """Wait on the line."""
        self.arrived.set()
        await self._gate.wait()


class Refusal(NamedTuple):
    """Calls whose body holds `part` are answered so, and not carried out."""

    part: bytes
    status: int
    description: str


class Line:
    """Passes calls on to the sandbox, and knows how many are under way in each group."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.holds: list[Held] = []
        self.refusal: Refusal | None = None
        self.refused = 0
        self.delay = 0.0  # seconds that a call takes
        self.most: Counter[int] = Counter()  # the most calls that were under way at once, by group
        self._now: Counter[int] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith("/bot"):
            await self._app(scope, receive, send)
            return
        body = await _read(receive)
        found = _CHAT.search(body)
        chat = int(found[1] or found[2]) if found else 0
        if self.refusal is not None and self.refusal.part in body:
            self.refused += 1
            await _refuse(send, self.refusal)
            return
        with self._counted(chat):
            await self._pass_on(path.rpartition("/")[2].lower(), chat, body, scope, send)

    async def _pass_on(self, method: str, chat: int, body: bytes, scope: Scope, send: Send) -> None:
        held = self._hold(method, chat)
        if held is not None and not held.answered:
            await held.wait()
        if self.delay:
            await asyncio.sleep(self.delay)  # Telegram is far away
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self._app(scope, _again(body), keep)
        if held is not None and held.answered:
            await held.wait()
        for message in answer:
            await send(message)

    def _hold(self, method: str, chat: int) -> Held | None:
        return next((h for h in self.holds if h.method == method and h.chat in (None, chat)), None)

    @contextlib.contextmanager
    def _counted(self, chat: int) -> Iterator[None]:
        self._now[chat] += 1
        self.most[chat] = max(self.most[chat], self._now[chat])
        try:
            yield
        finally:
            self._now[chat] -= 1


class Telegram:
    """One sandbox on a port of its own, in the tests' loop."""

    def __init__(self) -> None:
        # With the protocol named, asyncio switches Nagle's algorithm off: else each answer takes 40 ms.
        self._listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._listening.bind(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        config = SandboxConfig(
            port=self.port, token=TOKEN, secret_path=PATH, group_rate="off", bot_rate="off"
        )
        self._server = _Server(config)
        app = self._server.config.app
        self.sandbox: Sandbox = app.state.sandbox  # type: ignore[union-attr]
        self.line = Line(app)  # type: ignore[arg-type]
        self._server.config.app = self.line
        self._task: asyncio.Task[None] | None = None

    @property
    def api_url(self) -> str:
        """Where its Bot API answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def console(self) -> str:
        """Where the operators' console and its API answer."""
        return f"{self.api_url}/{PATH}"

    @property
    def secret(self) -> str:
        """What it sends along with every update."""
        return self.sandbox.webhook.settings.secret

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._server.serve([self._listening]))
        while not self._server.started:  # noqa: ASYNC110 (it has no event for that)
            await asyncio.sleep(0.01)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = True
        if self._task is not None:
            await self._task

    async def delivers(self) -> bool:
        """Whether a webhook is set."""
        return bool(self.sandbox.webhook.settings.url)

    @contextlib.contextmanager
    def limiting(self, chat: int, *, calls: int, seconds: float) -> Iterator[None]:
        """Give one group a budget, kept as strictly as Telegram keeps its own."""
        limits, rate = self.sandbox.limits, Rate(calls, seconds)
        patient = limits.profile
        limits.profile = replace(patient, absorbed=0)  # short waits are refused, too, so that tests are quick
        limits.group, limits._groups[chat] = rate, [Window(rate)]
        for other in self.sandbox.backend.world.chats:
            limits._groups.setdefault(other, [])  # only this one is limited
        try:
            yield
        finally:
            limits.group, limits.profile = None, patient

    @contextlib.asynccontextmanager
    async def holding(
        self, method: str, *, chat: int | None = None, answered: bool = False
    ) -> AsyncIterator[Held]:
        """Hold every call of a method inside the block; with `answered` only its answer is held."""
        held = Held(method, chat, answered=answered)
        self.line.holds.append(held)
        try:
            yield held
        finally:
            self.line.holds.remove(held)
            held.release()

    @contextlib.contextmanager
    def refusing(self, part: str, status: int, description: str) -> Iterator[Line]:
        """Answer every call that carries these words with a refusal."""
        self.line.refused = 0
        self.line.refusal = Refusal(part.encode(), status, description)
        try:
            yield self.line
        finally:
            self.line.refusal = None

    def fault(self, kind: str, **more: Any) -> Fault:
        """Switch one of the sandbox' faults on."""
        return self.sandbox.faults.add(Fault(kind=kind, **more))

    @contextlib.contextmanager
    def far_away(self, seconds: float) -> Iterator[None]:
        """Let every call take so long, as it does across an ocean."""
        self.line.delay = seconds
        try:
            yield
        finally:
            self.line.delay = 0

    def forget_topics(self, chat: int) -> None:
        """Let its server look for each topic again, as it does a minute after it has last done so."""
        for topic in self.sandbox.backend.world.chats[chat].topics.values():
            topic.seen.clear()

    def restore(self, chat: int, topic: int) -> None:
        """Bring a deleted topic back, as Telegram's support can; its messages are gone."""
        self.sandbox.backend.world.chats[chat].topics[topic].deleted = False


class _Server(SandboxServer):
    """Leaves the signals to pytest."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


async def _refuse(send: Send, refusal: Refusal) -> None:
    answer = {"ok": False, "error_code": refusal.status, "description": refusal.description}
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


def _again(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
