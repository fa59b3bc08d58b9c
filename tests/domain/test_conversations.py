"""Conversations on a real database: counters, repeats, catching up."""

import asyncio

import msgspec
import pytest
from sqlalchemy import text

from tests.domain.conftest import CHAT, Desk, new_desk
from topicwire.db import Connection, Database
from topicwire.domain import conversations, holds, topics
from topicwire.domain.conversations import AlreadySaid, Visitor


async def test_nothing_exists_before_the_first_message(db: Connection) -> None:
    assert await conversations.since(db, "ann", 0) is None
    assert await conversations.heads(db, ["ann"]) == []
    await conversations.describe(db, "ann", Visitor(email="ann@example.com"))
    await conversations.mark_read(db, "ann", 3)
    assert await conversations.heads(db, ["ann"]) == []


async def test_messages_are_numbered_without_gaps(desk: Desk) -> None:
    said = [await desk.say(f"message {number}") for number in range(3)]
    assert [(each.seq, each.rev, each.new) for each in said] == [(1, 1, True), (2, 2, True), (3, 3, True)]
    assert all(each.group_id == desk.group_id for each in said)
    assert await desk.counters() == (3, 3, 3)


async def test_a_message_before_the_link_has_no_group(database: Database, desk: Desk) -> None:
    async with database.begin() as db:
        await db.execute(text("UPDATE groups SET project_id = NULL"))
    assert (await desk.say("Hello")).group_id is None


async def test_a_repeated_id_burns_no_number(desk: Desk, db: Connection) -> None:
    first = await desk.say("Hello", client_id="a")
    with pytest.raises(AlreadySaid):
        await desk.say("Hello", client_id="a")
    assert await desk.counters() == (1, 1, 1)
    again = await conversations.repeat(db, conversation_id="ann", client_id="a")
    assert (again.seq, again.rev, again.at, again.new) == (first.seq, first.rev, first.at, False)
    assert (await desk.say("Next")).seq == 2


async def test_a_repeat_while_the_first_is_uncommitted_waits_for_it(desk: Desk, database: Database) -> None:
    await desk.say("Hello")
    values = {"conversation_id": "ann", "project_id": desk.project_id, "visitor": Visitor(), "client_id": "a"}
    async with database.begin() as first:
        said = await conversations.say(first, said="once", **values)  # type: ignore[arg-type]
        repeats = [asyncio.create_task(desk.say("once", client_id="a")) for _ in range(3)]
        while await _blocked(database) < 3:  # noqa: ASYNC110 (only the database knows)
            await asyncio.sleep(0.005)
    for result in await asyncio.gather(*repeats, return_exceptions=True):
        assert isinstance(result, AlreadySaid)
    async with database.begin() as db:
        again = await conversations.repeat(db, conversation_id="ann", client_id="a")
    assert (again.seq, again.rev) == (said.seq, said.rev)
    assert await desk.counters() == (2, 2, 2)


async def _blocked(database: Database) -> int:
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with database.statement() as db:
        return int((await db.execute(text(query))).scalar_one())


async def test_first_messages_at_once_are_all_kept(desk: Desk) -> None:
    said = await asyncio.gather(*(desk.say(f"message {number}") for number in range(10)))
    assert sorted(each.seq for each in said) == list(range(1, 11))
    assert await desk.counters() == (10, 10, 10)


async def test_a_conversation_of_another_project_is_out_of_reach(desk: Desk, database: Database) -> None:
    """As it would be with a forged id: nothing is written, and nothing is told."""
    await desk.say("Private")
    other = await new_desk(database, chat_id=-1002)
    with pytest.raises(Exception, match="No row was found"):
        await other.say("Let me in")
    assert await desk.counters() == (1, 1, 1)


async def test_the_first_message_tells_who_it_is(desk: Desk, db: Connection) -> None:
    told = Visitor(email="ann@example.com", locale="de", page_url="https://shop.example/")
    await conversations.say(
        db, conversation_id="ann", project_id=desk.project_id, visitor=told, client_id="a", said="Hi"
    )
    await conversations.describe(db, "ann", Visitor(name="Ann", page_url="https://shop.example/cart"))
    query = "SELECT email, name, locale, page_url, page_title FROM conversations"
    row = (await db.execute(text(query))).one()
    assert tuple(row) == ("ann@example.com", "Ann", "de", "https://shop.example/cart", None)


