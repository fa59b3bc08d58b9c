"""When the next call may be made, so that Telegram never has to refuse one. Pure.

A group admits so many calls in any window of so many seconds. Whether Telegram counts a call when
it arrives or when it is carried out is not known; a slot is therefore free again when the window
has passed since the call's *answer*. A lane is single-file, so the answers are in order.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from topicwire.settings import Rate


def wait(calls: Sequence[datetime], now: datetime, rate: Rate | None, *, room: int = 1) -> float:
    """Seconds until the next call may be made; 0 when it may be made now.

    `calls` are the last answers, oldest first; all times by one clock. With `room` until so many calls
    may be made in a row, or as many as the rate ever admits.
    """
    if rate is None:
        return 0
    too_many = rate.calls - min(room, rate.calls) + 1
    if len(calls) < too_many:
        return 0
    free = calls[-too_many] + timedelta(seconds=rate.seconds)
    return max(0.0, (free - now).total_seconds())


def after(calls: Sequence[datetime], now: datetime, rate: Rate | None, *, room: int = 1) -> float:
    """Seconds until the next `room` calls may be made, when one more is answered `now`."""
    return wait((*calls, now), now, rate, room=room)


def window(rate: Rate | None) -> tuple[int, float] | None:
    """The budget as the lane's rows need it: calls, seconds."""
    return None if rate is None else (rate.calls, rate.seconds)
