"""A tab of a visitor's browser: one socket's side of a conversation.

One `catch up` serves the past and the present: everything above `cursor`, in the order of `rev`,
whether the visitor was away for a week or a ring came a millisecond ago.

The reading side never waits for the database: on uvicorn a reader that stalls leaves pongs unread,
and a healthy client would be closed. Frames go into a small inbox; one task, which lives only
while there is something to do, takes them in order and catches up in between.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from msgspec import Struct
from starlette.websockets import WebSocket, WebSocketDisconnect

from topicwire import metrics
from topicwire.db import Connection, twice
from topicwire.domain import conversations, holds
from topicwire.domain.conversations import NEWEST, AlreadySaid, Change, Message, Present, Said, Visitor
from topicwire.domain.projects import Project
from topicwire.errors import UnavailableError
from topicwire.ratelimit import Taken
from topicwire.visitor import protocol
from topicwire.visitor.admission import Refusal
from topicwire.visitor.desk import Desk
from topicwire.visitor.protocol import ClientFrame, FrameRefused, ServerFrame
from topicwire.visitor.tokens import Grip

LARGEST_INBOX = 64  # frames
MOST_CHANGES = 16  # heard while the tab was busy; beyond, it reads for itself
MOST_BAD_FRAMES = 20
MOST_REFUSED_FRAMES = 1000  # far more than a client sends that waits when it is told to
RETRY_AFTER = 2  # seconds
RESTARTING, BROKEN = 1012, 1011

log = structlog.get_logger()


class Closed(Exception):
    """The socket is to be closed, with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Gate(Struct, frozen=True):
    """Shut by a message that was refused: `until` then, later ones are, unless it is repeated.

    That makes sense from `again` on; both are moments of the process' clock.
    """

    message_id: str
    again: float
    until: float


