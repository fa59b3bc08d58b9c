"""Groups that refused us for a while: what is said when they take our messages again."""

from datetime import datetime

from topicwire.db import Connection
from topicwire.domain import outbox
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
    messages, visitors = await outbox.waiting(db, lane.group_id)
    minutes = round((now - lane.trouble_since).total_seconds() / 60)
    words = f"Back again. For {_many(minutes, 'minute')} {reason}; nothing is lost."
    if messages:
        words += (
            f" {_many(messages, 'message')} of {_many(visitors, 'visitor')}"
            f" still {'waits' if messages == 1 else 'wait'} and will follow in order."
        )
    await outbox.add_notice(db, lane.group_id, Notice(words))


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
