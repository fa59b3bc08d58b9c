"""A visitor's tab: speaks the socket's protocol and keeps what a widget would keep.

Every frame is checked against what the protocol promises: `rev` only ever grows, and before the tab
is closed, the `seq` of what it knows has no gap.
"""

import asyncio
import json
import uuid
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

Frame = dict[str, Any]

PATIENCE = 20.0
REPEAT_AFTER = 0.1  # seconds after a refusal; a widget waits as it is told
CHANGES = ("message", "relayed", "failed", "edited", "deleted")


class Visitor:
    """One open tab. Entered, it has said `hello` and was welcomed, unless `hello` is None.

    `host` is the address that a proxy in front of us would name.
    """

    def __init__(
        self, url: str, *, origin: str | None = None, host: str | None = None, hello: Frame | None = None
    ) -> None:
        self.url = url
        self.origin = origin
        self.host = host
        self.frames: list[Frame] = []  # all that came
        self.messages: dict[int, Frame] = {}  # the conversation as this tab knows it, by seq
        self.last_rev = 0
        self.close_code: int | None = None
        self.welcome: Frame = {}
        self._hello = hello
        self._unseen: list[Frame] = []
        self._said: dict[str, str] = {}
        self._news = asyncio.Event()
        self._broken: AssertionError | None = None
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        if self._hello is not None:
            await self.hello(**self._hello)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self.close_code is None:
            await self._until(self._has_no_gap, "no gap", PATIENCE)
        await self.leave()
        if kind is None and self._broken is not None:
            raise self._broken

    async def open(self) -> None:
        """Connect, and say nothing yet."""
        self._socket = await connect(
            self.url,
            subprotocols=[Subprotocol("topicwire.v1")],
            origin=None if self.origin is None else Origin(self.origin),
            additional_headers={} if self.host is None else {"X-Forwarded-For": self.host},
            compression=None,
            proxy=None,
            max_size=None,
        )
        self._reader = asyncio.create_task(self._read(self._socket))

    async def leave(self) -> None:
        """Close the tab."""
        if self._socket is not None and self._reader is not None:
            await self._socket.close()
            await self._reader

    async def hello(self, **fields: Any) -> Frame:
        """Say `hello` and be welcomed."""
        self.last_rev = fields.get("last_rev") or 0
        await self.send({"type": "hello", **fields})
        self.welcome = await self.expect("welcome")
        return self.welcome

    # What the visitor does

    async def send(self, frame: Frame | str | bytes) -> None:
        """Send a frame, or what is none."""
        assert self._socket is not None
        await self._socket.send(json.dumps(frame) if isinstance(frame, dict) else frame)

    async def type_in(self, said: str, *, id: str | None = None) -> str:  # noqa: A002
        """Send a message without waiting for its `ack`; its id."""
        message_id = id or str(uuid.uuid4())
        self._said[message_id] = said
        await self.send({"type": "message", "id": message_id, "text": said})
        return message_id

    async def say(self, said: str, *, id: str | None = None) -> Frame:  # noqa: A002
        """Send a message; its `ack`."""
        return await self.expect("ack", id=await self.type_in(said, id=id))

    async def answer(self, message_id: str) -> Frame:
        """The `ack` of a message, or the `error` that refuses it."""
        kinds = [{"type": kind, "id": message_id} for kind in ("ack", "error")]
        found: Frame = await self._until(
            lambda: self._find(kinds[0]) or self._find(kinds[1]), f"{message_id} is answered", PATIENCE
        )
        return found

    # What the visitor sees

    @property
    def conversation(self) -> str:
        """The conversation's id."""
        return str(self.welcome["conversation"])

    @property
    def token(self) -> str:
        """What opens this conversation again."""
        return str(self.welcome["token"])

    @property
    def transcript(self) -> list[str]:
        """What was said, in order."""
        return [message["text"] for _, message in sorted(self.messages.items())]

    async def expect(self, kind: str, *, within: float = PATIENCE, **fields: Any) -> Frame:
        """The next frame of that kind with these fields; `from_` stands for `from`."""
        wanted = {"type": kind, **{name.rstrip("_"): value for name, value in fields.items()}}
        found: Frame = await self._until(lambda: self._find(wanted), f"{wanted}", within)
        return found

    async def reads(self, *transcript: str, within: float = PATIENCE) -> None:
        """Wait until exactly this was said, in this order."""
        await self._until(lambda: self.transcript == list(transcript), f"{transcript}", within)

    async def nothing_else(self) -> list[Frame]:
        """What came unasked until the server has answered a `ping`."""
        await self.send({"type": "ping"})
        await self.expect("pong")
        left, self._unseen = self._unseen, []
        return left

    async def closed(self, *, within: float = PATIENCE) -> int:
        """Wait until the server closes; the code."""
        await self._until(lambda: self.close_code, "the socket is closed", within)
        return self.close_code or 0

    # Keeping

    def _find(self, wanted: Frame) -> Frame | None:
        for frame in self._unseen:
            if all(frame.get(name) == value for name, value in wanted.items()):
                self._unseen.remove(frame)
                return frame
        return None

    async def _until(self, look: Any, what: str, within: float) -> Any:
        try:
            async with asyncio.timeout(within):
                while True:
                    self._news.clear()
                    found = look()
                    if self._broken is not None:
                        raise self._broken
                    if found:
                        return found
                    assert self.close_code is None or self._news.is_set(), (
                        f"closed with {self.close_code} before {what}; came: {self.frames[-20:]}"
                    )
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{what}: not within {within:g} s; came: {self.frames[-20:]}") from None

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for raw in socket:
                self._take(json.loads(raw))
        except ConnectionClosed:
            pass
        except AssertionError as error:
            self._broken = error
        self.close_code = socket.close_code
        self._news.set()

    def _take(self, frame: Frame) -> None:
        self.frames.append(frame)
        self._unseen.append(frame)
        if frame["type"] == "welcome" and not frame["recovered"]:
            self.messages, self.last_rev = {}, 0
        if frame["type"] in CHANGES:
            assert frame["rev"] > self.last_rev, f"rev does not grow: {frame} after {self.last_rev}"
            self.last_rev = frame["rev"]
        self._keep(frame)
        self._news.set()

    def _keep(self, frame: Frame) -> None:
        match frame["type"]:
            case "message":
                self.messages[frame["seq"]] = frame
            case "ack":
                own = {"id": frame["id"], "from": "visitor", "text": self._said[frame["id"]]}
                self.messages.setdefault(frame["seq"], {"seq": frame["seq"], "state": "accepted", **own})
            case "relayed" | "failed":
                self._known(frame)["state"] = frame["type"]
            case "edited":
                self._known(frame).update(text=frame["text"], entities=frame.get("entities"), edited=True)

    def _known(self, frame: Frame) -> Frame:
        """The message that a frame changes; one from before the newest hundred is nowhere to be seen."""
        older = frame["seq"] < min(self.messages, default=0)
        assert older or frame["seq"] in self.messages, f"{frame} is of a message that this tab never saw"
        return self.messages.get(frame["seq"], {})

    def _has_no_gap(self) -> bool:
        """An `ack` may come before a message that was said earlier, but not for long."""
        seqs = sorted(self.messages)
        return not seqs or seqs == list(range(seqs[0], seqs[-1] + 1))


