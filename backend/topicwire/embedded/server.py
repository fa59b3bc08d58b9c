"""A server that is our child, and the directory that is its own."""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, TypedDict
from urllib.parse import quote

import psutil

from topicwire.errors import UnavailableError

# The kernel keeps 104 bytes (macOS) or 108 (Linux) for the path of a socket.
LONGEST_SOCKET_PATH = 100
GLANCE = 0.02  # seconds between two looks at a process
PAUSES = (0.0, 0.3, 1.2)  # seconds before each try to start


class Account(TypedDict, total=False):
    """Whom to run a server as; empty means as ourselves."""

    user: int
    group: int
    extra_groups: list[int]


class Server(ABC):
    """One server over its life: `start`, `alive`, `stop`, each allowed in any state."""

    title: ClassVar[str]  # as people call it
    program: ClassVar[str]  # as the system calls its process
    socket_name: ClassVar[str]
    start_within: ClassVar[float]  # seconds
    # How it is asked to end: each signal, with the seconds that it is given before the next.
    farewell: ClassVar[Sequence[tuple[signal.Signals, float]]]

    def __init__(self, directory: Path, home: Path) -> None:
        self.directory = directory
        self.home = home.absolute()  # where it works, which tells it from others of its name
        self.log = directory / "log"
        self.account = Account()
        self.sockets = _plain_and_short(directory, self.socket_name)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where it listens once it runs; where paths are long, elsewhere after each `stop`."""

    @property
    def alive(self) -> bool:
        """Whether the process that `start` made is still running."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and see it answer; what an earlier run left of it is ended first.

        Tries again, because what has just been killed may hold its memory a moment longer.
        Raises `UnavailableError` with the last line of its log.
        """
        if self.sockets != self.directory and not self.sockets.exists():  # `stop` took it away
            self.sockets = _plain_and_short(self.directory, self.socket_name)
        self._prepare()
        for pause in PAUSES:
            time.sleep(pause)
            self._finish()
            self._evict()
            if self._try():
                return
        reason = _last_line(self.log)
        self.stop()
        raise UnavailableError(f"{self.title} does not start: {reason} (all of it in {self.log})")

    def stop(self) -> None:
        """End it, gently at first; it is gone when this returns."""
        self._finish()
        if self.sockets != self.directory:
            shutil.rmtree(self.sockets, ignore_errors=True)

    def _try(self) -> bool:
        self._process = self._spawn()
        deadline = time.monotonic() + self.start_within
        while self.alive and time.monotonic() < deadline:
            if self._ready(self._process.pid):
                return self._answers()
            time.sleep(GLANCE)
        return False

    def _finish(self) -> None:
        if self._process is not None:
            if self.alive:
                self._end(psutil.Process(self._process.pid))
            self._process.wait()
            self._process = None

    def _spawn(self) -> subprocess.Popen[bytes]:
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".old"))
        with self.log.open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - a program of a wheel, with words of ours
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env=clean_environment(),
                start_new_session=True,  # Ctrl-C in the terminal is for us, who then stop it in order
                **self.account,
            )

    def _evict(self) -> None:
        """End what an earlier run left on this home, and take away the files that say that it is there.

        We hold the directory's lock, so no living owner can be hurt. The files go because the server itself
        believes a stale one whose process number has been given to somebody else.
        """
        left = self._left_behind()
        if left is not None:
            self._end(left)
        for path in self._traces():
            path.unlink(missing_ok=True)

    def _left_behind(self) -> psutil.Process | None:
        try:
            process = psutil.Process(int(self._traces()[0].read_text().split()[0]))
            ours = process.name() == self.program and Path(process.cwd()) == self.home.resolve()
        except (OSError, ValueError, IndexError, psutil.Error):
            return None
        return process if ours else None

    def _end(self, process: psutil.Process) -> None:
        for signum, seconds in (*self.farewell, (signal.SIGKILL, 10.0)):
            try:
                process.send_signal(signum)
            except psutil.NoSuchProcess:
                return
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if _is_over(process):
                    return
                time.sleep(GLANCE)

    @abstractmethod
    def _prepare(self) -> None:
        """Make whatever must be there before the first start."""

    @abstractmethod
    def _command(self) -> list[str]:
        """The command line."""

    @abstractmethod
    def _traces(self) -> list[Path]:
        """The files by which it says that it is running; the first begins with its process number."""

    @abstractmethod
    def _ready(self, pid: int) -> bool:
        """Whether it says that it is ready: cheap, asked often."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether a client really gets an answer."""


def program(package: str, pattern: str) -> Path:
    """A program that a wheel brought, found without importing the wheel's Python code."""
    spec = importlib.util.find_spec(package)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for path in Path(place).glob(pattern):
            return path
    raise UnavailableError(
        f"{package} has no program for this machine; set DATABASE_URL and REDIS_URL instead"
    )


def clean_environment() -> dict[str, str]:
    """Our environment without what would change a server's ways: PGPORT, locales and the like."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C"}


def _plain_and_short(directory: Path, socket_name: str) -> Path:
    """The directory itself, unless a socket's path there would be too long, or different in an address."""
    for place in (directory, Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 - for a new directory
        path = str(place / "topicwire-12345678" / socket_name)
        if len(path.encode()) <= LONGEST_SOCKET_PATH and quote(path) == path:
            break
    return place if place == directory else Path(tempfile.mkdtemp(prefix="topicwire-", dir=place))


def _is_over(process: psutil.Process) -> bool:
    """Gone, or a zombie: one whose parent never asks for it stays in the table for good."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it says nothing"
