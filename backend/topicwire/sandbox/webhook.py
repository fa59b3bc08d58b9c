"""Delivery of updates by webhook, and who is polling instead.

Each update belongs to a queue (a chat, for messages). Within a queue one update is in flight at a time
and the next waits until it was taken, however long that is; queues run side by side. Anything but a 2xx
is tried again: at once, then after 2, 4, 8 ... seconds, up to a day. After a failure there is one
connection until something succeeds. A 2xx may call a method (Bot API server, `WebhookActor.cpp`).
"""

import asyncio
import random
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from topicwire.sandbox.arguments import read_answer
from topicwire.sandbox.bell import Bell
from topicwire.sandbox.clock import Clock, within
from topicwire.sandbox.updates import Feed, Update

ANSWER_SECONDS = 60
LONGEST_RETRY_AFTER = 3600
CONFLICT_SECONDS = 3
IMPATIENT_SECONDS = 0.5
# Not to be called in an answer, besides everything that gets something.
UNCALLED = ("deletewebhook", "setwebhook", "close", "logout")
GONE_SECONDS = 23 * 3600  # 410 for that long removes the webhook
LONGEST_PAUSE = (60, 120)


class WebhookSettings(msgspec.Struct, omit_defaults=True):
    """What setWebhook set, and the last failure; an empty url is no webhook."""

    url: str = ""
    secret: str = ""
    max_connections: int = 40
    ip_address: str = ""
    has_certificate: bool = False
    last_error_date: int | None = None
    last_error_message: str = ""

    def same_as(self, other: "WebhookSettings") -> bool:
        """Whether setting it anew changes nothing; a certificate is taken anew each time."""
        if self.has_certificate or other.has_certificate:
            return False
        mine = (self.url, self.secret, self.max_connections, self.ip_address)
        return mine == (other.url, other.secret, other.max_connections, other.ip_address)

    def trouble(self) -> dict[str, Any]:
        if self.last_error_date is None:
            return {}
        return {"last_error_date": self.last_error_date, "last_error_message": self.last_error_message}

    def clear(self) -> None:
        """Back to no webhook, in place: the snapshot holds on to this object."""
        self.become(WebhookSettings())

    def become(self, other: "WebhookSettings") -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(other, name))


@dataclass
class Backoff:
    """The pauses between tries of one update, in seconds."""

    failures: int = 0
    delay: int = 1

    def pause(self, retry_after: int) -> float:
        """Counts one more failure; a Retry-After of the receiver goes first."""
        self.failures += 1
        if retry_after:
            return min(retry_after, LONGEST_RETRY_AFTER)
        if self.failures == 1:
            return 0
        self.delay = min(self.delay * 2, random.randint(*LONGEST_PAUSE))  # noqa: S311 - jitter, no secret
        return self.delay


@dataclass(frozen=True)
class Failure:
    """Why a try failed, in the words of getWebhookInfo."""

    reason: str
    retry_after: int = 0
    is_gone: bool = False


class Poller:
    """Whose turn it is to poll: the newest getUpdates call; a webhook takes the turn too."""

    def __init__(self, bell: Bell) -> None:
        self.turn = 0
        self.reason = ""
        self._bell = bell
        self.closed = False
        self._last_offset: int | None = None
        self._last_at = 0.0
        self._next_conflict = 0.0

    def throttle(self, now: float, offset: int, timeout: int, limit: int) -> tuple[int, int]:
        """Timeout and limit as they count: who asks for the same again at once is held, and gets one."""
        is_same, age = offset == self._last_offset, now - self._last_at
        self._last_offset, self._last_at = offset, now
        if is_same and age < CONFLICT_SECONDS:
            timeout = max(timeout, CONFLICT_SECONDS)
        return timeout, 1 if is_same and age < IMPATIENT_SECONDS else limit

    def close(self) -> None:
        """Lets whoever polls go, and whoever comes yet."""
        self.closed = True
        self.replace("")

    def may_conflict(self, now: float) -> bool:
        """Whether a conflict is told at once: one every few seconds is."""
        if now < self._next_conflict:
            return False
        self._next_conflict = now + CONFLICT_SECONDS
        return True

    def replace(self, reason: str) -> int:
        """Ends the call that waits, for this reason (none: with an empty answer). Returns the new turn."""
        self.turn += 1
        self.reason = reason
        self._bell.ring()
        return self.turn


class Slots:
    """Connections that may be in use: all of them, or one while the receiver is in trouble."""

    def __init__(self, most: int) -> None:
        self.in_trouble = False
        self._most = most
        self._used = 0
        self._bell = Bell()

    async def __aenter__(self) -> None:
        while self._used >= (1 if self.in_trouble else self._most):
            await self._bell.wait()
        self._used += 1

    async def __aexit__(self, *_: object) -> None:
        self._used -= 1
        self._bell.ring()


