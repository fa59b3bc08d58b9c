"""The floor: the smallest honest relay, `python -m bench.floor web|worker`.

    visitor ─▶ one committed statement ─▶ ack ─▶ PUBLISH ─▶ worker ─▶ one POST to the Bot API
    webhook ─▶ one committed statement ─▶ PUBLISH ─▶ 200, and from the ring to the visitor's socket

It keeps what a relay must keep (a row before the ack, an update once, an entry until it was sent) and
nothing else: no leases, no budgets, no order, no retries, nobody who finds what was lost. Its servers run
under the same settings of uvicorn as ours.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import asyncpg
import msgspec
import uvloop
from msgspec import Struct
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from bench import bare

CHAT = -1004242
SAID, ANSWERED = "floor:said", "floor:answered"
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"

TABLES = """
    CREATE TABLE IF NOT EXISTS conversations (
      id text PRIMARY KEY, topic_id bigint GENERATED ALWAYS AS IDENTITY UNIQUE, seq int NOT NULL DEFAULT 0);
    CREATE TABLE IF NOT EXISTS messages (
      conversation_id text REFERENCES conversations, seq int, client_id text, text text NOT NULL,
      at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (conversation_id, seq), UNIQUE (conversation_id, client_id));
    CREATE TABLE IF NOT EXISTS outbox (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, conversation_id text, seq int);
    CREATE TABLE IF NOT EXISTS inbox (update_id bigint PRIMARY KEY);
"""
OPEN = "INSERT INTO conversations (id) VALUES ($1) RETURNING topic_id"
SAY = """
    WITH conversation AS (
      UPDATE conversations SET seq = seq + 1 WHERE id = $1 RETURNING seq, topic_id
    ), message AS (
      INSERT INTO messages (conversation_id, seq, client_id, text) SELECT $1, seq, $2, $3 FROM conversation
    ), entry AS (
      INSERT INTO outbox (conversation_id, seq) SELECT $1, seq FROM conversation RETURNING id
    )
    SELECT seq, topic_id, id FROM conversation, entry
"""
ANSWER = """
    WITH taken AS (
      INSERT INTO inbox (update_id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING update_id
    ), conversation AS (
      UPDATE conversations SET seq = seq + 1 FROM taken WHERE topic_id = $2 RETURNING id, seq
    )
    INSERT INTO messages (conversation_id, seq, text) SELECT id, seq, $3 FROM conversation
    RETURNING conversation_id, seq
"""
SENT = "DELETE FROM outbox WHERE id = $1"


class Frame(Struct):
    """What a client sends: `hello` first, then messages."""

    type: str
    id: str = ""
    text: str = ""


class Ring(Struct):
    """An entry that is to be sent to a topic."""

    entry: int
    topic: int
    text: str


class Answer(Struct):
    """What a visitor's socket is to be told."""

    conversation: str
    seq: int
    text: str


class _Message(Struct):
    text: str
    message_thread_id: int


class Update(Struct):
    """One update of the Bot API."""

    update_id: int
    message: _Message


async def keep(*_: Any) -> None:
    """Give a connection back as it is: nothing here leaves traces on one."""


def pool(url: str) -> Any:
    """Ten connections, as ours."""
    return asyncpg.create_pool(url, min_size=10, max_size=10, reset=keep)  # type: ignore[no-untyped-call]


class Web:
    """The floor's web process."""

    def __init__(self) -> None:
        self._sockets: dict[str, WebSocket] = {}
        self._redis = Redis.from_url(os.environ["REDIS_URL"])
        self._tasks: set[asyncio.Task[Any]] = set()
        self._db: Any = None

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Its connections."""
        async with pool(os.environ["DATABASE_URL"]) as self._db:
            await self._db.execute(TABLES)
            listener = asyncio.create_task(listen(self._redis, ANSWERED, self._tell))
            yield
            listener.cancel()
        await self._redis.aclose()

    async def visitor(self, websocket: WebSocket) -> None:
        """One visitor's socket."""
        await websocket.accept()
        hello = msgspec.json.decode(await websocket.receive_text(), type=Frame)
        self._sockets[hello.id] = websocket
        topic = await self._db.fetchval(OPEN, hello.id)
        await send(websocket, {"type": "welcome", "topic": topic})
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                await self._say(websocket, hello.id, _FRAME.decode(await websocket.receive_text()))
        del self._sockets[hello.id]

    async def _say(self, websocket: WebSocket, conversation: str, frame: Frame) -> None:
        row = await self._db.fetchrow(SAY, conversation, frame.id, frame.text)
        await send(websocket, {"type": "ack", "id": frame.id, "seq": row["seq"]})
        await self._redis.publish(SAID, msgspec.json.encode(Ring(row["id"], row["topic_id"], frame.text)))

    async def hook(self, request: Request) -> Response:
        """An operator's answer."""
        if request.headers.get(SECRET_HEADER) != os.environ["HOOK_SECRET"]:
            return Response(status_code=404)
        update = _UPDATE.decode(await request.body())
        message = update.message
        row = await self._db.fetchrow(ANSWER, update.update_id, message.message_thread_id, message.text)
        if row is not None:
            answer = Answer(row["conversation_id"], row["seq"], message.text)
            await self._redis.publish(ANSWERED, msgspec.json.encode(answer))
        return Response(status_code=200)

    async def _tell(self, data: bytes) -> None:
        answer = _ANSWER.decode(data)
        websocket = self._sockets.get(answer.conversation)
        if websocket is not None:
            await send(
                websocket, {"type": "message", "from": "operator", "seq": answer.seq, "text": answer.text}
            )


_FRAME, _UPDATE = msgspec.json.Decoder(Frame), msgspec.json.Decoder(Update)
_RING, _ANSWER = msgspec.json.Decoder(Ring), msgspec.json.Decoder(Answer)


async def send(websocket: WebSocket, frame: dict[str, Any]) -> None:
    """Send a frame."""
    await websocket.send_text(msgspec.json.encode(frame).decode())


async def listen(redis: Redis, channel: str, heard: Callable[[bytes], Awaitable[None]]) -> None:
    """Have every ring of a channel heard, each by a task of its own."""
    tasks: set[asyncio.Future[None]] = set()
    async with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
        await pubsub.subscribe(channel)
        async for message in pubsub.listen():
            task = asyncio.ensure_future(heard(message["data"]))
            tasks.add(task)
            task.add_done_callback(tasks.discard)


async def work() -> None:
    """The floor's worker: a ring, a call."""
    async with pool(os.environ["DATABASE_URL"]) as db, aiohttp.ClientSession() as session:

        async def call(data: bytes) -> None:
            ring = _RING.decode(data)
            asked = {"chat_id": CHAT, "message_thread_id": ring.topic, "text": ring.text}
            async with session.post(f"{os.environ['API_URL']}/bot/sendMessage", json=asked) as response:
                await response.json()
            await db.execute(SENT, ring.entry)

        await listen(Redis.from_url(os.environ["REDIS_URL"]), SAID, call)


def relay_app() -> Starlette:
    """The floor's relay."""
    web = Web()
    routes = [
        WebSocketRoute("/ws", web.visitor),
        Route("/hook", web.hook, methods=["POST"]),
        Route("/healthz", bare.healthz),
    ]
    return Starlette(routes=routes, lifespan=web.lifespan)


def main(role: str) -> None:
    """Run one of the floor's processes until it is told to stop."""
    if role == "worker":
        uvloop.run(work())
    else:
        bare.serve(relay_app())


if __name__ == "__main__":
    main(sys.argv[1])
