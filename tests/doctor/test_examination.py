"""Each thing that may be wrong has its line, and the line says how to mend it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest
from sqlalchemy import text

from tests.conftest import copied, empty_copy
from tests.sandbox.conftest import TOKEN, Telegram, running
from topicwire import settings, wiring
from topicwire.db import Database
from topicwire.doctor import bot, servers
from topicwire.doctor.bot_api import Answer
from topicwire.doctor.examination import examine
from topicwire.doctor.findings import Finding, State
from topicwire.embedded import Servers
from topicwire.settings import Settings

NOW = 1_790_000_000.0
SHOP = "group Support"


@pytest.fixture
async def telegram() -> AsyncIterator[Telegram]:
    async with running(group_rate="off", bot_rate="off") as sandbox:
        yield sandbox


@pytest.fixture
async def known(template: str, servers: Servers, telegram: Telegram) -> Settings:
    """An installation in which everything is in order."""
    environment = {
        "DATABASE_URL": await copied(template),
        "REDIS_URL": str(servers.redis_url),
        "SECRET_KEY": "a secret of the tests that is long enough",
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_API_URL": telegram.base,
    }
    known = settings.read(environment)
    await wiring.provision(known, owner="a@example.com", name="Shop", chat_id=telegram.chat)
    await execute(known, "UPDATE groups SET title = 'Support'")
    await telegram.act("title", title="Support")
    # Nobody listens there: only messages would be delivered, and in these tests nobody says anything.
    await telegram.ok(
        "setWebhook",
        url=f"{known.public_url}/telegram/4200",
        allowed_updates=["message"],
        drop_pending_updates=True,
    )
    return known


async def look(known: Settings, **options: bool) -> list[Finding]:
    return [finding async for finding in examine(known, **options)]


async def wrongs(known: Settings) -> dict[str, str]:
    """What is wrong, by what it is about; each with a way to mend it."""
    found = [each for each in await look(known) if each.state is State.WRONG]
    assert all(each.mend for each in found)
    return {each.what: each.text for each in found}


async def execute(known: Settings, statement: str) -> None:
    database = Database(known.database, pool_size=1)
    async with database.begin() as db:
        await db.execute(text(statement))
    await database.close()


async def test_everything_is_in_order(known: Settings) -> None:
    found = await look(known)
    assert [each.what for each in found if each.state is State.OK] == [
        *("settings", "database", "redis", "clock", "token", "webhook", SHOP)
    ]
    assert not [each for each in found if each.state is State.WRONG]


# Settings, servers, clock


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"PUBLIC_URL": "http://chat.example.com"}, "browsers on https pages refuse"),
        ({"PUBLIC_URL": "https://chat.example.com:8000"}, "Telegram cannot deliver"),
        ({"TELEGRAM_UPDATES": "webhook"}, "Telegram cannot deliver to http://127.0.0.1:8000"),
        ({"PUBLIC_URL": "https://chat.example.com:8443"}, ""),
        ({}, ""),
    ],
)
def test_settings_fit_together(changes: dict[str, str], words: str) -> None:
    found = servers.settings(settings.read(changes))
    assert found.state is (State.WRONG if words else State.OK)
    assert words in found.text


async def test_no_database_hides_nothing_else(known: Settings) -> None:
    found = await wrongs(replace(known, database_url="postgresql://x:hush@127.0.0.1:1/db"))
    assert list(found) == ["database"]
    assert "hush" not in found["database"]
    assert "does not answer" in found["database"]


async def test_no_tables(known: Settings) -> None:
    found = await wrongs(replace(known, database_url=await empty_copy(known.database)))
    assert "has no tables yet" in found["database"]


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DELETE FROM alembic_version", "the schema is older than this program"),
        ("UPDATE alembic_version SET version_num = 'ffff'", "the schema (ffff) is newer than this program"),
    ],
)
async def test_another_schema(known: Settings, statement: str, words: str) -> None:
    await execute(known, statement)
    assert await wrongs(known) == {"database": words}


async def test_no_redis(known: Settings) -> None:
    found = await wrongs(replace(known, redis_url="redis://127.0.0.1:1/0"))
    assert list(found) == ["redis"]


async def test_a_clock_that_is_wrong(known: Settings) -> None:
    database = Database(known.database, pool_size=1)
    behind = await servers.clock_of_database(database, now=lambda: NOW - 1e9)
    await database.close()
    assert (behind.state, "behind the database's clock" in behind.text) == (State.WRONG, True)
    ahead = servers.clock_of_telegram(formatdate(NOW, usegmt=True), now=lambda: NOW + 65)
    assert ahead.text == "this machine is 64 s ahead of Telegram's clock"
    assert "NTP" in ahead.mend
    assert servers.clock_of_telegram(formatdate(NOW, usegmt=True), now=lambda: NOW + 3).state is State.OK
    assert servers.clock_of_telegram(None).state is State.NOTE


# The bot


async def test_a_wrong_token(known: Settings) -> None:
    found = await wrongs(replace(known, telegram_bot_token="4200:wrong"))
    assert found == {"token": "Telegram refuses TELEGRAM_BOT_TOKEN: Unauthorized"}


async def test_no_token(known: Settings) -> None:
    found = await look(replace(known, telegram_bot_token=None))
    assert found[-1] == Finding(
        "token", State.NOTE, "TELEGRAM_BOT_TOKEN is not set: there is no shared bot to look at"
    )


async def test_nobody_answers(known: Settings) -> None:
    away = replace(known, telegram_api_url="http://127.0.0.1:1")
    found = await wrongs(away)
    assert found["telegram"].startswith("http://127.0.0.1:1 does not answer: ")
    assert "secret" not in found["telegram"]
    resting = await look(away, sandbox=True)
    assert resting[-1].state is State.NOTE
    assert "runs with `topicwire up`" in resting[-1].text


async def test_answers_that_break_off(known: Settings, telegram: Telegram) -> None:
    await telegram.act("/faults", kind="http_502", method="getWebhookInfo")
    await telegram.act("/faults", kind="reset", method="getChat")
    found = await wrongs(known)
    assert "HTTP 502" in found["updates"]
    assert "could not be looked at" in found[SHOP]


def test_a_bot_that_cannot_join() -> None:
    me = Answer(status=200, ok=True, result={"id": 1, "username": "a_bot", "can_join_groups": False})
    assert bot.token(me) == Finding(
        "token", State.WRONG, "@a_bot cannot be added to groups", "@BotFather: /setjoingroups, Enable"
    )


def test_privacy() -> None:
    reads = Answer(status=200, ok=True, result={"can_read_all_group_messages": True})
    assert bot.privacy(reads).state is State.OK
    assert bot.privacy(replace(reads, result={})).state is State.NOTE


async def test_a_webhook_that_is_not_set(known: Settings, telegram: Telegram) -> None:
    await telegram.ok("deleteWebhook")
    assert await wrongs(known) == {"webhook": "none is set"}


async def test_a_webhook_of_somebody_else(known: Settings, telegram: Telegram) -> None:
    telegram.clock.advance(2)
    await telegram.ok("setWebhook", url="http://127.0.0.1:9/elsewhere")
    assert "Telegram delivers to http://127.0.0.1:9/elsewhere, not to" in (await wrongs(known))["webhook"]


async def test_a_webhook_in_the_way_of_polling(known: Settings) -> None:
    found = await wrongs(replace(known, telegram_updates="polling"))
    assert "so polling is refused" in found["polling"]


URL = "https://chat.example.com/telegram/7"
FAILED = {"url": URL, "last_error_date": NOW - 60}


@pytest.mark.parametrize(
    ("info", "state", "words"),
    [
        ({"url": URL}, State.OK, "0 updates waiting"),
        ({"url": URL, "pending_update_count": 500}, State.WRONG, "the web process is slow"),
        ({**FAILED, "last_error_message": "Connection refused"}, State.WRONG, "reachable from the internet"),
        (
            {**FAILED, "last_error_message": "Wrong response from the webhook: 404 Not Found"},
            State.WRONG,
            "another installation",
        ),
        (
            {**FAILED, "last_error_message": "Wrong response from the webhook: 503 Service Unavailable"},
            State.WRONG,
            "at its database",
        ),
        (
            {**FAILED, "last_error_message": "SSL error {certificate verify failed}"},
            State.WRONG,
            "intermediate",
        ),
        (
            {**FAILED, "last_error_message": "Failed to resolve host: Name or service not known"},
            State.WRONG,
            "DNS",
        ),
        (
            {"url": URL, "last_error_date": NOW - 86400, "last_error_message": "x"},
            State.NOTE,
            "last failed at 2026-09-20",
        ),
        (
            {"url": URL, "last_error_date": NOW - 86400, "pending_update_count": 3},
            State.WRONG,
            "3 updates waiting",
        ),
    ],
)
def test_deliveries(info: dict[str, Any], state: State, words: str) -> None:
    known = settings.read({"TELEGRAM_BOT_TOKEN": "7:abc", "PUBLIC_URL": "https://chat.example.com"})
    (found,) = bot.updates(known, Answer(status=200, ok=True, result=info), NOW)
    assert found.state is state
    assert words in f"{found.text} {found.mend}"


def test_updates_that_nobody_polls_for() -> None:
    known = settings.read({"TELEGRAM_BOT_TOKEN": "7:abc"})
    info = Answer(status=200, ok=True, result={"url": "", "pending_update_count": 500})
    assert bot.updates(known, info)[0].text == "500 updates wait for somebody"
    polling = replace(info, result={"url": "", "pending_update_count": 3})
    assert bot.updates(known, polling)[0].state is State.OK
    assert bot.updates(known, Answer(status=401, ok=False))[0].state is State.WRONG


# The groups


async def test_no_group(known: Settings) -> None:
    await execute(known, "UPDATE groups SET project_id = NULL")
    assert (await look(known))[-1].text.startswith("none is linked yet")


async def test_topics_that_are_off(known: Settings, telegram: Telegram) -> None:
    await telegram.act("forum", on=False)
    assert await wrongs(known) == {SHOP: "topics are off, so no visitor can have one"}


@pytest.mark.parametrize(
    ("status", "rights", "words"),
    [
        ("administrator", ["can_delete_messages"], "the bot lacks the right Manage topics"),
        ("administrator", ["can_manage_topics"], "the bot lacks the right Delete messages"),
        ("member", None, "the bot is no administrator (member) and hears nothing"),
        ("kicked", None, "cannot be reached: Forbidden: bot was kicked from the supergroup chat"),
        ("left", None, "cannot be reached: Forbidden: bot is not a member of the supergroup chat"),
    ],
)
async def test_what_the_bot_may_not_do(
    known: Settings, telegram: Telegram, status: str, rights: list[str] | None, words: str
) -> None:
    await telegram.act("bot", status=status, rights=rights)
    assert await wrongs(known) == {SHOP: words}


async def test_a_group_that_is_gone(known: Settings) -> None:
    await execute(known, "UPDATE groups SET chat_id = -1009, title = ''")
    assert await wrongs(known) == {"group -1009": "cannot be reached: Bad Request: chat not found"}


async def test_a_group_is_called_what_it_is_called_now(known: Settings, telegram: Telegram) -> None:
    await telegram.act("title", title="Help")
    assert (await look(known))[-1].what == "group Help"


async def test_a_group_of_another_bot(known: Settings) -> None:
    await execute(known, "UPDATE groups SET bot_id = 77")
    assert "linked through another bot (id 77)" in (await wrongs(known))[SHOP]


async def test_a_group_that_was_in_trouble(known: Settings) -> None:
    await execute(known, "UPDATE groups SET trouble = 'rights'")
    assert "messages were held back (rights)" in (await look(known))[-1].text
