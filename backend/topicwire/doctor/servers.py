"""Settings, database, Redis and the clock."""

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from sqlalchemy import text

from topicwire import reach
from topicwire.db import MIGRATIONS, Database, shown
from topicwire.doctor.findings import Finding, note, ok, wrong
from topicwire.errors import TopicwireError
from topicwire.settings import Settings, is_loopback

WEBHOOK_PORTS = (None, 443, 80, 88, 8443)  # what Telegram delivers to
CLOCK_TOLERANCE = 5.0  # seconds; Telegram's header knows whole seconds only

Now = Callable[[], float]


def settings(known: Settings) -> Finding:
    """Whether what was set fits together; single values were checked when they were read."""
    if known.telegram_updates == "webhook" and not is_loopback(
        urlsplit(known.telegram_api_url).hostname or ""
    ):
        target = urlsplit(known.public_url)
        if target.scheme != "https" or target.port not in WEBHOOK_PORTS:
            return wrong(
                "settings",
                f"Telegram cannot deliver to {known.public_url}: only to https, port 443, 80, 88 or 8443",
                "set PUBLIC_URL to such an address, or TELEGRAM_UPDATES=polling",
            )
    if not known.local and not known.public_url.startswith("https://"):
        return wrong(
            "settings",
            f"PUBLIC_URL is {known.public_url}: browsers on https pages refuse a chat without it",
            "put a proxy with a certificate in front, and set PUBLIC_URL to its https address",
        )
    return ok("settings", f"public address {known.public_url}, updates by {known.telegram_updates}")


async def database(known: Settings, db: Database) -> Finding:
    """Whether the database answers and has the newest schema."""
    try:
        await reach.database(known.database)
    except TopicwireError as error:
        return wrong("database", str(error), "start PostgreSQL, or correct DATABASE_URL")
    async with db.statement() as connection:
        found = await connection.execute(text("SELECT version_num FROM alembic_version"))
        schemas = {str(row.version_num) for row in found}
        version = (await connection.execute(text("SHOW server_version"))).scalar_one()
    return _schema(known, schemas, str(version))


def _schema(known: Settings, schemas: set[str], version: str) -> Finding:
    from alembic.script import ScriptDirectory  # noqa: PLC0415 (10 MB, and not before the database answers)

    scripts = ScriptDirectory(str(MIGRATIONS))
    if schemas == set(scripts.get_heads()):
        return ok("database", f"PostgreSQL {version} at {shown(known.database)}, newest schema")
    known_here = {script.revision for script in scripts.walk_revisions()}
    if schemas <= known_here:
        return wrong("database", "the schema is older than this program", "run `topicwire migrate`")
    return wrong(
        "database",
        f"the schema ({', '.join(sorted(schemas))}) is newer than this program",
        "run the newest release that has used this database",
    )


async def redis(known: Settings) -> Finding:
    """Whether Redis answers."""
    try:
        await reach.redis(known.redis)
    except TopicwireError as error:
        return wrong("redis", str(error), "start Redis, or correct REDIS_URL")
    return ok("redis", f"answers at {shown(known.redis)}")


async def clock_of_database(db: Database, now: Now = time.time) -> Finding:
    """Our clock against the database's, by which leases and waits are reckoned."""
    async with db.statement() as connection:
        await connection.execute(text("SELECT 1"))  # not the time that connecting takes
        asked = now()
        theirs = await connection.execute(text("SELECT extract(epoch FROM clock_timestamp())"))
    return _clock(float(theirs.scalar_one()), (asked + now()) / 2, "the database's")


def clock_of_telegram(date: str | None, now: Now = time.time) -> Finding:
    """Our clock against the `Date` header of an answer that came just now."""
    try:
        theirs = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return note("clock", "Telegram's answer does not tell the time")
    return _clock(theirs + 0.5, now(), "Telegram's")


def _clock(theirs: float, ours: float, whose: str) -> Finding:
    apart = ours - theirs
    if abs(apart) <= CLOCK_TOLERANCE:
        return ok("clock", f"agrees with {whose}")
    way = "ahead of" if apart > 0 else "behind"
    return wrong(
        "clock",
        f"this machine is {abs(apart):.0f} s {way} {whose} clock",
        "have both machines set their clocks by NTP (`timedatectl set-ntp true`)",
    )
