"""A whole Topicwire for tests: web and worker as real processes, a Telegram that tests can play with.

    house   PostgreSQL (shared), a Valkey of its own, web processes, workers, a sandbox
    shop    one project and its group in the house; every journey opens its own

A journey sees only what a visitor or an operator sees. Nothing is patched; what the world may do to
us (kill -9, a lost answer, a Redis that is gone) is done for real.
"""

import asyncio
import operator
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx
from sqlalchemy import text

from tests.journeys.operators import Operators
from tests.journeys.telegram import TOKEN, Telegram
from tests.journeys.visitor import Visitor
from tests.mailbox import Mailbox
from topicwire import jobs, notifier, settings, wiring
from topicwire.background import end
from topicwire.children import GO
from topicwire.db import Database
from topicwire.domain import projects
from topicwire.embedded import Servers
from topicwire.sandbox.world import Person
from topicwire.settings import Settings

_AGE_GROUPS = """
    UPDATE groups SET asked_at = asked_at - make_interval(secs => :seconds),
      doubt_due = doubt_due - make_interval(secs => :seconds),
      doubts = coalesce((
        SELECT jsonb_agg(jsonb_set(d, '{at}', to_jsonb((d ->> 'at')::float8 - :seconds)))
        FROM jsonb_array_elements(doubts) d), '[]'),
      lease_until = lease_until - make_interval(secs => :seconds),
      not_before = not_before - make_interval(secs => :seconds)
"""
_AGE_TROUBLES = "UPDATE groups SET trouble_since = trouble_since - make_interval(secs => :seconds)"
_AGE_ALARMS = "UPDATE alarms SET not_before = not_before - make_interval(secs => :seconds)"
_AGE_OUTBOX = "UPDATE outbox SET not_before = not_before - make_interval(secs => :seconds)"

T = TypeVar("T")

SECRET_KEY = "a secret of the tests that is long enough"
METRICS_TOKEN = "metrics of the tests"
OWNER = "owner@example.com"
NEVER_GIVEN = range(20_000, 32_000)  # ports that Linux and macOS give nobody who asks for any
GLANCE = 0.02  # seconds between two looks at a condition
PATIENCE = 20.0  # seconds
START = 60.0  # seconds for a process to start, which takes long on a busy machine


async def eventually(look: Callable[[], Awaitable[T | None]], what: str, *, within: float = PATIENCE) -> T:
    """What `look` gives as soon as that is true."""
    deadline = time.monotonic() + within
    while True:
        found = await look()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what}: not within {within:g} s"
        await asyncio.sleep(GLANCE)


def free_port() -> int:
    """A port that nobody uses, nor is given by the system before we listen on it.

    The tests beside us open connections all the time, and each takes one of those that the system gives.
    """
    while True:
        port = secrets.choice(NEVER_GIVEN)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Process:
    """One process of ours, with its log. Like a child of `up` it ends when we do, in whatever way."""

    def __init__(self, command: str, environment: Mapping[str, str], log: Path) -> None:
        self.name = command
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 (our own command)
                [sys.executable, "-m", "topicwire.cli", command, "--supervised"],
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
            )
        assert self._process.stdin is not None
        os.write(self._process.stdin.fileno(), GO)

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    async def kill(self) -> None:
        """End it as a power cut would."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        await self._end(signal.SIGTERM)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it stand still inside the block, as a machine does that has no memory left."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    async def _end(self, number: signal.Signals) -> None:
        if self.alive:
            self._process.send_signal(number)
        await asyncio.to_thread(self._process.wait, PATIENCE)
        if self._process.stdin is not None:
            self._process.stdin.close()

    def check(self) -> None:
        """It still runs, or it is the test's fault: show what it said last."""
        assert self.alive, f"{self.name} ended:\n{self.log.read_text()[-3000:]}"


