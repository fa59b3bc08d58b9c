"""The sandbox put together: one bot, one world, two doors (the Bot API and the console)."""

import asyncio
import contextlib
import functools
import secrets
import signal
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from topicwire.sandbox.accounts import FIRST_UPDATE_ID, Account, BotState
from topicwire.sandbox.arguments import Arguments, to_integer
from topicwire.sandbox.backend import Backend
from topicwire.sandbox.bot_api import BotApi, unknown_path
from topicwire.sandbox.budget import budget
from topicwire.sandbox.calls import Call, CallLog
from topicwire.sandbox.clock import Clock, SystemClock
from topicwire.sandbox.connection import SandboxProtocol
from topicwire.sandbox.control import Control
from topicwire.sandbox.faults import Faults
from topicwire.sandbox.files import Files
from topicwire.sandbox.flood import PROFILES, Limits
from topicwire.sandbox.hosts import LoopbackOnly, guard, is_loopback
from topicwire.sandbox.live import Live
from topicwire.sandbox.meters import parse_rate
from topicwire.sandbox.operators import Operators
from topicwire.sandbox.pages import page_routes
from topicwire.sandbox.query import Query
from topicwire.sandbox.snapshot import Keeper, State, load
from topicwire.sandbox.updates import FeedState
from topicwire.sandbox.webhook import WebhookEngine, WebhookSettings
from topicwire.sandbox.world import SANDBOX_CHAT_ID, Person, new_world

__all__ = ["SANDBOX_CHAT_ID", "SandboxConfig", "SandboxServer", "build", "run"]

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
    profile: str = "standard"  # of the flood limits: standard, strict or lenient


class Sandbox:
    """Everything that lives as long as the server. Faults are switched on with `faults.add(Fault(...))`."""

    def __init__(self, config: SandboxConfig, clock: Clock) -> None:
        self.clock = clock
        self._config = config
        self._state = _state(config)
        world = self._state.world
        self.live = Live()
        self.calls = CallLog(clock)
        self.faults = Faults()
        folder = config.state_file.with_suffix(".files") if config.state_file else None
        self.files = Files(world, clock, folder)
        self.keeper = Keeper(config.state_file, self._state)
        self.accounts: dict[int, Account] = {}
        self._by_token: dict[str, Account] = {}
        self.backend = Backend(world, self.accounts, self.live, self.keeper, clock)
        self.bot_api = BotApi(self._by_token, self.query, self.calls, self.faults, self.files)
        first = BotState(config.token, self._state.feed, self._state.webhook)
        for bot_id, state in {world.bot.id: first, **self._state.others}.items():
            self._admit(world.people[bot_id], state)
        self.operators = Operators(self.backend, self.files)
        self.calls.on_call = self._show_call
        self.faults.on_change = self._show_faults

    @property
    def bot(self) -> Account:
        """The bot that the sandbox was started for."""
        return self.accounts[self._state.world.bot.id]

    @property
    def webhook(self) -> WebhookEngine:
        return self.bot.webhook

    @property
    def limits(self) -> Limits:
        return self.bot.limits

    def add_bot(self, first_name: str, username: str) -> Account:
        """One more bot, as from BotFather. RefusedError for a name that no bot can have."""
        person = self.operators.create_bot(first_name, username)
        state = BotState(f"{person.id}:{secrets.token_urlsafe(26)}")
        self._state.others[person.id] = state
        self.keeper.changed()
        return self._admit(person, state)

    def query(self, account: Account, arguments: Arguments) -> Query:
        return Query(account, arguments, self.backend, self.files, self.clock)

    def control(self) -> Control:
        return Control(
            self.backend.world,
            self.operators,
            accounts=self.accounts,
            add_bot=self.add_bot,
            calls=self.calls,
            faults=self.faults,
            files=self.files,
            live=self.live,
            clock=self.clock,
        )

    @contextlib.asynccontextmanager
    async def running(self, _: Starlette) -> AsyncIterator[None]:
        await self.keeper.open()
        for account in self.accounts.values():
            account.webhook.start()
        try:
            yield
        finally:
            self.bot_api.player.stop()
            for account in self.accounts.values():
                account.feed.stop()
                await account.webhook.stop()
            await self.keeper.close()

    def release(self) -> None:
        """Ends what waits for news, so that a server can stop at once."""
        self.live.close()
        self.calls.close()
        self.bot_api.player.stop()
        for account in self.accounts.values():
            account.webhook.poller.close()

    def _show_call(self, call: Call) -> None:
        if not self.live.heard:
            return
        chat_id = to_integer(str(call.params.get("chat_id", "")))
        left = budget(self.accounts[call.bot], chat_id, self.clock.now())
        self.live.tell({"type": "call", "call": call, "chat": chat_id, "budget": left})

    def _show_faults(self) -> None:
        if self.live.heard:
            self.live.tell({"type": "faults", "faults": self.faults.active})

    def _admit(self, person: Person, state: BotState) -> Account:
        config = self._config
        limits = Limits(parse_rate(config.group_rate), parse_rate(config.bot_rate), PROFILES[config.profile])
        account = Account(person, state, limits, self.clock, self.faults)
        account.webhook.on_method = functools.partial(self.bot_api.carry_out, account)
        self.accounts[person.id] = self._by_token[state.token] = account
        return account


class _App(Starlette):
    """Bots' calls go straight to their door: the way through routes and middleware costs more than a call."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sandbox: Sandbox = self.state.sandbox
        if scope["type"] == "http" and scope["path"].startswith("/bot"):
            await guard(sandbox.bot_api, scope, receive, send)
        elif scope["type"] == "http" and scope["path"].startswith("/file/bot"):
            await guard(sandbox.bot_api.download, scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


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
    app = _App(
        routes=[
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
                http=SandboxProtocol,
                access_log=False,
                proxy_headers=False,
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
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(server.serve())


def _check(config: SandboxConfig) -> None:
    if not is_loopback(config.host):
        raise ValueError(f"the sandbox is for this machine only, not for {config.host}")
    bot_id, colon, secret = config.token.partition(":")
    if not (bot_id.isdecimal() and colon and secret):
        raise ValueError("a bot token is <id>:<secret>")
    if config.profile not in PROFILES:
        raise ValueError(f"the profile is one of {', '.join(PROFILES)}")
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
