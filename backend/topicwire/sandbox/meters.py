"""Meters of calls: when the next one fits, by sliding windows or at an even pace."""

import math
from bisect import insort
from collections import deque
from dataclasses import dataclass

LONGEST_PUNISHMENT = 3600
IMPATIENCE = 1.5
# Calls that come this soon behind a refusal were queued behind the refused one, not impatient.
QUEUED_SECONDS = 0.05


@dataclass(frozen=True)
class Rate:
    """At most `calls` in any `seconds`."""

    calls: int
    seconds: float


def parse_rate(text: str) -> Rate | None:
    """`"20/60"` is twenty calls in any sixty seconds; `"off"` is None. ValueError for anything else."""
    if text == "off":
        return None
    calls, _, seconds = text.partition("/")
    rate = Rate(int(calls), float(seconds))
    if rate.calls < 1 or rate.seconds <= 0:
        raise ValueError(f"a rate is calls/seconds, both above zero: {text!r}")
    return rate


class Meter:
    """Places taken, some of them by calls that are still held; and the wait that was announced."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._taken: deque[float] = deque()  # ascending
        self._announced_at = -math.inf
        self._free_at = -math.inf

    def opens(self, now: float, places: int) -> float:
        """Seconds until so many more places are free, beside what held calls have taken ahead."""
        raise NotImplementedError

    def take(self, at: float, places: int) -> None:
        """Takes places, at once or ahead."""
        for _ in range(places):
            insort(self._taken, at)

    def give_back(self, at: float, places: int) -> None:
        """Frees places that a held call had taken, as far as they have not become free by themselves."""
        for _ in range(min(places, self._taken.count(at))):
            self._taken.remove(at)

    def announce(self, now: float, seconds: int) -> None:
        """Keeps a wait that was told to a caller."""
        self._announced_at, self._free_at = now, now + seconds

    def told(self, now: float, *, punished: bool) -> int:
        """What is left of an announced wait, 0 if it is over; impatience makes it longer."""
        left = self._free_at - now
        if left <= 0:
            return 0
        if punished and now - self._announced_at > QUEUED_SECONDS:
            longer = min(math.ceil(left * IMPATIENCE), LONGEST_PUNISHMENT)
            self._free_at = now + max(longer, left)
        return math.ceil(self._free_at - now)

    def announced(self, now: float) -> float | None:
        """When an announced wait is over; None if none is left."""
        return self._free_at if self._free_at > now else None

    def _behind(self, now: float) -> float:
        return max(self._taken[-1], now) if self._taken else now


class Window(Meter):
    """A sliding window: a place taken is free again `rate.seconds` later. Nobody overtakes who is held."""

    def left(self, now: float) -> int:
        """Places free at this moment."""
        self._forget(now)
        return self.rate.calls - len(self._taken)

    def frees(self, now: float) -> list[float]:
        """When each place that is taken is free again, soonest first."""
        self._forget(now)
        return [taken + self.rate.seconds for taken in self._taken]

    def opens(self, now: float, places: int) -> float:
        return max(self._fits(now, places), self._behind(now)) - now

    def _fits(self, now: float, places: int) -> float:
        """When so many places are free, those set aside that held calls have taken ahead."""
        self._forget(now)
        needed = min(places, self.rate.calls)  # what can never fit would wait for ever
        behind = len(self._taken) + needed - self.rate.calls
        return self._taken[behind - 1] + self.rate.seconds if behind > 0 else now

    def _forget(self, now: float) -> None:
        while self._taken and self._taken[0] + self.rate.seconds <= now:
            self._taken.popleft()


class CommonWindow(Window):
    """One that many chats share: whoever waits for it delays nobody whom it has room for beside them."""

    def opens(self, now: float, places: int) -> float:
        return self._fits(now, places) - now


class Pace(Meter):
    """One place each `rate.seconds`, and `rate.calls` at once after a rest."""

    def opens(self, now: float, places: int) -> float:
        due = self._due(now)
        needed = min(places, self.rate.calls)
        return max(due + (needed - self.rate.calls) * self.rate.seconds, self._behind(now)) - now

    def _due(self, now: float) -> float:
        """When everything taken so far would have gone out at the even pace."""
        due = -math.inf
        for taken in self._taken:
            due = max(due, taken) + self.rate.seconds
        if due <= now:
            self._taken.clear()
        return due
