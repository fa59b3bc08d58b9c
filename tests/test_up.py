"""`topicwire up` as somebody who starts it sees it: real processes, killed and interrupted."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.house import free_port

COMMAND = [sys.executable, "-m", "topicwire.cli"]
PATIENCE = 90  # seconds for one `up` on a busy machine, before its end is the failure


class Up:
    """One `topicwire up`, and what it says."""

    def __init__(self, data_dir: Path, port: int) -> None:
        self.environ = {**os.environ, "DATA_DIR": str(data_dir), "PORT": str(port)}
        self.port = port
        self.said: list[str] = []
        self.process = subprocess.Popen(  # noqa: S603
            [*COMMAND, "up"], env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._alarm = threading.Timer(PATIENCE, self.process.kill)
        self._alarm.start()

    def until(self, pattern: str) -> re.Match[str]:
        """Read on until a line matches."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"no {pattern!r} in:\n{''.join(self.said)}")

    def end(self, signum: signal.Signals) -> int:
        """Send a signal and wait; the exit status."""
        self.process.send_signal(signum)
        return self.ended()

    def ended(self) -> int:
        """Wait for the end; the exit status."""
        assert self.process.stdout is not None
        self.said += self.process.stdout
        return self.process.wait()

    def close(self) -> None:
        """Leave nothing behind, whatever the test did."""
        self._alarm.cancel()
        if self.process.poll() is None:
            self.end(signal.SIGTERM)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Another command in the same surroundings."""
        return subprocess.run(  # noqa: S603
            [*COMMAND, *words], env=self.environ, capture_output=True, text=True, check=False
        )

    def children(self) -> dict[str, psutil.Process]:
        """Our own processes by name, and the servers'."""
        found = {}
        for child in psutil.Process(self.process.pid).children():
            words = child.cmdline()
            if words:  # a zombie has none
                found[words[3] if "topicwire.cli" in words else child.name()] = child
        return found


Start = Callable[[Path], Up]


@pytest.fixture
def start() -> Iterator[Start]:
    port = free_port()
    started: list[Up] = []

    def start(data_dir: Path) -> Up:
        started.append(Up(data_dir, port))
        return started[-1]

    yield start
    for up in started:
        up.close()


def get(url: str) -> int:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - an address of this machine
        return int(answer.status)


def living(processes: dict[str, psutil.Process]) -> list[str]:
    """Whose process still runs; a zombie whose parent was killed does not."""
    _, alive = psutil.wait_procs(
        [process for process in processes.values() if not _is_zombie(process)], timeout=15
    )
    return [process.name() for process in alive if not _is_zombie(process)]


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_everything_starts_survives_and_stops(start: Start, short_path: Path) -> None:
    up = start(short_path)
    demo = up.until(r"Demo page +(http://\S+)").group(1)
    console = up.until(r"Operators' console +(http://\S+)").group(1)
    up.until("Ctrl-C")
    assert get(demo) == get(console) == get(f"http://127.0.0.1:{up.port}/readyz") == 200
    assert set(up.children()) == {"web", "worker", "sandbox", "postgres", "valkey-server"}

    second = up.run("up")
    assert second.returncode == 1
    assert second.stderr.startswith(f"topicwire: process {up.process.pid} already runs topicwire")

    made = up.run("projects", "create", "--owner", "a@example.com", "--name", "A", "--json")
    assert json.loads(made.stdout)["link_code"]

    for name, news in (
        ("web", "web was killed by SIGKILL; starting it again"),
        ("postgres", "PostgreSQL had ended"),
    ):
        up.children()[name].kill()
        up.until(news)

    before = up.children()
    up.end(signal.SIGKILL)
    after = start(short_path)
    assert after.until(r"Demo page +(http://\S+)").group(1) == demo
    after.until("Ctrl-C")
    assert living(before) == []
    assert {item["name"] for item in json.loads(after.run("projects", "list", "--json").stdout)["items"]} >= {
        "A"
    }

    children = after.children()
    assert after.end(signal.SIGINT) == 0
    assert living(children) == []
    assert "Traceback" not in "".join(up.said + after.said)


def test_interrupting_the_start_leaves_nothing(start: Start, short_path: Path) -> None:
    up = start(short_path)
    up.until("is starting")
    children = up.children()
    assert up.end(signal.SIGTERM) == 0
    assert living(children) == []
    assert "Traceback" not in "".join(up.said)


def test_a_process_that_cannot_start_ends_everything_with_its_last_words(
    start: Start, short_path: Path
) -> None:
    (short_path / "sandbox.json").mkdir()  # where the sandbox wants to keep a file
    up = start(short_path)
    assert up.ended() == 1
    said = "".join(up.said)
    assert f"sandbox | topicwire: {short_path}/sandbox.json" in said
    assert up.said[-1].startswith("topicwire: the sandbox process cannot start")
    assert "Ready" not in said


def test_an_unreachable_server_is_one_line(
    start: Start, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    up = start(short_path)
    assert up.ended() == 1
    assert up.said[-1].startswith("topicwire: REDIS_URL: redis://127.0.0.1")
    assert len(up.said) == 1
