"""The sandbox put together: one bot, one world, two doors (the Bot API and the console)."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.middleware import Middleware
from starlette.routing import Mount, Route

from topicwire.sandbox.arguments import Arguments
from topicwire.sandbox.backend import Backend
from topicwire.sandbox.bot_api import BotApi, unknown_path
from topicwire.sandbox.calls import CallLog
from topicwire.sandbox.clock import Clock, SystemClock
from topicwire.sandbox.control import Control
from topicwire.sandbox.flood import Limits, parse_rate
from topicwire.sandbox.hosts import LoopbackOnly, is_loopback
from topicwire.sandbox.live import Live
from topicwire.sandbox.operators import Operators
from topicwire.sandbox.pages import page_routes
from topicwire.sandbox.query import Query
from topicwire.sandbox.snapshot import Keeper, State, load
from topicwire.sandbox.updates import Feed, FeedState
from topicwire.sandbox.webhook import WebhookEngine, WebhookSettings
from topicwire.sandbox.world import SANDBOX_CHAT_ID, new_world

__all__ = ["SANDBOX_CHAT_ID", "SandboxConfig", "SandboxServer", "build", "run"]

FIRST_UPDATE_ID = 730_410_001
STOP_SECONDS = 2


@dataclass(frozen=True, kw_only=True)
class SandboxConfig:
    """What a sandbox needs to know; rates are `calls/seconds` or `off`."""

    host: str = "127.0.0.1"
    port: int = 8001
    token: str  # the one bot's, "<id>:<secret>"
    secret_path: str  # the console's unguessable address
    state_file: Path | None = None  # where the world is kept across restarts; None: in memory only
    group_rate: str = "20/60"
    bot_rate: str = "30/1"


class Sandbox:
    """Everything that lives as long as the server."""

    def __init__(self, config: SandboxConfig, clock: Clock) -> None:
        self.clock = clock
        state = _state(config)
        self.live = Live()
        self.calls = CallLog(clock)
        self.keeper = Keeper(config.state_file, state)
        self.feed = Feed(state.feed, clock)
        self.limits = Limits(parse_rate(config.group_rate), parse_rate(config.bot_rate))
        self.backend = Backend(state.world, self.feed, self.live, self.keeper, clock)
        self.webhook = WebhookEngine(state.webhook, self.feed, clock)
        self.operators = Operators(self.backend)

    def query(self, arguments: Arguments) -> Query:
        return Query(arguments, self.backend, self.limits, self.clock, self.feed, self.webhook)

    def control(self) -> Control:
        return Control(
            self.backend.world,
            self.operators,
            calls=self.calls,
            live=self.live,
            feed=self.feed,
            limits=self.limits,
            webhook=self.webhook,
            clock=self.clock,
        )

    @contextlib.asynccontextmanager
    async def running(self, _: Starlette) -> AsyncIterator[None]:
        await self.keeper.open()
        self.webhook.start()
        try:
            yield
        finally:
            await self.webhook.stop()
            await self.keeper.close()

    def release(self) -> None:
        """Ends what waits for news, so that a server can stop at once."""
        self.live.close()
        self.calls.close()
        self.webhook.poller.replace("")


class _SignedNumber(Convertor[int]):
    """A path's number that may be negative, as groups' ids are."""

    regex = "-?[0-9]+"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("signed", _SignedNumber())


def build(config: SandboxConfig, clock: Clock | None = None) -> Starlette:
    """The whole application. ValueError if the configuration would open it to other machines."""
    _check(config)
    sandbox = Sandbox(config, clock or SystemClock())
    app = Starlette(
        routes=[
            Route("/bot{token}/{method}", BotApi(config.token, sandbox.query, sandbox.calls)),
            Mount(f"/{config.secret_path}/api", routes=sandbox.control().routes()),
            Mount(f"/{config.secret_path}", routes=page_routes()),
        ],
        middleware=[Middleware(LoopbackOnly)],
        lifespan=sandbox.running,
    )
    app.router.default = unknown_path
    app.state.sandbox = sandbox
    return app


class SandboxServer(uvicorn.Server):
    """A server that lets go of streams and long polls when it is told to stop."""

    def __init__(self, config: SandboxConfig, clock: Clock | None = None) -> None:
        app = build(config, clock)
        self._sandbox: Sandbox = app.state.sandbox
        super().__init__(
            uvicorn.Config(
                app,
                host=config.host,
                port=config.port,
                access_log=False,
                log_level="warning",
                timeout_graceful_shutdown=STOP_SECONDS,
                server_header=False,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._sandbox.release()
        await super().shutdown(sockets)


def run(config: SandboxConfig) -> None:
    """Serves until SIGTERM or SIGINT."""
    server = SandboxServer(config)
    # The server handles both while it runs and raises them again when it is done: to stop is no failure.
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: None)
    asyncio.run(server.serve())


def _check(config: SandboxConfig) -> None:
    if not is_loopback(config.host):
        raise ValueError(f"the sandbox is for this machine only, not for {config.host}")
    bot_id, colon, secret = config.token.partition(":")
    if not (bot_id.isdecimal() and colon and secret):
        raise ValueError("a bot token is <id>:<secret>")
    if not config.secret_path or "/" in config.secret_path:
        raise ValueError("the secret path is one path segment")


def _state(config: SandboxConfig) -> State:
    bot_id = int(config.token.partition(":")[0])
    kept = load(config.state_file) if config.state_file else None
    if kept is not None and kept.world.bot.id == bot_id:
        return kept
    return State(  # another bot is in none of the kept groups, so its world is a new one
        world=new_world(bot_id),
        feed=FeedState(next_id=FIRST_UPDATE_ID),
        webhook=WebhookSettings(),
    )
