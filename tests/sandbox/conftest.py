"""A sandbox on a free port of this machine, driven over HTTP and by a clock that the tests move."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from topicwire.sandbox.clock import Clock, ManualClock
from topicwire.sandbox.server import SANDBOX_CHAT_ID, SandboxConfig, SandboxServer

TOKEN = "4200:secret"
SECRET_PATH = "c0ffee"
HOUR = 3600


async def until(condition: Callable[[], object], what: str = "the condition") -> None:
    """Returns once the condition holds; fails after ten seconds."""
    deadline = asyncio.get_running_loop().time() + 10
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"{what} never came true")
        await asyncio.sleep(0.002)


@dataclass
class Telegram:
    """A running sandbox."""

    base: str
    http: aiohttp.ClientSession
    clock: ManualClock
    chat: int = SANDBOX_CHAT_ID
    retry_after: str | None = None

    @property
    def console(self) -> str:
        return f"{self.base}/{SECRET_PATH}"

    async def call(self, method: str, **params: Any) -> tuple[int, dict[str, Any]]:
        """The status and the whole answer; chat_id is this chat's unless given, None leaves it out."""
        params = {"chat_id": self.chat} | params
        form = {name: _field(value) for name, value in params.items() if value is not None}
        async with self.http.post(f"{self.base}/bot{TOKEN}/{method}", data=form) as response:
            self.retry_after = response.headers.get("Retry-After")
            return response.status, await response.json()

    async def ok(self, method: str, **params: Any) -> Any:
        status, answer = await self.call(method, **params)
        assert status == 200, answer
        return answer["result"]

    async def refused(self, method: str, **params: Any) -> tuple[int, str]:
        status, answer = await self.call(method, **params)
        assert answer["ok"] is False, answer
        assert answer["error_code"] == status
        return status, answer["description"]

    async def act(self, path: str, **body: Any) -> Any:
        """What people do: a call of the control API, paths relative to the chat unless they begin with /."""
        return await self._control("POST", path, _body(body))

    async def look(self, path: str) -> Any:
        return await self._control("GET", path)

    async def erase(self, path: str) -> Any:
        return await self._control("DELETE", path)

    async def _control(self, verb: str, path: str, body: dict[str, Any] | None = None) -> Any:
        target = path if path.startswith("/") else f"/chats/{self.chat}/{path}"
        async with self.http.request(verb, f"{self.console}/api{target}", json=body) as response:
            answer = await response.json()
            assert response.status == 200, answer
            return answer

    async def forbidden(self, path: str, **body: Any) -> str:
        async with self.http.post(
            f"{self.console}/api/chats/{self.chat}/{path}", json=_body(body)
        ) as response:
            assert response.status == 400
            return str((await response.json())["error"])

    async def until(self, condition: Callable[[], object]) -> None:
        await until(condition)

    async def asleep(self, *seconds: float) -> None:
        """Returns once alarms stand exactly that many seconds ahead; without any: once there is one."""
        alarms = self.clock.alarms
        await until(lambda: alarms() == list(seconds) if seconds else alarms(), f"alarms {seconds}")

    async def topic(self, name: str = "Visitor") -> int:
        return int((await self.ok("createForumTopic", name=name))["message_thread_id"])

    async def say(self, text: str, **params: Any) -> Any:
        return await self.ok("sendMessage", text=text, **params)

    async def updates(self, **params: Any) -> list[Any]:
        """Polls, a few seconds after the last time: who asks for the same again at once is held."""
        self.clock.advance(3)
        return list(await self.ok("getUpdates", **params))

    async def group(self, **options: Any) -> "Telegram":
        """The same sandbox seen from another, new group."""
        chat = await self.act("/chats", **options)
        return Telegram(self.base, self.http, self.clock, chat["id"])


def _body(body: dict[str, Any]) -> dict[str, Any]:
    """`as_` is `as`, which Python keeps for itself."""
    return {name.rstrip("_"): value for name, value in body.items()}


def _field(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class _Server(SandboxServer):
    """Leaves the test run's signals alone, and stops at once instead of at the next look at the clock."""

    def __init__(self, config: SandboxConfig, clock: Clock) -> None:
        super().__init__(config, clock)
        self.stopping = asyncio.Event()

    async def main_loop(self) -> None:
        await self.stopping.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def running(**options: Any) -> AsyncIterator[Telegram]:
    """A sandbox of one's own; options are those of SandboxConfig, and `listen_on`, a port."""
    clock = options.pop("clock", None) or ManualClock()
    # With the protocol named, asyncio switches Nagle's algorithm off: else each answer takes 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", options.pop("listen_on", 0)))
    port = listening.getsockname()[1]
    server = _Server(SandboxConfig(token=TOKEN, secret_path=SECRET_PATH, port=port, **options), clock)
    # The loop stands still between tests, and then a call may go out on a connection that is closed as idle.
    server.config.timeout_keep_alive = HOUR
    serving = asyncio.create_task(server.serve([listening]))
    await until(lambda: server.started or serving.done(), "the server's start")
    try:
        async with aiohttp.ClientSession() as http:
            yield Telegram(f"http://127.0.0.1:{port}", http, clock)
    finally:
        server.should_exit = True
        server.stopping.set()
        await serving


Running = Callable[..., contextlib.AbstractAsyncContextManager[Telegram]]


@pytest.fixture(scope="session")
def sandbox() -> Running:
    """Starts sandboxes with options of their own."""
    return running


@pytest.fixture(scope="session")
async def shared() -> AsyncIterator[Telegram]:
    async with running(group_rate="off", bot_rate="off") as telegram:
        yield telegram


@pytest.fixture
async def telegram(shared: Telegram) -> Telegram:
    """A new forum group without limits, in a sandbox that other tests use too."""
    return await shared.group(title="Support")


@pytest.fixture
async def strict() -> AsyncIterator[Telegram]:
    """A sandbox of one's own with Telegram's limits."""
    async with running() as telegram:
        yield telegram


@pytest.fixture
def state_file(tmp_path: Path) -> Path:
    return tmp_path / "sandbox" / "world.json"
