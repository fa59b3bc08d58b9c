"""The world in a file: written a moment after it changed and at the end, replaced as a whole.

Ids given out after the last write are not in the file. When the last stop was not clean they are skipped
on load by jumping ahead, because an id that returns would look like an old message edited into a new one.
"""

import asyncio
import contextlib
import time
from pathlib import Path

import msgspec

from topicwire.sandbox.accounts import BotState
from topicwire.sandbox.updates import FeedState
from topicwire.sandbox.webhook import WebhookSettings
from topicwire.sandbox.world import World

DEBOUNCE_SECONDS = 0.3
JUMP = 1000


class State(msgspec.Struct):
    """All that is kept across restarts."""

    world: World
    feed: FeedState
    webhook: WebhookSettings
    clean: bool = False
    others: dict[int, BotState] = {}  # bots that joined later, by id


def load(path: Path) -> State | None:
    """What the file holds, moved past ids that may have been given out since; None without a file."""
    if not path.exists():
        return None
    state = msgspec.json.decode(path.read_bytes(), type=State)
    if not state.clean:
        for feed in (state.feed, *(other.feed for other in state.others.values())):
            feed.next_id += JUMP
        for chat in state.world.chats.values():
            chat.next_message_id += JUMP
    state.clean = False
    return state


class Keeper:
    """Writes the state some time after `changed`, never on the way of a call."""

    def __init__(self, path: Path | None, state: State) -> None:
        self._path = path
        self._state = state
        self._writer: asyncio.Task[None] | None = None
        self._dirty = False

    async def open(self) -> None:
        """The first write: from now on the file says that the last stop was not clean."""
        if self._path is not None:
            await asyncio.to_thread(_replace, self._path, msgspec.json.encode(self._state))

    def changed(self) -> None:
        self._dirty = True
        if self._path is not None and self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write_soon(self._path))

    async def close(self) -> None:
        """The last write, marked clean."""
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        if self._path is not None:
            self._state.clean = True
            await asyncio.to_thread(_replace, self._path, msgspec.json.encode(self._state))

    async def _write_soon(self, path: Path) -> None:
        pause = DEBOUNCE_SECONDS
        while self._dirty:
            await asyncio.sleep(pause)
            self._dirty = False
            began = time.perf_counter()
            body = msgspec.json.encode(self._state)
            # A large world is written less often, so that writing never takes more than a twentieth.
            pause = max(DEBOUNCE_SECONDS, 20 * (time.perf_counter() - began))
            await asyncio.to_thread(_replace, path, body)
        self._writer = None


def _replace(path: Path, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(body)
    with contextlib.suppress(OSError):
        fresh.chmod(0o600)  # it holds the webhook's secret
    fresh.replace(path)
