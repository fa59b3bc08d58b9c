"""Faults on demand: what may go wrong between a bot and Telegram, switched on by method, chat and count.

Pure: keeps what was asked for and says which fault the next call or update meets. `playing.py` plays
those of calls, `updates.py` those of updates.
"""

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

Json = dict[str, Any]

# kind: whether the call takes effect unless `accepted` says otherwise
CALL_KINDS = {
    "answer_lost": True,  # the connection is closed instead of an answer
    "answer_never": True,  # the connection stays open and silent until the client leaves
    "answer_late": True,  # answered `delay` seconds after it took effect
    "late": True,  # the connection is closed at once, the effect comes `delay` seconds later
    "reset": False,  # connection reset by peer
    "http_502": False,  # the front proxy's HTML page
    "http_504": False,  # the front proxy's empty answer
    "http_500": False,  # JSON: Internal Server Error
    "restart": False,  # JSON: Internal Server Error: restart
    "flood": False,  # 429 with parameters.retry_after = `retry_after`
    "flood_bare": False,  # 429 without parameters
    "fake_flood": False,  # 429 retry 8 after 7 s: how an outage shows (typing: retry 2 after 3 s)
    "refusal": False,  # `status` and `description` as given, `parameters` too
}
UPDATE_KINDS = {
    "update_duplicate",  # delivered a second time with the same id
    "update_late",  # withheld for `delay` seconds while later ones pass
    "update_reordered",  # lets the next update of another queue go first
    "update_unknown_type",  # an update of a kind that nobody knows goes before it
    "update_unknown_fields",  # carries fields that nobody knows
}


class UnknownFaultError(ValueError):
    """There is no fault of that kind."""


class Fault(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One thing to go wrong. What is left out matches everything; `count` of None lasts until cleared."""

    kind: str
    id: int = 0
    bot: int | None = None
    chat: int | None = None
    method: str = ""  # of calls, any case
    update: str = ""  # of updates: message, edited_message, my_chat_member ...
    skip: int = 0  # so many that match pass first
    count: int | None = 1
    accepted: bool | None = None
    delay: float = 10
    retry_after: int = 30
    status: int = 400
    description: str = "Bad Request: CHAT_WRITE_FORBIDDEN"
    parameters: dict[str, int] = {}
    met: int = 0  # how often it was met so far

    @property
    def is_accepted(self) -> bool:
        """Whether a call that meets it takes effect all the same."""
        return CALL_KINDS.get(self.kind, False) if self.accepted is None else self.accepted


class Faults:
    """The faults that are switched on, oldest first; a call or an update meets the first that fits."""

    def __init__(self) -> None:
        self.active: list[Fault] = []
        self.on_change: Callable[[], None] | None = None
        self._numbers = itertools.count(1)

    def add(self, fault: Fault) -> Fault:
        """Switches a fault on and numbers it. UnknownFaultError for a kind that does not exist."""
        if fault.kind not in CALL_KINDS and fault.kind not in UPDATE_KINDS:
            kinds = ", ".join([*CALL_KINDS, *sorted(UPDATE_KINDS)])
            raise UnknownFaultError(f"there is no fault {fault.kind!r}; there are {kinds}")
        fault.id = next(self._numbers)
        self.active.append(fault)
        self._changed()
        return fault

    def clear(self, fault_id: int | None = None) -> None:
        """Switches one fault off, or all of them."""
        self.active = [each for each in self.active if fault_id is not None and each.id != fault_id]
        self._changed()

    def meet_call(self, method: str, bot: int, chat: int) -> Fault | None:
        """The fault that this call meets."""
        name = method.lower()
        return self._meet(
            each
            for each in self.active
            if each.kind in CALL_KINDS and each.method.lower() in ("", name) and _fits(each, bot, chat)
        )

    def meet_update(self, kind: str, bot: int, chat: int) -> Fault | None:
        """The fault that this update meets."""
        return self._meet(
            each
            for each in self.active
            if each.kind in UPDATE_KINDS and each.update in ("", kind) and _fits(each, bot, chat)
        )

    def _meet(self, fitting: Iterable[Fault]) -> Fault | None:
        for fault in list(fitting):
            if fault.skip > 0:
                fault.skip -= 1
                self._changed()
                continue
            fault.met += 1
            if fault.count is not None:
                fault.count -= 1
            if fault.count is not None and fault.count <= 0:
                self.clear(fault.id)
            else:
                self._changed()
            return fault
        return None

    def _changed(self) -> None:
        if self.on_change is not None:
            self.on_change()


def _fits(fault: Fault, bot: int, chat: int) -> bool:
    return fault.bot in (None, bot) and fault.chat in (None, chat)
