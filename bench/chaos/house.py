"""Two web processes, two workers, PostgreSQL, Valkey and Telegram: what the faults are done to."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import psutil

from bench.chaos.doomed import DOOM
from bench.chaos.door import Door
from bench.chaos.telegram import RATE, Telegram
from bench.stand import ROOT, TOKEN, NotReadyError, free_port
from topicwire import db, jobs, notifier, settings, wiring
from topicwire.children import GO
from topicwire.embedded import Servers
from topicwire.embedded.server import Server

READY_WITHIN = 60.0  # seconds; on a busy machine a worker takes long to start
STOP_WITHIN = 20.0
GLANCE = 0.05
EACH = 2  # web processes, and workers
INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "PYTHONPATH")


async def until(look: Callable[[], Awaitable[bool]], what: str, *, within: float = READY_WITHIN) -> None:
    """Wait for a condition; raises `NotReadyError` when it does not come."""
    deadline = time.monotonic() + within
    while not await look():
        if time.monotonic() > deadline:
            raise NotReadyError(f"{what}: not within {within:g} s")
        await asyncio.sleep(GLANCE)


class Process:
    """One of our processes over all its lives; it ends when we do, in whatever way."""

    def __init__(self, module: str, role: str, environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        self._command = [sys.executable, "-m", module, role, "--supervised"]
        self._environment = dict(environment)
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether it runs now."""
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        """Its number in its present life."""
        if self._child is None:
            raise RuntimeError("it was never started")
        return self._child.pid

    def start(self) -> None:
        """Begin a life."""
        with self.log.open("ab") as output:
            self._child = subprocess.Popen(  # noqa: S603 - our own command
                self._command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if self._child.stdin is None:
            raise RuntimeError("no pipe to a process that was started with one")
        os.write(self._child.stdin.fileno(), GO)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it is there."""
        if self._child is not None and self.alive:
            self._child.send_signal(number)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it; it is gone when this returns."""
        self.send(number)
        self.send(signal.SIGCONT)
        await self.gone()

    async def gone(self, within: float = STOP_WITHIN) -> None:
        """Wait until it has ended, and end it hard when it does not."""
        if self._child is None:
            return
        try:
            await asyncio.to_thread(self._child.wait, within)
        except subprocess.TimeoutExpired:
            self._child.kill()
            await asyncio.to_thread(self._child.wait)
        if self._child.stdin is not None:
            self._child.stdin.close()


class House:
    """Everything that runs, but the people."""

    def __init__(self, directory: Path, servers: Servers, telegram: Telegram, logs: Path) -> None:
        self.directory = directory
        self.logs = logs
        self.servers = servers
        self.telegram = telegram
        self.ports = [free_port() for _ in range(EACH)]
        self.door = Door(self.ports)
        self.webs: list[Process] = []
        self.workers: list[Process] = []
        self._environment: dict[str, str] = {}

    @property
    def processes(self) -> list[Process]:
        """Ours, all of them."""
        return [*self.webs, *self.workers]

    async def open(self) -> None:
        """Start everything; returns when all parts are ready."""
        self._environment = {
            "DATABASE_URL": str(self.servers.database_url),
            "REDIS_URL": str(self.servers.redis_url),
            "SECRET_KEY": "a secret of the benchmark that is long enough",
            "DATA_DIR": str(self.directory / "data"),
            "PUBLIC_URL": f"http://127.0.0.1:{self.door.port}",
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "TELEGRAM_API_URL": f"http://127.0.0.1:{self.telegram.port}",
            "TELEGRAM_GROUP_RATE": RATE,
            "LIMIT_CONVERSATION": "off",
            "LIMIT_PROJECT": "off",
            "LOG_FORMAT": "json",
        }
        inherited = {name: value for name, value in os.environ.items() if name in INHERITED}
        for number, port in enumerate(self.ports):
            ours = {**inherited, **self._environment, "PORT": str(port), DOOM: str(self._doom(number))}
            web = Process("bench.chaos.doomed", "web", ours, self.logs / f"web-{number}.log")
            worker = Process("topicwire.cli", "worker", ours, self.logs / f"worker-{number}.log")
            self.webs.append(web)
            self.workers.append(worker)
        await self.mend()
        await until(self._is_hooked, "the webhook is set")

    async def close(self) -> None:
        """End our processes."""
        await asyncio.gather(*(process.end() for process in self.processes))

    async def provision(self, name: str, chat: int) -> str:
        """A project with this chat as its group; its key."""
        told = settings.read(self._environment)
        made = await wiring.provision(told, owner="chaos@localhost", name=name, chat_id=chat)
        return made.key

    async def mend(self) -> None:
        """Start again whatever is down; returns when all of it is ready."""
        await asyncio.to_thread(self.servers.mend)
        for process in self.processes:
            if not process.alive:
                process.start()
        await until(self._webs_answer, "both web processes answer")
        await until(self._workers_listen, "both workers listen")

    async def cut_power(self) -> None:
        """Everything of ours, PostgreSQL and Valkey at once."""
        for process in self.processes:
            process.send(signal.SIGKILL)
        await asyncio.gather(self.kill_postgres(), self.kill_redis())
        await asyncio.gather(*(process.gone() for process in self.processes))

    def worker_at(self, port: int) -> Process:
        """The worker that has this port of its own."""
        for worker in self.workers:
            if worker.alive:
                used = psutil.Process(worker.pid).net_connections("tcp")
                if any(connection.laddr and connection.laddr.port == port for connection in used):
                    return worker
        raise NotReadyError(f"no worker has port {port}")

    async def doom(self, number: int) -> None:
        """Have a web process die between the commit of its next answer and the ring; returns when it has."""
        doom = self._doom(number)
        doom.touch()

        async def dead() -> bool:
            return not self.webs[number].alive

        await until(dead, "a web process has met an answer")
        await self.webs[number].gone()

    def _doom(self, number: int) -> Path:
        return self.directory / f"doom-{number}"

    # The servers

    async def kill_redis(self) -> None:
        """kill -9; what it knew is gone, since it keeps nothing."""
        if self.servers.redis is not None:
            await _kill(self.servers.redis, self.servers.redis.directory / "pid")

    async def kill_postgres(self) -> None:
        """kill -9 of its first process, upon which the others end themselves."""
        if self.servers.postgres is not None:
            await _kill(self.servers.postgres, self.servers.postgres.home / "postmaster.pid")

    async def restart_postgres(self) -> None:
        """As an upgrade of its package would."""
        if self.servers.postgres is not None:
            await asyncio.to_thread(self.servers.postgres.stop)
            await asyncio.to_thread(self.servers.postgres.start)

    # Readiness

    async def _webs_answer(self) -> bool:
        async with aiohttp.ClientSession() as session:
            for port in self.ports:
                try:
                    async with session.get(f"http://127.0.0.1:{port}/healthz") as answer:
                        if answer.status != 200:
                            return False
                except aiohttp.ClientError:
                    return False
        return True

    async def _workers_listen(self) -> bool:
        redis = notifier.client(str(self.servers.redis_url))
        try:
            return int((await redis.pubsub_numsub(jobs.WAKE))[0][1]) == EACH
        finally:
            await redis.aclose()

    async def _is_hooked(self) -> bool:
        return bool(self.telegram.sandbox.webhook.settings.url)

    def surprises(self) -> list[str]:
        """What our processes said that nobody had foreseen."""
        return [
            f"{process.log.stem}: {line}"
            for process in self.processes
            for line in process.log.read_text(errors="replace").splitlines()
            if "Traceback" in line or '"level": "critical"' in line
        ]


async def _kill(server: Server, pid_file: Path) -> None:
    said = await asyncio.to_thread(pid_file.read_text)
    os.kill(int(said.split()[0]), signal.SIGKILL)

    async def dead() -> bool:
        return not server.alive

    await until(dead, f"{server.title} is dead")


@asynccontextmanager
async def standing(directory: Path, servers: Servers, telegram: Telegram, logs: Path) -> AsyncIterator[House]:
    """A house in which everything runs, for as long as the block does."""
    house = House(directory, servers, telegram, logs)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(telegram)
        await stack.enter_async_context(house.door)
        stack.push_async_callback(house.close)
        await house.open()
        yield house


def place() -> tempfile.TemporaryDirectory[str]:
    """A directory for all of it, which goes when the benchmark ends."""
    return tempfile.TemporaryDirectory(prefix="topicwire-chaos-")


def migrate(servers: Servers) -> None:
    """Bring the new database to the newest schema."""
    db.migrate(str(servers.database_url))