class Tab:
    """One open tab. `cursor` is the `rev` up to which the tab knows everything."""

    __slots__ = (
        "_acked", "_bad", "_changes", "_delay", "_desk", "_details", "_gate", "_gone", "_grip", "_inbox",
        "_project", "_refused", "_state", "_task", "_websocket", "_welcomed", "cursor", "exists",
    )  # fmt: skip

    def __init__(self, websocket: WebSocket, desk: Desk, project: Project, grip: Grip) -> None:
        self._websocket = websocket
        self._desk = desk
        self._project = project
        self._grip = grip
        self.cursor = 0
        self.exists = False  # there is a row, so there is something to catch up with
        self._state = "open"
        self._delay = 0  # seconds that the relay is behind, as the tab was told
        self._details: Visitor | None = None  # told before the first message
        self._inbox: list[ClientFrame] = []
        self._changes: list[Change] = []  # heard, not yet told to the tab
        self._acked: list[int] = []  # own messages above the cursor: the tab had an ack for these
        self._gate: Gate | None = None
        self._bad = 0
        self._refused = 0
        self._welcomed = False
        self._gone = False
        self._task: asyncio.Task[None] | None = None

    @property
    def conversation_id(self) -> str:
        """The conversation that this tab shows."""
        return self._grip.conversation_id

    # Welcome

    async def welcome(self, hello: protocol.Hello) -> None:
        """Answer `hello` and bring the tab up to the present."""
        self._details = protocol.described(hello)
        try:
            present, recovered = await twice(lambda: self._look(hello))
        except UnavailableError as error:
            raise Closed(RESTARTING) from error
        grip = self._grip = Grip(self._grip.conversation_id, self._grip.hold, self._desk.epoch)
        if present is not None:
            self._state = present.state
        await self._send(
            protocol.Welcome(
                conversation=grip.conversation_id,
                token=self._desk.tokens.sign(self._project.id, grip),
                rev=0 if present is None else present.rev,
                recovered=recovered,
                state=self._state,
                delay=self._delay or None,
                config={"name": self._project.name, "operator": self._project.operator_name},
            )
        )
        if present is not None:
            self.exists = True
            self.cursor = hello.last_rev or 0 if recovered else 0
            await self._tell_all(present, full=True)
        self._welcomed = True
        self._work_on()

    async def _look(self, hello: protocol.Hello) -> tuple[Present | None, bool]:
        """Where the conversation stands, and whether what the client kept fits."""
        last = hello.last_rev or 0
        async with self._desk.services.db.statement() as db:
            if hello.token is None:
                return None, last == 0
            if await holds.revoked(db, self._grip.hold):
                raise Closed(protocol.BAD_TOKEN)
            present = await conversations.since(db, self.conversation_id, last)
            reached = 0 if present is None else present.rev
            if last > reached or (self._grip.epoch != self._desk.epoch and last):
                return await conversations.since(db, self.conversation_id, 0), False
            if present is not None and self._details is not None:
                await self._note(db, self._details)
            if present is not None and any(message.state == "accepted" for message in present.messages):
                delays = await self._desk.hub.delays(db, [self.conversation_id])
                self._delay = delays.get(self.conversation_id, 0)
            return present, True

    # Reading

    async def read(self) -> None:
        """Take the client's frames until it goes away."""
        while True:
            try:
                frame = decode(await receive(self._websocket))
                self._admit(frame)
            except FrameRefused as refused:
                await self._refuse(refused)
                continue
            self._inbox.append(frame)
            self._work_on()

    def _admit(self, frame: ClientFrame) -> None:
        """Refuse what comes too fast; and after a refused message all later ones, until it is repeated."""
        if isinstance(frame, protocol.Say) and self._gate is not None:
            now = time.monotonic()
            if self._gate.message_id != frame.id and now < self._gate.until:
                raise FrameRefused(
                    "rate_limited",
                    "An earlier message has to come first.",
                    id=frame.id,
                    retry_after=max(1, math.ceil(self._gate.again - now)),
                )
            self._gate = None
        if len(self._inbox) >= LARGEST_INBOX:
            if isinstance(frame, protocol.Say):
                self._shut_gate(frame.id, RETRY_AFTER)
                raise FrameRefused("rate_limited", "Too many messages at once.", id=frame.id)
            raise FrameRefused("rate_limited", "Too many frames at once.")

    def _shut_gate(self, message_id: str, retry_after: int) -> None:
        now = time.monotonic()
        self._gate = Gate(message_id, now + retry_after, now + protocol.REFUSED_FOR)

    async def _refuse(self, refused: FrameRefused) -> None:
        if refused.code in ("bad_frame", "unknown_type"):
            self._bad += 1
            if self._bad > MOST_BAD_FRAMES:
                raise Closed(protocol.TOO_MANY)
        elif refused.code == "rate_limited":
            self._refused += 1
            if self._refused > MOST_REFUSED_FRAMES:
                raise Closed(protocol.TOO_MANY)
        if refused.code in ("rate_limited", "unavailable") and refused.retry_after is None:
            refused.retry_after = RETRY_AFTER
        await self._send(refusal(refused))

    async def _send(self, frame: ServerFrame) -> None:
        """Send a frame; a tab that is gone gets nothing, what it said before still counts."""
        if self._gone:
            return
        try:
            await send(self._websocket, frame)
        except (WebSocketDisconnect, RuntimeError):
            self._gone = True

    # Working

    def hear(self, change: Change) -> None:
        """The conversation has moved; told to the tab when its turn comes."""
        moved = change.rev > self.cursor or self._is_news(change.state, change.delay)
        if moved or change.revoked == self._grip.hold:
            self._changes.append(change)
            if len(self._changes) > MOST_CHANGES:  # nothing is lost: without the message it is read
                self._changes = [Change(change.conversation_id, change.rev, revoked=self._revoked())]
            self._work_on()

    def _revoked(self) -> str | None:
        return next((change.revoked for change in self._changes if change.revoked), None)

    def _work_on(self) -> None:
        if self._welcomed and self._task is None and (self._inbox or self._changes):
            self._task = asyncio.create_task(self._work())

    async def finish(self) -> None:
        """Carry out what the tab has said before it went away."""
        self._gone = True
        self._changes.clear()
        if self._task is not None:
            await self._task

    async def _work(self) -> None:
        try:
            while self._inbox or self._changes:
                if self._changes:
                    await self._catch_up()
                if self._inbox:
                    await self._handle(self._inbox.pop(0))
        except Closed as closed:
            metrics.sockets_closed.labels(str(closed.code)).inc()
            await close(self._websocket, closed.code)
        except Exception:
            log.exception("a visitor's socket broke", conversation=self.conversation_id)
            await close(self._websocket, BROKEN)
        finally:
            self._task = None

    async def _handle(self, frame: ClientFrame) -> None:
        try:
            await _HANDLERS[type(frame)](self, frame)
        except FrameRefused as refused:
            await self._refuse(refused)
        except UnavailableError as error:
            await self._refuse(FrameRefused("unavailable", str(error)))

    # The visitor's side

    async def _hello_again(self, frame: protocol.Hello) -> None:
        raise FrameRefused("bad_frame", "`hello` was said already.")

    async def _pong(self, frame: protocol.Ping) -> None:
        await self._send(protocol.Pong())

    async def _typing(self, frame: protocol.Typing) -> None:
        if self.exists:
            self._desk.services.jobs.typing(self.conversation_id)

    async def _say(self, frame: protocol.Say) -> None:
        if frame.attachments:
            raise FrameRefused("bad_frame", "Attachments are not offered.", id=frame.id)
        try:
            said = await self._take(frame)
        except UnavailableError as error:
            await self._put_off(FrameRefused("unavailable", str(error), id=frame.id))
            return
        except FrameRefused as refused:
            await self._put_off(refused)
            return
        self.exists, self._details = True, None
        if said.rev > self.cursor:
            self._acked.append(said.seq)
        await self._send(protocol.ack(frame.id, said))
        self._ring(frame, said)

    async def _take(self, frame: protocol.Say) -> Said:
        """Commit to a message, if the limits let it in; one that is known already costs nothing."""
        taken = await self._let_in(frame)
        try:
            said = await twice(lambda: self._commit(frame))
        except UnavailableError:
            await self._desk.admission.give_back(taken)
            raise
        if not said.new:
            await self._desk.admission.give_back(taken)
        return said

    async def _let_in(self, frame: protocol.Say) -> Taken:
        """Raises `FrameRefused` for a message that comes too fast, never for one that is known."""
        answer = await self._ask_limits()
        if isinstance(answer, Refusal):
            known = await twice(lambda: self._knows(frame))
            if known:
                return Taken()
            if known is not None and not self.exists:  # another tab has begun it meanwhile
                self.exists = True
                answer = await self._ask_limits()
        if isinstance(answer, Refusal):
            raise FrameRefused("rate_limited", answer.message, id=frame.id, retry_after=answer.retry_after)
        return answer

    async def _ask_limits(self) -> Taken | Refusal:
        admission, project_id = self._desk.admission, self._project.id
        if self.exists:
            return await admission.to_existing(project_id=project_id, conversation_id=self.conversation_id)
        client = self._websocket.client
        host = None if client is None else client.host
        return await admission.to_new(project_id=project_id, conversation_id=self.conversation_id, host=host)

    async def _knows(self, frame: protocol.Say) -> bool | None:
        async with self._desk.services.db.statement() as db:
            return await conversations.knows(db, conversation_id=self.conversation_id, client_id=frame.id)

    async def _commit(self, frame: protocol.Say) -> Said:
        db = self._desk.services.db
        try:
            async with db.statement() as connection:
                return await conversations.say(
                    connection,
                    conversation_id=self.conversation_id,
                    project_id=self._project.id,
                    visitor=self._details or Visitor(),
                    client_id=frame.id,
                    said=frame.text,
                )
        except AlreadySaid:
            async with db.begin() as connection:
                return await conversations.repeat(
                    connection, conversation_id=self.conversation_id, client_id=frame.id
                )

    def _ring(self, frame: protocol.Say, said: Said) -> None:
        if said.group_id is not None:
            self._desk.services.jobs.drain(said.group_id)
        message = None
        if not said.new:
            metrics.messages_repeated.inc()
        else:
            metrics.messages_accepted.inc()
            message = Message(
                said.seq, said.rev, said.rev, "visitor", frame.text, said.at, frame.id, state="accepted"
            )
        self._desk.services.notifier.ring(
            Change(self.conversation_id, said.rev, message=message, state="open")
        )

    async def _put_off(self, refused: FrameRefused) -> None:
        """A message cannot come in now: refuse it and all behind it, so that order survives."""
        self._shut_gate(str(refused.id), refused.retry_after or RETRY_AFTER)
        behind = [later for later in self._inbox if isinstance(later, protocol.Say)]
        self._inbox = [later for later in self._inbox if not isinstance(later, protocol.Say)]
        await self._refuse(refused)
        for later in behind:
            await self._refuse(
                FrameRefused(refused.code, str(refused), id=later.id, retry_after=refused.retry_after)
            )

    async def _read_up_to(self, frame: protocol.Read) -> None:
        if self.exists:
            async with self._desk.services.db.statement() as db:
                await conversations.mark_read(db, self.conversation_id, frame.seq)

    async def _describe(self, frame: protocol.Identify | protocol.PageChanged) -> None:
        told = protocol.described(frame)
        if not self.exists:
            self._details = merged(self._details, told)
            return
        async with self._desk.services.db.statement() as db:
            await self._note(db, told)

    async def _note(self, db: Connection, told: Visitor) -> None:
        group_id = await conversations.describe(db, self.conversation_id, told)
        if group_id is not None:  # the topic may have to be called differently
            self._desk.services.jobs.drain(group_id)

    async def _history(self, frame: protocol.History) -> None:
        async with self._desk.services.db.statement() as db:
            found = await conversations.before(
                db, self.conversation_id, seq=frame.before, limit=frame.limit + 1
            )
        shown = found[-frame.limit :]
        await self._send(
            protocol.HistoryFrame([protocol.whole(message) for message in shown], len(found) > frame.limit)
        )

    async def _reset(self, frame: protocol.Reset) -> None:
        async with self._desk.services.db.statement() as db:
            await holds.revoke(db, self._grip.hold)
        self._desk.services.notifier.ring(Change(self.conversation_id, 0, revoked=self._grip.hold))
        raise Closed(protocol.BAD_TOKEN)

    # The operators' side

    async def _catch_up(self) -> None:
        """Tell the tab what was heard; read where that is not all there is."""
        changes, self._changes = self._changes, []
        late = False
        for change in changes:
            if change.revoked == self._grip.hold:
                raise Closed(protocol.BAD_TOKEN)
            if change.message is not None and change.rev == self.cursor + 1 and not late:
                self.exists = True
                await self._tell(change.message, known_to=self.cursor, full=False)
                self.cursor = change.rev
            late = late or change.rev > self.cursor
            await self._tell_state(change.state, change.delay)
        if late:
            await self._read_on()

    async def _read_on(self) -> None:
        try:
            present = await twice(lambda: self._since(self.cursor))
        except UnavailableError as error:
            log.warning("not caught up, the sweep will ring again", error=str(error))
            return
        if present is not None:
            self.exists = True
            await self._tell_state(present.state)
            await self._tell_all(present, full=False)

    async def _since(self, rev: int) -> Present | None:
        async with self._desk.services.db.statement() as db:
            return await conversations.since(db, self.conversation_id, rev)

    async def _tell_all(self, present: Present | None, *, full: bool) -> None:
        """Tell the tab everything above the cursor, a hundred messages at a time."""
        while present is not None:
            known_to, from_the_start = self.cursor, self.cursor == 0
            for message in present.messages:
                await self._tell(message, known_to=known_to, full=full)
            if from_the_start or len(present.messages) < NEWEST:
                self.cursor = max(self.cursor, present.rev)
                return
            self.cursor = present.messages[-1].rev
            present = await twice(lambda: self._since(self.cursor))

    async def _tell(self, message: Message, *, known_to: int, full: bool) -> None:
        """Tell the tab of a message: in full, or only what changed if it knows the message."""
        acked = message.seq in self._acked
        if acked:
            self._acked.remove(message.seq)
            if message.state == "accepted":
                return
        known = acked or (message.born <= known_to and not full)
        await self._send(protocol.change(message) if known else protocol.whole(message))

    async def _tell_state(self, state: str | None, delay: int | None = None) -> None:
        if self._is_news(state, delay):
            self._state = state or self._state
            self._delay = self._delay if delay is None else delay
            await self._send(protocol.Status(self._state, self._delay or None))

    def _is_news(self, state: str | None, delay: int | None) -> bool:
        """A delay grows with every second: that is news now and then."""
        other_delay = delay is not None and (delay < self._delay or delay > 1.5 * self._delay)
        return other_delay or (state or self._state) != self._state


