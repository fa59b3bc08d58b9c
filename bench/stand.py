"""What a benchmark stands on: servers of its own in a directory of its own, and processes, all ended at last.

Nothing here needs or touches an installation: PostgreSQL and Valkey are the embedded ones, everything
listens on loopback, and the directory goes when the benchmark ends.
"""

import asyncio
import os
import resource
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from aiohttp import ClientError, ClientSession

from topicwire import db
from topicwire.embedded import Servers

ROOT = Path(__file__).parents[1]
TOKEN = "4242:" + "bench" * 7
READY_WITHIN = 60.0  # seconds; a worker loads aiogram first
STOP_WITHIN = 20.0  # seconds
GLANCE = 0.05


class NotReadyError(Exception):
    """A process ended or did not answer in time; the message carries its last lines."""


@dataclass(frozen=True, kw_only=True)
class Stand:
    """Two databases and a Redis: one database for us, one for the floor."""

    directory: Path
    database_url: str
    floor_database_url: str
    redis_url: str
    secret_key: str

    def environment(self, *, port: int, api_port: int) -> dict[str, str]:
        """Our processes' environment: every limit lifted, Telegram's budgets too."""
        return {
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "SECRET_KEY": self.secret_key,
            "DATA_DIR": str(self.directory / "data"),
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "TELEGRAM_API_URL": f"http://127.0.0.1:{api_port}",
            "TELEGRAM_GROUP_RATE": "off",
            "TELEGRAM_BOT_RATE": "off",
            "LIMIT_CONVERSATION": "off",
            "LIMIT_PROJECT": "off",
            "LOG_LEVEL": "warning",
        }

    def floor_environment(self, *, port: int, api_port: int) -> dict[str, str]:
        """The floor's processes' environment."""
        return {
            "PORT": str(port),
            "DATABASE_URL": self.floor_database_url,
            "REDIS_URL": self.redis_url,
            "API_URL": f"http://127.0.0.1:{api_port}",
            "HOOK_SECRET": self.secret_key,
        }


@contextmanager
def stand() -> Iterator[Stand]:
    """Run PostgreSQL and Valkey, our database migrated, the floor's empty."""
    with tempfile.TemporaryDirectory(prefix="topicwire-bench-") as place:
        directory = Path(place)
        with Servers(directory / "servers") as servers:
            ours, redis = str(servers.database_url), str(servers.redis_url)
            db.migrate(ours)
            asyncio.run(_make_database(ours, "floor"))
            yield Stand(
                directory=directory,
                database_url=ours,
                floor_database_url=ours.replace("/topicwire?", "/floor?"),
                redis_url=redis,
                secret_key=secrets.token_hex(32),
            )


async def _make_database(url: str, name: str) -> None:
    connection = await asyncpg.connect(url)  # type: ignore[no-untyped-call]
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()


@asynccontextmanager
async def process(
    stand: Stand, name: str, module: str, *arguments: str, environment: Mapping[str, str]
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Run `python -m module` with this environment and little else, until the block ends."""
    log = stand.directory / f"{name}.log"
    inherited = {
        key: value
        for key, value in os.environ.items()
        if key in ("PATH", "HOME", "TMPDIR", "LANG", "PYTHONPATH")
    }
    with log.open("wb") as output:
        child = subprocess.Popen(  # noqa: ASYNC220, S603 - our own module; it takes a millisecond to begin
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={**inherited, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the benchmark, which then ends it in order
        )
    try:
        yield child
    finally:
        await asyncio.to_thread(_end, child)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(STOP_WITHIN)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


async def ready(stand: Stand, url: str, children: Mapping[str, subprocess.Popen[bytes]]) -> None:
    """Wait until `url` answers 200; raises `NotReadyError` when one of the children ends before."""
    deadline = time.monotonic() + READY_WITHIN
    async with ClientSession() as session:
        while not await _answers(session, url):
            ended = [name for name, child in children.items() if child.poll() is not None]
            if ended or time.monotonic() > deadline:
                raise NotReadyError(_last_words(stand, ended or list(children)))
            await asyncio.sleep(GLANCE)


async def _answers(session: ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return response.status == 200
    except ClientError:
        return False


def _last_words(stand: Stand, names: list[str]) -> str:
    said = [
        f"{name}: {(stand.directory / f'{name}.log').read_text(errors='replace')[-2000:]}" for name in names
    ]
    return "not ready\n" + "\n".join(said)


def free_port() -> int:
    """A port on loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def raise_open_files(wanted: int) -> int:
    """Allow ourselves and our children so many open files, or as many as we may; how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (max(wanted, hard), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, limit), limit))
        except (ValueError, OSError):
            continue
        break
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
