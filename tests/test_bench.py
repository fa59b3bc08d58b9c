"""The benchmarks run and print their figures; what the figures are is nobody's business here."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def printed(module: str, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_figures(report: str, row: str, count: int) -> None:
    """A row has at least so many figures."""
    line = next(line for line in report.splitlines() if line.startswith(row))
    assert len(re.findall(r"\d+(?:\.\d+)?", line)) >= count, line


def test_the_relay_is_measured_both_ways_beside_its_floor() -> None:
    report = printed(
        "bench.relay",
        "--duration=1",
        "--passes=1",
        "--rate=20",
        "--conversations=4",
        "--groups=2",
        "--profile",
    )
    for row in ("visitor -> Telegram", "send -> ack", "webhook -> visitor"):
        assert_figures(report, row, 4)
    for row in ("web has committed", "the call arrives"):
        assert_figures(report, row, 3)
    assert "uvicorn" in report.splitlines()[-1]


def test_idle_sockets_are_weighed_beside_bare_ones() -> None:
    report = printed("bench.idle", "--count=100", "--seconds=1", "--settle=0.2")
    for row in ("KiB a socket", "CPU, % of a core", "MB of an unused web process"):
        assert_figures(report, row, 2)
    assert "uvicorn" in report.splitlines()[-1]


def test_an_idle_worker_is_weighed_beside_a_bare_one() -> None:
    report = printed("bench.idle_worker", "--seconds=0.5", "--settle=0", "--groups=2")
    for row in ("CPU, % of a core", "MB of the process"):
        assert_figures(report, row, 2)


def test_a_crowd_is_drained_beside_the_optimum() -> None:
    report = printed("bench.drain", "--visitors=3", "--messages=3", "--calls=5", "--seconds=20", "--scale=20")
    for row in ("ours", "two calls a visitor", "one message a call"):
        assert_figures(report, row, 4)
    ours = next(line.split() for line in report.splitlines() if line.startswith("ours"))
    assert ours[3] == "0", "Telegram never refused"
    assert ours[7] == "0", "nothing is lost or disordered"


def test_lanes_are_measured_beside_one_queue() -> None:
    report = printed(
        *("bench.lanes", "--groups=3", "--messages=3", "--alone=1", "--latency=0.05"),
        *("--slow=0.5", "--rate=10", "--seconds=1"),
    )
    for row in ("64 lanes", "RELAY_LANES=1", "beside a group that takes 0.5 s  p99"):
        assert_figures(report, row, 3)
