"""What happens at the same moment: one topic, one row, one order, one worker to a group."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from tests.house import House, Shop, eventually


@pytest.fixture(scope="module")
async def two_workers(house: House) -> AsyncIterator[None]:
    """A second worker beside the first."""
    async with house.another_worker():
        yield


async def test_one_id_from_two_tabs_at_once_is_one_message(shop: Shop) -> None:
    """Both repeats wait for the row; one inserts, the other is told what was stored."""
    async with shop.visitor() as one, shop.visitor(token=one.token) as two:
        await one.say("first")
        await one.expect("relayed", seq=1)
        message_id = str(uuid.uuid4())
        async with shop.house.database.begin() as db:
            lock = text("SELECT 1 FROM conversations WHERE id = :id FOR UPDATE")
            await db.execute(lock, {"id": one.conversation})
            await one.type_in("twice", id=message_id)
            await two.type_in("twice", id=message_id)
            await eventually(lambda: _waiting(shop, 2), "both wait for the row")
        acks = [await tab.expect("ack", id=message_id) for tab in (one, two)]
        assert acks[0] == acks[1]
        assert acks[0]["seq"] == 2
        await one.expect("relayed", seq=2)
        await _counters_fit(shop, one.conversation, seq=2, rev=4)
        assert one.transcript == two.transcript == ["first", "twice"]


async def test_one_first_message_from_two_tabs_at_once_is_one_message(shop: Shop) -> None:
    for _ in range(5):
        async with shop.visitor() as one, shop.visitor(token=one.token) as two:
            message_id = str(uuid.uuid4())
            await asyncio.gather(*(tab.type_in("hello", id=message_id) for tab in (one, two)))
            acks = [await tab.expect("ack", id=message_id) for tab in (one, two)]
            assert acks[0] == acks[1]
            await one.expect("relayed", seq=1)
            await _counters_fit(shop, one.conversation, seq=1, rev=2)


@pytest.mark.usefixtures("two_workers")
async def test_twenty_first_messages_at_once_open_one_topic(shop: Shop) -> None:
    async with shop.visitor() as one, shop.visitor(token=one.token) as two:
        with shop.house.telegram.far_away(0.02):
            await asyncio.gather(
                *(
                    tab.type_in(f"{name} {number}")
                    for tab, name in ((one, "one"), (two, "two"))
                    for number in range(10)
                )
            )
            for tab in (one, two):
                await tab.expect("relayed", seq=20)
        assert len(await shop.operators.topics()) == 1
        assert len(await shop.operators.calls("createForumTopic")) == 1
        texts = await shop.operators.texts(await shop.topic_of(one))
        said = [text.rpartition("\n")[2] for text in texts]
        assert said == one.transcript == two.transcript
        for name in ("one", "two"):
            assert [text for text in said if text.startswith(name)] == [
                f"{name} {number}" for number in range(10)
            ]


@pytest.mark.usefixtures("two_workers")
async def test_two_workers_never_serve_one_group_at_once(shop: Shop) -> None:
    visitors = [shop.visitor() for _ in range(4)]
    for visitor in visitors:
        await visitor.open()
        await visitor.hello()
    with shop.house.telegram.far_away(0.02):
        for number in range(5):
            await asyncio.gather(*(visitor.type_in(f"message {number}") for visitor in visitors))
        for visitor in visitors:
            await visitor.expect("relayed", seq=5)
    for visitor in visitors:
        texts = await shop.operators.texts(await shop.topic_of(visitor))
        assert [said.rpartition("\n")[2] for said in texts] == [f"message {number}" for number in range(5)]
        await visitor.leave()
    assert shop.house.telegram.line.most[shop.operators.chat] == 1
    assert len(await shop.operators.topics()) == 4


async def _waiting(shop: Shop, count: int) -> bool:
    """Whether so many statements wait for a lock."""
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    return int(await shop.house.scalar(query)) >= count


async def _counters_fit(shop: Shop, conversation: str, *, seq: int, rev: int) -> None:
    counters = "SELECT seq || '/' || rev FROM conversations WHERE id = :id"
    rows = "SELECT count(*) || '/' || max(rev) FROM messages WHERE conversation_id = :id"
    expected = f"{seq}/{rev}"
    assert await shop.house.scalar(counters, id=conversation) == expected
    assert await shop.house.scalar(rows, id=conversation) == expected