class _Pinned(AbstractResolver):
    """Finds every host at the address that setWebhook named."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        flags = socket.AI_NUMERICHOST
        found = ResolveResult(
            hostname=host, host=self._address, port=port, family=family, proto=0, flags=flags
        )
        return [found]

    async def close(self) -> None:
        """Holds nothing open."""


class WebhookEngine:
    """Posts the feed's updates while a webhook is set."""

    def __init__(self, settings: WebhookSettings, feed: Feed, clock: Clock) -> None:
        self.settings = settings
        self.poller = Poller(feed.bell)
        self._feed = feed
        self._clock = clock
        self._lanes: dict[int, deque[Update]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = Slots(1)
        self.on_method: Callable[[str, dict[str, Any]], Awaitable[None]] | None = None
        self._client: aiohttp.ClientSession | None = None
        self._gone_since: float | None = None
        self._removal: asyncio.Future[None] | None = None
        self._next_turn = 0.0

    def take_turn(self, now: float) -> bool:
        """setWebhook is taken once a second at most."""
        if now < self._next_turn:
            return False
        self._next_turn = now + 1
        return True

    def set(self, settings: WebhookSettings) -> None:
        self.settings.become(settings)
        self.start()

    def start(self) -> None:
        """Begins to deliver what is pending and what comes."""
        if not self.settings.url:
            return
        self._slots = Slots(self.settings.max_connections)
        self._gone_since = None
        self._feed.on_update = self._enqueue
        for update in self._feed.state.pending.values():
            self._enqueue(update)

    async def remove(self) -> None:
        await self.stop()
        self.settings.clear()

    async def stop(self) -> None:
        """Ends deliveries under way; what was not taken stays pending."""
        self._feed.on_update = None
        tasks, self._tasks = self._tasks, set()
        self._lanes = {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.close()
            self._client = None

    def _enqueue(self, update: Update) -> None:
        lane = self._lanes.get(update.queue)
        if lane is not None:
            lane.append(update)
            return
        self._lanes[update.queue] = deque([update])
        self._begin(self._drain(update.queue))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _drain(self, queue: int) -> None:
        lane = self._lanes[queue]
        while lane:
            await self._deliver(lane[0])
            lane.popleft()
        del self._lanes[queue]

    async def _deliver(self, update: Update) -> None:
        """Tries until the update is taken or would be too old at the next try."""
        backoff = Backoff()
        while update.id in self._feed.state.pending:
            failure = await self._try(update)
            if failure is None:
                self._feed.forget(update.id)
                continue
            pause = backoff.pause(failure.retry_after)
            if self._clock.now() + pause > update.expires:
                break
            await self._clock.sleep(pause)
        update.repeats = 0
        self._feed.forget(update.id)

    async def _try(self, update: Update) -> Failure | None:
        async with self._slots:
            failure = await self._attempt(update)
            self._slots.in_trouble = failure is not None
        self._note(failure)
        return failure

    async def _attempt(self, update: Update) -> Failure | None:
        try:
            return await within(self._clock, ANSWER_SECONDS, self._post(update))
        except TimeoutError:
            return Failure("Read timeout expired")
        except aiohttp.ClientSSLError as error:
            return Failure(f"SSL error {{{error}}}")
        except aiohttp.ClientConnectorError:
            return Failure("Connection refused")
        except aiohttp.ClientError:
            return Failure("Webhook connection closed")

    async def _post(self, update: Update) -> Failure | None:
        request = self._http().post(
            URL(self.settings.url, encoded=True),
            data=bytes(update.body),
            headers=self._headers(),
            allow_redirects=False,
            skip_auto_headers=("User-Agent", "Accept"),
        )
        async with request as response:
            body = await response.read()
            if 200 <= response.status < 300:
                self._begin(self._call(response.headers.get("Content-Type", ""), body))
                return None
            wait = response.headers.get("Retry-After", "")
            return Failure(
                f"Wrong response from the webhook: {response.status} {response.reason}",
                retry_after=int(wait) if wait.isdecimal() else 0,
                is_gone=response.status == 410,
            )

    async def _call(self, content_type: str, body: bytes) -> None:
        """Carries out the method that an answer calls; nobody learns what came of it, and nothing waits."""
        values = read_answer(content_type.encode(errors="replace"), body)
        method = values.pop("method", None)
        if not isinstance(method, str) or self.on_method is None:
            return
        if method and not method.lower().startswith("get") and method.lower() not in UNCALLED:
            await self.on_method(method, values)

    def _headers(self) -> dict[str, str]:
        secret = {"X-Telegram-Bot-Api-Secret-Token": self.settings.secret} if self.settings.secret else {}
        return secret | {
            "Content-Type": "application/json",
            "Connection": "keep-alive",
            "Accept-Encoding": "gzip, deflate",
        }

    def _note(self, failure: Failure | None) -> None:
        now = self._clock.now()
        if failure is None or not failure.is_gone:
            self._gone_since = None
        if failure is None:
            return
        self.settings.last_error_date = int(now)
        self.settings.last_error_message = failure.reason
        if failure.is_gone:
            self._gone_since = self._gone_since if self._gone_since is not None else now
            if now > self._gone_since + GONE_SECONDS:
                self._removal = asyncio.ensure_future(self.remove())

    def _http(self) -> aiohttp.ClientSession:
        if self._client is None:
            pinned = self.settings.ip_address
            resolver = _Pinned(pinned) if pinned else None
            self._client = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None),
                connector=aiohttp.TCPConnector(limit=0, resolver=resolver),
            )
        return self._client
