"""An owner is told once what is wrong, and once that it is mended, whatever workers and servers do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from tests.domain.conftest import BOT, CHAT, Desk
from topicwire.db import Connection, Database
from topicwire.domain import alarms, groups, projects
from topicwire.domain.alarms import Alarm
from topicwire.mail import MailError, MailInDoubt, MailNotConfigured, MailNotSent, MailRefused
from topicwire.relay import owners
from topicwire.relay.channel import MembershipChanged
from topicwire.relay.mending import UNKNOWN, remedy
from topicwire.relay.owners import Owners
from topicwire.relay.to_visitor import take

MINUTE, HOUR = 60.0, 3600.0
DAY = 24 * HOUR


@dataclass
class Post:
    """A mailer that keeps what it is given, unless there are errors, which are raised one a mail."""

    sent: list[tuple[str, str, str]] = field(default_factory=list)
    errors: list[MailError] = field(default_factory=list)
    tries: int = 0
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    called: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.opened.set()

    async def send(self, to: str, subject: str, text: str) -> None:
        self.tries += 1
        self.called.set()
        await self.opened.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append((to, subject, text))

    @property
    def subjects(self) -> list[str]:
        return [subject for _, subject, _ in self.sent]


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def teller(database: Database, post: Post) -> Owners:
    return Owners(db=database, mailer=post, address="https://chat.example.com")


async def suspend(db: Connection, trouble: str = "kicked", *, since: float = 6 * MINUTE) -> None:
    await groups.suspend(db, bot_id=BOT, chat_id=CHAT, trouble=trouble)
    await db.execute(
        text("UPDATE groups SET trouble_since = now() - make_interval(secs => :s)"), {"s": since}
    )


async def mend(db: Connection) -> None:
    await db.execute(text("UPDATE groups SET trouble = NULL, trouble_since = NULL, trouble_count = 0"))


async def let_wait(db: Connection, seconds: float) -> None:
    """Let everything that was said have been said so much earlier."""
    await db.execute(
        text("UPDATE outbox SET created_at = created_at - make_interval(secs => :s)"), {"s": seconds}
    )


async def pass_time(db: Connection, seconds: float) -> None:
    """Put the clock forward for mails that wait."""
    await db.execute(
        text("UPDATE alarms SET not_before = not_before - make_interval(secs => :s)"), {"s": seconds}
    )


WRONG, MENDED = (
    "Shop: messages do not reach your Telegram group",
    "Shop: messages reach your Telegram group again",
)


async def test_nothing_is_told_while_nothing_is_wrong(
    desk: Desk, db: Connection, teller: Owners, post: Post
) -> None:
    await desk.say("hello")
    await let_wait(db, 23 * HOUR)
    await teller.look()
    assert post.sent == []


async def test_the_owner_is_told_what_is_wrong_and_what_to_do(
    desk: Desk, db: Connection, teller: Owners, post: Post
) -> None:
    await groups.ensure(db, bot_id=BOT, chat_id=CHAT, title="Support")
    for said, by in (("one", "ann"), ("two", "ann"), ("three", "bob")):
        await desk.say(said, by=by)
    await suspend(db)
    since = (await db.execute(text("SELECT trouble_since FROM groups"))).scalar_one()
    await teller.look()
    [(to, subject, told)] = post.sent
    assert (to, subject) == ("owner@example.com", WRONG)
    wrong, mend, waits, doctor, sender = told.split("\n\n")
    assert wrong == (
        f"Since {since:%Y-%m-%d %H:%M} UTC messages of visitors of Shop do not reach"
        ' the group "Support": the bot is not in the group any more.'
    )
    assert mend == "What to do: add the bot to the group again, as administrator."
    assert waits == (
        "3 messages of 2 visitors wait. Nothing is lost: when it is mended,"
        " everything follows by itself, in order. You get another mail then."
    )
    assert doctor.startswith("`topicwire doctor` looks at everything")
    assert sender == "-- \nTopicwire at https://chat.example.com\n"


async def test_what_passes_within_five_minutes_is_not_told(
    desk: Desk, db: Connection, teller: Owners, post: Post
) -> None:
    await suspend(db, since=4 * MINUTE)
    await teller.look()
    await mend(db)
    await teller.look()
    assert post.sent == []


async def test_each_is_told_once(desk: Desk, db: Connection, teller: Owners, post: Post) -> None:
    await suspend(db)
    for _ in range(3):
        await teller.look()
        await pass_time(db, 2 * HOUR)
    assert post.subjects == [WRONG]
    await mend(db)
    for _ in range(3):
        await teller.look()
        await pass_time(db, 2 * HOUR)
    assert post.subjects == [WRONG, MENDED]


async def test_mended_says_what_was_wrong_and_what_still_waits(
    desk: Desk, db: Connection, teller: Owners, post: Post
) -> None:
    await desk.say("hello")
    await suspend(db, "not_a_forum")
    await teller.look()
    await mend(db)
    await pass_time(db, HOUR)
    await teller.look()
    told = post.sent[-1][2]
    assert told.startswith("Messages of visitors of Shop reach your group again.\n\nWhat was wrong since 2")
    assert " UTC: topics are off, so no visitor can have one.\n" in told
    assert "\n\nNothing is lost. 1 message of 1 visitor waits yet and will follow in order.\n" in told


async def test_another_trouble_of_the_same_group_is_the_same_story(
    desk: Desk, db: Connection, teller: Owners, post: Post
) -> None:
    await suspend(db, "kicked")
    await teller.look()
    await pass_time(db, 2 * HOUR)
    await suspend(db, "rights")
    await teller.look()
    assert post.subjects == [WRONG]


async def test_a_flapping_group_makes_one_mail_an_hour(
    desk: Desk, db: Connection, teller: Owners, post: Post
) -> None:
    for _ in range(12):  # of ten minutes each: two hours
        await suspend(db)
        await teller.look()
        await pass_time(db, 5 * MINUTE)
        await mend(db)
        await teller.look()
        await pass_time(db, 5 * MINUTE)
    assert len(post.sent) == 2


async def test_what_waits_for_a_day_is_told_though_the_group_does_not_refuse(
    desk: Desk, db: Connection, teller: Owners, post: Post
) -> None:
    await desk.say("hello")
    await let_wait(db, DAY + MINUTE)
    await desk.say("more")
    await teller.look()
    await pass_time(db, HOUR)
    await teller.look()
    assert post.subjects == [WRONG]
    assert "Telegram does not take them, or cannot be reached" in post.sent[0][2]
    assert "2 messages of 1 visitor wait." in post.sent[0][2]
    await db.execute(text("DELETE FROM outbox"))
    await teller.look()
    assert post.subjects == [WRONG, MENDED]
    assert "Nothing waits." in post.sent[1][2]


async def test_a_group_is_not_mended_while_something_has_waited_for_a_day(
    desk: Desk, db: Connection, teller: Owners, post: Post
) -> None:
    await desk.say("hello")
    await suspend(db, since=2 * DAY)
    await let_wait(db, DAY + MINUTE)
    await teller.look()
    await mend(db)
    await pass_time(db, 2 * HOUR)
    await teller.look()
    assert post.subjects == [WRONG]


async def test_a_dead_letter_does_not_wait(desk: Desk, db: Connection, teller: Owners, post: Post) -> None:
    await desk.say("hello")
    await let_wait(db, 2 * DAY)
    await db.execute(text("UPDATE outbox SET state = 'failed'"))
    await teller.look()
    assert post.sent == []


async def test_without_a_group_too(desk: Desk, db: Connection, teller: Owners, post: Post) -> None:
    await desk.say("hello")
    await let_wait(db, DAY + MINUTE)
    await db.execute(text("UPDATE groups SET project_id = NULL"))
    await db.execute(text("UPDATE outbox SET group_id = NULL"))
    await teller.look()
    assert (
        "do not reach your group: no group is linked.\n\nWhat to do: link one with /connect."
        in post.sent[0][2]
    )


async def test_an_unlinked_project_is_not_called_mended(
    desk: Desk, db: Connection, teller: Owners, post: Post
) -> None:
    await suspend(db)
    await teller.look()
    await db.execute(text("UPDATE groups SET project_id = NULL"))
    await pass_time(db, HOUR)
    await teller.look()
    assert post.subjects == [WRONG]


async def test_a_deleted_project_takes_its_alarm_along(desk: Desk, db: Connection, teller: Owners) -> None:
    await suspend(db)
    await teller.look()
    await db.execute(text("DELETE FROM projects"))
    assert (await db.execute(text("SELECT count(*) FROM alarms"))).scalar_one() == 0


async def test_each_owner_is_told_of_their_own(
    desk: Desk, database: Database, db: Connection, teller: Owners, post: Post
) -> None:
    async with database.begin() as transaction:
        other = await projects.create(transaction, owner="other@example.com", name="Other")
        group = await groups.ensure(transaction, bot_id=BOT, chat_id=CHAT - 1)
        await groups.link(transaction, group, other.id)
        await groups.suspend(transaction, bot_id=BOT, chat_id=CHAT - 1, trouble="rights")
    await suspend(db)
    await db.execute(text("UPDATE groups SET trouble_since = now() - interval '6 minutes'"))
    await teller.look()
    assert sorted(to for to, _, _ in post.sent) == ["other@example.com", "owner@example.com"]


# Who tells


async def test_of_many_workers_one_tells(desk: Desk, database: Database, db: Connection, post: Post) -> None:
    await suspend(db)
    workers = [Owners(db=database, mailer=post, address="") for _ in range(8)]
    await asyncio.gather(*(worker.look() for worker in workers))
    await mend(db)
    await pass_time(db, HOUR)
    await asyncio.gather(*(worker.look() for worker in workers))
    assert post.subjects == [WRONG, MENDED]


@asynccontextmanager
async def under_way(teller: Owners, post: Post) -> AsyncIterator[asyncio.Task[None]]:
    """A mail server that takes its time; when the block ends it goes on."""
    post.opened.clear()
    task = asyncio.create_task(teller.look())
    async with asyncio.timeout(10):
        await post.called.wait()
    yield task
    post.opened.set()
    await asyncio.wait([task])


async def test_nobody_else_tells_meanwhile(
    desk: Desk, database: Database, db: Connection, teller: Owners, post: Post
) -> None:
    await suspend(db)
    quick = Post()
    async with under_way(teller, post):
        await Owners(db=database, mailer=quick, address="").look()
        await mend(db)
        await Owners(db=database, mailer=quick, address="").look()
    assert (post.subjects, quick.sent) == ([WRONG], [])


async def test_a_worker_that_dies_while_telling_makes_no_second_mail(
    desk: Desk, db: Connection, teller: Owners, post: Post
) -> None:
    await suspend(db)
    async with under_way(teller, post) as task:
        task.cancel()
    await pass_time(db, 2 * HOUR)
    await teller.look()
    assert post.tries == 1


# Servers that take no mail


@pytest.mark.parametrize("error", [MailNotSent, MailRefused, MailNotConfigured])
async def test_a_mail_that_was_not_sent_is_tried_again_later_each_time(
    desk: Desk, db: Connection, teller: Owners, post: Post, error: type[MailError]
) -> None:
    await suspend(db)
    post.errors = [error("no"), error("no"), error("no")]
    for wait in (MINUTE, 2 * MINUTE, 4 * MINUTE):
        tries = post.tries
        await teller.look()
        assert post.tries == tries + 1
        await pass_time(db, wait - 5)
        await teller.look()
        assert post.tries == tries + 1
        await pass_time(db, 5)
    await teller.look()
    assert post.subjects == [WRONG]


async def test_a_mail_that_tells_of_the_mending_is_tried_again_as_well(
    desk: Desk, db: Connection, teller: Owners, post: Post
) -> None:
    await suspend(db)
    await teller.look()
    await mend(db)
    await pass_time(db, HOUR)
    post.errors = [MailNotSent("no")]
    await teller.look()
    await pass_time(db, MINUTE)
    await teller.look()
    assert post.subjects == [WRONG, MENDED]
    assert "the bot is not in the group any more" in post.sent[1][2]


async def test_what_was_never_told_is_not_called_mended(
    desk: Desk, db: Connection, teller: Owners, post: Post
) -> None:
    await suspend(db)
    post.errors = [MailNotSent("no")]
    await teller.look()
    await mend(db)
    await pass_time(db, HOUR)
    await teller.look()
    assert post.sent == []


async def test_a_mail_that_may_have_been_taken_is_not_sent_again(
    desk: Desk, db: Connection, teller: Owners, post: Post
) -> None:
    await suspend(db)
    post.errors = [MailInDoubt("who knows")]
    await teller.look()
    await pass_time(db, 2 * HOUR)
    await teller.look()
    assert post.tries == 1


async def test_one_bad_address_keeps_nobody_else_waiting(
    desk: Desk, database: Database, db: Connection, teller: Owners, post: Post
) -> None:
    async with database.begin() as transaction:
        other = await projects.create(transaction, owner="other@example.com", name="Other")
        group = await groups.ensure(transaction, bot_id=BOT, chat_id=CHAT - 1)
        await groups.link(transaction, group, other.id)
        await groups.suspend(transaction, bot_id=BOT, chat_id=CHAT - 1, trouble="rights")
    await suspend(db)
    post.errors = [MailRefused("550")]
    await teller.look()
    assert (post.tries, len(post.sent)) == (2, 1)


def test_backoff_doubles_up_to_an_hour() -> None:
    assert [alarms.backoff(attempts) for attempts in (1, 2, 3)] == [60, 120, 240]
    assert alarms.backoff(7) == alarms.backoff(10_000) == HOUR


# Words


@pytest.mark.parametrize(
    "trouble",
    ["kicked", "chat_gone", "not_a_forum", "rights", "token", "no_bot", "topics", "no_group", "waiting"],
)
@pytest.mark.parametrize("mended", [False, True])
def test_every_trouble_has_its_words(trouble: str, mended: bool) -> None:
    assert remedy(trouble) is not UNKNOWN
    alarm = Alarm(
        project_id="p", mended=mended, trouble=trouble, since=datetime(2026, 11, 22, 2, 5, tzinfo=UTC),
        claim=datetime.now(UTC), attempts=1, project="Shop", owner="", group="Support",
        messages=0, visitors=0,
    )  # fmt: skip
    told = owners.text(alarm, "https://chat.example.com")
    assert remedy(trouble).wrong in told
    assert "since 2026-11-22 02:05 UTC" in told.replace("Since", "since")
    assert (remedy(trouble).mend in told) is not mended


# Being added again, where no message shows that it is mended


async def added_again(db: Connection) -> None:
    event = MembershipChanged(chat_id=CHAT, status="administrator", admin=True)
    await take(db, bot_id=BOT, update_id=1, event=event)


async def test_an_idle_group_that_has_us_again_is_no_trouble(
    desk: Desk, db: Connection, teller: Owners, post: Post
) -> None:
    await suspend(db)
    await added_again(db)
    await teller.look()
    assert post.sent == []
