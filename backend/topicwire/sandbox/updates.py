"""The bot's updates: numbered, filtered when they are made, kept until delivered or a day old."""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from topicwire.sandbox.bell import Bell
from topicwire.sandbox.clock import Clock

DAY = 86_400
CAPACITY = 100_000  # what comes beyond is silently discarded, as Telegram does

KINDS = (
    "message", "edited_message", "channel_post", "edited_channel_post", "business_connection",
    "business_message", "edited_business_message", "deleted_business_messages", "guest_message",
    "message_reaction", "message_reaction_count", "inline_query", "chosen_inline_result", "callback_query",
    "shipping_query", "pre_checkout_query", "purchased_paid_media", "poll", "poll_answer", "my_chat_member",
    "chat_member", "chat_join_request", "chat_boost", "removed_chat_boost", "managed_bot",
)  # fmt: skip
DEFAULT_KINDS = [
    kind for kind in KINDS if kind not in ("chat_member", "message_reaction", "message_reaction_count")
]
# Updates of one queue arrive strictly one after the other; these offsets keep kinds apart in one chat.
_QUEUE_OFFSETS = {"my_chat_member": 5 << 33, "message_reaction": 8 << 33}


class Update(msgspec.Struct):
    """One update as it will be sent; `queue` is what its order is kept within."""

    id: int
    queue: int
    body: msgspec.Raw
    expires: float


class FeedState(msgspec.Struct):
    """What outlives a restart. `allowed` of None means the default set."""

    next_id: int
    allowed: list[str] | None = None
    pending: dict[int, Update] = {}


class Feed:
    """Takes updates as they happen; a webhook or a poller empties it."""

    def __init__(self, state: FeedState, clock: Clock) -> None:
        self.state = state
        self.bell = Bell()
        self.on_update: Callable[[Update], None] | None = None
        self._clock = clock

    def put(self, kind: str, content: dict[str, Any], chat_id: int, date: float) -> None:
        """Makes an update unless the bot did not ask for its kind or its queue is full."""
        state = self.state
        if kind not in (state.allowed or DEFAULT_KINDS) or len(state.pending) >= CAPACITY:
            return
        # Telegram's own layout: a line break behind the id.
        body = b'{"update_id":%d,\n"%b":%b}' % (state.next_id, kind.encode(), msgspec.json.encode(content))
        queue = chat_id + _QUEUE_OFFSETS.get(kind, 0)
        update = Update(state.next_id, queue, msgspec.Raw(body), date + DAY)
        state.pending[update.id] = update
        state.next_id += 1
        if self.on_update is not None:
            self.on_update(update)
        self.bell.ring()

    def forget(self, update_id: int) -> None:
        self.state.pending.pop(update_id, None)

    def drop_all(self) -> None:
        self.state.pending.clear()

    def confirm_below(self, update_id: int) -> None:
        """getUpdates' offset: everything below it has been seen."""
        for pending_id in [each for each in self.state.pending if each < update_id]:
            self.forget(pending_id)

    def waiting(self, offset: int, limit: int) -> list[Update]:
        """The oldest updates from `offset` on; a negative offset means the last so many."""
        now = self._clock.now()
        for stale in [update.id for update in self.state.pending.values() if update.expires < now]:
            self.forget(stale)
        pending = list(self.state.pending.values())
        if offset < 0:
            pending = pending[offset:]
            self.confirm_below(pending[0].id if pending else 0)
        else:
            self.confirm_below(offset)
            pending = list(self.state.pending.values())
        return pending[:limit]

    def allow(self, raw: Any) -> None:
        """allowed_updates: absent or senseless keeps what was, nothing known in it means the default."""
        if not isinstance(raw, list) or not all(isinstance(name, str) for name in raw):
            return
        wanted = [kind for kind in KINDS if kind in {name.lower() for name in raw}]
        self.state.allowed = wanted if wanted and wanted != DEFAULT_KINDS else None


_COMMAND = re.compile(r"/[A-Za-z0-9_]{1,64}(?:@([A-Za-z0-9_]+))?")


def is_meant_for(bot_username: str, text: str) -> bool:
    """Whether a bot in privacy mode is shown a text: commands that are for it or for nobody in particular."""
    command = _COMMAND.match(text)
    return command is not None and (command[1] or bot_username).lower() == bot_username.lower()
