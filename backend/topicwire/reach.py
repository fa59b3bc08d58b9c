"""Whether the database and Redis of the settings answer; if not, one line that names the variable."""

from asyncpg.exceptions import PostgresError
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import text

from topicwire.db import Database, shown
from topicwire.errors import MisconfiguredError, TopicwireError

PATIENCE = 5.0  # seconds for an answer


async def servers(database_url: str, redis_url: str) -> None:
    """Refuse unless both answer."""
    await database(database_url)
    await redis(redis_url)


async def database(url: str) -> None:
    """Refuse unless PostgreSQL answers and has been migrated at least once."""
    database = Database(url, pool_size=1)
    try:
        async with database.statement() as db:
            migrated = (
                await db.execute(text("select to_regclass('alembic_version') is not null"))
            ).scalar_one()
    except (TopicwireError, PostgresError, OSError, ValueError) as error:
        raise MisconfiguredError(f"DATABASE_URL: {shown(url)} does not answer: {_cause(error)}") from error
    finally:
        await database.close()
    if not migrated:
        raise MisconfiguredError(f"DATABASE_URL: {shown(url)} has no tables yet; run `topicwire migrate`")


async def redis(url: str) -> None:
    """Refuse unless Redis answers."""
    client = Redis.from_url(url, socket_connect_timeout=PATIENCE, socket_timeout=PATIENCE)
    try:
        await client.ping()
    except (RedisError, OSError, ValueError) as error:
        raise MisconfiguredError(f"REDIS_URL: {shown(url)} does not answer: {_cause(error)}") from error
    finally:
        await client.aclose()


def _cause(error: BaseException) -> str:
    """What the system or the server said, in one line, without what the layers above made of it."""
    while isinstance(error, TopicwireError) and error.__cause__ is not None:
        error = error.__cause__
    return (str(error) or type(error).__name__).splitlines()[0]
