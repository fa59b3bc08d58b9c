"""The outbox and its lanes: order, leases, fences; a lane that was lost changes nothing."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text

from tests.domain.conftest import BOT, CHAT, Desk, new_desk, pass_time
from topicwire.db import Connection, Database
from topicwire.domain import conversations, groups, inbox, lanes, outbox, topics
from topicwire.domain.lanes import Lane, LaneLost
from topicwire.domain.outbox import Entry, Notice

RATE = (20, 60.0)


async def taken(db: Connection, desk: Desk) -> tuple[Lane, Entry]:
    """The next turn, which there has to be."""
    turn = await outbox.take(db, desk.group_id, rate=RATE)
    assert turn is not None
    lane, entry = turn
    assert entry is not None
    return lane, entry


async def nothing_to_take(db: Connection, desk: Desk) -> bool:
    return await outbox.take(db, desk.group_id, rate=RATE) is None


async def all_said(db: Connection, desk: Desk) -> list[str | None]:
    """Say everything that is due; what was said, in order."""
    said: list[str | None] = []
    while turn := await outbox.take(db, desk.group_id, rate=RATE):
        lane, entry = turn
        assert entry is not None
        said.append(entry.text or entry.kind)
        await outbox.relayed(db, lane, [entry.id], message_id=1000 + len(said), pause=0)
    return said


async def test_a_lane_has_one_holder(desk: Desk, database: Database) -> None:
    await desk.say("one")
    await desk.say("two", by="ben")

    async def take() -> tuple[Lane, Entry | None] | None:
        async with database.statement() as db:
            return await outbox.take(db, desk.group_id, rate=RATE)

    turns = [turn for turn in await asyncio.gather(*(take() for _ in range(8))) if turn]
    assert [(lane.bot_id, lane.chat_id, lane.fence) for lane, _ in turns] == [(BOT, CHAT, 1)]


async def test_many_hands_say_everything_once(desk: Desk, database: Database) -> None:
    """Turns of several workers that take and settle at the same time, as fast as they can."""
    for number in range(15):
        for who in ("ann", "ben"):
            await desk.say(f"{who} {number}", by=who)
    for topic, who in enumerate(("ann", "ben"), 10):
        await desk.give_topic(who, topic)
    said: list[str] = []

    async def work() -> None:
        async with database.statement() as db:
            while len(said) < 30:
                turn = await outbox.take(db, desk.group_id, rate=RATE)
                if turn is not None:
                    lane, entry = turn
                    assert entry is not None
                    said.append(entry.text or "")
                    await asyncio.sleep(0)
                    await outbox.relayed(db, lane, [entry.id], message_id=len(said), pause=0)

    await asyncio.gather(*(work() for _ in range(4)))
    for who in ("ann", "ben"):
        assert [each for each in said if each.startswith(who)] == [f"{who} {number}" for number in range(15)]


async def test_a_lease_runs_out_and_is_given_back(desk: Desk, db: Connection) -> None:
    await desk.say("one")
    first, entry = await taken(db, desk)
    assert await nothing_to_take(db, desk)
    await pass_time(db, desk.group_id, 14)
    assert await nothing_to_take(db, desk)
    await pass_time(db, desk.group_id, 2)
    second, _ = await taken(db, desk)
    assert second.fence == first.fence + 1
    with pytest.raises(LaneLost):  # too late: it is not the first one's any more
        await lanes.give_back(db, first, pause=0)
    assert await nothing_to_take(db, desk)
    await lanes.give_back(db, second, pause=0)
    third, again = await taken(db, desk)
    assert (third.fence, again.id) == (second.fence + 1, entry.id)


async def test_a_paused_lane_is_not_taken(desk: Desk, db: Connection) -> None:
    await desk.say("one")
    lane, _ = await taken(db, desk)
    await lanes.give_back(db, lane, pause=5)
    assert await nothing_to_take(db, desk)
    assert await outbox.due_groups(db) == []
    await pass_time(db, desk.group_id, 6)
    assert await outbox.due_groups(db) == [desk.group_id]
    await taken(db, desk)


async def test_a_look_at_an_empty_lane_writes_nothing(desk: Desk, database: Database) -> None:
    await desk.say("one")
    async with database.statement() as db:
        assert await all_said(db, desk) == ["one"]
    written = text("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
    async with database.begin() as db:
        assert await nothing_to_take(db, desk)
        assert (await db.execute(written)).scalar_one() is False


async def test_an_entry_knows_whether_its_topic_is_ready(desk: Desk, db: Connection) -> None:
    await desk.say("one")
    lane, entry = await taken(db, desk)
    assert (entry.kind, entry.text, entry.ready, entry.topic_id) == ("message", "one", False, None)
    await desk.give_topic("ann", 10)
    await lanes.give_back(db, lane, pause=0)
    lane, entry = await taken(db, desk)
    assert (entry.ready, entry.topic_id, entry.topic_name, entry.topic_opened) == (True, 10, "ann", False)
    await outbox.relayed(db, lane, [entry.id], message_id=1, pause=0)
    await topics.found_closed(db, "ann")
    await desk.say("two")
    _, entry = await taken(db, desk)
    assert (entry.ready, entry.topic_closed, entry.topic_opened) == (False, True, True)


async def test_within_a_conversation_first_in_is_first_out(desk: Desk, db: Connection) -> None:
    for said in ("one", "two", "three"):
        await desk.say(said)
    await desk.give_topic("ann", 10)
    for number, said in enumerate(("one", "two", "three"), 1):
        lane, entry = await taken(db, desk)
        assert entry.text == said
        (change,) = await outbox.relayed(db, lane, [entry.id], message_id=100 + number, pause=0)
        assert change.message is not None
        assert (change.rev, change.message.seq, change.message.state) == (3 + number, number, "relayed")
    assert await nothing_to_take(db, desk)
    assert await desk.counters() == (3, 6, 3)


async def test_a_head_that_is_not_due_holds_its_conversation_only(desk: Desk, db: Connection) -> None:
    await desk.say("one")
    await desk.say("two")
    await desk.say("ben's", by="ben")
    for conversation, topic in (("ann", 10), ("ben", 11)):
        await desk.give_topic(conversation, topic)
    lane, entry = await taken(db, desk)
    await outbox.put_back(db, lane, entry.id, reason="later", pause=0, delay=60, attempt=True)
    assert await all_said(db, desk) == ["ben's"]
    await db.execute(text("UPDATE outbox SET not_before = now() WHERE not_before IS NOT NULL"))
    _, entry = await taken(db, desk)
    assert (entry.text, entry.attempts) == ("one", 1)


async def test_a_recap_goes_first(desk: Desk, db: Connection) -> None:
    await desk.say("one")
    await desk.give_topic("ann", 10)
    await outbox.add_recap(db, desk.group_id, "ann")
    assert await all_said(db, desk) == ["recap", "one"]


async def test_a_new_visitor_goes_before_one_who_floods(desk: Desk, db: Connection) -> None:
    for number in range(10):
        await desk.say(f"flood {number}", by="flood")
    await desk.give_topic("flood", 10)
    said: list[str | None] = []
    for number in range(12):
        if number == 2:
            await desk.say("hello", by="new")
            await desk.give_topic("new", 11)
        lane, entry = await taken(db, desk)
        said.append(entry.text)
        await outbox.relayed(db, lane, [entry.id], message_id=100 + number, pause=0)
        if number == 10:
            await desk.say("again", by="new")
    assert said[2] == "hello"
    assert [each for each in said if each and each.startswith("flood")] == [f"flood {n}" for n in range(10)]


async def test_who_has_waited_longest_is_served_next(desk: Desk, db: Connection) -> None:
    for number in range(3):
        for who in ("ann", "ben", "cleo"):
            await desk.say(f"{who} {number}", by=who)
    for topic, who in enumerate(("ann", "ben", "cleo"), 10):
        await desk.give_topic(who, topic)
    assert await all_said(db, desk) == [f"{who} {n}" for n in range(3) for who in ("ann", "ben", "cleo")]


async def test_classes_share_and_none_starves(desk: Desk, db: Connection) -> None:
    """Of nine turns five are for what visitors say, three for what keeps order, one for announcements."""
    for number in range(30):
        await desk.say("said", by=f"visitor {number}")
        await desk.give_topic(f"visitor {number}", 10 + number)
        await outbox.add_notice(db, desk.group_id, Notice("normal"))
        await outbox.add_notice(db, desk.group_id, Notice("low"))
    await db.execute(text("UPDATE outbox SET priority = 2 WHERE body ->> 'text' = 'low'"))
    said = []
    for number in range(18):
        lane, entry = await taken(db, desk)
        said.append(entry.text or (entry.body.text if isinstance(entry.body, Notice) else ""))
        await outbox.relayed(db, lane, [entry.id], message_id=100 + number, pause=0)
    assert Counter(said) == {"said": 10, "normal": 6, "low": 2}


async def test_a_notice_needs_no_conversation(desk: Desk, db: Connection) -> None:
    await outbox.add_notice(db, desk.group_id, Notice("Hello “operators”", 7, 8))
    lane, entry = await taken(db, desk)
    assert (entry.kind, entry.ready, entry.body) == ("notice", True, Notice("Hello “operators”", 7, 8))
    assert await outbox.relayed(db, lane, [entry.id], message_id=1, pause=0) == []


async def test_a_dead_letter_tells_its_visitor_and_a_repeat_revives_it(desk: Desk, db: Connection) -> None:
    await desk.say("cursed", client_id="c")
    await desk.give_topic("ann", 10)
    lane, entry = await taken(db, desk)
    (change,) = await outbox.failed(
        db, lane, entry.id, reason="rejected", last_error="Telegram said so", pause=0
    )
    assert change.message is not None
    assert (change.rev, change.message.state) == (2, "failed")
    assert await nothing_to_take(db, desk)
    dead = (await db.execute(text("SELECT state, last_error FROM outbox"))).one()
    assert tuple(dead) == ("failed", "Telegram said so")
    again = await conversations.repeat(db, conversation_id="ann", client_id="c")
    assert (again.seq, again.rev, again.new, again.group_id) == (1, 3, False, desk.group_id)
    twice = await conversations.repeat(db, conversation_id="ann", client_id="c")
    assert (twice.seq, twice.rev, twice.group_id) == (1, 1, None)  # it is on its way already
    assert await all_said(db, desk) == ["cursed"]


async def test_what_a_predecessor_left_is_in_doubt(desk: Desk, db: Connection) -> None:
    await desk.say("one")
    await desk.say("two")
    await desk.say("ben's", by="ben")
    for conversation, topic in (("ann", 10), ("ben", 11)):
        await desk.give_topic(conversation, topic)
    await inbox.take(db, bot_id=BOT, update_id=1, chat_id=CHAT, message_id=77)
    _, left = await taken(db, desk)
    assert await outbox.due_groups(db) == []  # somebody has it, as far as anybody knows
    await pass_time(db, desk.group_id, 16)
    assert await outbox.due_groups(db) == [desk.group_id]
    turn = await outbox.take(db, desk.group_id, rate=RATE)
    assert turn is not None
    lane, entry = turn
    assert (entry, lane.taken_over) == (None, True)
    (doubt,) = lane.doubts
    assert (doubt.entries, doubt.after) == ((left.id,), 77)
    await lanes.looked(db, lane, left=lane.doubts, message_id=None, again_in=20, pause=0)
    lane, entry = await taken(db, desk)  # the others go on
    assert entry.text == "ben's"
    await outbox.relayed(db, lane, [entry.id], message_id=80, pause=0)
    assert await nothing_to_take(db, desk)
    await db.execute(text("UPDATE groups SET doubt_due = now()"))
    assert await outbox.due_groups(db) == [desk.group_id]
    turn = await outbox.take(db, desk.group_id, rate=RATE)
    assert turn is not None
    lane, _ = turn
    assert (lane.taken_over, list(lane.ours)) == (False, [80])
    assert await lanes.seen_since(db, lane, 77) == [80]
    (change,) = await outbox.adopted(db, lane, doubt.entries, message_id=79)
    assert (change.conversation_id, change.message and change.message.state) == ("ann", "relayed")
    await lanes.looked(db, lane, left=(), message_id=79, again_in=None, pause=0)
    lane, entry = await taken(db, desk)
    assert (entry.text, lane.doubts, lane.known_id, list(lane.ours)) == ("two", (), 80, [])


async def test_a_second_doubt_holds_everybody(desk: Desk, db: Connection) -> None:
    for topic, who in enumerate(("ann", "ben", "cleo"), 10):
        await desk.say("one", by=who)
        await desk.give_topic(who, topic)
    for _ in range(2):
        lane, _ = await taken(db, desk)
        await lanes.doubt(db, lane, pause=0)
        await lanes.doubt(db, lane, pause=0)  # again, as after a commit that was not confirmed
        turn = await outbox.take(db, desk.group_id, rate=RATE)
        assert turn is not None
        lane, _ = turn
        await lanes.looked(db, lane, left=lane.doubts, message_id=None, again_in=20, pause=0)
    assert len(lane.doubts) == 2
    assert await nothing_to_take(db, desk)


async def test_a_lost_lane_changes_nothing(desk: Desk, db: Connection) -> None:
    await desk.say("one")
    await desk.give_topic("ann", 10)
    lost, entry = await taken(db, desk)
    await pass_time(db, desk.group_id, 16)
    turn = await outbox.take(db, desk.group_id, rate=RATE)
    assert turn is not None
    lane, _ = turn
    before = await _everything(db)
    attempts: list[Callable[[], Awaitable[object]]] = [
        lambda: outbox.relayed(db, lost, [entry.id], message_id=1, pause=0),
        lambda: outbox.failed(db, lost, entry.id, reason="rejected", last_error="no", pause=0),
        lambda: outbox.put_back(db, lost, entry.id, reason="no", pause=60, trouble="kicked"),
        lambda: outbox.put_back(db, lost, entry.id, reason="no", pause=60, called=False),
        lambda: lanes.give_back(db, lost, pause=60),
        lambda: lanes.another_call(db, lost),
        lambda: lanes.say_together(db, lost, [entry.id]),
        lambda: lanes.ask_for_topic(db, lost, "ann", "Ann"),
        lambda: lanes.doubt(db, lost, pause=60),
        lambda: lanes.looked(db, lost, left=(), message_id=9, again_in=None, pause=0),
        lambda: outbox.adopted(db, lost, [entry.id], message_id=9),
        lambda: outbox.done(db, lost, entry.id, pause=0, called=True),
    ]
    for attempt in attempts:
        with pytest.raises(LaneLost):
            await attempt()
    assert await _everything(db) == before
    await outbox.relayed(db, lane, [entry.id], message_id=1, pause=0)


async def _everything(db: Connection) -> list[object]:
    tables = ("groups", "outbox", "conversations", "messages")
    return [tuple(row) for table in tables for row in await db.execute(text(f"SELECT * FROM {table}"))]  # noqa: S608


async def test_settling_twice_changes_nothing_more(desk: Desk, db: Connection) -> None:
    """As after a commit whose confirmation was lost with the database's connection."""
    await desk.say("one")
    await desk.give_topic("ann", 10)
    lane, entry = await taken(db, desk)
    assert await outbox.relayed(db, lane, [entry.id], message_id=1, pause=0) != []
    assert await outbox.relayed(db, lane, [entry.id], message_id=1, pause=0) == []
    assert await desk.counters() == (1, 2, 1)


