"""What came of each fault, as a table."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import figures
from bench.chaos.faults import Fault
from bench.chaos.ledger import Count, Ledger

HEADINGS = (
    "fault", "strikes", "messages", "lost", "twice", "disorder", "astray", "silence", "recovery", "bound",
    "others", "",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What came of one fault; seconds. `others`: the slowest message of groups that were spared."""

    fault: Fault
    strikes: int
    count: Count
    silence: float
    recovery: float
    others: float | None

    @property
    def met(self) -> bool:
        """Whether nothing went wrong and nothing took too long."""
        return self.count.clean and self.recovery <= self.fault.bound and self.silence <= self.fault.silence


def shown(outcomes: Sequence[Outcome]) -> str:
    """The table, with its sum below."""
    total = Count()
    for outcome in outcomes:
        for name in vars(total):
            setattr(total, name, getattr(total, name) + getattr(outcome.count, name))
    rows = [HEADINGS, *(_row(outcome) for outcome in outcomes)]
    rows.append(("all", str(sum(each.strikes for each in outcomes)), *_counts(total), "", "", "", "", ""))
    return figures.table(rows)


def _row(outcome: Outcome) -> tuple[str, ...]:
    return (
        outcome.fault.title,
        str(outcome.strikes),
        *_counts(outcome.count),
        _seconds(outcome.silence),
        _seconds(outcome.recovery),
        f"{outcome.fault.silence:g}, {outcome.fault.bound:g}",
        "" if outcome.others is None else _seconds(outcome.others),
        "" if outcome.met else "above",
    )


def _counts(count: Count) -> tuple[str, ...]:
    return tuple(
        str(number) for number in (count.messages, count.lost, count.duplicated, count.reordered, count.wrong)
    )


def _seconds(value: float) -> str:
    return "never" if math.isinf(value) else f"{max(0.0, value):.1f}"


def keep(path: Path, ledger: Ledger) -> None:
    """Write down every message, for whoever wants to know more."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("message", "group", "fault", "written", "arrived"))
        for said in ledger.said.values():
            rows.writerow((said.mark, said.group, said.fault, f"{said.at:.3f}", f"{said.arrived:.3f}"))
