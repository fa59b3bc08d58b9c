"""The benchmarks run and print their figures; what the figures are is nobody's business here."""

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.chaos.ledger import Count, Ledger, marks

ROOT = Path(__file__).parents[1]


def printed(module: str, *arguments: str, within: float = 120) -> str:
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=within,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_figures(report: str, row: str, count: int) -> None:
    """A row has at least so many figures."""
    line = next(line for line in report.splitlines() if line.startswith(row))
    assert len(re.findall(r"\d+(?:\.\d+)?", line)) >= count, line


@pytest.mark.long
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


@pytest.mark.long
def test_an_idle_worker_is_weighed_beside_a_bare_one() -> None:
    report = printed("bench.idle_worker", "--seconds=0.5", "--settle=0", "--groups=2")
    for row in ("CPU, % of a core", "MB of the process"):
        assert_figures(report, row, 2)


@pytest.mark.long
def test_a_crowd_is_drained_beside_the_optimum() -> None:
    report = printed("bench.drain", "--visitors=3", "--messages=3", "--calls=5", "--seconds=20", "--scale=20")
    for row in ("ours", "two calls a visitor", "one message a call"):
        assert_figures(report, row, 4)
    ours = next(line.split() for line in report.splitlines() if line.startswith("ours"))
    assert ours[3] == "0", "Telegram never refused"
    assert ours[7] == "0", "nothing is lost or disordered"


@pytest.mark.long
def test_lanes_are_measured_beside_one_queue() -> None:
    report = printed(
        *("bench.lanes", "--groups=3", "--messages=3", "--latency=0.05", "--seconds=1"),
        *("--slow=0.5", "--rate=10", "--rounds=1"),
    )
    for row in ("RELAY_LANES=64", "RELAY_LANES=1", "beside a call that takes 0.5 s  p99"):
        assert_figures(report, row, 3)


@pytest.mark.long
def test_a_fault_is_played_while_everybody_talks() -> None:
    report = printed("bench.chaos", "--only=ring", "--scale=small", "--groups=2", "--visitors=2", "--rate=4")
    assert_figures(report, "kill -9 of a web process between", 9)
    assert_figures(report, "all", 6)


@pytest.mark.long
def test_nothing_is_lost_whatever_goes_wrong() -> None:
    assert_figures(printed("bench.chaos", "--scale=small", within=600), "all", 6)


# The ledger, on which everything that is said about faults rests

CHAT, TOPIC, OTHER = -100, 11, 12


def ledger_of_two() -> Ledger:
    """Conversations 1 and 2 in one group; three messages each way in the first, one in the second."""
    ledger = Ledger(fault="fault", chats={CHAT: 0})
    for _ in range(3):
        ledger.write("v", 1, 0, at=10)
        ledger.write("o", 1, 0, at=10)
    ledger.write("v", 2, 0, at=10)
    ledger.show(CHAT, OTHER, 1, "[v 2 1] Good morning", at=11)
    return ledger


FINE = [(TOPIC, "Lena\n[v 1 1] a"), (TOPIC, "[v 1 2] b\n[v 1 3] c")]
TOLD = ["[v 1 1] a", "[o 1 1] d", "[o 1 2] e", "[o 1 3] f"]


@pytest.mark.parametrize(
    ("shown", "told", "found"),
    [
        (FINE, TOLD, {}),
        (FINE[:1], TOLD, {"lost": 2}),
        ([*FINE, (TOPIC, "[v 1 3] c")], TOLD, {"duplicated": 1}),
        ([*FINE, (TOPIC, "Earlier in this conversation\n10:00 Visitor: [v 1 3] c")], TOLD, {}),
        (FINE[::-1], TOLD, {"reordered": 1}),
        ([*FINE[:1], (OTHER, "[v 1 2] b\n[v 1 3] c")], TOLD, {"wrong": 2}),
        ([*FINE[:1], (None, "[v 1 2] b\n[v 1 3] c")], TOLD, {"wrong": 2}),
        (FINE, TOLD[:-1], {"lost": 1}),
        (FINE, [*TOLD, "[o 1 3] f"], {"duplicated": 1}),
        (FINE, [TOLD[1], TOLD[3], TOLD[2]], {"reordered": 1}),
    ],
)
def test_the_ledger_sees_what_went_wrong(
    shown: list[tuple[int | None, str]], told: list[str], found: dict[str, int]
) -> None:
    ledger = ledger_of_two()
    for number, (topic, text) in enumerate(shown):
        ledger.show(CHAT, topic, 2 + number, text, at=12)
    assert ledger.counts({1: told, 2: []}) == {"fault": Count(messages=7, **found)}


def test_the_ledger_sees_a_message_at_the_wrong_visitor() -> None:
    ledger = ledger_of_two()
    for number, (topic, text) in enumerate(FINE):
        ledger.show(CHAT, topic, 2 + number, text, at=12)
    assert ledger.counts({1: TOLD, 2: ["[o 1 2] e"]})["fault"].wrong == 1


def test_what_was_taken_back_has_not_arrived() -> None:
    ledger = ledger_of_two()
    ledger.show(CHAT, None, 2, "[v 1 1] a", at=12)
    assert ledger.said["v", 1, 1].arrived == 12
    ledger.take_back(CHAT, 2)
    assert ledger.said["v", 1, 1].arrived == math.inf
    assert ledger.counts({})["fault"].wrong == 0


def test_waiting_is_measured_from_the_end_of_the_fault() -> None:
    ledger = Ledger(fault="fault", chats={CHAT: 0})
    for at in (10, 11, 30):
        ledger.write("v", 1, 0, at=at)
    for number, at in enumerate((12, 27, 31), start=1):
        ledger.show(CHAT, TOPIC, number, f"[v 1 {number}]", at=at)
    assert ledger.recovery("fault", end=20) == 7
    assert ledger.silence("fault", until=40) == 15
    assert ledger.slowest("fault", 40, {0}) == 16
    assert ledger.waiting(40) == []


def test_only_a_recap_says_nothing() -> None:
    assert marks("Lena · shop.example\n[v 3 1] a\n[v 3 2] b") == (("v", 3, 1), ("v", 3, 2))
    assert marks("(possibly repeated)\nEarlier in this conversation\n[v 3 1] a") == ()