async def test_another_call_renews_the_lease(desk: Desk, db: Connection) -> None:
    await desk.say("one")
    lane, _ = await taken(db, desk)
    await pass_time(db, desk.group_id, 14)
    await lanes.another_call(db, lane)
    await pass_time(db, desk.group_id, 14)
    assert await nothing_to_take(db, desk)
    await pass_time(db, desk.group_id, 2)
    await taken(db, desk)


async def test_the_window_remembers_answers_and_no_more_than_it_must(desk: Desk, db: Connection) -> None:
    await desk.say("one")
    counts = []
    for _ in range(6):
        turn = await outbox.take(db, desk.group_id, rate=(4, 60.0))
        assert turn is not None
        lane, _ = turn
        counts.append(len(lane.calls))
        assert list(lane.calls) == sorted(lane.calls)
        assert all(call < lane.now for call in lane.calls)
        await lanes.give_back(db, lane, pause=0)
    assert counts == [0, 1, 2, 3, 3, 3]


async def test_a_call_that_was_not_made_gives_its_slot_back(desk: Desk, db: Connection) -> None:
    await desk.say("one")
    lane, entry = await taken(db, desk)
    await outbox.put_back(db, lane, entry.id, reason="no budget", pause=0, called=False)
    lane, again = await taken(db, desk)
    assert (again.id, again.attempts, list(lane.calls)) == (entry.id, 0, [])


