"""What all tests share: servers for as long as the run takes, and no way out of this machine."""

import asyncio
import ipaddress
import socket
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url, text

from topicwire import db as databases
from topicwire.db import Connection, Database, metadata
from topicwire.domain import installation
from topicwire.embedded import Servers

pytest_plugins = ("tests.chromium",)

# The network


class NetworkRefusedError(RuntimeError):
    """A test tried to leave this machine."""


def _refuse_the_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[-1]
        host = address[0] if isinstance(address, tuple) else "localhost"  # else a unix socket's path
    elif event == "socket.getaddrinfo":
        host = arguments[0] or "localhost"
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host.endswith(".invalid"):  # whose names exist nowhere (RFC 2606): no need to ask
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    if not _is_here(host):
        raise NetworkRefusedError(f"{event} to {host}: tests stay on this machine")


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


sys.addaudithook(_refuse_the_network)


# The servers


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder for servers: its path leaves room for a socket's name, and it stays open to PostgreSQL's user.

    Pytest's own does neither: it is deep, and a second run beside this one closes it.
    """
    with tempfile.TemporaryDirectory(prefix="topicwire-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """PostgreSQL and Valkey, for as long as the run takes."""
    with tempfile.TemporaryDirectory(prefix="topicwire-") as folder, Servers(Path(folder)) as running:
        yield running


@pytest.fixture(scope="session")
async def template(servers: Servers) -> str:
    """The address of a migrated database that nobody uses: it is only copied."""
    url = str(servers.database_url)
    # What a crash would lose is no matter here, and waiting for the disk takes half of the time.
    for statement in ("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()"):
        await _execute(url, statement)
    await asyncio.to_thread(databases.migrate, url)  # it has a loop of its own
    return url


async def copied(template: str) -> str:
    """The address of a new database like the template."""
    return await _made(template, make_url(template).database or "")


async def empty_copy(url: str) -> str:
    """The address of a new database with nothing in it, on the same server."""
    return await _made(url, "template0")


async def _made(url: str, source: str) -> str:
    name = f"copy_{uuid.uuid4().hex[:12]}"
    admin = make_url(url).set(database="postgres").render_as_string(hide_password=False)
    await _execute(admin, f'CREATE DATABASE "{name}" TEMPLATE "{source}"')
    return make_url(url).set(database=name).render_as_string(hide_password=False)


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)  # type: ignore[no-untyped-call]
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
async def _shared(template: str) -> AsyncIterator[Database]:
    database = Database(await copied(template))
    yield database
    await database.close()


@pytest.fixture
async def database(_shared: Database) -> Database:
    """An empty, migrated database."""
    tables = ", ".join(metadata.tables)
    async with _shared.begin() as db:
        await db.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
        await installation.epoch(db)
    return _shared


@pytest.fixture
async def db(database: Database) -> AsyncIterator[Connection]:
    """A connection to an empty database; every statement is committed by itself."""
    async with database.statement() as connection:
        yield connection
