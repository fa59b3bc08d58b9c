"""Every Bot API call that came in, newest last, for tests and for the curious."""

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from topicwire.sandbox.bell import Bell
from topicwire.sandbox.clock import Clock, within

KEPT = 10_000


class Call(msgspec.Struct, omit_defaults=True):
    """One call: `n` counts from 1, `at` is when it arrived and `done` when it was decided, in seconds since
    the epoch; `answer` is the body as decided, whether or not a fault let the caller see it.

    `accepted` says whether it took effect. A `status` of 0 is a call that met a fault and was not decided.
    """

    n: int
    method: str
    params: dict[str, Any]
    at: float
    status: int
    answer: msgspec.Raw
    accepted: bool
    done: float
    bot: int = 0
    fault: str = ""


class CallLog:
    """A bounded ring of calls."""

    def __init__(self, clock: Clock) -> None:
        self.count = 0
        self.clock = clock
        self.on_call: Callable[[Call], None] | None = None
        self._kept: deque[Call] = deque(maxlen=KEPT)
        self._bell = Bell()
        self._closed = False

    def record(
        self,
        method: str,
        params: dict[str, Any],
        at: float,
        status: int,
        answer: bytes,
        *,
        bot: int = 0,
        fault: str = "",
    ) -> None:
        """Keeps a call that was just decided."""
        self.count += 1
        raw, now = msgspec.Raw(answer), self.clock.now()
        call = Call(self.count, method, params, at, status, raw, status == 200, now, bot, fault)
        self._kept.append(call)
        self._bell.ring()
        if self.on_call is not None:
            self.on_call(call)

    def after(self, n: int) -> list[Call]:
        """The calls behind number `n` that are still kept."""
        fresh = min(self.count - n, len(self._kept))
        return (
            [self._kept[index] for index in range(len(self._kept) - fresh, len(self._kept))]
            if fresh > 0
            else []
        )

    async def wait_after(self, n: int, seconds: float) -> list[Call]:
        """The calls behind number `n`, waiting up to `seconds` for the first of them."""
        try:
            await within(self.clock, seconds, self._until(n))
        except TimeoutError:
            return []
        return self.after(n)

    def close(self) -> None:
        """Lets whoever waits go."""
        self._closed = True
        self._bell.ring()

    async def _until(self, n: int) -> None:
        while self.count <= n and not self._closed:
            await self._bell.wait()
