"""Redis is killed and forgets everything; the database stands still. No process ends, nothing is lost."""

import asyncio
import contextlib
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from tests.house import House, Shop, Visitor
from topicwire import db as databases
from topicwire.embedded import Servers
from topicwire.embedded.server import Server

OUT_AGAIN_WITHIN = 2.0  # seconds after Redis' return
STALL = 15.0  # seconds
WORDS = [f"message {number}" for number in range(6)]


def _process_of(server: Server) -> psutil.Process:
    """The server's process, found by its name and its home."""
    home = server.home.resolve()
    return next(
        child
        for child in psutil.Process().children()
        if child.name() == server.program and Path(child.cwd()) == home
    )


async def test_after_redis_was_killed_messages_soon_go_out_again(house: House, shop: Shop) -> None:
    redis = house.servers.redis
    assert redis is not None
    async with shop.visitor() as visitor:
        await visitor.say("before")
        await visitor.expect("relayed", seq=1)
        for seq in (2, 4):
            _process_of(redis).kill()
            await visitor.say("while it is gone")
            await asyncio.to_thread(redis.start)
            began = time.monotonic()
            await visitor.say("when it is back")
            for number in (seq, seq + 1):
                left = began + OUT_AGAIN_WITHIN - time.monotonic()
                await visitor.expect("relayed", seq=number, within=left)
            await house.ready()
        for process in house.processes:
            process.check()
        texts = await shop.operators.texts(await shop.topic_of(visitor))
        assert [text.rpartition("\n")[2] for text in texts] == visitor.transcript


@pytest.fixture
async def own_house(tmp_path: Path) -> AsyncIterator[House]:
    """A house whose database is nobody else's."""
    with tempfile.TemporaryDirectory(prefix="topicwire-") as folder, Servers(Path(folder)) as servers:
        url = str(servers.database_url)
        await asyncio.to_thread(databases.migrate, url)  # it has a loop of its own
        house = House(tmp_path, url, servers)
        async with house.telegram:
            try:
                await house.open()
                yield house
            finally:
                await house.close()


@contextlib.contextmanager
def _standing_still(server: Server) -> Iterator[None]:
    """Stop every process of a server inside the block, as a disk that does not answer would."""
    first = _process_of(server)
    first.send_signal(signal.SIGSTOP)  # it forks no more
    stopped = [first, *first.children(recursive=True)]
    try:
        for process in stopped[1:]:
            process.send_signal(signal.SIGSTOP)
        yield
    finally:
        for process in reversed(stopped):
            process.send_signal(signal.SIGCONT)


@pytest.mark.long
async def test_a_database_that_stood_still_closes_no_socket(own_house: House) -> None:
    """What was written meanwhile is acknowledged in order afterwards, and relayed; nothing is refused."""
    shop, database = await own_house.open_shop(), own_house.servers.postgres
    assert database is not None
    async with contextlib.AsyncExitStack() as stack:
        visitors = [await stack.enter_async_context(shop.visitor()) for _ in range(8)]
        for visitor in visitors:
            await visitor.say("before")
            await visitor.expect("relayed", seq=1)
        with _standing_still(database):
            began = time.monotonic()
            ids = [await _type_all(visitor) for visitor in visitors]
            await asyncio.sleep(began + STALL - time.monotonic())
        for visitor, written in zip(visitors, ids, strict=True):
            for seq, message_id in enumerate(written, 2):
                await visitor.expect("ack", id=message_id, seq=seq)
            assert not [frame for frame in visitor.frames if frame["type"] == "error"]
            assert visitor.close_code is None
            assert visitor.transcript == ["before", *WORDS]
            await visitor.expect("relayed", seq=1 + len(WORDS), within=60)
    for process in own_house.processes:
        process.check()


async def _type_all(visitor: Visitor) -> list[str]:
    return [await visitor.type_in(said) for said in WORDS]
