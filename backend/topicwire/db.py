"""The database: one engine, two ways to use it.

`begin()` is a transaction. `statement()` is for a hot path that consists of one statement: each
statement commits by itself, which saves the round trips of BEGIN and COMMIT. Domain functions take
the connection first and never commit: whoever opened it does, and rings afterwards. No transaction
is open while anything is awaited but the database.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg
import msgspec
from sqlalchemy import URL, MetaData, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from topicwire.errors import MisconfiguredError, UnavailableError

T = TypeVar("T")
Connection = AsyncConnection  # what every function that takes `db` gets

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

MIGRATIONS = Path(__file__).parents[2] / "migrations"
COMMAND_TIMEOUT = 18  # seconds; below the 40 s after which a socket whose reader is stuck is closed
# asyncpg adds these names to itself in a way that mypy cannot follow.
InterfaceError: type[Exception] = asyncpg.InterfaceError  # type: ignore[attr-defined]
PostgresError: type[Exception] = asyncpg.PostgresError  # type: ignore[attr-defined]
AWAY = (OSError, PoolTimeout, InterfaceError, asyncpg.PostgresConnectionError, TimeoutError)


class Database:
    """A pool of connections to PostgreSQL. Raises `UnavailableError` when it does not answer."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        # Two pools: what an engine is told once need not be told to each of its connections again.
        self._transactions = _engine(url, pool_size)
        self._statements = _engine(url, pool_size, isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed at the end of the block, rolled back if it raises."""
        with _unavailable():
            async with self._transactions.begin() as db:
                yield db

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[AsyncConnection]:
        """A connection on which every statement is a transaction of its own."""
        with _unavailable():
            async with self._statements.connect() as db:
                yield db

    async def close(self) -> None:
        """Give all connections back."""
        await self._transactions.dispose()
        await self._statements.dispose()


def _engine(url: str, pool_size: int, **options: Any) -> AsyncEngine:
    return create_async_engine(
        engine_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=COMMAND_TIMEOUT,
        json_serializer=lambda value: msgspec.json.encode(value).decode(),
        json_deserializer=msgspec.json.decode,
        connect_args={
            "timeout": 5,
            "command_timeout": COMMAND_TIMEOUT,
            # Our statements take a millisecond: compiling them to machine code takes longer.
            "server_settings": {"jit": "off", "application_name": "topicwire"},
        },
        **options,
    )


async def twice(work: Callable[[], Awaitable[T]]) -> T:
    """Do something that may be repeated harmlessly, once more if the database went away.

    A restarted PostgreSQL leaves a pool of dead connections behind; the first failure throws
    them all away, so that the second attempt gets a living one.
    """
    try:
        return await work()
    except UnavailableError:
        return await work()


async def insist(work: Callable[[], Awaitable[T]], *, seconds: float = 12.0) -> T:
    """Do something that may be repeated harmlessly until the database is back, but not for ever.

    For what must not be forgotten: the result of a call that cannot be made again.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            return await work()
        except UnavailableError:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.25)


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except AWAY as error:
        raise UnavailableError("The database does not answer.") from error
    except DBAPIError as error:
        if error.connection_invalidated or isinstance(error.orig, AWAY) or _going(error):
            raise UnavailableError("The database does not answer.") from error
        raise


def _going(error: DBAPIError) -> bool:
    """Class 57: shutting down, starting up, cancelled by a timeout; 53: out of connections."""
    state = getattr(error.orig, "sqlstate", None) or ""
    return state[:2] in ("57", "53", "08")


def engine_url(url: str) -> URL:
    """The owner's `postgresql://` address as SQLAlchemy wants it for asyncpg."""
    parsed = make_url(url).set(drivername="postgresql+asyncpg")
    query = dict(parsed.query)
    if "sslmode" in query:  # libpq's name; asyncpg takes the same words as `ssl`
        query["ssl"] = query.pop("sslmode")
    return parsed.set(query=query)


def migrate(url: str) -> None:
    """Bring the database to the newest schema; several processes may try at once.

    Raises `MisconfiguredError` when the database cannot be reached or used.
    """
    from alembic import command  # noqa: PLC0415 (a web process never needs it: 10 MB)
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = engine_url(url)
    try:
        command.upgrade(config, "head")
    except (*AWAY, DBAPIError, PostgresError) as error:
        reason = str(getattr(error, "orig", None) or error).split("\n")[0]
        raise MisconfiguredError(f"DATABASE_URL: {shown(url)} cannot be used: {reason}") from error


def shown(url: str) -> str:
    """An address without its password, for people."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