async def test_an_answer_takes_the_next_numbers(desk: Desk, db: Connection) -> None:
    await desk.say("Hello")
    assert await desk.answer("Hi", message_id=7) == 2
    assert await desk.answer("Hi", message_id=7) is None  # an update that came twice
    assert await desk.counters() == (2, 2, 2)
    assert await desk.answer("To you", message_id=8, reply_to=7) == 3
    present = await conversations.since(db, "ann", 2)
    assert present is not None
    (message,) = present.messages
    assert (message.text, message.author, message.reply_to, message.origin) == (
        "To you",
        "Mara",
        2,
        "operator",
    )


async def test_one_message_of_a_chat_is_one_answer_whoever_is_first(desk: Desk) -> None:
    """Two web processes with the same update at the same time, as after a timeout of Telegram's."""
    await desk.say("Hello")
    results = await asyncio.gather(*(desk.answer("Hi") for _ in range(4)), return_exceptions=True)
    assert results.count(2) == 1
    assert await desk.counters() == (2, 2, 2)


async def test_an_edit_changes_rev_and_text_and_nothing_else(desk: Desk, db: Connection) -> None:
    await desk.say("Price?")
    await desk.answer("10", message_id=7)
    bold = b'[{"type":"bold","offset":0,"length":2}]'
    change = await conversations.edit(db, chat_id=CHAT, message_id=7, at=100, said="12", entities=bold)
    assert change is not None
    assert change.message is not None
    assert (change.rev, change.message.seq, change.message.born, change.message.text) == (3, 2, 2, "12")
    assert change.message.entities == [{"type": "bold", "offset": 0, "length": 2}]
    assert change.message.edited_at is not None
    same = await conversations.edit(db, chat_id=CHAT, message_id=7, at=101, said="12", entities=bold)
    older = await conversations.edit(db, chat_id=CHAT, message_id=7, at=99, said="11", entities=None)
    unknown = await conversations.edit(db, chat_id=CHAT, message_id=8, at=99, said="11", entities=None)
    assert (same, older, unknown) == (None, None, None)
    assert await desk.counters() == (2, 3, 2)


async def test_a_change_survives_the_way_through_redis(desk: Desk, db: Connection) -> None:
    """Formatting too: a ring that cannot be read would silence all rings behind it."""
    await desk.say("Price?")
    await desk.answer("10", message_id=7, entities=b'[{"type":"bold","offset":0,"length":2}]')
    present = await conversations.since(db, "ann", 1)
    assert present is not None
    for message in present.messages:
        change = conversations.Change("ann", 2, message)
        assert msgspec.json.decode(msgspec.json.encode(change), type=conversations.Change) == change


async def test_catching_up_gives_each_message_once_as_it_is_now(desk: Desk, db: Connection) -> None:
    await desk.say("one")
    await desk.answer("two", message_id=7)
    await desk.say("three")
    await conversations.edit(db, chat_id=CHAT, message_id=7, at=100, said="TWO", entities=None)
    present = await conversations.since(db, "ann", 1)
    assert present is not None
    assert (present.rev, present.state) == (4, "open")
    assert [(message.seq, message.rev, message.text) for message in present.messages] == [
        (3, 3, "three"),
        (2, 4, "TWO"),
    ]
    nothing_new = await conversations.since(db, "ann", 4)
    assert nothing_new is not None
    assert (nothing_new.rev, nothing_new.messages) == (4, [])


async def test_catching_up_comes_by_the_hundred(desk: Desk, db: Connection) -> None:
    for number in range(1, 131):
        await desk.say(f"message {number}")
    newest = await conversations.since(db, "ann", 0)
    assert newest is not None
    assert [message.seq for message in newest.messages] == list(range(31, 131))
    next_hundred = await conversations.since(db, "ann", 5)
    assert next_hundred is not None
    assert [message.seq for message in next_hundred.messages] == list(range(6, 106))
    assert next_hundred.rev == 130
    page = await conversations.before(db, "ann", seq=31, limit=10)
    assert [message.seq for message in page] == list(range(21, 31))
    assert await conversations.before(db, "ann", seq=1, limit=10) == []


