"""How a call's fault is played: what the client sees instead of an answer, and whether it had an effect."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from starlette.types import Scope, Send

from topicwire.sandbox.answers import RefusedError, too_many_requests
from topicwire.sandbox.clock import Clock
from topicwire.sandbox.connection import Connection, connection_of
from topicwire.sandbox.faults import Fault

BAD_GATEWAY = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    b"<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
# Server errors are tried again inside for 1 + 2 + 4 s (typing: 1 + 2 s), then the caller is told the next
# pause as if it were a flood wait (tdlib, `NetQueryDelayer.cpp`).
OUTAGE_SECONDS, OUTAGE_RETRY = 7, 8
TYPING_OUTAGE_SECONDS, TYPING_OUTAGE_RETRY = 3, 2


class Outcome(NamedTuple):
    """An answer as it goes out."""

    status: int
    body: bytes
    retry_after: int = 0
    content_type: bytes = b"application/json"


class Played(NamedTuple):
    """A call that met a fault: how to carry it out, how to write down that it was not, where to answer."""

    fault: Fault
    method: str
    carry_out: Callable[[], Awaitable[Outcome]]
    turn_down: Callable[[Outcome], None]
    scope: Scope
    send: Send


class Player:
    """Plays faults of calls; what lands late outlives its connection."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._landing: set[asyncio.Task[Outcome]] = set()
        self._silent: set[Connection] = set()
        self._kinds: Mapping[str, Callable[[Played], Awaitable[None]]] = {
            "answer_lost": self._lose_answer,
            "answer_never": self._never_answer,
            "answer_late": self._answer_late,
            "late": self._land_late,
            "reset": self._reset,
        }

    async def play(self, played: Played) -> None:
        """Returns once the client has seen what the fault lets it see."""
        act = self._kinds.get(played.fault.kind)
        if act is not None:
            await act(played)
            return
        if played.fault.kind == "fake_flood":
            is_typing = played.method == "sendChatAction"
            await self._clock.sleep(TYPING_OUTAGE_SECONDS if is_typing else OUTAGE_SECONDS)
        outcome = _instead(played.fault, played.method)
        await _effect(played, outcome)
        await answer(played.send, outcome)

    def stop(self) -> None:
        """Lets silent clients go and gives up what has not landed."""
        for connection in list(self._silent):
            task = asyncio.ensure_future(connection.close())
            task.add_done_callback(lambda _: None)
        for landing in list(self._landing):
            landing.cancel()

    async def _lose_answer(self, played: Played) -> None:
        await _effect(played, Outcome(0, b"null"))
        await connection_of(played.scope).close()

    async def _never_answer(self, played: Played) -> None:
        await _effect(played, Outcome(0, b"null"))
        connection = connection_of(played.scope)
        self._silent.add(connection)
        await connection.gone.wait()
        self._silent.discard(connection)

    async def _answer_late(self, played: Played) -> None:
        outcome = await played.carry_out()
        await self._clock.sleep(played.fault.delay)
        await answer(played.send, outcome)

    async def _land_late(self, played: Played) -> None:
        task = asyncio.ensure_future(self._land(played))
        self._landing.add(task)
        task.add_done_callback(self._landing.discard)
        await connection_of(played.scope).close()

    async def _land(self, played: Played) -> Outcome:
        await self._clock.sleep(played.fault.delay)
        return await played.carry_out()

    async def _reset(self, played: Played) -> None:
        await _effect(played, Outcome(0, b"null"))
        await connection_of(played.scope).reset()


async def answer(send: Send, outcome: Outcome) -> None:
    """Sends an answer as Telegram's servers do."""
    headers = [
        (b"content-type", outcome.content_type),
        (b"content-length", b"%d" % len(outcome.body)),
    ]
    if outcome.retry_after:
        headers.append((b"retry-after", b"%d" % outcome.retry_after))
    await send({"type": "http.response.start", "status": outcome.status, "headers": headers})
    await send({"type": "http.response.body", "body": outcome.body})


def refusal(error: RefusedError) -> Outcome:
    """A refusal as it goes out."""
    return Outcome(error.status, error.encoded(), error.parameters.get("retry_after", 0))


async def _effect(played: Played, otherwise: Outcome) -> None:
    if played.fault.is_accepted:
        await played.carry_out()
    else:
        played.turn_down(otherwise)


def _instead(fault: Fault, method: str) -> Outcome:
    if fault.kind == "http_502":
        return Outcome(502, BAD_GATEWAY, content_type=b"text/html")
    if fault.kind == "http_504":
        return Outcome(504, b"", content_type=b"text/plain")
    return refusal(_refusal(fault, method))


def _refusal(fault: Fault, method: str) -> RefusedError:
    outage = TYPING_OUTAGE_RETRY if method == "sendChatAction" else OUTAGE_RETRY
    refusals: dict[str, Callable[[], Any]] = {
        "http_500": lambda: RefusedError(500, "Internal Server Error"),
        "restart": lambda: RefusedError(500, "Internal Server Error: restart"),
        "flood": lambda: too_many_requests(fault.retry_after),
        "flood_bare": lambda: RefusedError(429, "Too Many Requests"),
        "fake_flood": lambda: too_many_requests(outage),
        "refusal": lambda: RefusedError(fault.status, fault.description, **fault.parameters),
    }
    refused: RefusedError = refusals[fault.kind]()
    return refused
