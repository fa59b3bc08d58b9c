"""Projects, their groups and codes, accounts, the inbox, the installation."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from tests.domain.conftest import BOT, CHAT, Desk, new_desk
from topicwire.db import Connection, Database
from topicwire.domain import accounts, groups, inbox, installation, outbox, projects, topics
from topicwire.domain.outbox import Notice
from topicwire.errors import RefusedError


async def test_a_project_is_found_by_its_key(db: Connection) -> None:
    made = await projects.create(
        db, owner=" Owner@Example.com ", name="  My \n shop ", origins=["https://Shop.example/"]
    )
    found = await projects.by_key(db, made.key)
    assert found is not None
    assert (found.id, found.name, found.allowed_origins) == (made.id, "My shop", ("https://shop.example",))
    assert not found.linked
    assert await projects.by_key(db, "pk_unknown") is None
    (line,) = await projects.every(db)
    assert (line["owner"], line["chat_id"]) == ("owner@example.com", None)


async def test_two_projects_of_one_owner_share_an_account(db: Connection) -> None:
    for name in ("one", "two"):
        await projects.create(db, owner="owner@example.com", name=name)
    assert (await db.execute(text("SELECT count(*) FROM accounts"))).scalar_one() == 1


@pytest.mark.parametrize("name", ["", " \n ", "x" * 101])
async def test_a_name_has_one_to_a_hundred_characters(db: Connection, name: str) -> None:
    with pytest.raises(RefusedError) as refused:
        await projects.create(db, owner="owner@example.com", name=name)
    assert refused.value.code == "bad_name"


@pytest.mark.parametrize(
    "address", ["", "owner", "@example.com", "owner@", "a b@example.com", "a" * 251 + "@x.y"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(RefusedError) as refused:
        accounts.normal_address(address)
    assert refused.value.code == "bad_email"


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("https://shop.example", "https://shop.example"),
        (" HTTPS://Shop.Example/ ", "https://shop.example"),
        ("https://shop.example:443", "https://shop.example"),
        ("http://shop.example:80", "http://shop.example"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://*.shop.example", "https://*.shop.example"),
    ],
)
def test_origins_have_one_spelling(given: str, normal: str) -> None:
    assert projects.normal_origin(given) == normal
    assert projects.normal_origin(normal) == normal


@pytest.mark.parametrize(
    "origin",
    ["", "shop.example", "ftp://shop.example", "https://", "https://shop.example/path", "https://*", "*",
     "https://a.*.example", "https://user@shop.example", "null", "https://shop.example?x"],
)  # fmt: skip
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(RefusedError):
        projects.normal_origin(origin)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://shop.example", True),
        ("https://a.wild.example", True),
        ("https://a.b.wild.example", True),
        ("https://A.Wild.Example", True),
        ("https://wild.example", False),
        ("https://notwild.example", False),
        ("http://a.wild.example", False),
        ("https://a.wild.example:444", False),
        ("https://shop.example.evil.example", False),
        ("null", False),
        ("", False),
        (None, False),
    ],
)
def test_origins_are_matched_strictly(origin: str | None, allowed: bool) -> None:
    entries = ["https://shop.example", "https://*.wild.example"]
    assert projects.origin_allowed(origin, entries) is allowed
    assert projects.origin_allowed(origin, [])


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_origin_ends_in_an_error_that_nobody_expects(origin: str, entry: str) -> None:
    projects.origin_allowed(origin, [entry])
    try:
        normal = projects.normal_origin(entry)
    except RefusedError:
        return
    assert projects.normal_origin(normal) == normal


async def test_a_code_works_once_and_for_an_hour(desk: Desk, db: Connection) -> None:
    code = await projects.make_link_code(db, desk.project_id)
    assert await projects.project_of_code(db, code) == (desk.project_id, "Shop")
    assert await projects.project_of_code(db, code + "x") is None
    await projects.use_code(db, code)
    assert await projects.project_of_code(db, code) is None
    late = await projects.make_link_code(db, desk.project_id)
    await db.execute(text("UPDATE link_codes SET expires_at = now() - interval '1 second'"))
    assert await projects.project_of_code(db, late) is None
    stored = (await db.execute(text("SELECT code_hash::text FROM link_codes"))).scalar_one()
    assert late not in stored


async def test_five_tries_an_hour_even_at_once(database: Database) -> None:
    async def try_once() -> bool:
        async with database.begin() as db:
            may = await projects.may_try_code(db, CHAT)
            await projects.count_wrong_code(db, CHAT)
            return may

    assert sum(await asyncio.gather(*(try_once() for _ in range(9)))) == 5
    async with database.begin() as db:
        assert await projects.may_try_code(db, -7)  # another chat
        await db.execute(text("UPDATE link_tries SET at = at - interval '1 hour'"))
    assert await try_once()


async def test_a_group_is_linked_to_one_project(desk: Desk, database: Database) -> None:
    async with database.begin() as db:
        robber = await projects.create(db, owner="robber@example.com", name="Robber")
        with pytest.raises(RefusedError) as refused:
            await groups.link(db, desk.group_id, robber.id)
        assert refused.value.code == "group_taken"
        other_bot = await groups.ensure(db, bot_id=99, chat_id=CHAT)  # another bot in the same chat
        with pytest.raises(RefusedError):
            await groups.link(db, other_bot, robber.id)
        assert await groups.project_of(db, desk.group_id) == desk.project_id


async def test_of_two_bots_in_a_group_one_is_listened_to(desk: Desk, db: Connection) -> None:
    await groups.ensure(db, bot_id=99, chat_id=CHAT)
    assert await groups.hears(db, bot_id=BOT, chat_id=CHAT)
    assert not await groups.hears(db, bot_id=99, chat_id=CHAT)
    assert not await groups.hears(db, bot_id=BOT, chat_id=-5)


async def test_a_title_is_kept_until_there_is_a_better_one(db: Connection) -> None:
    for title, expected in (("", ""), ("Support", "Support"), ("", "Support"), ("Help", "Help")):
        group_id = await groups.ensure(db, bot_id=BOT, chat_id=CHAT, title=title)
        row = await db.execute(text("SELECT title FROM groups WHERE id = :id"), {"id": group_id})
        assert row.scalar_one() == expected


async def test_a_group_keeps_its_conversations_under_a_new_id(desk: Desk, database: Database) -> None:
    await desk.say("one")
    await desk.give_topic("ann", 10)
    async with database.begin() as db:
        assert await groups.move(db, bot_id=BOT, old_chat_id=CHAT, new_chat_id=-9) == desk.group_id
        assert await groups.move(db, bot_id=BOT, old_chat_id=CHAT, new_chat_id=-9) is None
        await topics.leave(db, project_id=desk.project_id, except_chat=-9)
        assert await topics.owner_of(db, chat_id=CHAT, topic_id=10) == "ann"
        assert await topics.claim(db, "ann", chat_id=-9, topic_id=10, name="Ann")
        assert await groups.topic_of(db, "ann") == groups.Topic(BOT, -9, 10)


async def test_what_we_knew_of_the_new_chat_goes_over_to_the_group(desk: Desk) -> None:
    """Somebody wrote `/connect` into the supergroup before we were told that it is one."""
    async with desk.database.begin() as db:
        known = await groups.ensure(db, bot_id=BOT, chat_id=-9)
        await outbox.add_notice(db, known, Notice("That were too many tries."))
        assert await groups.move(db, bot_id=BOT, old_chat_id=CHAT, new_chat_id=-9) == desk.group_id
        assert await groups.ensure(db, bot_id=BOT, chat_id=-9) == desk.group_id
        (waiting,) = (await db.execute(text("SELECT group_id FROM outbox"))).all()
        assert waiting.group_id == desk.group_id


async def test_a_group_never_takes_the_place_of_another_projects(desk: Desk) -> None:
    other = await new_desk(desk.database, chat_id=-9)
    async with desk.database.begin() as db:
        assert await groups.move(db, bot_id=BOT, old_chat_id=CHAT, new_chat_id=-9) is None
        assert await groups.ensure(db, bot_id=BOT, chat_id=CHAT) == desk.group_id
        assert await groups.ensure(db, bot_id=BOT, chat_id=-9) == other.group_id


async def test_typing_is_shown_only_in_an_open_topic_of_a_living_group(desk: Desk, db: Connection) -> None:
    assert await groups.topic_of(db, "ann") is None
    await desk.say("one")
    assert await groups.topic_of(db, "ann") is None
    await desk.give_topic("ann", 10)
    assert await groups.topic_of(db, "ann") == groups.Topic(BOT, CHAT, 10)
    await topics.found_closed(db, "ann")
    assert await groups.topic_of(db, "ann") is None
    await topics.reopened(db, "ann")
    await db.execute(text("UPDATE groups SET trouble = 'kicked'"))
    assert await groups.topic_of(db, "ann") is None


async def test_an_idle_group_that_may_be_mended_is_believed(desk: Desk, db: Connection) -> None:
    """Where nothing waits no call would show that it is."""
    await groups.suspend(db, bot_id=BOT, chat_id=CHAT, trouble="kicked")
    assert await groups.wake(db, bot_id=BOT, chat_id=CHAT) == desk.group_id
    row = (await db.execute(_TROUBLE)).one()
    assert tuple(row) == (None, None, 0, None)


async def test_a_group_for_which_something_waits_is_looked_at_first(desk: Desk, db: Connection) -> None:
    await desk.say("hello")
    await groups.suspend(db, bot_id=BOT, chat_id=CHAT, trouble="kicked")
    assert await groups.wake(db, bot_id=BOT, chat_id=CHAT) == desk.group_id
    row = (await db.execute(_TROUBLE)).one()
    assert (row.trouble, row.trouble_count, row.not_before) == ("kicked", 1, None)
    assert row.trouble_since is not None


_TROUBLE = text("SELECT trouble, trouble_since, trouble_count, not_before FROM groups")


async def test_an_update_is_taken_once(database: Database) -> None:
    async def take() -> bool:
        async with database.begin() as db:
            return await inbox.take(db, bot_id=BOT, update_id=1)

    assert sum(await asyncio.gather(*(take() for _ in range(8)))) == 1
    async with database.begin() as db:
        assert await inbox.take(db, bot_id=99, update_id=1)  # numbers are each bot's own


async def test_an_answer_is_taken_with_its_update_or_not_at_all(desk: Desk, db: Connection) -> None:
    await desk.say("Hello")
    await desk.give_topic("ann", 10)
    answer = desk.in_the_group("Hi", entities=b'[{"type":"bold","offset":0,"length":2}]')
    change = await inbox.take_answer(db, bot_id=BOT, update_id=1, answer=answer)
    assert change is not None
    assert change.message is not None
    assert (change.conversation_id, change.rev, change.message.text) == ("ann", 2, "Hi")
    assert change.message.entities == [{"type": "bold", "offset": 0, "length": 2}]
    not_taken = [
        (BOT, 1, desk.in_the_group("known update", message_id=501)),
        (BOT, 2, desk.in_the_group("known message")),
        (BOT, 2, desk.in_the_group("nobody's topic", message_id=501, topic_id=11)),
        (99, 2, desk.in_the_group("another bot", message_id=501)),
    ]
    for bot_id, update_id, answer in not_taken:
        assert await inbox.take_answer(db, bot_id=bot_id, update_id=update_id, answer=answer) is None
    assert await desk.counters() == (2, 2, 2)
    assert (await db.execute(text("SELECT count(*) FROM inbox"))).scalar_one() == 1


async def test_a_kept_event_comes_back_as_it_was(db: Connection) -> None:
    event = {"text": "über “alles” \U0001f44b", "n": [1, None]}
    for number in (2, 1):
        await inbox.take(db, bot_id=BOT, update_id=number)
        await inbox.keep(
            db, bot_id=BOT, update_id=number, state="waiting", event=event, chat_id=CHAT, topic_id=10
        )
    waiting = await inbox.of_topic(db, chat_id=CHAT, topic_id=10)
    assert [(row.update_id, row.body) for row in waiting] == [(1, event), (2, event)]
    await inbox.done(db, bot_id=BOT, update_id=1)
    assert [row.update_id for row in await inbox.of_topic(db, chat_id=CHAT, topic_id=10)] == [2]


async def test_a_command_waits_until_it_was_carried_out(db: Connection) -> None:
    await inbox.take(db, bot_id=BOT, update_id=1)
    assert await inbox.command(db, bot_id=BOT, update_id=1) is None
    await inbox.keep(
        db, bot_id=BOT, update_id=1, state="command", event={"a": 1}, chat_id=CHAT, topic_id=None
    )
    assert await inbox.command(db, bot_id=BOT, update_id=1) == {"a": 1}
    assert await inbox.commands(db) == []  # whoever was rung for it is at it
    await db.execute(text("UPDATE inbox SET received_at = now() - interval '6 seconds'"))
    assert await inbox.commands(db) == [(BOT, 1)]
    await inbox.done(db, bot_id=BOT, update_id=1)
    assert await inbox.command(db, bot_id=BOT, update_id=1) is None
    assert await inbox.commands(db) == []


async def test_the_epoch_stays_until_the_database_is_another(db: Connection) -> None:
    epoch = await installation.epoch(db)
    assert await installation.epoch(db) == epoch
    await db.execute(text("UPDATE installation SET fingerprint = 'another'"))
    renewed = await installation.epoch(db)
    assert renewed != epoch
    assert await installation.epoch(db) == renewed


async def test_a_lease_has_one_holder(db: Connection) -> None:
    assert await installation.lease(db, "polling", holder="a", seconds=30)
    assert await installation.lease(db, "polling", holder="a", seconds=30)  # renewed
    assert not await installation.lease(db, "polling", holder="b", seconds=30)
    assert await installation.lease(db, "another", holder="b", seconds=30)
    await db.execute(text("UPDATE leases SET until = now()"))
    assert await installation.lease(db, "polling", holder="b", seconds=30)
    await installation.end_lease(db, "polling", holder="a")  # not a's any more
    assert not await installation.lease(db, "polling", holder="a", seconds=30)
    await installation.end_lease(db, "polling", holder="b")
    assert await installation.lease(db, "polling", holder="a", seconds=30)


async def test_deleting_a_project_deletes_what_was_said(desk: Desk, database: Database) -> None:
    other = await new_desk(database, chat_id=-1002)
    await desk.say("one")
    await other.say("two", by="ben")
    async with database.begin() as db:
        await db.execute(text("DELETE FROM projects WHERE id = :id"), {"id": desk.project_id})
        for table in ("conversations", "messages", "outbox"):
            assert (await db.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one() == 1  # noqa: S608