class House:
    """Everything that `topicwire up` would start, on addresses of the tests."""

    def __init__(self, folder: Path, database_url: str, servers: Servers, **options: str) -> None:
        self.folder = folder
        self.servers = servers
        self.telegram = Telegram()
        self.mailbox = Mailbox()
        self.port = free_port()
        self.environment = {
            "DATABASE_URL": database_url,
            "REDIS_URL": str(servers.redis_url),
            "SECRET_KEY": SECRET_KEY,
            "METRICS_TOKEN": METRICS_TOKEN,
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "TELEGRAM_API_URL": self.telegram.api_url,
            "TELEGRAM_GROUP_RATE": "off",  # journeys that are about the budget set one
            "TELEGRAM_BOT_RATE": "off",
            "PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "PORT": str(self.port),
            "DATA_DIR": str(folder / "data"),
            "LOG_FORMAT": "json",
            "LIMIT_CONVERSATION": "off",
            "LIMIT_PROJECT": "off",
            **options,
        }
        self.database = Database(database_url)
        self.http = httpx.AsyncClient(trust_env=False, timeout=PATIENCE)
        self.processes: list[Process] = []
        self.shops = 0

    @property
    def url(self) -> str:
        """Where the first web process answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> Settings:
        """What the processes were told."""
        return settings.read(self.environment)

    async def open(self) -> None:
        """Start everything; returns when all parts are ready."""
        await self.mailbox.open()
        self.environment |= {"SMTP_URL": self.mailbox.url, "MAIL_FROM": "Topicwire <support@shop.example>"}
        self._run("web", {})
        self._run("worker", {})
        await self.ready()

    async def ready(self) -> None:
        """Wait until the web process, the database, Redis and a worker answer."""
        await self._answers(f"{self.url}/readyz")
        if self.settings.telegram_updates == "webhook":
            await eventually(self.telegram.delivers, "the webhook is set")

    async def close(self) -> None:
        """End everything; fails if a process met something that nobody had foreseen."""
        await asyncio.gather(*(process.stop() for process in self.processes))
        await self.http.aclose()
        await self.database.close()
        self.mailbox.close()
        for log in sorted(self.folder.glob("*.log")):
            surprises = [line for line in log.read_text().splitlines() if _is_surprise(line)]
            assert not surprises, f"{log.name}: {surprises[0][:3000]}"

    async def open_shop(self, *, origins: Sequence[str] = (), **group: Any) -> "Shop":
        """A project with a group of its own."""
        self.shops += 1
        operators = await Operators.gather(self.telegram, self.http, f"Shop {self.shops}", **group)
        made = await wiring.provision(
            self.settings,
            owner=f"owner{self.shops}@example.com",
            name=f"Shop {self.shops}",
            chat_id=operators.chat,
            origins=origins,
        )
        return Shop(self, f"Shop {self.shops}", made, operators, f"owner{self.shops}@example.com")

    async def provision(self, name: str) -> wiring.Provisioned:
        """A project without a group, and the code that links one."""
        return await wiring.provision(self.settings, owner=OWNER, name=name, chat_id=None)

    async def link_code(self, project_id: str) -> str:
        """One more code that links a group to a project."""
        async with self.database.begin() as db:
            return await projects.make_link_code(db, project_id)

    # Processes that a journey starts and ends

    @asynccontextmanager
    async def another_web(self, **options: str) -> AsyncIterator[str]:
        """The address of one more web process, told these settings besides."""
        port = free_port()
        process = self._run("web", {"PORT": str(port), **options})
        try:
            await self._answers(f"http://127.0.0.1:{port}/healthz")
            yield f"http://127.0.0.1:{port}"
        finally:
            await self._forget(process)

    @asynccontextmanager
    async def another_worker(self) -> AsyncIterator[Process]:
        """One more worker, which listens already."""
        process = await self._start_worker()
        try:
            yield process
        finally:
            await self._forget(process)

    async def restart_web(self) -> None:
        """SIGTERM the first web process, and start it again."""
        await self.stop_web()
        await self.start_web()

    async def stop_web(self) -> None:
        """SIGTERM the first web process."""
        await self._forget(self._first("web"))

    async def start_web(self) -> None:
        """Start the first web process again."""
        self._run("web", {})
        await self._answers(f"{self.url}/healthz")

    async def restart_worker(self) -> None:
        """SIGTERM the first worker, and start another."""
        await self._forget(self.worker)
        await self.replace_worker()

    async def replace_worker(self) -> None:
        """Start a worker in the place of one that has ended."""
        await self._start_worker()

    async def kill_worker(self) -> None:
        """End the first worker as a power cut would."""
        await self._kill(self.worker)

    async def kill_web(self) -> None:
        """End the first web process as a power cut would."""
        await self._kill(self._first("web"))

    @property
    def worker(self) -> Process:
        """The first worker."""
        return self._first("worker")

    async def let_leases_pass(self) -> None:
        """Put the clock forward for the leases that a killed worker leaves behind."""
        async with self.database.begin() as db:
            await db.execute(text("UPDATE groups SET lease_until = now() WHERE lease_until > now()"))
            await db.execute(text("UPDATE leases SET until = now() WHERE until > now()"))

    async def let_time_pass(self, seconds: float) -> None:
        """Put the clock forward for everything that waits: pauses, leases, asked topics, mails to owners."""
        async with self.database.begin() as db:
            for change in (_AGE_GROUPS, _AGE_TROUBLES, _AGE_ALARMS, _AGE_OUTBOX):
                await db.execute(text(change), {"seconds": seconds})

    @asynccontextmanager
    async def time_flies(self) -> AsyncIterator[None]:
        """Let everything that waits wait a minute less, three times a second."""

        async def fly() -> None:
            while True:
                await self.let_time_pass(60)
                await asyncio.sleep(0.3)

        flying = asyncio.create_task(fly())
        try:
            yield
        finally:
            await end(flying)

    async def flush_redis(self) -> None:
        """Let Redis forget everything."""
        redis = notifier.client(str(self.servers.redis_url))
        await redis.flushall()
        await redis.aclose()

    async def scalar(self, statement: str, **values: Any) -> Any:
        """One value from the database: for what nobody outside may see, such as that nothing was stored."""
        async with self.database.statement() as db:
            found = (await db.execute(text(statement), values)).first()
            return None if found is None else found[0]

    def _first(self, command: str) -> Process:
        return next(process for process in self.processes if process.name == command)

    def _run(self, command: str, environment: Mapping[str, str]) -> Process:
        log = self.folder / f"{command}.log"
        process = Process(command, {**self.environment, **environment}, log)
        self.processes.append(process)
        return process

    async def _kill(self, process: Process) -> None:
        await process.kill()
        self.processes.remove(process)

    async def _forget(self, process: Process) -> None:
        await process.stop()
        self.processes.remove(process)

    async def _answers(self, url: str) -> None:
        async def ok() -> bool:
            for process in self.processes:
                process.check()
            try:
                return (await self.http.get(url)).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(ok, url, within=START)

    async def _start_worker(self) -> Process:
        """One more worker, once all of them listen."""
        # Redis may hold a worker that has just ended for a living one, which would be taken for the new.
        await eventually(lambda: self._listeners_are(operator.le), "the workers that ended listen no more")
        process = self._run("worker", {})
        await eventually(lambda: self._listeners_are(operator.ge), "the new worker listens", within=START)
        return process

    async def _listeners_are(self, compare: Callable[[int, int], bool]) -> bool:
        """Whether those who wait for rings are so many, compared to the workers."""
        redis = notifier.client(str(self.servers.redis_url))
        try:
            listening = int((await redis.pubsub_numsub(jobs.WAKE))[0][1])
        finally:
            await redis.aclose()
        return compare(listening, sum(process.name == "worker" for process in self.processes))


class Shop:
    """One project, its group, and the people in both."""

    def __init__(
        self, house: House, name: str, made: wiring.Provisioned, operators: Operators, owner: str = OWNER
    ) -> None:
        self.house = house
        self.owner = owner
        self.name = name
        self.key = made.key
        self.project_id = made.id
        self.operators = operators

    def visitor(
        self, *, web: str | None = None, origin: str | None = None, host: str | None = None, **hello: Any
    ) -> Visitor:
        """Somebody who opens the chat; `hello`'s fields as in the protocol. Use it in `async with`."""
        address = (web or self.house.url).replace("http", "ws", 1)
        return Visitor(f"{address}/v1/widget/ws?key={self.key}", origin=origin, host=host, hello=hello)

    async def topic_of(self, visitor: Visitor) -> int:
        """The topic in which the visitor's conversation is held now, as soon as there is one."""

        async def look() -> int | None:
            found: int | None = await self.house.scalar(
                "SELECT topic_id FROM conversations WHERE id = :id", id=visitor.conversation
            )
            return found

        return await eventually(look, "the conversation has a topic")

    async def rev_reaches(self, conversation: str, rev: int) -> None:
        """Wait until so many changes of a conversation are committed."""

        async def look() -> bool:
            reached = await self.house.scalar("SELECT rev FROM conversations WHERE id = :id", id=conversation)
            return bool(reached == rev)

        await eventually(look, f"rev {rev}")

    def say_as_another_bot(self, topic: int, said: str) -> None:
        """Let some other bot write into a topic, which people's controls cannot do."""
        sandbox = self.house.telegram.sandbox
        chat = sandbox.backend.world.chats[self.operators.chat]
        other = Person(99, "Advertiser", username="advertiser_bot", is_bot=True)
        sandbox.backend.world.people[other.id] = other
        sandbox.backend.say(chat, other.id, {"text": said}, thread=topic)

    async def set_operator_name(self, name: str) -> None:
        """Let visitors see this name for everyone who answers."""
        async with self.house.database.begin() as db:
            change = text("UPDATE projects SET operator_name = :name WHERE id = :id")
            await db.execute(change, {"name": name, "id": self.project_id})


def _is_surprise(line: str) -> bool:
    return "Traceback" in line or '"level": "critical"' in line or " broke" in line


__all__ = ["House", "Operators", "Process", "Shop", "Telegram", "Visitor", "eventually", "free_port"]
