"""`topicwire up`: everything on one machine, as children of this process.

    lock -> port -> children (importing) -> servers -> migrations -> demo -> go -> ready -> watch
    Ctrl-C: web, worker, sandbox, then Valkey, then PostgreSQL

Only the children serve. This process holds the lock, watches them, and starts again what dies.
"""

import asyncio
import http.client
import os
import signal
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from types import FrameType
from typing import NoReturn

from rich.console import Console

from topicwire import ports, surroundings
from topicwire.children import Child, Crew, HopelessError, Terminal
from topicwire.embedded import Servers, datadir
from topicwire.errors import MisconfiguredError
from topicwire.sandbox.world import SANDBOX_CHAT_ID
from topicwire.settings import Settings

GLANCE = 0.2  # seconds between two looks at the children
QUIET = 20.0  # seconds of starting after which what the children say is shown
SANDBOX_PORTS = 20  # how many ports above ours are tried
PATIENCE_AFTER_A_KILL = 8.0  # seconds for the children of a killed `up` to leave the port
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """Somebody asked us to end."""


class Asked:
    """Whether somebody asked us to end.

    The first signal only leaves a note, which is read between two steps: a step that is cut short could
    leave a process behind. A second one does cut short, unless the end has begun.
    """

    def __init__(self) -> None:
        self._times = 0
        self._ending = False
        for signum in STOPPING:
            if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN:  # nohup means it
                signal.signal(signum, self._note)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self._times += 1
        if self._times > 1 and not self._ending:
            raise Stopped

    def check(self) -> None:
        """Raise `Stopped` if somebody did."""
        if self._times:
            raise Stopped

    def end(self) -> None:
        """From here on nothing is cut short."""
        self._ending = True


@dataclass(frozen=True)
class Sandbox:
    """Where the sandbox answers."""

    port: int
    path: str

    @property
    def api_url(self) -> str:
        """Its Bot API."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def console_url(self) -> str:
        """Its operators' console."""
        return f"{self.api_url}/{self.path}/"


@dataclass(frozen=True)
class Plan:
    """Everything that is decided before anything is started."""

    settings: Settings  # with nothing left open
    servers: Servers
    sandbox: Sandbox | None
    crew: Crew


def run(settings: Settings, *, shared_bot: bool = True) -> None:
    """Run until asked to end; raises `TopicwireError` when that cannot be done."""
    began = time.monotonic()
    asked = Asked()
    try:
        with ExitStack() as stack:
            _check_bot(settings, shared_bot)
            lock = stack.enter_context(datadir.take(settings.data_dir, "up"))
            _check_ports(settings, PATIENCE_AFTER_A_KILL if lock.after_a_kill else 0)
            _check_redis(settings)
            plan = _plan(settings, shared_bot)
            _say(f"Topicwire is starting; its data is in {settings.data_dir}")
            stack.callback(plan.servers.stop)  # third
            stack.callback(plan.crew.end)  # second
            stack.callback(asked.end)  # first
            demo = _start(plan, lock, asked)
            _welcome(plan, demo, time.monotonic() - began)
            _watch(plan, asked)
    except Stopped:
        _say("Stopped.")


def _start(plan: Plan, lock: datadir.Lock, asked: Asked) -> str | None:
    """Start everything, up to the moment at which it can be used; the key of the sandbox's demo project."""
    plan.crew.start()
    asked.check()
    plan.servers.start()
    asked.check()
    demo = _furnish(plan)
    _announce(lock, plan)
    plan.crew.go()
    _await_ready(plan, asked)
    plan.crew.terminal.release()  # before the addresses, which are to be seen last
    return demo


def _check_bot(settings: Settings, shared_bot: bool) -> None:
    if settings.telegram_bot_token and not shared_bot:
        raise MisconfiguredError(
            "TELEGRAM_BOT_TOKEN: is set, which --no-shared-bot rules out; drop one of them"
        )
    if not settings.telegram_bot_token and shared_bot and not settings.local:
        raise MisconfiguredError(
            "TELEGRAM_BOT_TOKEN: not set, and the sandbox is only for HOST and PUBLIC_URL on this machine;"
            " set a bot's token, or pass --no-shared-bot if each project brings its own bot"
        )


def _check_ports(settings: Settings, patience: float) -> None:
    ports.check(settings.host, settings.port, patience=patience)
    with suppress(MisconfiguredError):  # any port does for the sandbox, but people keep its address
        ports.check("127.0.0.1", settings.port + 1, patience=patience)


def _check_redis(settings: Settings) -> None:
    if settings.redis_url is not None:
        from topicwire import reach  # noqa: PLC0415 - our own needs no look

        asyncio.run(reach.redis(settings.redis_url))


def _plan(settings: Settings, shared_bot: bool) -> Plan:
    servers = Servers(settings.data_dir, postgres=not settings.database_url, redis=not settings.redis_url)
    sandbox = _sandbox(settings) if shared_bot and not settings.telegram_bot_token else None
    keys = surroundings.secret_keys(settings)
    complete = surroundings.filled(
        replace(settings, secret_keys=keys), servers.database_url, servers.redis_url
    )
    complete = surroundings.with_sandbox(complete, sandbox.api_url if sandbox else None)
    return Plan(complete, servers, sandbox, _crew(complete, sandbox))


