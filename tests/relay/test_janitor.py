"""The janitor: what could not be carried out is tried again in order; what is past its time goes.

An effect fails for real: while the spell is cast, the database refuses the words of it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from arq.connections import ArqRedis
from sqlalchemy import text

from tests.domain.conftest import BOT, CHAT, Desk
from tests.house import eventually
from tests.relay.conftest import Quiet
from topicwire import notifier
from topicwire.db import Database
from topicwire.domain import holds, inbox, lanes, outbox
from topicwire.embedded import Servers
from topicwire.jobs import Jobs
from topicwire.notifier import Notifier
from topicwire.relay.channel import ChatMigrated, Edited, Event, LinkAsked, Seen, Text, TopicChanged, Wrote
from topicwire.relay.janitor import LEASE_NAME, Janitor
from topicwire.relay.to_operator import ToOperator
from topicwire.services import Services

SPELL = """
    CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.text LIKE '%spell%' THEN RAISE EXCEPTION 'these words are refused'; END IF;
      RETURN NEW;
    END $$
"""
CAST = "CREATE TRIGGER spell BEFORE INSERT OR UPDATE ON messages FOR EACH ROW EXECUTE FUNCTION refuse()"
TOPIC = 10


@pytest.fixture
async def services(database: Database, arq: ArqRedis, servers: Servers) -> AsyncIterator[Services]:
    made = Services(db=database, jobs=Jobs(arq), notifier=Notifier(notifier.client(str(servers.redis_url))))
    yield made
    await made.jobs.close()
    await made.notifier.close()


@pytest.fixture
def janitor(services: Services) -> Janitor:
    return Janitor(db=services.db, jobs=services.jobs, notifier=services.notifier, holder="worker")


@asynccontextmanager
async def spell(database: Database) -> AsyncIterator[None]:
    """Inside the block no message can be stored that speaks of a spell."""
    async with database.statement() as db:
        for statement in (SPELL, CAST):
            await db.execute(text(statement))
        try:
            yield
        finally:
            await db.execute(text("DROP TRIGGER spell ON messages"))


def wrote(number: int, words: str, *, topic: int = TOPIC) -> Wrote:
    return Wrote(CHAT, topic, 500 + number, 0, "Mara", Text(words))


async def take(services: Services, number: int, event: Event) -> None:
    await services.take_update(bot_id=BOT, update_id=number, event=event, seen=Seen(CHAT, 500 + number))


async def states(database: Database) -> dict[int, str]:
    async with database.statement() as db:
        rows = await db.execute(text("SELECT update_id, state FROM inbox ORDER BY update_id"))
        return {row.update_id: row.state for row in rows}


async def transcript(database: Database) -> list[str]:
    async with database.statement() as db:
        return [row.text for row in await db.execute(text("SELECT text FROM messages ORDER BY seq"))]


async def age(database: Database, interval: str) -> None:
    """Let time pass since everything was received."""
    async with database.statement() as db:
        await db.execute(text(f"UPDATE inbox SET received_at = received_at - interval '{interval}'"))  # noqa: S608


async def notices(database: Database) -> list[tuple[str, int | None, int | None]]:
    async with database.statement() as db:
        rows = await db.execute(text("SELECT body FROM outbox WHERE kind = 'notice' ORDER BY id"))
        return [(row.body["text"], row.body.get("topic_id"), row.body.get("reply_to")) for row in rows]


async def open_topic(desk: Desk) -> None:
    await desk.say("Hello")
    await desk.give_topic("ann", TOPIC)


async def test_what_comes_behind_a_failed_update_waits_and_is_replayed_in_order(
    services: Services, janitor: Janitor, desk: Desk, database: Database
) -> None:
    await open_topic(desk)
    await desk.say("Hi", by="ben")
    await desk.give_topic("ben", 11)
    async with spell(database):
        await take(services, 1, wrote(1, "before"))
        await take(services, 2, wrote(2, "a spell"))
        await take(services, 3, wrote(3, "behind"))
        await take(services, 4, Edited(CHAT, TOPIC, 501, 1, Text("before, changed")))
        await take(services, 5, wrote(5, "elsewhere", topic=11))  # other topics go on
        assert await states(database) == {1: "done", 2: "failed", 3: "waiting", 4: "waiting", 5: "done"}
        await janitor.mend()
        assert await states(database) == {1: "done", 2: "failed", 3: "waiting", 4: "waiting", 5: "done"}
        assert sorted(await transcript(database)) == ["Hello", "Hi", "before", "elsewhere"]
    await take(services, 6, wrote(6, "last"))  # still in its place
    await janitor.mend()
    assert set((await states(database)).values()) == {"done"}
    async with database.statement() as db:
        rows = await db.execute(text("SELECT text FROM messages WHERE conversation_id = 'ann' ORDER BY seq"))
        assert [row.text for row in rows] == ["Hello", "before, changed", "a spell", "behind", "last"]
    await take(services, 7, wrote(7, "and on"))
    assert (await states(database))[7] == "done"


async def test_sockets_are_rung_for_what_is_replayed(
    services: Services, janitor: Janitor, desk: Desk, database: Database
) -> None:
    await open_topic(desk)
    heard: list[str] = []
    ready, told = asyncio.Event(), asyncio.Event()

    def hear(change: Any) -> None:
        heard.append(change.message.text)
        if len(heard) == 2:
            told.set()

    ears = asyncio.create_task(services.notifier.listen(hear, ready.set))
    await asyncio.wait_for(ready.wait(), 10)
    async with spell(database):
        await take(services, 1, wrote(1, "a spell"))
        await take(services, 2, wrote(2, "behind"))
    await janitor.mend()
    await asyncio.wait_for(told.wait(), 10)
    assert heard == ["a spell", "behind"]
    ears.cancel()
    await asyncio.gather(ears, return_exceptions=True)


async def test_after_an_hour_the_operators_are_told_and_the_others_go_on(
    services: Services, janitor: Janitor, desk: Desk, database: Database
) -> None:
    await open_topic(desk)
    async with spell(database):
        await take(services, 1, wrote(1, "a spell"))
        await take(services, 2, wrote(2, "behind"))
        await age(database, "59 minutes")
        await janitor.mend()
        assert await notices(database) == []
        await age(database, "2 minutes")
        await take(services, 3, wrote(3, "last, with a spell"))  # has an hour of its own
        for _ in range(2):
            await janitor.mend()
        assert await states(database) == {1: "lost", 2: "done", 3: "failed"}
        ((words, topic, reply_to),) = await notices(database)
        assert words.startswith("This message did not reach the visitor")
        assert (topic, reply_to) == (TOPIC, 501)
    assert await transcript(database) == ["Hello", "behind"]


async def test_what_waited_for_its_topic_is_not_lost_by_a_claim_that_meets_a_failing_one(
    services: Services, janitor: Janitor, desk: Desk, relay: ToOperator, channel: Quiet
) -> None:
    database = desk.database
    await desk.say("Hello")
    for number, words in enumerate(("before", "a spell", "behind"), 1):
        await take(services, number, wrote(number, words, topic=101))
    assert set((await states(database)).values()) == {"waiting"}
    async with spell(database):
        await relay.drain(desk.group_id)  # makes topic 101
        assert channel.asked == ["create_topic", "send"]
        assert await states(database) == {1: "done", 2: "failed", 3: "waiting"}
    await janitor.mend()
    assert await transcript(database) == ["Hello", "before", "a spell", "behind"]


async def test_what_had_waited_long_for_its_topic_is_not_given_up_at_once(
    services: Services, janitor: Janitor, desk: Desk, relay: ToOperator
) -> None:
    await desk.say("Hello")
    await take(services, 1, wrote(1, "a spell", topic=101))
    await age(desk.database, "2 hours")
    async with spell(desk.database):
        await relay.drain(desk.group_id)
        assert await states(desk.database) == {1: "failed"}
    await janitor.mend()
    assert await transcript(desk.database) == ["Hello", "a spell"]


async def test_what_belongs_to_no_topic_is_tried_again_too(
    services: Services, janitor: Janitor, desk: Desk, database: Database
) -> None:
    async with database.begin() as db:  # as if both had failed
        for number, event in enumerate(
            (ChatMigrated(CHAT, -2002), LinkAsked(-3003, "Group", None, 1, 7, "code")), 1
        ):
            await inbox.take(db, bot_id=BOT, update_id=number)
            await inbox.keep(
                db, bot_id=BOT, update_id=number, state="failed", event=event, chat_id=0, topic_id=None
            )
    await janitor.mend()
    assert await states(database) == {1: "done", 2: "command"}
    async with database.statement() as db:
        assert (await db.execute(text("SELECT chat_id FROM groups"))).scalar_one() == -2002


async def test_a_topic_of_nobody_is_told_once(
    services: Services, janitor: Janitor, desk: Desk, database: Database
) -> None:
    await open_topic(desk)
    await take(services, 1, wrote(1, "is anybody there?", topic=77))
    await take(services, 2, TopicChanged(CHAT, 77, "closed", False))
    await janitor.mend()
    assert await notices(database) == []
    await age(database, "61 minutes")
    for _ in range(2):
        await janitor.mend()
    await take(services, 3, wrote(3, "hello?", topic=77))
    await age(database, "61 minutes")
    await janitor.mend()
    told = await notices(database)
    assert [(topic, reply_to) for _, topic, reply_to in told] == [(77, None)]
    assert told[0][0].startswith("This topic belongs to no conversation")
    assert set((await states(database)).values()) == {"waiting"}  # it may still be claimed


async def test_one_worker_keeps_house(janitor: Janitor, database: Database) -> None:
    async def holder() -> str | None:
        async with database.statement() as db:
            found = await db.execute(
                text("SELECT holder FROM leases WHERE name = :name"), {"name": LEASE_NAME}
            )
            name: str | None = found.scalar_one_or_none()
            return name

    first, second = (
        asyncio.create_task(replace(janitor, holder=name).keep_house()) for name in ("first", "second")
    )
    keeper = await eventually(holder, "somebody keeps house")
    assert keeper in ("first", "second")
    for task in (first, second):
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await holder() is None  # given back: the next worker need not wait


# What goes, and what stays


async def receive(
    database: Database, *, state: str = "done", days: float = 0, message: int | None = None
) -> None:
    async with database.statement() as db:
        await db.execute(
            text(
                "INSERT INTO inbox (bot_id, update_id, chat_id, message_id, state, received_at)"
                " SELECT 1, coalesce(max(update_id), 0) + 1, -1, :message, :state,"
                " now() - make_interval(secs => :days * 86400) FROM inbox"
            ),
            {"message": message, "state": state, "days": float(days)},
        )


async def test_updates_go_when_nobody_will_ask_for_them(janitor: Janitor, database: Database) -> None:
    for state, days in (
        ("done", 3.9), ("done", 4.1), ("waiting", 5.9), ("waiting", 6.1), ("lost", 6.1), ("command", 6.1),
        ("failed", 9),
    ):  # fmt: skip
        await receive(database, state=state, days=days)
    await janitor.clear_out()
    assert await states(database) == {1: "done", 3: "waiting", 7: "failed"}


async def test_the_newest_message_of_a_chat_is_remembered(
    janitor: Janitor, desk: Desk, database: Database
) -> None:
    """A call in doubt is looked for above it, in a group that was quiet for a month too."""
    await open_topic(desk)
    for number in (700, 702, 701):
        await receive(database, days=30, message=number)
    async with database.statement() as db:
        await db.execute(text("UPDATE inbox SET chat_id = :chat"), {"chat": CHAT})
        await janitor.clear_out()
        left = (await db.execute(text("SELECT message_id FROM inbox"))).all()
        assert [row.message_id for row in left] == [702]
        taken = await outbox.take(db, desk.group_id)
        assert taken is not None
        await lanes.doubt(db, taken[0], pause=0)
        asked = await db.execute(text("SELECT doubts FROM groups"))
        assert [doubt["after"] for doubt in asked.scalar_one()] == [702]


async def test_holds_go_when_their_tokens_are_too_old(janitor: Janitor, database: Database) -> None:
    async with database.statement() as db:
        for hold, days in (("old", 401), ("new", 399)):
            await holds.revoke(db, hold)
            await db.execute(
                text("UPDATE revoked_holds SET at = now() - make_interval(days => :days) WHERE hold = :hold"),
                {"hold": hold, "days": days},
            )
        await janitor.clear_out()
        assert not await holds.revoked(db, "old")
        assert await holds.revoked(db, "new")


async def test_more_than_a_batch_goes(janitor: Janitor, database: Database) -> None:
    async with database.statement() as db:
        await db.execute(
            text(
                "INSERT INTO inbox (bot_id, update_id, received_at)"
                " SELECT 1, number, now() - interval '5 days' FROM generate_series(1, 2500) number"
            )
        )
        await janitor.clear_out()
        assert (await db.execute(text("SELECT count(*) FROM inbox"))).scalar_one() == 0
