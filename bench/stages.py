"""Where our own time goes: what traced processes wrote down, beside the trips that were measured."""

import bisect
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench import figures
from bench.load import Trip

DIRECTORY = "BENCH_TRACES"  # the environment's variable that says where to write

# The way of a message: each stage, which end of it counts, and what that means.
WAY = (
    ("say", 0, "web begins the statement"),
    ("say", 1, "web has committed"),
    ("drain", 0, "worker begins the job"),
    ("take", 1, "the entry is taken"),
    ("call", 0, "the call begins"),
)
AFTER = (
    ("call", 1, "the call is answered"),
    ("relayed", 1, "the entry is settled"),
    ("drain", 1, "the job ends"),
)
ARRIVED = "arrived", 1
SOON = 0.25  # seconds after the arrival in which a message's way ends
Spans = Mapping[tuple[str, int], Sequence[tuple[float, float]]]


def read(directory: Path) -> Spans:
    """All spans by stage and group, in order."""
    spans: dict[tuple[str, int], list[tuple[float, float]]] = defaultdict(list)
    for path in directory.glob("*.jsonl"):
        for line in path.read_text().splitlines():
            stage, group, begin, end = json.loads(line)
            spans[stage, group].append((begin, end))
    for found in spans.values():
        found.sort()
    return spans


def report(directory: Path, trip: Trip, group_of: Mapping[int, int]) -> str:
    """A table of the moments of a message's way, p50 and p90 after the visitor's send."""
    spans = read(directory)
    moments: dict[tuple[str, int], list[float]] = defaultdict(list)
    for number, arrived in trip.arrived.items():
        left = trip.left[number]
        moments[ARRIVED].append((arrived - left) * 1000)
        for stage, edge, at in _moments(spans, group_of[number], left, arrived):
            moments[stage, edge].append((at - left) * 1000)
    rows = [("", "p50", "since the last", "p90")]
    before = 0.0
    for stage, edge, words in (*WAY, (*ARRIVED, "the call arrives"), *AFTER):
        values = moments[stage, edge]
        if len(values) < len(trip.arrived) / 2:  # not traced, or not a part of every message's way
            continue
        half, most = figures.percentile(values, 50), figures.percentile(values, 90)
        rows.append((words, f"{half:.2f}", f"{half - before:+.2f}", f"{most:.2f}"))
        before = half
    return figures.table(rows)


def _moments(spans: Spans, group: int, left: float, arrived: float) -> Iterator[tuple[str, int, float]]:
    """For each stage the first span of the group that began after the send, and before the end."""
    for stages, until in ((WAY, arrived), (AFTER, arrived + SOON)):
        for stage, edge, _ in stages:
            known = spans.get((stage, group), ())
            first = bisect.bisect_left(known, (left, 0.0))
            if first < len(known) and known[first][0] <= until:
                yield stage, edge, known[first][edge]
