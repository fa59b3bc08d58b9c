"""Redis is killed and forgets everything; the database restarts, is killed, stands still; all the power
goes. Nothing is lost, and no process ends that was not killed."""

import asyncio
import contextlib
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.house import House, Shop, Visitor, eventually
from tests.journeys.visitor import Writer
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


def _kill(server: Server) -> None:
    """End every process of a server as a power cut would."""
    first = _process_of(server)
    for process in [first, *first.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


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


@pytest.fixture(scope="module")
async def own_house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house whose database is nobody else's."""
    tmp_path = tmp_path_factory.mktemp("own")
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


async def test_a_database_that_restarts_or_is_killed_loses_nothing(own_house: House) -> None:
    """Visitors repeat what was refused, Telegram repeats what we could not take, each in order."""
    shop, database = await own_house.open_shop(), own_house.servers.postgres
    assert database is not None
    async with shop.visitor() as visitor:
        writer = Writer(visitor)
        await writer.write("before")
        topic = await shop.topic_of(visitor)
        said, answers = ["before"], list[str]()
        for name, end in (("restart", database.stop), ("kill", partial(_kill, database))):
            words = [f"{name} {number}" for number in range(10)]
            writing = asyncio.create_task(writer.write(*words))
            await _said(visitor, words[0])
            await asyncio.to_thread(end)
            await shop.operators.write(topic, f"answer to the {name}")
            await _refused(own_house)
            await asyncio.to_thread(database.start)
            await writing
            said += words
            answers.append(f"answer to the {name}")
        await visitor.expect("message", text=answers[-1])
        await _all_relayed(shop, visitor.conversation, len(said))
        assert [text for text in visitor.transcript if text not in answers] == said
        assert [text for text in visitor.transcript if text in answers] == answers
        assert [text for text in await _texts(shop, topic) if text not in answers] == said
        assert visitor.close_code is None
    for process in own_house.processes:
        process.check()


async def _said(visitor: Visitor, words: str) -> None:
    async def look() -> bool:
        return words in visitor.transcript

    await eventually(look, f"{words} is acknowledged")


async def _refused(house: House) -> None:
    """Wait until an update was answered by 503."""
    webhook = house.telegram.sandbox.webhook.settings

    async def look() -> bool:
        return "503" in webhook.last_error_message

    await eventually(look, "an update was not taken")
    webhook.last_error_message = ""


@pytest.mark.long
async def test_when_all_the_power_goes_nothing_is_lost(own_house: House) -> None:
    """Telegram had just taken a message, a visitor just written another, an operator a third."""
    shop, servers = await own_house.open_shop(), own_house.servers
    async with shop.visitor() as visitor:
        writer = Writer(visitor)
        await writer.write("before")
        topic = await shop.topic_of(visitor)
        chat = shop.operators.chat
        async with own_house.telegram.holding("sendMessage", chat=chat, answered=True) as call:
            await writer.write("one", "two")
            await call.arrived.wait()
            await _cut_power(own_house)
            await shop.operators.write(topic, "an answer")
        writing = asyncio.create_task(writer.write("three"))
        await asyncio.to_thread(servers.mend)
        await own_house.start_web()
        await own_house.replace_worker()
        await own_house.let_leases_pass()
        await writing
        await _all_relayed(shop, visitor.conversation, 4)
        await writer.tab.expect("message", text="an answer")
        said = ["before", "one", "two", "three"]
        assert [text for text in await _texts(shop, topic) if text != "an answer"] == said
        assert [text for text in writer.tab.transcript if text != "an answer"] == said
        await writer.tab.leave()


async def _cut_power(house: House) -> None:
    assert house.servers.redis is not None
    assert house.servers.postgres is not None
    for server in (house.servers.redis, house.servers.postgres):
        _kill(server)
    await house.kill_worker()
    await house.kill_web()


async def _all_relayed(shop: Shop, conversation: str, count: int) -> None:
    query = "SELECT count(*) FROM messages WHERE conversation_id = :id AND state = 'relayed'"

    async def look() -> bool:
        return bool(await shop.house.scalar(query, id=conversation) == count)

    await eventually(look, "all are relayed", within=40)


async def _texts(shop: Shop, topic: int) -> list[str]:
    return [text.rpartition("\n")[2] for text in await shop.operators.texts(topic)]


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
