"""Telegram's flood limits as pure arithmetic: sliding windows a group, a bot, and a chat's typing.

The real algorithm is closed. Public facts: 20 messages a minute into one group, sends and edits and
topic calls together; about 30 a second over all; typing 20 in 5 s and 40 in 30 s a chat (Bot API FAQ,
core.telegram.org/api/bots/ai). Once a wait was announced, calls made during it are told what is left of it.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from enum import Enum


class Cost(Enum):
    """Which windows a call takes a place in."""

    FREE = "free"
    MESSAGE = "message"
    TYPING = "typing"


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


class Window:
    """One sliding window: a place taken is free again `rate.seconds` later."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._taken: deque[float] = deque()
        self._announced = 0.0

    def left(self, now: float) -> int:
        """Places free at this moment."""
        self._forget(now)
        return self.rate.calls - len(self._taken)

    def wait(self, now: float) -> float:
        """Seconds until one more call fits, or until an announced wait is over; 0 if it fits now."""
        self._forget(now)
        full = len(self._taken) >= self.rate.calls
        frees = self._taken[0] + self.rate.seconds if full else now
        return max(frees, self._announced) - now

    def announce(self, now: float, seconds: int) -> None:
        """Keeps a wait that was told to a caller; telling the rest of it again does not prolong it."""
        if now >= self._announced:
            self._announced = now + seconds

    def take(self, now: float) -> None:
        self._taken.append(now)

    def _forget(self, now: float) -> None:
        while self._taken and self._taken[0] + self.rate.seconds <= now:
            self._taken.popleft()


TYPING = (Rate(20, 5), Rate(40, 30))


@dataclass
class Limits:
    """Every window of one bot. A rate of None lifts that limit."""

    group: Rate | None
    bot: Rate | None
    _all: list[Window] = field(init=False, default_factory=list)
    _groups: dict[int, list[Window]] = field(init=False, default_factory=dict)
    _typing: dict[int, list[Window]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._all = [Window(self.bot)] if self.bot else []

    def admit(self, cost: Cost, chat_id: int, now: float) -> int:
        """0 and the places are taken, or the whole seconds (at least 1) to be told to the caller."""
        windows = self._windows(cost, chat_id)
        wait = max((window.wait(now) for window in windows), default=0.0)
        if wait > 0:
            return self._announce(windows, now, math.ceil(wait))
        for window in windows:
            window.take(now)
        return 0

    def left(self, chat_id: int, now: float) -> int | None:
        """Calls that the group still takes at this moment; None where the limit is lifted."""
        return min((window.left(now) for window in self._group(chat_id)), default=None)

    def _windows(self, cost: Cost, chat_id: int) -> list[Window]:
        if cost is Cost.FREE:
            return []
        if cost is Cost.TYPING:
            return self._typing.setdefault(chat_id, [Window(rate) for rate in TYPING])
        return self._group(chat_id) + self._all

    def _group(self, chat_id: int) -> list[Window]:
        if self.group is None or chat_id > 0:  # a positive id is a private chat
            return []
        return self._groups.setdefault(chat_id, [Window(self.group)])

    @staticmethod
    def _announce(windows: list[Window], now: float, seconds: int) -> int:
        # Only the windows that refuse keep the wait: a full bot does not make its groups full.
        for window in windows:
            if window.wait(now) > 0:
                window.announce(now, seconds)
        return seconds
