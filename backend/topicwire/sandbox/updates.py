"""A bot's updates: numbered, filtered when they are made, kept until delivered or a day old."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import msgspec

from topicwire.sandbox.bell import Bell
from topicwire.sandbox.clock import Clock
from topicwire.sandbox.faults import Fault, Faults

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
_QUEUE_OFFSETS = {
    "callback_query": 3 << 33, "my_chat_member": 5 << 33, "chat_member": 6 << 33, "message_reaction": 8 << 33,
    "message_reaction_count": 9 << 33,
}  # fmt: skip
CALLBACK_SECONDS = 150
LONGEST_BYTES = 512 << 10
UNKNOWN_KIND = "holographic_message"
UNKNOWN_FIELDS = {"hologram": {"depth": 3, "layers": [1, 2, 3]}, "is_holographic": True}


class Update(msgspec.Struct):
    """One update as it will be sent; `queue` is what its order is kept within."""

    id: int
    queue: int
    body: msgspec.Raw
    expires: float
    repeats: int = 0  # so often it is delivered once more, as after an answer that got lost


class FeedState(msgspec.Struct):
    """What outlives a restart. `allowed` of None means the default set."""

    next_id: int
    allowed: list[str] | None = None
    pending: dict[int, Update] = {}


class Feed:
    """Takes updates as they happen; a webhook or a poller empties it."""

    def __init__(self, state: FeedState, clock: Clock, faults: Faults, bot_id: int) -> None:
        self.state = state
        self._faults = faults
        self._bot_id = bot_id
        self._overtaken: list[Update] = []
        self._late: set[asyncio.Task[None]] = set()
        self.bell = Bell()
        self.on_update: Callable[[Update], None] | None = None
        self._clock = clock

    def put(
        self, kind: str, content: dict[str, Any], chat_id: int, date: float, *, queue_of: int | None = None
    ) -> None:
        """Makes an update unless the bot did not ask for its kind or its queue is full.

        `queue_of` is whose queue it goes to where that is not the chat.
        """
        state = self.state
        if kind not in (state.allowed or DEFAULT_KINDS) or len(state.pending) >= CAPACITY:
            return
        fault = self._faults.meet_update(kind, self._bot_id, chat_id) if self._faults.active else None
        if fault is not None and fault.kind == "update_unknown_type":
            self._release(self._make(UNKNOWN_KIND, UNKNOWN_FIELDS, chat_id, date + DAY))
        if fault is not None and fault.kind == "update_unknown_fields":
            content = content | UNKNOWN_FIELDS
        life = CALLBACK_SECONDS if kind == "callback_query" else DAY
        whose = chat_id if queue_of is None else queue_of
        queue = whose + _QUEUE_OFFSETS.get(kind, 0)
        if fault is not None and fault.kind == "update_late":
            self._later(fault.delay, kind, content, queue, date + life)
            return
        update = self._make(kind, content, queue, date + life)
        if len(update.body) <= LONGEST_BYTES:
            self._play(fault, update)

    def forget(self, update_id: int) -> None:
        """The update was delivered, or is not going to be."""
        update = self.state.pending.get(update_id)
        if update is not None and update.repeats:
            update.repeats -= 1
        elif update is not None:
            del self.state.pending[update_id]

    def drop_all(self) -> None:
        self.state.pending.clear()

    def stop(self) -> None:
        """Gives up what is late."""
        for task in list(self._late):
            task.cancel()

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

    def _make(self, kind: str, content: dict[str, Any], queue: int, expires: float) -> Update:
        # Telegram's own layout: a line break behind the id.
        number = self.state.next_id
        body = b'{"update_id":%d,\n"%b":%b}' % (number, kind.encode(), msgspec.json.encode(content))
        self.state.next_id += 1
        return Update(number, queue, msgspec.Raw(body), expires)

    def _play(self, fault: Fault | None, update: Update) -> None:
        # Only a webhook's queues run beside each other: a poller gets updates in the order of their ids.
        held_back = any(each.queue == update.queue for each in self._overtaken)
        if fault is not None and fault.kind == "update_reordered" and self.on_update is not None:
            self._overtaken.append(update)
            self._in_time(fault.delay)
        elif held_back:
            self._overtaken.append(update)
        else:
            update.repeats = int(fault is not None and fault.kind == "update_duplicate")
            self._release(update)

    def _in_time(self, seconds: float) -> None:
        """Lets what is to be overtaken go after so long, even if nothing has come to overtake it."""

        async def release() -> None:
            await self._clock.sleep(seconds)
            waiting, self._overtaken = self._overtaken, []
            for overtaken in waiting:
                self._release(overtaken)

        self._keep(asyncio.ensure_future(release()))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    def _later(self, seconds: float, kind: str, content: dict[str, Any], queue: int, expires: float) -> None:
        async def release() -> None:
            await self._clock.sleep(seconds)
            self._release(self._make(kind, content, queue, expires))

        self._keep(asyncio.ensure_future(release()))

    def _release(self, update: Update) -> None:
        self.state.pending[update.id] = update
        if self.on_update is not None:
            self.on_update(update)
        waiting = self._overtaken
        self._overtaken = [each for each in waiting if each.queue == update.queue]
        for overtaken in waiting:
            if overtaken.queue != update.queue:
                self._release(overtaken)
        self.bell.ring()

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
