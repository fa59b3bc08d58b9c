"""What the database promises to everyone: types, transactions, and one kind of trouble when it is away."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest
from asyncpg.exceptions import DataError, UndefinedTableError
from sqlalchemy import text

from tests.conftest import empty_copy
from topicwire import db as databases
from topicwire.background import end
from topicwire.db import Connection, Database, UniqueViolation, twice
from topicwire.embedded import Servers
from topicwire.errors import UnavailableError
from topicwire.statements import NotOneRow

ASLEEP = text("SELECT pg_sleep(60)")
SOCKET = ".s.PGSQL.5432"
WHO = text("SELECT pg_backend_pid()")


@pytest.fixture
async def url(servers: Servers) -> str:
    """A database without any table. Who is in the servers' own keeps others from copying it."""
    return await empty_copy(str(servers.database_url))


@pytest.fixture
async def plain(url: str) -> AsyncIterator[Database]:
    """A database without any table."""
    database = Database(url, pool_size=4)
    yield database
    await database.close()


@pytest.fixture
async def db(plain: Database) -> AsyncIterator[Connection]:
    """A connection to it."""
    async with plain.statement() as connection:
        yield connection


async def _who(database: Database) -> int:
    async with database.statement() as db:
        return int((await db.execute(WHO)).scalar_one())


# Statements


async def test_parameters_have_names_and_columns_are_attributes(db: Connection) -> None:
    statement = text(
        "SELECT :a || :b AS both, CAST(:n AS int) + 1 AS more, :a AS again, (ARRAY[7, 8, 9])[2 : 3] AS part,"
        " '12\\:30' AS clock, now()::text <> '' AS cast_by_colons, 'ab' LIKE 'a%' AS percent"
    )
    row = (await db.execute(statement, {"b": "y", "a": "x", "n": 41, "unused": object()})).one()
    assert dict(row) == {
        "both": "xy",
        "more": 42,
        "again": "x",
        "part": [8, 9],
        "clock": "12:30",
        "cast_by_colons": True,
        "percent": True,
    }
    assert (row.both, row.more) == ("xy", 42)
    with pytest.raises(AttributeError, match="nowhere"):
        _ = row.nowhere


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", "Grüße 👋"),
        ("bigint", -(2**60)),
        ("float8", 0.25),
        ("boolean", False),
        ("bytea", b"\0\xff"),
        ("text[]", ["a", "b"]),
        ("timestamptz", datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)),
        ("jsonb", None),
    ],
)
async def test_values_come_back_as_they_went(db: Connection, kind: str, value: Any) -> None:
    found = (await db.execute(text(f"SELECT CAST(:value AS {kind})"), {"value": value})).scalar_one()
    assert found == value


async def test_json_goes_in_as_text_and_comes_out_decoded(db: Connection) -> None:
    statement = text("SELECT CAST(:value AS jsonb)")
    found = (await db.execute(statement, {"value": '[{"type": "bold", "n": 1}]'})).scalar_one()
    assert found == [{"type": "bold", "n": 1}]


async def test_rows_are_counted(db: Connection) -> None:
    none, two = text("SELECT 1 WHERE false"), text("SELECT * FROM (VALUES (1), (2)) AS v (n)")
    assert (await db.execute(none)).first() is None
    assert (await db.execute(none)).one_or_none() is None
    assert (await db.execute(none)).scalar_one_or_none() is None
    assert [row.n for row in await db.execute(two)] == [1, 2]
    with pytest.raises(NotOneRow, match="No row"):
        (await db.execute(none)).one()
    with pytest.raises(NotOneRow, match="2 rows"):
        (await db.execute(two)).scalar_one_or_none()


async def test_connections_are_set_up(db: Connection) -> None:
    shown = {
        name: (await db.execute(text(f"SHOW {name}"))).scalar_one() for name in ("jit", "application_name")
    }
    assert shown == {"jit": "off", "application_name": "topicwire"}


async def test_mistakes_are_not_taken_for_an_absence(plain: Database) -> None:
    with pytest.raises(DataError):
        async with plain.statement() as db:
            await db.execute(text("SELECT CAST(:n AS int)"), {"n": "seven"})
    with pytest.raises(UndefinedTableError, match="no_such_table"):
        async with plain.statement() as db:
            await db.execute(text("SELECT 1 FROM no_such_table"))


async def test_what_is_taken_twice_is_told_by_name(plain: Database) -> None:
    async with plain.begin() as db:
        await db.execute(text("CREATE TABLE t (n int CONSTRAINT only_once UNIQUE)"))
    insert = text("INSERT INTO t VALUES (1)")
    async with plain.statement() as db:
        await db.execute(insert)
        with pytest.raises(UniqueViolation, match="only_once"):
            await db.execute(insert)
        assert (await db.execute(text("SELECT count(*) FROM t"))).scalar_one() == 1


async def test_a_migration_under_a_known_statement_is_not_noticed(plain: Database) -> None:
    everything = text("SELECT * FROM t")
    async with plain.statement() as db:
        await db.execute(text("CREATE TABLE t AS SELECT 1 AS n"))
        assert dict((await db.execute(everything)).one()) == {"n": 1}
        await db.execute(text("ALTER TABLE t ADD COLUMN word text DEFAULT 'new'"))
        assert dict((await db.execute(everything)).one()) == {"n": 1, "word": "new"}


# Transactions


async def test_a_transaction_is_all_or_nothing(plain: Database) -> None:
    async with plain.statement() as db:
        await db.execute(text("CREATE TABLE t (n int)"))
    insert, count = text("INSERT INTO t VALUES (1)"), text("SELECT count(*) FROM t")
    async with plain.begin() as db:
        await db.execute(insert)
    with pytest.raises(KeyError):  # noqa: PT012 - the end of the block is what is tested
        async with plain.begin() as db:
            await db.execute(insert)
            raise KeyError
    for _ in range(4):  # whichever connection it was, nothing is left open on it
        async with plain.statement() as db:
            assert (await db.execute(count)).scalar_one() == 1


