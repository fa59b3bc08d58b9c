"""Migrations give exactly what the models say, from nothing and back."""

import asyncio
import sys

import asyncpg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from tests.conftest import empty_copy
from topicwire import db as databases
from topicwire.db import MIGRATIONS, metadata
from topicwire.embedded import Servers
from topicwire.errors import MisconfiguredError


@pytest.fixture
async def url(servers: Servers) -> str:
    """The address of a database with nothing in it."""
    return await empty_copy(str(servers.database_url))


async def _ask(url: str, question):  # type: ignore[no-untyped-def]
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: asyncpg.connect(url),  # type: ignore[no-untyped-call]
        poolclass=NullPool,
    )
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(question)
    finally:
        await engine.dispose()


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_server_default": True})
    return list(compare_metadata(context, metadata))


def _objects(connection: Connection) -> list[str]:
    query = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY relname"
    return [row.relname for row in connection.execute(text(query))]


async def test_from_nothing_to_the_models(url: str) -> None:
    await asyncio.to_thread(databases.migrate, url)
    assert await _ask(url, _differences) == []
    await asyncio.to_thread(databases.migrate, url)  # again, as every `up` does


async def test_back_to_nothing(url: str) -> None:
    await asyncio.to_thread(databases.migrate, url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    await asyncio.to_thread(command.downgrade, config, "base")
    assert await _ask(url, _objects) == ["alembic_version", "alembic_version_pkc"]
    await asyncio.to_thread(databases.migrate, url)
    assert await _ask(url, _differences) == []


async def test_several_at_once_do_not_meet(url: str) -> None:
    """As when several processes are started at the same time."""
    code = f"from topicwire.db import migrate; migrate({url!r})"
    started = [await asyncio.create_subprocess_exec(sys.executable, "-c", code) for _ in range(3)]
    assert [await process.wait() for process in started] == [0, 0, 0]
    assert await _ask(url, _differences) == []


async def test_a_database_that_is_not_there_is_named_without_its_password(url: str) -> None:
    missing = (
        make_url(url).set(database="nowhere", password="secret-word").render_as_string(hide_password=False)
    )
    with pytest.raises(MisconfiguredError, match=r"DATABASE_URL: .*nowhere") as refused:
        await asyncio.to_thread(databases.migrate, missing)
    assert "secret-word" not in str(refused.value)
