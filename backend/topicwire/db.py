"""The database: one pool of connections, two ways to use it.

`begin()` is a transaction. `statement()` is for a hot path that consists of one statement: each
statement commits by itself, which saves the round trips of BEGIN and COMMIT. Domain functions take
the connection first and never commit: whoever opened it does, and rings afterwards. No transaction
is open while anything is awaited but the database.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg
from asyncpg.exceptions import InterfaceError, InternalClientError, PostgresError, UniqueViolationError
from sqlalchemy import MetaData
from sqlalchemy.exc import DBAPIError

from topicwire import statements
from topicwire.errors import MisconfiguredError, UnavailableError

T = TypeVar("T")
Connection = statements.Connection  # what every function that takes `db` gets
Row = statements.Row
UniqueViolation = UniqueViolationError  # its words name the constraint

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
# Seconds for a connection, and for a statement. A database that stands still for less is waited for; twice
# as long is below the 40 s after which a socket whose reader is stuck is closed.
PATIENCE = 18


class Database:
    """A pool of connections to PostgreSQL. Raises `UnavailableError` when it does not answer.

    Belongs to the event loop that it was made in.
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self._pool = asyncpg.create_pool(  # type: ignore[no-untyped-call]
            url,
            min_size=0,
            max_size=pool_size,
            init=statements.teach_json,
            reset=_as_it_is,
            record_class=Row,
            timeout=PATIENCE,
            command_timeout=PATIENCE,
            max_cached_statement_lifetime=0,  # for ever: there are some dozens
            # Our statements take a millisecond: compiling them to machine code takes longer.
            server_settings={"jit": "off", "application_name": "topicwire"},
        )

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[Connection]:
        """A connection on which every statement is a transaction of its own."""
        async with self._driver() as driver:
            yield Connection(driver)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Connection]:
        """A transaction: committed at the end of the block, rolled back if it raises."""
        async with self._driver() as driver:
            transaction = driver.transaction()
            await transaction.start()
            try:
                yield Connection(driver)
            except BaseException as error:
                if not _breaks(error):  # else the connection goes, and the transaction with it
                    await transaction.rollback()
                raise
            await transaction.commit()

    @asynccontextmanager
    async def _driver(self) -> AsyncIterator[Any]:
        try:
            await self._pool  # opens it, the first time
            async with asyncio.timeout(PATIENCE):
                driver = await self._pool.acquire()
            try:
                yield driver
            except BaseException as error:
                if _breaks(error):
                    await self._cut(driver, error)
                raise
            finally:
                await self._pool.release(driver)
        except Exception as error:
            if is_away(error):
                raise UnavailableError("The database does not answer.") from error
            raise

    async def _cut(self, driver: Any, error: BaseException) -> None:
        with suppress(InterfaceError):  # it is gone already
            driver.terminate()
        if isinstance(error, Exception):
            # Others may be dead and not know it: all are replaced, lest the next attempt gets one of them.
            await self._pool.expire_connections()

    async def close(self) -> None:
        """Give all connections back; those that cannot be given back in time are cut."""
        await self._pool
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self._pool.close()


async def _as_it_is(_: Any) -> None:
    """Between two uses of a connection: none of our statements leaves traces on it."""


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


def _breaks(error: BaseException) -> bool:
    """Whether its connection is of no use after this: dead, or still busy with what was given up."""
    return not isinstance(error, Exception) or is_away(error)


def is_away(error: Exception) -> bool:
    """Whether this means that the database is away, stalls or is about to go or to come."""
    if isinstance(error, PostgresError):
        # Class 08: the connection; 53: out of resources; 57: shutting down, starting up, cancelled.
        return str(getattr(error, "sqlstate", None))[:2] in ("08", "53", "57")
    # A value of the wrong type is one of asyncpg's InterfaceErrors, and a ValueError. InternalClientError
    # is what a connection gives that the server has said goodbye to and not closed yet.
    mine = isinstance(error, OSError | InterfaceError | InternalClientError)
    return mine and not isinstance(error, ValueError)


def migrate(url: str) -> None:
    """Bring the database to the newest schema; several processes may try at once.

    Raises `MisconfiguredError` when the database cannot be reached or used.
    """
    from alembic import command  # noqa: PLC0415 (a web process never needs it: 10 MB)
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    try:
        command.upgrade(config, "head")
    except (OSError, InterfaceError, PostgresError, DBAPIError) as error:
        reason = str(getattr(error, "orig", None) or error).split("\n")[0]
        raise MisconfiguredError(f"DATABASE_URL: {shown(url)} cannot be used: {reason}") from error


def shown(url: str) -> str:
    """An address without its password, for people."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
