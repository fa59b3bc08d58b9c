"""Everything that is looked at, in the order in which one thing explains the next."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from topicwire.db import Database
from topicwire.doctor import bot, groups, servers
from topicwire.doctor.bot_api import Answer, BotApi, NoAnswer, speaking
from topicwire.doctor.findings import Finding, State, note, wrong
from topicwire.relay.mending import MEND_THE_WAY
from topicwire.settings import Settings


async def examine(known: Settings, *, sandbox: bool = False) -> AsyncIterator[Finding]:
    """Look at everything, one finding after the other; `sandbox` says that one stands in for Telegram."""
    yield servers.settings(known)
    async with _database(known) as db:
        found = await servers.database(known, db)
        yield found
        yield await servers.redis(known)
        usable = found.state is State.OK
        if usable:
            yield await servers.clock_of_database(db)
        async for finding in _telegram(known, db if usable else None, sandbox):
            yield finding


async def _telegram(known: Settings, db: Database | None, sandbox: bool) -> AsyncIterator[Finding]:
    token, bot_id = known.telegram_bot_token, known.bot_id
    if token is None or bot_id is None:
        yield note("token", "TELEGRAM_BOT_TOKEN is not set: there is no shared bot to look at")
        return
    async with speaking(known.telegram_api_url, token) as api:
        try:
            me = await api.call("getMe", {})
        except NoAnswer as error:
            yield _silence(known, sandbox, error)
            return
        async for finding in _bot(known, api, me):
            yield finding
        if me.ok and db is not None:
            async for finding in _groups(api, db, bot_id):
                yield finding


def _silence(known: Settings, sandbox: bool, error: NoAnswer) -> Finding:
    if sandbox:
        return note(
            "token",
            "TELEGRAM_BOT_TOKEN is not set; the sandbox that stands in for Telegram runs with `topicwire up`",
        )
    return wrong(
        "telegram",
        f"{known.telegram_api_url} does not answer: {error}",
        MEND_THE_WAY,
    )


async def _bot(known: Settings, api: BotApi, me: Answer) -> AsyncIterator[Finding]:
    yield servers.clock_of_telegram(me.date)
    yield bot.token(me)
    if me.ok:
        yield bot.privacy(me)
        try:
            info = await api.call("getWebhookInfo", {})
        except NoAnswer as error:
            yield wrong("updates", f"getWebhookInfo: {error}", "try again")
            return
        for finding in bot.updates(known, info):
            yield finding


async def _groups(api: BotApi, db: Database, bot_id: int) -> AsyncIterator[Finding]:
    async with db.statement() as connection:
        linked = await groups.linked(connection)
    if not linked:
        yield note("groups", "none is linked yet: `topicwire projects create` tells how")
    for group in linked:
        try:
            findings = await groups.look(api, bot_id, group)
        except NoAnswer as error:
            findings = [wrong(groups.called(group), f"could not be looked at: {error}", "try again")]
        for finding in findings:
            yield finding


@asynccontextmanager
async def _database(known: Settings) -> AsyncIterator[Database]:
    db = Database(known.database, pool_size=1)
    try:
        yield db
    finally:
        await db.close()
