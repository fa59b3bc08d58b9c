"""Telegram's flood limits as pure arithmetic: who must wait, who is refused, and for how long.

The real algorithm is closed. Public facts: 20 messages a minute into one group, sends and edits and
topic calls together; about 30 a second over all; typing 20 in 5 s and 40 in 30 s a chat (Bot API FAQ,
core.telegram.org/api/bots/ai). Open code: waits up to 8 s (typing 2 s) are slept through inside the server,
so that they show as latency; a longer one is told to the caller, and to every call of the same kind
that queues behind it (tdlib, `NetQueryDelayer.cpp`, `SequenceDispatcher.cpp`). Observed: calling during
an announced wait prolongs it.

A call goes through its chat's limits first and through the bot's after that, as a server that sleeps and
asks again does: while its chat holds it, it takes nothing of what other chats share with it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from topicwire.sandbox.meters import CommonWindow, Meter, Pace, Rate, Window


class Cost(Enum):
    """Which windows a call takes places in."""

    FREE = "free"
    MESSAGE = "message"
    EDIT = "edit"
    TOPIC = "topic"  # topic calls and pins
    TYPING = "typing"


# Calls of one line and chat queue behind each other inside the server (tdlib, `MessagesManager.cpp`).
_LINES = {Cost.MESSAGE: "send", Cost.EDIT: "change", Cost.TOPIC: "change", Cost.TYPING: "typing"}


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What the public facts leave open."""

    absorbed: int = 8  # seconds that a call is held instead of being refused
    typing_absorbed: int = 2
    chat: Rate | None = None  # a chat's pace: one call each `seconds`, `calls` at once after a rest
    edits: Rate | None = None  # None: edits share the group's window
    punished: bool = True  # calling during an announced wait prolongs it


PROFILES = {
    "standard": Profile(),
    "strict": Profile(chat=Rate(5, 1)),
    "lenient": Profile(edits=Rate(30, 60), punished=False),
}


