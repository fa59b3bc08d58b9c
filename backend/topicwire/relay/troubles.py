"""Groups that refused us for a while: what is said when they take our messages again."""

from datetime import datetime, timedelta

from topicwire.db import Connection
from topicwire.domain import backlog, outbox
from topicwire.domain.lanes import Lane
from topicwire.domain.outbox import Notice

# What was wrong, by the words of `ChatRefused`; other troubles are none that the group's people had.
_WHILE = {
    "kicked": "I was not in this group",
    "chat_gone": "I could not reach this group",
    "not_a_forum": "topics were turned off here",
    "rights": "I lacked the rights that I need here",
    "token": "my token was not valid",
}


async def note_end(db: Connection, lane: Lane, now: datetime) -> None:
    """Tell the group's people, in its main thread, that we are back and what has waited."""
    reason = _WHILE.get(lane.trouble or "")
    if reason is None or lane.trouble_since is None:
        return
    messages, visitors = await backlog.waiting(db, lane.group_id)
    words = f"Back again. For {span(now - lane.trouble_since)} {reason}; nothing is lost."
    if messages:
        words += (
            f" {_many(messages, 'message')} of {_many(visitors, 'visitor')}"
            f" still {'waits' if messages == 1 else 'wait'} and will follow in order."
        )
    await outbox.add_notice(db, lane.group_id, Notice(words))


def span(time: timedelta) -> str:
    """How long something took, for people."""
    minutes = round(time.total_seconds() / 60)
    if minutes < 1:
        return "less than a minute"
    if minutes < 120:
        return _many(minutes, "minute")
    hours = round(minutes / 60)
    return _many(hours, "hour") if hours < 48 else _many(round(hours / 24), "day")


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
