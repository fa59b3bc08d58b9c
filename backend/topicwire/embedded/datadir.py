"""The data directory: whose it is at the moment, and the secrets kept in it."""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Self

import msgspec

from topicwire.errors import MisconfiguredError, TopicwireError

PATIENCE = 30.0  # seconds that we wait for a command which is soon over
GLANCE = 0.05  # seconds between two looks
ENTRY = 2048  # bytes that an entry takes in the lock, filled up with blanks


class Holder(msgspec.Struct, frozen=True):
    """Who holds a data directory, as written into its lock."""

    pid: int
    role: str  # "up" stays until somebody ends it; "command" is soon over
    ready: bool = False
    database_url: str | None = None
    redis_url: str | None = None
    sandbox_url: str | None = None


class OccupiedError(TopicwireError):
    """Another process holds the data directory; `holder` says which."""

    def __init__(self, data_dir: Path, holder: Holder) -> None:
        super().__init__(
            f"process {holder.pid} already runs topicwire in {data_dir};"
            f" stop it (kill {holder.pid}) or choose another DATA_DIR"
        )
        self.holder = holder


class Lock:
    """The sole right to run servers in a data directory; the system takes it back however we end."""

    def __init__(self, data_dir: Path, role: str) -> None:
        """Take it, or raise `OccupiedError`."""
        self._file = os.open(prepare(data_dir) / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            # Nothing to read means that it changes hands this very moment.
            raise OccupiedError(data_dir, holder(data_dir) or Holder(0, "command")) from None
        self.after_a_kill = os.fstat(self._file).st_size > 0  # whoever had it last did not end well
        self.announce(Holder(os.getpid(), role))

    def announce(self, entry: Holder) -> None:
        """Tell other commands who we are and where our servers listen."""
        os.pwrite(self._file, msgspec.json.encode(entry).ljust(ENTRY), 0)  # one write: no reader sees a half

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.ftruncate(self._file, 0)
        os.close(self._file)


def take(data_dir: Path, role: str) -> Lock:
    """Take the lock; a command that has it is waited for, `up` is not: then `OccupiedError`."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return Lock(data_dir, role)
        except OccupiedError as occupied:
            if occupied.holder.role == "up" or time.monotonic() > deadline:
                raise
        time.sleep(GLANCE)


def holder(data_dir: Path) -> Holder | None:
    """Who last wrote into the lock; it may be gone, unless taking the lock has just failed."""
    try:
        return msgspec.json.decode((data_dir / "lock").read_bytes(), type=Holder)
    except (OSError, msgspec.DecodeError):
        return None


def prepare(data_dir: Path) -> Path:
    """The data directory, made for our eyes only where there is none."""
    try:
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        data_dir.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise MisconfiguredError(f"DATA_DIR: {data_dir} cannot be used: {error.strerror}") from None
    return data_dir


def secret(data_dir: Path, name: str, make: Callable[[], str]) -> str:
    """The secret of that name, made on the first call and the same ever after."""
    vault = prepare(data_dir) / "secrets"
    vault.mkdir(mode=0o700, exist_ok=True)
    path = vault / name
    if not path.exists():
        _write_once(path, make())
    return path.read_text().strip()


def _write_once(path: Path, value: str) -> None:
    """Whole or not at all, on the disk before anything is signed with it; the first of two writers wins."""
    with NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}-") as file:  # mode 0600
        file.write(f"{value}\n")
        file.flush()
        os.fsync(file.fileno())
        try:
            path.hardlink_to(file.name)
        except FileExistsError:
            return