class RefusedFloodError(Exception):
    """The call has to wait longer than the server is ready to: `seconds` are told to the caller."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"retry after {seconds}")
        self.seconds = seconds


@dataclass(eq=False)
class Admission:
    """A call that is held for `wait` seconds, as far as is known, unless `on_refused` is called earlier."""

    wait: int
    cost: Cost = Cost.FREE
    chat_id: int = 0
    at: float = 0
    places: int = 1
    meters: list[Meter] = field(default_factory=list)  # of its chat
    is_counted: bool = False  # in the bot's window, from `at` on
    on_refused: Callable[[int], None] | None = None


AT_ONCE = Admission(0)
TYPING = (Rate(20, 5), Rate(40, 30))


@dataclass
class Limits:
    """Every window of one bot. A rate of None lifts that limit."""

    group: Rate | None
    bot: Rate | None
    profile: Profile = PROFILES["standard"]
    _all: list[CommonWindow] = field(init=False, default_factory=list)
    _groups: dict[int, list[Window]] = field(init=False, default_factory=dict)
    _edits: dict[int, list[Window]] = field(init=False, default_factory=dict)
    _paces: dict[int, list[Pace]] = field(init=False, default_factory=dict)
    _typing: dict[int, list[Window]] = field(init=False, default_factory=dict)
    _held: list[Admission] = field(init=False, default_factory=list)  # as they came

    def __post_init__(self) -> None:
        self._all = [CommonWindow(self.bot)] if self.bot else []

    def admit(self, cost: Cost, chat_id: int, now: float, places: int = 1) -> Admission:
        """Takes the call's places, now or a few seconds ahead. RefusedFloodError if that is too far ahead.

        A call that has to wait is held until `go_on` or `settle`.
        """
        meters = self._meters(cost, chat_id)
        every = [*meters, *self._common(cost)]
        if not every:
            return AT_ONCE
        told = max(meter.told(now, punished=self.profile.punished) for meter in every)
        if told:
            raise RefusedFloodError(told)
        wait, absorbed = max((_wait(meter, now, places) for meter in meters), default=0), self._absorbed(cost)
        if wait > absorbed:
            for meter in meters:
                if _wait(meter, now, places) > absorbed:
                    meter.announce(now, wait)
            self._infect(cost, chat_id, wait)
            raise RefusedFloodError(wait)
        for meter in meters:
            meter.take(now + wait, places)
        call = Admission(wait, cost, chat_id, now + wait, places, meters)
        self._held.append(call)
        self.go_on(call, now)
        return call

    def go_on(self, call: Admission, now: float) -> float:
        """Seconds for which a held call has to wait still; 0: it goes on, and is held no longer.

        RefusedFloodError if its turn in its chat has come and all in all it would wait too long.
        """
        if not call.is_counted and call.at <= now:
            self._count(call, now)
        if call.at <= now:
            self.settle(call)
        return max(0.0, call.at - now)

    def settle(self, call: Admission) -> None:
        """The call is no longer held: it went on, or was refused after all."""
        if call in self._held:
            self._held.remove(call)

    def left(self, chat_id: int, now: float) -> int | None:
        """Calls that the group still takes at this moment; None where the limit is lifted."""
        return min((window.left(now) for window in self._group(chat_id)), default=None)

    def frees(self, chat_id: int, now: float) -> list[float]:
        """When each call that the group has taken leaves its window, soonest first."""
        return [at for window in self._group(chat_id) for at in window.frees(now)]

    def announced(self, chat_id: int, now: float) -> float | None:
        """When a wait that the group's callers were told is over; None if none is left."""
        return max(filter(None, (window.announced(now) for window in self._group(chat_id))), default=None)

    def _absorbed(self, cost: Cost) -> int:
        return self.profile.typing_absorbed if cost is Cost.TYPING else self.profile.absorbed

    def _count(self, call: Admission, now: float) -> None:
        """Takes places in the bot's window for a call that its chat has let through.

        Telegram's server adds up what a call has waited, but tells the caller the last wait only.
        """
        for window in self._common(call.cost):
            told, absorbed = window.told(now, punished=False), self._absorbed(call.cost)
            wait = told or _wait(window, now, call.places)
            if told or call.wait + wait > absorbed:
                if not told and wait > absorbed:
                    window.announce(now, wait)
                self._withdraw(call)
                self._infect(call.cost, call.chat_id, wait)
                raise RefusedFloodError(wait)
            if wait:
                self._delay(call, now + wait - call.at, wait)
            window.take(call.at, call.places)
        call.is_counted = True

    def _delay(self, call: Admission, later: float, wait: int) -> None:
        """Puts off the call and, so that none overtakes another, whatever is held behind it by its chat."""
        for each in [call, *self._behind(call)]:
            if each.wait + wait > self._absorbed(each.cost):
                self._refuse(each, wait)
                continue
            for meter in each.meters:
                meter.give_back(each.at, each.places)
                meter.take(each.at + later, each.places)
            each.at, each.wait = each.at + later, each.wait + wait

    def _behind(self, call: Admission) -> list[Admission]:
        after = self._held[self._held.index(call) + 1 :]
        return [each for each in after if not each.is_counted and set(each.meters) & set(call.meters)]

    def _infect(self, cost: Cost, chat_id: int, wait: int) -> None:
        """Refuses every held call that queues in the same line of that chat."""
        line = (_LINES[cost], chat_id)
        for held in [each for each in self._held if (_LINES[each.cost], each.chat_id) == line]:
            self._refuse(held, wait)

    def _refuse(self, held: Admission, wait: int) -> None:
        self._withdraw(held)
        if held.on_refused is not None:
            held.on_refused(wait)

    def _withdraw(self, call: Admission) -> None:
        """Makes the call one that never was."""
        self.settle(call)
        for meter in [*call.meters, *(self._common(call.cost) if call.is_counted else [])]:
            meter.give_back(call.at, call.places)

    def _common(self, cost: Cost) -> list[CommonWindow]:
        return [] if cost in (Cost.FREE, Cost.TYPING) else self._all

    def _meters(self, cost: Cost, chat_id: int) -> list[Meter]:
        if cost is Cost.FREE:
            return []
        if cost is Cost.TYPING:
            return [*self._typing.setdefault(chat_id, [Window(rate) for rate in TYPING])]
        if cost is Cost.EDIT and self.profile.edits is not None and self.group is not None:
            windows = self._edits.setdefault(chat_id, [Window(self.profile.edits)])
        else:
            windows = self._group(chat_id)
        return [*windows, *self._pace(chat_id)]

    def _group(self, chat_id: int) -> list[Window]:
        if self.group is None or chat_id > 0:  # a positive id is a private chat
            return []
        return self._groups.setdefault(chat_id, [Window(self.group)])

    def _pace(self, chat_id: int) -> list[Pace]:
        if self.profile.chat is None:
            return []
        return self._paces.setdefault(chat_id, [Pace(self.profile.chat)])


def _wait(meter: Meter, now: float, places: int) -> int:
    """Telegram's waits are whole seconds."""
    return math.ceil(meter.opens(now, places))