async def test_trouble_is_counted_until_a_call_succeeds(desk: Desk, db: Connection) -> None:
    await desk.say("one")
    for count in range(3):
        lane, entry = await taken(db, desk)
        assert lane.trouble_count == count
        await outbox.put_back(db, lane, entry.id, reason="Forbidden", pause=300, trouble="kicked")
        assert await groups.wake(db, bot_id=BOT, chat_id=CHAT) == desk.group_id
    lane, entry = await taken(db, desk)
    await outbox.put_back(db, lane, entry.id, reason="a fault of another kind", pause=0)
    lane, entry = await taken(db, desk)
    assert lane.trouble_count == 3
    await outbox.relayed(db, lane, [entry.id], message_id=1, pause=0)
    assert await groups.wake(db, bot_id=BOT, chat_id=CHAT) is None
    await desk.say("two")
    lane, _ = await taken(db, desk)
    assert lane.trouble_count == 0


def test_patience_doubles_up_to_a_minute() -> None:
    assert [lanes.patience(count) for count in (0, 1, 2, 3, 4, 5, 6, 7, 1000)] == [
        5, 10, 20, 40, 60, 60, 60, 60, 60,
    ]  # fmt: skip


async def test_what_was_said_before_the_link_is_adopted(desk: Desk, db: Connection) -> None:
    await db.execute(text("UPDATE groups SET project_id = NULL"))
    await desk.say("early")
    await desk.say("also early")
    assert await outbox.adopt_unlinked(db) == 0
    await db.execute(text("UPDATE groups SET project_id = :id"), {"id": desk.project_id})
    assert await outbox.adopt_unlinked(db) == 2
    assert await outbox.due_groups(db) == [desk.group_id]


async def test_groups_do_not_wait_for_one_another(desk: Desk, database: Database) -> None:
    other = await new_desk(database, chat_id=-1002)
    await desk.say("one")
    await other.say("two", by="ben")
    async with database.statement() as db:
        for each, said in ((desk, "one"), (other, "two")):
            _, entry = await taken(db, each)
            assert entry.text == said


async def test_a_projects_backlog_moves_with_it(desk: Desk, db: Connection) -> None:
    await desk.say("one")
    group_id = await groups.ensure(db, bot_id=BOT, chat_id=-1009)
    await groups.link(db, group_id, desk.project_id)
    await outbox.assign(db, project_id=desk.project_id, group_id=group_id)
    assert await outbox.due_groups(db) == [group_id]