_HANDLERS: dict[type[ClientFrame], Callable[[Tab, Any], Awaitable[None]]] = {
    protocol.Hello: Tab._hello_again,
    protocol.Say: Tab._say,
    protocol.Read: Tab._read_up_to,
    protocol.Typing: Tab._typing,
    protocol.Identify: Tab._describe,
    protocol.PageChanged: Tab._describe,
    protocol.History: Tab._history,
    protocol.Reset: Tab._reset,
    protocol.Ping: Tab._pong,
}


def merged(known: Visitor | None, told: Visitor) -> Visitor:
    """What is known of a visitor, with what was told since."""
    if known is None:
        return told
    return msgspec.structs.replace(
        known, **{name: value for name, value in msgspec.structs.asdict(told).items() if value is not None}
    )


async def receive(websocket: WebSocket) -> str | None:
    """The next frame's text, None for a binary one; raises `WebSocketDisconnect`."""
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    text: str | None = message.get("text")
    if text is not None and len(text) > protocol.LARGEST_FRAME // 4:  # four bytes a character at most
        if len(text.encode()) > protocol.LARGEST_FRAME:
            raise Closed(protocol.TOO_LARGE)
    elif len(message.get("bytes") or b"") > protocol.LARGEST_FRAME:
        raise Closed(protocol.TOO_LARGE)
    return text


def decode(text: str | None) -> ClientFrame:
    if text is None:
        raise FrameRefused("bad_frame", "Frames are text, not binary.")
    return protocol.decode(text)


def refusal(refused: FrameRefused) -> protocol.Error:
    metrics.frames_refused.labels(refused.code).inc()
    return protocol.Error(refused.code, str(refused), refused.id, refused.retry_after)


async def send(websocket: WebSocket, frame: ServerFrame) -> None:
    await websocket.send_text(protocol.encode(frame).decode())


async def close(websocket: WebSocket, code: int) -> None:
    try:
        await websocket.close(code)
    except (RuntimeError, WebSocketDisconnect):
        log.debug("closed already", code=code)