async def test_a_transaction_that_loses_its_connection_is_no_transaction(plain: Database) -> None:
    async with plain.statement() as other:
        await other.execute(text("CREATE TABLE t (n int)"))
        with pytest.raises(UnavailableError):  # noqa: PT012 - so is it here
            async with plain.begin() as db:
                await db.execute(text("INSERT INTO t VALUES (1)"))
                mine = (await db.execute(WHO)).scalar_one()
                await other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": mine})
        assert (await other.execute(text("SELECT count(*) FROM t"))).scalar_one() == 0


# Trouble


@pytest.fixture
def own(short_path: Path) -> Iterator[Servers]:
    """A PostgreSQL that nobody else needs."""
    with Servers(short_path, redis=False) as servers:
        yield servers


async def test_a_restart_fails_one_statement_at_most(own: Servers) -> None:
    database = Database(str(own.database_url), pool_size=4)
    together = asyncio.Barrier(4)

    async def hold() -> int:
        async with database.statement() as db:
            await together.wait()  # so that each has a connection of its own
            return int((await db.execute(WHO)).scalar_one())

    before = await asyncio.gather(*(hold() for _ in range(4)))
    assert len(set(before)) == 4
    own.stop()
    with pytest.raises(UnavailableError):
        await _who(database)
    own.start()
    for _ in range(4):
        assert await twice(lambda: _who(database)) not in before
    assert not set(await asyncio.gather(*(hold() for _ in range(4)))) & set(before)
    await database.close()


class _Threshold:
    """The way to a server on which the end of a connection gets lost, but nothing that was said before."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._carriers: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self.ended = asyncio.Event()  # the server has closed a connection

    @asynccontextmanager
    async def at(self, host: str) -> AsyncIterator[None]:
        """Be there, in another directory."""
        server = await asyncio.start_unix_server(self._pass, f"{host}/{SOCKET}")
        try:
            yield
        finally:
            server.close()
            await end(*self._carriers)
            for writer in self._writers:
                writer.transport.abort()

    async def _pass(self, ours: asyncio.StreamReader, to_us: asyncio.StreamWriter) -> None:
        theirs, to_them = await asyncio.open_unix_connection(f"{self._host}/{SOCKET}")
        self._writers += (to_us, to_them)
        for carry in (_carry(ours, to_them), self._carry_back(theirs, to_us)):
            self._carriers.add(asyncio.create_task(carry))

    async def _carry_back(self, theirs: asyncio.StreamReader, to_us: asyncio.StreamWriter) -> None:
        await _carry(theirs, to_us)
        self.ended.set()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


@pytest.mark.long
async def test_a_goodbye_whose_end_is_late_is_an_end(servers: Servers) -> None:
    """When the first of a server's processes dies, the others say goodbye and go a little later."""
    url = str(servers.database_url)
    (host,) = parse_qs(urlsplit(url).query)["host"]
    threshold = _Threshold(host)
    with tempfile.TemporaryDirectory(prefix="topicwire-") as place:
        async with threshold.at(place):
            database, other = Database(url.replace(host, place), pool_size=1), Database(url, pool_size=1)
            backend = await _who(database)
            async with other.statement() as db:
                await db.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": backend})
            await threshold.ended.wait()
            for _ in range(10):  # until the goodbye was read
                await asyncio.sleep(0)
            with pytest.raises(UnavailableError):
                await _who(database)
            assert await _who(database) != backend
            await other.close()
            await database.close()


@contextmanager
def _stopped(backend: int) -> Iterator[None]:
    """A server that neither answers nor goes away."""
    server = psutil.Process(backend).parent()
    assert server is not None
    processes = [server, *server.children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in reversed(processes):
            process.resume()


async def test_a_server_that_stalls_is_away_until_it_answers(
    own: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "PATIENCE", 0.5)
    database = Database(str(own.database_url), pool_size=2)
    backend = await _who(database)
    began = time.monotonic()
    with _stopped(backend):
        with pytest.raises(UnavailableError):
            await _who(database)
        with pytest.raises(UnavailableError):
            async with database.begin() as db:
                await db.execute(WHO)
    assert time.monotonic() - began < 3
    assert await _who(database) != backend
    await database.close()


async def test_what_takes_too_long_is_given_up_with_its_connection(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "PATIENCE", 0.5)
    database = Database(url, pool_size=1)
    first = await _who(database)
    with pytest.raises(UnavailableError):
        async with database.statement() as db:
            await db.execute(ASLEEP)
    second = await _who(database)
    with pytest.raises(UnavailableError):
        async with database.begin() as db:
            await db.execute(ASLEEP)
    assert len({first, second, await _who(database)}) == 3
    await database.close()


async def test_who_is_cancelled_leaves_no_busy_connection_behind(plain: Database) -> None:
    first = await _who(plain)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2), plain.statement() as db:
            await db.execute(ASLEEP)
    assert await _who(plain) != first


async def test_nobody_waits_for_a_connection_for_ever(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "PATIENCE", 0.3)
    database = Database(url, pool_size=1)
    async with database.statement() as db:
        with pytest.raises(UnavailableError):
            await _who(database)
        await db.execute(WHO)
    await _who(database)
    await database.close()


async def test_a_server_that_is_not_there_is_away(tmp_path: Path) -> None:
    database = Database(f"postgresql://nobody@/nothing?host={tmp_path}")
    with pytest.raises(UnavailableError):
        await _who(database)
    await database.close()
    with pytest.raises(UnavailableError):
        await _who(database)
