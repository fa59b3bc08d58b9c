"""Updates through the polling door: the offset moves after the commit, one worker asks at a time."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from arq.connections import ArqRedis
from sqlalchemy import text

from tests.domain.conftest import BOT, CHAT, Desk
from topicwire import notifier
from topicwire.db import Database
from topicwire.domain import installation
from topicwire.embedded import Servers
from topicwire.jobs import Jobs
from topicwire.notifier import Notifier
from topicwire.services import Services
from topicwire.telegram import polling


class Source:
    """Telegram's queue: gives what is not confirmed; the test hears of every question."""

    def __init__(self, *updates: dict[str, object]) -> None:
        self.updates = list(updates)
        self.offsets: list[int] = []
        self.asked = asyncio.Event()
        self.webhook = True

    async def delete_webhook(self) -> None:
        self.webhook = False

    async def get_updates(self, offset: int, timeout: int) -> list[bytes]:
        assert not self.webhook
        self.offsets.append(offset)
        self.updates = [each for each in self.updates if int(str(each["update_id"])) >= offset]
        if not self.updates:
            self.asked.set()
            await asyncio.Event().wait()
        return [json.dumps(update).encode() for update in self.updates]


def said(number: int, words: str, topic: int = 10) -> dict[str, object]:
    message = {
        "message_id": 500 + number, "from": {"id": 7, "first_name": "Mara"}, "chat": {"id": CHAT},
        "message_thread_id": topic, "is_topic_message": True, "text": words, "date": 1,
    }  # fmt: skip
    return {"update_id": number, "message": message}


@pytest.fixture
async def services(database: Database, arq: ArqRedis, servers: Servers) -> AsyncIterator[Services]:
    made = Services(db=database, jobs=Jobs(arq), notifier=Notifier(notifier.client(str(servers.redis_url))))
    yield made
    await made.jobs.close()
    await made.notifier.close()


async def poll_until_empty(services: Services, source: Source, holder: str = "worker") -> None:
    task = asyncio.create_task(polling.poll(services.db, services, source, bot_id=BOT, holder=holder))
    await asyncio.wait_for(source.asked.wait(), 10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def transcript(desk: Desk) -> list[str]:
    async with desk.database.statement() as db:
        return [row.text for row in await db.execute(text("SELECT text FROM messages ORDER BY seq"))]


async def test_updates_count_once_in_order_and_are_confirmed(services: Services, desk: Desk) -> None:
    await desk.say("Hello")
    await desk.give_topic("ann", 10)
    source = Source(said(5, "one"), said(6, "two"), {"update_id": 7, "poll": {}}, said(8, "three"))
    await poll_until_empty(services, source)
    assert source.offsets == [0, 9]
    assert await transcript(desk) == ["Hello", "one", "two", "three"]


async def test_after_a_crash_updates_come_again_and_change_nothing(services: Services, desk: Desk) -> None:
    await desk.say("Hello")
    await desk.give_topic("ann", 10)
    for _ in range(2):  # the second worker was never told how far the first one came
        await poll_until_empty(services, Source(said(5, "one"), said(6, "two")))
    assert await transcript(desk) == ["Hello", "one", "two"]


async def test_nobody_asks_while_another_worker_does(services: Services, database: Database) -> None:
    async with database.statement() as db:
        assert await installation.lease(db, f"polling:{BOT}", holder="another", seconds=60)
    source = Source()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await polling.poll(services.db, services, source, bot_id=BOT, holder="worker")
    assert source.offsets == []
    assert source.webhook  # not even that was touched
