"""A replay as people see it: a line for each assumption, on a terminal with the remaining time below."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn
from rich.text import Text

from topicwire.doctor.printing import plain
from topicwire.doctor.replay import Outcome, Report, Summary, Tried

_OUTCOMES = {Outcome.HELD: "green", Outcome.DIFFERENT: "bold red", Outcome.NOT_TRIED: "yellow"}


class Replayed:
    """Prints a replay while it goes on."""

    def __init__(self, out: Console, progress: Progress, task: TaskID) -> None:
        self._out = out
        self._progress = progress
        self._task = task

    def tried(self, tried: Tried) -> None:
        """One line for one assumption."""
        label = (f"{tried.outcome:<11}", _OUTCOMES[tried.outcome])
        detail = f": {plain(tried.detail)}" if tried.detail else ""
        self._out.print(Text.assemble(label, f"{tried.section:<4} {tried.name}{detail}"))

    def remaining(self, seconds: float) -> None:
        """The bar below the lines says how long it still takes."""
        minutes, rest = divmod(round(seconds), 60)
        self._progress.update(self._task, description=f"about {minutes}:{rest:02} left; Ctrl-C cleans up")

    def say(self, text: str) -> None:
        """A line for people."""
        self._out.print(plain(text), style="dim")


@contextmanager
def replaying(out: Console) -> Iterator[Report]:
    """A report that shows on a terminal how long it still takes."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as progress:
        yield Replayed(out, progress, progress.add_task("looking at bot and group", total=None))


def print_summary(out: Console, summary: Summary) -> None:
    """The last line: how many of each."""
    counts = ", ".join(f"{count} {outcome}" for outcome, count in summary.counts.items())
    out.print(f"\n{counts}", style="bold")
    out.print("What a bot alone cannot try is listed in docs/telegram.md.")