async def test_heads_tell_where_conversations_stand(desk: Desk, db: Connection) -> None:
    await desk.say("one")
    await desk.say("two", by="ben")
    await desk.say("three", by="ben")
    assert sorted(await conversations.heads(db, ["ann", "ben", "nobody"])) == [
        ("ann", 1, "open"),
        ("ben", 2, "open"),
    ]


async def test_reading_is_noted_up_to_what_there_is(desk: Desk, db: Connection) -> None:
    await desk.say("one")
    for seq, noted in ((5, 1), (0, 1)):
        await conversations.mark_read(db, "ann", seq)
        read = (await db.execute(text("SELECT read_seq FROM conversations"))).scalar_one()
        assert read == noted


async def test_a_hold_that_was_given_up_stays_so(db: Connection) -> None:
    assert not await holds.revoked(db, "hold")
    await holds.revoke(db, "hold")
    await holds.revoke(db, "hold")
    assert await holds.revoked(db, "hold")
    assert not await holds.revoked(db, "another")


async def test_closing_a_topic_closes_the_conversation_writing_opens_it(desk: Desk, db: Connection) -> None:
    await desk.say("one")
    await desk.give_topic("ann", 10)
    assert await topics.set_closed(db, "ann", topic_id=10, closed=True) == 1
    assert await conversations.heads(db, ["ann"]) == [("ann", 1, "closed")]
    assert await topics.set_closed(db, "ann", topic_id=9, closed=False) is None
    await desk.say("two")
    assert await conversations.heads(db, ["ann"]) == [("ann", 2, "open")]
    closed = (await db.execute(text("SELECT topic_closed FROM conversations"))).scalar_one()
    assert closed  # until the relay has reopened it


async def test_a_topic_has_one_owner_and_a_conversation_one_topic(desk: Desk, db: Connection) -> None:
    await desk.say("one")
    assert await topics.claim(db, "ann", chat_id=CHAT, topic_id=10, name="Ann")
    assert not await topics.claim(db, "ann", chat_id=CHAT, topic_id=11, name="Ann")
    assert await topics.owner_of(db, chat_id=CHAT, topic_id=10) == "ann"
    assert await topics.owner_of(db, chat_id=CHAT, topic_id=11) is None
    assert await topics.owner_of(db, chat_id=-5, topic_id=10) is None
    await topics.add_alias(db, "ann", chat_id=CHAT, topic_id=11)
    await topics.add_alias(db, "ann", chat_id=CHAT, topic_id=11)
    assert await topics.owner_of(db, chat_id=CHAT, topic_id=11) == "ann"


async def test_of_twenty_claims_one_wins(desk: Desk, database: Database) -> None:
    await desk.say("one")

    async def claim(topic: int) -> bool:
        async with database.begin() as db:
            return await topics.claim(db, "ann", chat_id=CHAT, topic_id=topic, name="Ann")

    assert sum(await asyncio.gather(*(claim(topic) for topic in range(10, 30)))) == 1


async def test_a_vanished_topic_stays_an_alias(desk: Desk, db: Connection) -> None:
    await desk.say("one")
    await desk.give_topic("ann", 10)
    assert not await topics.drop(db, "ann", topic_id=9)
    assert await topics.drop(db, "ann", topic_id=10)
    assert not await topics.drop(db, "ann", topic_id=10)
    assert await topics.owner_of(db, chat_id=CHAT, topic_id=10) == "ann"
    assert await topics.claim(db, "ann", chat_id=CHAT, topic_id=11, name="Ann")


async def test_a_recap_tells_only_what_operators_have_seen(desk: Desk, db: Connection) -> None:
    await desk.say("seen")
    await outbox_is_empty(db)
    await desk.answer("answered")
    await desk.say("not seen yet")
    assert [(row.origin, row.text) for row in await conversations.recent(db, "ann")] == [
        ("visitor", "seen"),
        ("operator", "answered"),
    ]


async def outbox_is_empty(db: Connection) -> None:
    await db.execute(text("UPDATE outbox SET state = 'relayed'"))
