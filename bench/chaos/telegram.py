"""The sandbox in the benchmark's loop, a little way off, with an ear at its door.

What Telegram's server accepted goes into the ledger the moment it does, whatever becomes of the answer.
An answer can be held on the line, so that somebody can be killed exactly between the two.
"""

import asyncio
import contextlib
import re
import socket
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bench.chaos.ledger import Ledger
from bench.stand import TOKEN
from topicwire.sandbox.answers import RefusedError
from topicwire.sandbox.calls import Call
from topicwire.sandbox.faults import Fault
from topicwire.sandbox.server import Sandbox, SandboxConfig, SandboxServer
from topicwire.sandbox.world import MARA, Chat

RATE = "10/5"  # Telegram's 20/60 with its minute shortened, so that there is enough to see
AWAY = 0.05  # seconds, each way

_CHAT = re.compile(rb'name="chat_id"\s+(-?\d+)|chat_id=(-?\d+)')


class Held:
    """One call that was carried out and whose answer waits; `caller` is its client's port, then."""

    def __init__(self, method: str, chat: int) -> None:
        self.method = method.lower()
        self.chat = chat
        self.caller: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._gate = asyncio.Event()

    def fits(self, method: str, chat: int) -> bool:
        """Whether this is the call that is waited for."""
        return not self.caller.done() and (self.method, self.chat) == (method, chat)

    def release(self) -> None:
        """Let the answer go."""
        self._gate.set()

    async def wait(self) -> None:
        """Wait on the line."""
        await self._gate.wait()


class Line:
    """The way to Telegram and back."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.holds: list[Held] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/bot"):
            await self._app(scope, receive, send)
            return
        body = await _read(receive)
        await asyncio.sleep(AWAY)
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self._app(scope, _again(body), keep)
        held = self._hold(scope["path"].rpartition("/")[2].lower(), body)
        if held is not None:
            held.caller.set_result(scope["client"][1])
            await held.wait()
        await asyncio.sleep(AWAY)
        for message in answer:
            await send(message)

    def _hold(self, method: str, body: bytes) -> Held | None:
        found = _CHAT.search(body)
        chat = int(found[1] or found[2]) if found else 0
        return next((held for held in self.holds if held.fits(method, chat)), None)


class Telegram:
    """Telegram, its groups and the people in them."""

    def __init__(self, ledger: Ledger) -> None:
        # With the protocol named, asyncio switches Nagle's algorithm off: else each answer takes 40 ms.
        self._listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._listening.bind(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._server = _Server(
            SandboxConfig(port=self.port, token=TOKEN, secret_path="console", group_rate=RATE, bot_rate="off")
        )
        app: Any = self._server.config.app
        self.sandbox: Sandbox = app.state.sandbox
        self.line = Line(app)
        self._server.config.app = self.line
        self._task: asyncio.Task[None] | None = None
        self._ledger = ledger
        self._told = self.sandbox.calls.on_call
        self.sandbox.calls.on_call = self._hear
        self.floods = 0  # calls that the rules refused because there were too many

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._server.serve([self._listening]))
        while not self._server.started:  # noqa: ASYNC110 - it has no event for that
            await asyncio.sleep(0.01)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = True
        for held in self.line.holds:
            held.release()
        if self._task is not None:
            await self._task

    # The people

    def open_group(self, group: int, *, basic: bool = False) -> int:
        """A new group with the bot as its administrator; the chat's id."""
        kind = "group" if basic else "supergroup"
        chat = self.sandbox.operators.create_chat(
            f"Group {group}", kind, is_forum=not basic, bot="administrator"
        )
        self._ledger.chats[chat.id] = group
        return chat.id

    def write(self, conversation: int, group: int) -> bool:
        """An operator writes to a visitor, if their app lets them and the bot is there to see it."""
        chat_id, topic = self._ledger.topics[conversation]
        chat = self.sandbox.operators.chat(chat_id)
        if not chat.is_forum or not chat.member(self.sandbox.bot.id).is_in():
            return False
        said = self._ledger.write("o", conversation, group, time.monotonic())
        try:
            content = self.sandbox.operators.text(f"{said.mark} I have had a look, it is on its way.", None)
            self.sandbox.operators.post(chat, MARA, topic, content)
        except RefusedError:
            self._ledger.unwrite(said)
            return False
        return True

    def delete_topic(self, conversation: int) -> None:
        """Somebody deletes a visitor's topic."""
        chat, topic = self._place(conversation)
        self.sandbox.operators.delete_topic(chat, MARA, topic)

    def close_topic(self, conversation: int) -> None:
        """Somebody closes a visitor's topic."""
        chat, topic = self._place(conversation)
        self.sandbox.operators.close(chat, MARA, topic)

    def turn_forum(self, chat_id: int, *, on: bool) -> None:
        """Topics on or off; a basic group becomes another chat by that, of the same group."""
        chat = self.sandbox.operators.chat(chat_id)
        now = self.sandbox.operators.set_forum(chat, is_forum=on)
        self._ledger.chats[now.id] = self._ledger.chats[chat_id]

    def set_bot(self, chat_id: int, status: str) -> None:
        """Somebody removes the bot from a group, or makes it an administrator."""
        self.sandbox.operators.set_bot(self.sandbox.operators.chat(chat_id), status, None, actor=MARA)

    def _place(self, conversation: int) -> tuple[Chat, int]:
        chat_id, topic = self._ledger.topics[conversation]
        return self.sandbox.operators.chat(chat_id), topic

    # What goes wrong

    def fault(self, kind: str, **more: Any) -> Fault:
        """Switch a fault of the sandbox on."""
        return self.sandbox.faults.add(Fault(kind=kind, **more))

    @contextlib.asynccontextmanager
    async def holding(self, method: str, chat: int) -> AsyncIterator[Held]:
        """Hold the answer of the next call of a method in a chat, until the block ends."""
        held = Held(method, chat)
        self.line.holds.append(held)
        try:
            yield held
        finally:
            self.line.holds.remove(held)
            held.release()

    def _hear(self, call: Call) -> None:
        if self._told is not None:
            self._told(call)
        if call.status == 429 and not call.fault:
            self.floods += 1
        if not call.accepted:
            return
        if call.method == "sendMessage":
            sent = msgspec.json.decode(call.answer)["result"]
            topic = sent.get("message_thread_id") if sent.get("is_topic_message") else None
            self._ledger.show(
                sent["chat"]["id"], topic, sent["message_id"], sent.get("text", ""), time.monotonic()
            )
        elif call.method == "deleteMessage":
            self._ledger.take_back(int(call.params["chat_id"]), int(call.params["message_id"]))


class _Server(SandboxServer):
    """Leaves the signals to the benchmark."""

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


def _again(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