def _sandbox(settings: Settings) -> Sandbox:
    for port in range(settings.port + 1, min(settings.port + SANDBOX_PORTS, 65535) + 1):
        if ports.is_free("127.0.0.1", port):
            return Sandbox(port, surroundings.sandbox_path(settings))
    raise MisconfiguredError(
        f"PORT: none of the {SANDBOX_PORTS} ports above {settings.port} is free for the sandbox"
    )


def _crew(settings: Settings, sandbox: Sandbox | None) -> Crew:
    terminal = Terminal()
    environment = os.environ | _environment(settings)
    commands: list[tuple[str, list[str]]] = [("web", []), ("worker", [])]
    if sandbox:
        commands.append(("sandbox", ["--port", str(sandbox.port)]))
    return Crew([Child(name, words, environment, terminal) for name, words in commands], terminal)


def _environment(settings: Settings) -> dict[str, str]:
    """What the children must know beyond what we were told ourselves."""
    known = {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "SECRET_KEY": ",".join(settings.secret_keys),
        "DATA_DIR": str(settings.data_dir),
        "TELEGRAM_BOT_TOKEN": settings.telegram_bot_token,
        "TELEGRAM_API_URL": settings.telegram_api_url,
        "TELEGRAM_UPDATES": settings.telegram_updates,
        "LOG_FORMAT": settings.log_format or ("console" if sys.stderr.isatty() else None),
    }
    return {name: value for name, value in known.items() if value}


def _furnish(plan: Plan) -> str | None:
    """Bring the database to the newest schema; with a sandbox, the key of its demo project.

    Imports late: the children, who need longer, are to have the processors first.
    """
    from topicwire import wiring  # noqa: PLC0415
    from topicwire.db import migrate  # noqa: PLC0415

    migrate(plan.settings.database)
    return asyncio.run(wiring.ensure_demo(plan.settings, SANDBOX_CHAT_ID)) if plan.sandbox else None


def _announce(lock: datadir.Lock, plan: Plan) -> None:
    lock.announce(
        datadir.Holder(
            pid=os.getpid(),
            role="up",
            ready=True,
            database_url=plan.servers.database_url,
            redis_url=plan.servers.redis_url,
            sandbox_url=plan.sandbox.api_url if plan.sandbox else None,
        )
    )


def _await_ready(plan: Plan, asked: Asked) -> None:
    patient_until = time.monotonic() + QUIET
    while not _is_ready(plan):
        if time.monotonic() > patient_until:
            patient_until = float("inf")
            plan.crew.terminal.release()
            _say("Still starting; what the processes say is shown from here on.")
        _look(plan, asked)
    plan.crew.ready = True


def _is_ready(plan: Plan) -> bool:
    if not all(child.alive for child in plan.crew.children):
        return False
    if plan.sandbox and _status("127.0.0.1", plan.sandbox.port, "/") is None:
        return False
    return _status(_reachable(plan.settings.host), plan.settings.port, "/readyz") == http.HTTPStatus.OK


def _reachable(host: str) -> str:
    """Where to knock for a server that listens on `host`: "everywhere" is no address."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def _status(host: str, port: int, path: str) -> int | None:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _watch(plan: Plan, asked: Asked) -> NoReturn:
    while True:
        _look(plan, asked)


def _look(plan: Plan, asked: Asked) -> None:
    """Start again what has died, say so, and wait a little."""
    asked.check()
    try:
        news = [f"{name} had ended and was started again" for name in plan.servers.mend()]
        news += plan.crew.watch()
    except HopelessError as hopeless:
        for line in hopeless.last_lines:
            print(f"  {hopeless.name} | {line}", file=sys.stderr)  # noqa: T201
        raise
    for line in news:
        plan.crew.terminal.write(f"topicwire: {line}\n".encode())
    time.sleep(GLANCE)


def _welcome(plan: Plan, demo: str | None, seconds: float) -> None:
    _say(f"[bold green]Ready[/] after {seconds:.1f} s.\n")
    if plan.sandbox:
        _say(f"  Demo page           [bold cyan]{plan.settings.public_url}/demo?key={demo}[/]")
        _say(f"  Operators' console  [bold cyan]{plan.sandbox.console_url}[/]\n")
        _say("Write in the demo page and answer in the console, which stands in for a Telegram group.")
        _say("With a bot of your own: [bold]TELEGRAM_BOT_TOKEN=… make run[/]")
    else:
        _say(f"  Address  [bold cyan]{plan.settings.public_url}[/]\n")
        _say("Next: [bold].venv/bin/topicwire projects create --owner you@example.com --name 'My shop'[/]")
    _say("Ctrl-C stops everything; nothing is lost.")


def _say(line: str) -> None:
    Console(highlight=False, soft_wrap=True).print(line)
