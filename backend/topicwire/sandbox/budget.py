"""What a group's window still has for a bot, as the console shows it."""

from typing import Any

from topicwire.sandbox.accounts import Account

Json = dict[str, Any]


def budget(account: Account, chat_id: int, now: float) -> Json | None:
    """`frees` is when each place that is taken is free again; `until`, when an announced wait is over.

    None where the limit is lifted.
    """
    limits = account.limits
    left = limits.left(chat_id, now)
    if limits.group is None or left is None:
        return None
    shape: Json = {
        "left": left,
        "calls": limits.group.calls,
        "seconds": limits.group.seconds,
        "frees": limits.frees(chat_id, now),
    }
    until = limits.announced(chat_id, now)
    return shape if until is None else shape | {"until": until}
