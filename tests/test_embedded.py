"""Both servers for real: started, killed, started again; what was committed is there, nothing is left."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from redis import Redis

from topicwire.embedded import Servers, datadir
from topicwire.errors import UnavailableError

root_only = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root meets directories that the servers may not enter"
)


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """One data directory for all: making a cluster takes most of a second."""
    with tempfile.TemporaryDirectory(prefix="topicwire-") as folder:
        yield datadir.prepare(Path(folder) / "data")


@pytest.fixture
def servers(data_dir: Path) -> Iterator[Servers]:
    with Servers(data_dir) as running:
        yield running


def ask(servers: Servers, statement: str) -> object:
    async def once() -> object:
        connection = await asyncpg.connect(servers.database_url)  # type: ignore[no-untyped-call]
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(once())


def rings(servers: Servers) -> bool:
    with Redis.from_url(str(servers.redis_url)) as redis:
        return bool(redis.ping())


def processes_in(directory: Path) -> list[str]:
    """What works in that directory or below; the dead that nobody asked for do not count."""
    found = []
    for process in psutil.process_iter(["cwd", "name", "status"]):
        cwd = process.info["cwd"]
        if cwd and Path(cwd).is_relative_to(directory.resolve()) and process.info["status"] != "zombie":
            found.append(process.info["name"])
    return found


def postmaster(data_dir: Path) -> psutil.Process:
    return psutil.Process(int((data_dir / "postgres/data/postmaster.pid").read_text().split()[0]))


def test_both_answer_and_stopping_leaves_nothing(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "1")  # the owner's own habits are not ours
    monkeypatch.setenv("LC_ALL", "xx_XX")
    with Servers(data_dir) as servers:
        assert ask(servers, "select current_database()") == "topicwire"
        assert rings(servers)
        assert processes_in(data_dir)
    assert processes_in(data_dir) == []


def test_only_the_owner_can_reach_the_servers(servers: Servers, data_dir: Path) -> None:
    assert ask(servers, "show listen_addresses") == ""
    assert ask(servers, "show synchronous_commit") == "on"
    for directory in ("postgres", "redis"):
        assert (data_dir / directory).stat().st_mode & 0o077 == 0


def test_what_was_committed_outlives_a_killed_postmaster(data_dir: Path) -> None:
    with Servers(data_dir) as servers:
        ask(servers, "create table kept as select 42 as answer")
        postmaster(data_dir).kill()
        servers.start()  # at once: its children still hold its memory
        assert ask(servers, "select answer from kept") == 42
    with Servers(data_dir) as servers:
        assert ask(servers, "select answer from kept") == 42


def test_whatever_has_died_is_mended_and_named(servers: Servers, data_dir: Path) -> None:
    assert servers.mend() == []
    for process in (postmaster(data_dir), psutil.Process(int((data_dir / "redis/pid").read_text()))):
        process.kill()
        process.wait()
    assert servers.mend() == ["PostgreSQL", "Valkey"]
    assert ask(servers, "select 1") == 1
    assert rings(servers)


def test_a_pid_file_that_names_a_stranger_hurts_neither(servers: Servers, data_dir: Path) -> None:
    pid_file = data_dir / "postgres/data/postmaster.pid"
    entry = pid_file.read_text().splitlines()
    socket_entry = (data_dir / "postgres/.s.PGSQL.5432.lock").read_text().splitlines()
    servers.stop()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        pid_file.write_text("\n".join([str(stranger.pid), *entry[1:]]))
        lock = data_dir / "postgres/.s.PGSQL.5432.lock"
        lock.write_text("\n".join([str(stranger.pid), *socket_entry[1:]]))
        (data_dir / "redis/pid").write_text(str(stranger.pid))
        servers.start()
        assert ask(servers, "select 1") == 1
        assert stranger.poll() is None
        stranger.kill()


def test_servers_of_a_killed_owner_are_replaced(data_dir: Path) -> None:
    script = "import sys; from pathlib import Path; from topicwire.embedded import Servers\n"
    script += "Servers(Path(sys.argv[1])).start(); print('up', flush=True); input()"
    command = [sys.executable, "-c", script, str(data_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:  # noqa: S603
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"up\n"
        owner.send_signal(signal.SIGKILL)
    orphan = postmaster(data_dir)
    with Servers(data_dir) as servers:
        assert postmaster(data_dir) != orphan
        assert ask(servers, "select 1") == 1
        assert rings(servers)
    assert processes_in(data_dir) == []


def test_a_long_and_odd_path_works(short_path: Path) -> None:
    data_dir = short_path / "Müller & söhne?" / ("x" * 90)
    with Servers(datadir.prepare(data_dir)) as servers:
        assert ask(servers, "select 1") == 1
        assert rings(servers)
        sockets = [server.sockets for server in (servers.postgres, servers.redis) if server]
    assert not any(path.exists() for path in sockets)


def test_a_server_at_a_long_path_starts_again(short_path: Path) -> None:
    with Servers(datadir.prepare(short_path / ("x" * 90)), redis=False) as servers:
        assert servers.postgres is not None
        servers.postgres.stop()
        servers.postgres.start()
        assert ask(servers, "select 1") == 1


def test_a_cluster_that_cannot_start_says_why_and_leaves_nothing(short_path: Path) -> None:
    with Servers(short_path, redis=False):
        pass
    (short_path / "postgres/data/PG_VERSION").write_text("9\n")
    with pytest.raises(UnavailableError, match=r"^PostgreSQL does not start: .*version"), Servers(short_path):
        pass
    assert processes_in(short_path) == []


@root_only
def test_root_may_keep_its_home_closed_to_others(short_path: Path) -> None:
    home = short_path / "root"
    home.mkdir(mode=0o700)
    with Servers(datadir.prepare(home / "data"), redis=False) as servers:
        assert ask(servers, "select 1") == 1
    assert home.stat().st_mode & 0o067 == 0


def test_a_secret_is_made_once_for_the_owner_alone(data_dir: Path) -> None:
    made = datadir.secret(data_dir, "test", lambda: "first")
    assert datadir.secret(data_dir, "test", lambda: "second") == made == "first"
    assert (data_dir / "secrets/test").stat().st_mode & 0o077 == 0
    assert (data_dir / "secrets").stat().st_mode & 0o077 == 0


def test_one_process_holds_a_data_directory(data_dir: Path) -> None:
    with datadir.Lock(data_dir, "up") as lock:
        assert not lock.after_a_kill
        with pytest.raises(datadir.OccupiedError, match=f"process {os.getpid()} ") as refused:
            datadir.take(data_dir, "command")
        assert not refused.value.holder.ready
    with datadir.Lock(data_dir, "command") as lock:
        assert not lock.after_a_kill


def test_a_killed_holder_is_noticed(data_dir: Path) -> None:
    (data_dir / "lock").write_text('{"pid": 1, "role": "up", "ready": true}')
    with datadir.take(data_dir, "up") as lock:
        assert lock.after_a_kill
