"""Statements as the domain writes them, on asyncpg itself: SQLAlchemy names parameters, no more.

SQLAlchemy's engine takes 0.5 ms of the processor for each statement, about as much as PostgreSQL does,
and a message's way is made of statements.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import asyncpg
import msgspec
from sqlalchemy import TextClause, text
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.engine import Dialect

_DIALECT: Dialect = dialect()  # type: ignore[no-untyped-call]


class Row(asyncpg.Record):
    """A row, whose columns are attributes as well as keys."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class NotOneRow(Exception):
    """A statement gave more rows than it can, or none where it must give one."""


class Rows:
    """What a statement gave."""

    __slots__ = ("_rows",)

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def all(self) -> list[Row]:
        """All rows."""
        return self._rows

    def mappings(self) -> list[Row]:
        """All rows, for use by key."""
        return self._rows

    def first(self) -> Row | None:
        """The first row of however many."""
        return self._rows[0] if self._rows else None

    def one_or_none(self) -> Row | None:
        """The only row, if there is one. Raises `NotOneRow`."""
        if len(self._rows) > 1:
            raise NotOneRow(f"{len(self._rows)} rows were found instead of one")
        return self.first()

    def one(self) -> Row:
        """The only row. Raises `NotOneRow`."""
        row = self.one_or_none()
        if row is None:
            raise NotOneRow("No row was found")
        return row

    def scalar_one_or_none(self) -> Any:
        """The first value of the only row; None without a row. Raises `NotOneRow`."""
        row = self.one_or_none()
        return None if row is None else row[0]

    def scalar_one(self) -> Any:
        """The first value of the only row. Raises `NotOneRow`."""
        return self.one()[0]


class Connection:
    """A connection to PostgreSQL: in a transaction, or with each statement one of its own."""

    __slots__ = ("_driver",)

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def execute(self, statement: TextClause, values: Mapping[str, Any] | None = None) -> Rows:
        """Carry a statement out; what it does not name of `values` is left out.

        Values have the types that asyncpg asks for; JSON goes in as text and comes out decoded.
        """
        words, names = _compiled(statement.text)
        return Rows(await self._driver.fetch(words, *((values or {})[name] for name in names)))

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """A part of a transaction that is undone by itself if it raises."""
        savepoint = self._driver.transaction()  # type: ignore[no-untyped-call]
        await savepoint.start()
        try:
            yield
        except Exception:
            await savepoint.rollback()
            raise
        await savepoint.commit()


@cache
def _compiled(words: str) -> tuple[str, tuple[str, ...]]:
    """A statement in PostgreSQL's own words, and the names of $1, $2 … in it."""
    compiled = text(words).compile(dialect=_DIALECT)
    return compiled.string, tuple(compiled.positiontup or ())


async def teach_json(driver: asyncpg.Connection) -> None:
    """Have a connection give JSON as what it stands for, and take it as text."""
    await driver.set_type_codec(  # type: ignore[no-untyped-call]
        "jsonb", schema="pg_catalog", encoder=str, decoder=msgspec.json.decode
    )