class Writer:
    """A visitor who writes on, whatever happens, as the widget does.

    What was not acknowledged is repeated in order after every connect and every refusal; what came before
    is remembered.
    """

    def __init__(self, first: Visitor) -> None:
        self.tab = first
        self.codes: list[int] = []  # with which the server closed
        self._waiting: dict[str, str] = {}

    async def write(self, *words: str) -> None:
        """Write these, one after the other; returns when all are acknowledged."""
        for said in words:
            self._waiting[str(uuid.uuid4())] = said
            await self._send_all()

    async def _send_all(self) -> None:
        while self._waiting:
            message_id, said = next(iter(self._waiting.items()))
            try:
                await self.tab.type_in(said, id=message_id)
                if (await self.tab.answer(message_id))["type"] == "ack":
                    del self._waiting[message_id]
                else:
                    await asyncio.sleep(REPEAT_AFTER)
            except (ConnectionClosed, AssertionError):
                if self.tab.close_code is None:
                    raise
                await self.come_back()

    async def come_back(self) -> None:
        """Connect again with what is known, as often as it takes."""
        old = self.tab
        await old.leave()
        if old.close_code is not None:
            self.codes.append(old.close_code)
        async with asyncio.timeout(PATIENCE):
            while True:
                new = Visitor(old.url, origin=old.origin)
                new.messages, new._said = dict(old.messages), dict(old._said)
                try:
                    await new.open()
                    await new.hello(token=old.token, last_rev=old.last_rev)
                except (OSError, ConnectionClosed, AssertionError):
                    await new.leave()
                    await asyncio.sleep(0.05)  # as a widget would, only sooner
                else:
                    self.tab = new
                    return
