"""Every Bot API call that came in, newest last, for tests and for the curious."""

from collections import deque
from typing import Any

import msgspec

from topicwire.sandbox.bell import Bell
from topicwire.sandbox.clock import Clock, within

KEPT = 10_000


class Call(msgspec.Struct, omit_defaults=True):
    """One call: `n` counts from 1, `at` is seconds since the epoch, `answer` is the body as sent."""

    n: int
    method: str
    params: dict[str, Any]
    at: float
    status: int
    answer: msgspec.Raw


class CallLog:
    """A bounded ring of calls."""

    def __init__(self, clock: Clock) -> None:
        self.count = 0
        self.clock = clock
        self._kept: deque[Call] = deque(maxlen=KEPT)
        self._bell = Bell()
        self._closed = False

    def record(self, method: str, params: dict[str, Any], at: float, status: int, answer: bytes) -> None:
        self.count += 1
        self._kept.append(Call(self.count, method, params, at, status, msgspec.Raw(answer)))
        self._bell.ring()

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
