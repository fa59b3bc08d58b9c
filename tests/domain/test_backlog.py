"""When a project is too far behind to take new conversations, and what its visitors are told of it."""

from sqlalchemy import text

from tests.domain.conftest import Desk, new_desk
from topicwire.db import Connection, Database
from topicwire.domain import backlog, groups, projects

_WAITING = text(
    """
    INSERT INTO outbox (group_id, conversation_id, seq, kind, state, created_at)
    SELECT :group, :conversation, 1, :kind, :state, now() - make_interval(mins => :age)
    FROM generate_series(1, :count)
    """
)


async def wait(
    db: Connection, desk: Desk, count: int, *, age: int = 0, kind: str = "message", state: str = "accepted"
) -> None:
    """Let so many more entries wait for the group, since so many minutes."""
    values = {"group": desk.group_id, "conversation": "ann", "kind": kind, "state": state}
    await db.execute(_WAITING, {**values, "age": age, "count": count})


async def test_nothing_waits_too_long_at_first(db: Connection, desk: Desk) -> None:
    assert not await backlog.too_long(db, desk.project_id)
    assert not await backlog.too_long(db, "nobody")


async def test_five_thousand_may_wait_and_no_more(db: Connection, desk: Desk, database: Database) -> None:
    await desk.say("the first")
    neighbour = await new_desk(database, chat_id=-1002)
    await wait(db, desk, 4999)
    assert not await backlog.too_long(db, desk.project_id)
    await wait(db, desk, 1)
    assert await backlog.too_long(db, desk.project_id)
    assert not await backlog.too_long(db, neighbour.project_id)


async def test_an_hour_is_too_long(db: Connection, desk: Desk) -> None:
    await desk.say("the first")
    await wait(db, desk, 10, age=59)
    assert not await backlog.too_long(db, desk.project_id)
    await wait(db, desk, 1, age=61)
    assert await backlog.too_long(db, desk.project_id)


async def test_only_messages_that_wait_count(db: Connection, desk: Desk) -> None:
    await desk.say("the first")
    await wait(db, desk, 6000, age=90, state="failed")
    await wait(db, desk, 1, age=90, kind="rename")
    assert not await backlog.too_long(db, desk.project_id)


async def test_a_project_without_a_group_has_a_backlog_too(db: Connection, desk: Desk) -> None:
    await desk.say("the first")
    await db.execute(text("UPDATE groups SET project_id = NULL"))
    await db.execute(text("UPDATE outbox SET group_id = NULL, created_at = now() - interval '61 minutes'"))
    assert await backlog.too_long(db, desk.project_id)
    other = await projects.create(db, owner="other@example.com", name="Other")
    assert not await backlog.too_long(db, other.id)
    await groups.link(db, desk.group_id, other.id)
    assert not await backlog.too_long(db, other.id)


async def test_how_far_behind_counts_what_goes_before(database: Database, desk: Desk) -> None:
    """Each of 21 new conversations takes two calls of twenty a minute, in the order in which they came."""
    for number in range(21):
        await desk.say("hello", by=f"visitor {number:02}")
    names = [f"visitor {number:02}" for number in range(21)]
    async with database.begin() as db:
        await db.execute(text("UPDATE outbox SET created_at = created_at - interval '10 s'"))
        delays = await backlog.delays(db, names, rate=(20, 60))
        lifted = await backlog.delays(db, names)
    told = [delays[name] for name in names]
    assert [delay // 60 for delay in told] == [0] * 10 + [1] * 10 + [2]
    assert all(10 <= delay % 60 < 15 for delay in told)
    assert all(10 <= delay < 15 for delay in lifted.values())


async def test_who_has_no_group_is_told_how_long_it_has_waited(database: Database, desk: Desk) -> None:
    await desk.say("hello")
    async with database.begin() as db:
        assert await backlog.delays(db, ["ann"], rate=(1, 60)) == {}  # not yet
        await db.execute(text("UPDATE outbox SET group_id = NULL, created_at = created_at - interval '90 s'"))
        assert 90 <= (await backlog.delays(db, ["ann"], rate=(1, 60)))["ann"] < 95
