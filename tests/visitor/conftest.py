"""A visitor's socket that is only pretended, and what a web process would serve it with."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from starlette.websockets import WebSocket

from tests.domain.conftest import Desk as Shop
from tests.domain.conftest import new_desk
from topicwire import jobs, notifier, ratelimit
from topicwire.db import Database
from topicwire.domain import installation, projects
from topicwire.embedded import Servers
from topicwire.jobs import Jobs
from topicwire.notifier import Notifier
from topicwire.ratelimit import Limiter, Policies
from topicwire.services import Services
from topicwire.settings import Limit
from topicwire.visitor.admission import Admission
from topicwire.visitor.desk import Desk
from topicwire.visitor.hub import Hub
from topicwire.visitor.tokens import Tokens

Frame = dict[str, Any]
PATIENCE = 10.0  # seconds

ID = "3f0f4a52-9b5e-4f6f-8a0b-0b8f0c7c2f{:02x}"


class Wire:
    """One socket from both ends: the test writes into it and reads what the server wrote."""

    def __init__(self, key: str, *, host: str | None = None) -> None:
        self.to_server: asyncio.Queue[Frame] = asyncio.Queue()
        self.frames: list[Frame] = []
        self.code: int | None = None
        self._news = asyncio.Event()
        self.to_server.put_nowait({"type": "websocket.connect"})
        scope = {
            "type": "websocket",
            "path": "/",
            "query_string": f"key={key}".encode(),
            "headers": [],
            "subprotocols": ["topicwire.v1"],
            "client": None if host is None else (host, 4711),
        }
        self.websocket = WebSocket(scope, self.to_server.get, self._take)

    async def _take(self, message: Any) -> None:
        if message["type"] == "websocket.close":
            self.code = message["code"]
        elif message["type"] == "websocket.send":
            self.frames.append(json.loads(message["text"]))
        self._news.set()

    async def comes(self, kind: str) -> Frame:
        """The first frame of that kind."""
        return (await self._until(lambda: [frame for frame in self.frames if frame["type"] == kind]))[0]

    def about(self, message_id: str) -> list[Frame]:
        """Every `ack` and `error` for a message."""
        return [
            frame for frame in self.frames if frame.get("id") == message_id and frame["type"] != "message"
        ]

    async def answer(self, message_id: str, *, after: int = 0) -> Frame:
        """The next `ack` or `error` for a message, after so many."""
        return (await self._until(lambda: self.about(message_id)[after:]))[0]

    async def _until(self, look: Callable[[], list[Frame]]) -> list[Frame]:
        async with asyncio.timeout(PATIENCE):
            while not (found := look()):
                self._news.clear()
                await self._news.wait()
        return found

    def send(self, frame: Frame) -> None:
        self.to_server.put_nowait({"type": "websocket.receive", "text": json.dumps(frame)})

    def leave(self) -> None:
        self.to_server.put_nowait({"type": "websocket.disconnect", "code": 1001})


def limits(**limited: Limit) -> Policies:
    """Policies of which only these limit anything."""
    lifted: dict[str, Limit | None] = dict.fromkeys(
        ("conversation", "project", "sign_in", "dashboard", "address")
    )
    return ratelimit.policies(**{**lifted, **limited})


@pytest.fixture
async def shop(database: Database) -> Shop:
    return await new_desk(database)


@pytest.fixture
async def key(shop: Shop) -> str:
    async with shop.database.statement() as db:
        return str((await projects.every(db))[0]["key"])


@pytest.fixture
async def desk(database: Database, servers: Servers) -> AsyncIterator[Desk]:
    """What a web process shares, without anybody who hears rings: each tab is on its own."""
    url = str(servers.redis_url)
    services = Services(db=database, jobs=Jobs(jobs.pool(url)), notifier=Notifier(notifier.client(url)))
    redis = notifier.client(url)
    async with database.begin() as db:
        epoch = await installation.epoch(db)
    yield Desk(
        services=services,
        hub=Hub(services),
        admission=Admission(limiter=Limiter(redis), policies=limits(), db=database),
        tokens=Tokens(["a key of the tests"]),
        epoch=epoch,
    )
    await services.jobs.close()
    await services.notifier.close()
    await redis.aclose()
