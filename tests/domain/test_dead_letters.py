"""Dead letters: kept with their reason, put back in order, told to their visitors; each only once."""

import asyncio

from sqlalchemy import text

from tests.domain.conftest import Desk, new_desk
from topicwire.db import Connection, Database
from topicwire.domain import conversations, dead_letters, outbox
from topicwire.domain.outbox import Notice


async def fail_all(db: Connection, desk: Desk) -> None:
    """Let everything that is due be refused for good."""
    while turn := await outbox.take(db, desk.group_id):
        lane, entry = turn
        assert entry is not None
        await outbox.failed(db, lane, entry.id, reason="rejected", last_error="MESSAGE_IS_CURSED", pause=0)


async def letters_of(db: Connection, project: str | None = None) -> list[int]:
    return [int(letter.id) for letter in await dead_letters.every(db, project=project)]


async def requeue(database: Database, ids: list[int]) -> dead_letters.Requeued:
    async with database.begin() as db:
        return await dead_letters.requeue(db, ids)


async def test_what_is_put_back_is_said_in_order_and_changes_for_its_visitor(
    desk: Desk, database: Database, db: Connection
) -> None:
    for said in ("one", "two"):
        await desk.say(said)
    await desk.say("ben's", by="ben")
    await desk.give_topic("ann", 10)
    await desk.give_topic("ben", 11)
    await fail_all(db, desk)
    await desk.say("three")
    ids = await letters_of(db)
    done = await requeue(database, ids)
    assert done.ids == tuple(ids)
    assert done.drains == {desk.group_id}
    told = [(change.conversation_id, change.rev, change.state) for change in done.changes]
    assert sorted(told) == [("ann", 6, "open"), ("ann", 7, "open"), ("ben", 3, "open")]
    assert {change.message.state for change in done.changes if change.message} == {"accepted"}
    assert await desk.counters() == (3, 7, 3)
    present = await conversations.since(db, "ann", 5)
    assert present is not None
    assert [(each.text, each.rev, each.state) for each in present.messages] == [
        ("one", 6, "accepted"), ("two", 7, "accepted"),
    ]  # fmt: skip
    said_again = []
    while turn := await outbox.take(db, desk.group_id):
        lane, entry = turn
        assert entry is not None
        assert entry.attempts == 0
        said_again.append(entry.text)
        await outbox.relayed(db, lane, [entry.id], message_id=100 + len(said_again), pause=0)
    assert [said for said in said_again if said != "ben's"] == ["one", "two", "three"]


async def test_what_is_no_dead_letter_stays_as_it_is(desk: Desk, database: Database, db: Connection) -> None:
    await desk.say("one")
    (entry,) = (await db.execute(text("SELECT id FROM outbox"))).all()
    done = await requeue(database, [entry.id, 4711])
    assert (done.ids, done.changes, done.drains) == ((), (), frozenset())
    assert await desk.counters() == (1, 1, 1)


async def test_what_its_visitor_tries_again_is_a_dead_letter_no_more(
    desk: Desk, database: Database, db: Connection
) -> None:
    await desk.say("one", client_id="a")
    await desk.give_topic("ann", 10)
    await fail_all(db, desk)
    ids = await letters_of(db)

    async def visitor() -> conversations.Said:
        async with database.begin() as mine:
            return await conversations.repeat(mine, conversation_id="ann", client_id="a")

    _, done = await asyncio.gather(visitor(), requeue(database, ids))  # whoever comes first
    assert await letters_of(db) == []
    waiting = await db.execute(text("SELECT count(*) FROM outbox"))
    assert waiting.scalar_one() == 1
    assert await desk.counters() == (1, 3, 1)
    assert len(done.ids) <= 1


async def test_letters_of_one_project_are_named_by_its_id_or_key(desk: Desk, db: Connection) -> None:
    other = await new_desk(desk.database, chat_id=-1002)
    await other.say("elsewhere", by="zoe")
    await other.give_topic("zoe", 10)
    await desk.say("here")
    await desk.give_topic("ann", 10)
    await outbox.add_notice(db, other.group_id, Notice("of our own"))
    for each in (desk, other):
        await fail_all(db, each)
    assert [letter.text for letter in await dead_letters.every(db, project=desk.project_id)] == ["here"]
    key = await db.execute(text("SELECT key FROM projects WHERE id = :id"), {"id": other.project_id})
    found = await dead_letters.every(db, project=key.scalar_one())
    assert sorted((letter.kind, letter.text) for letter in found) == [
        ("message", "elsewhere"), ("notice", "of our own"),
    ]  # fmt: skip
    assert len(await letters_of(db)) == 3


async def test_a_letter_goes_to_the_group_that_its_project_has_now(
    desk: Desk, database: Database, db: Connection
) -> None:
    await desk.say("one")
    await desk.give_topic("ann", 10)
    await fail_all(db, desk)
    await db.execute(text("UPDATE groups SET project_id = NULL"))
    done = await requeue(database, await letters_of(db))
    assert (len(done.ids), done.drains) == (1, frozenset())
    await db.execute(text("UPDATE groups SET project_id = :id"), {"id": desk.project_id})
    assert await outbox.adopt_unlinked(db) == 1
