"""Alembic's environment: one migration at a time, whoever starts it."""

import asyncio

import asyncpg
from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from topicwire.db import metadata
from topicwire.domain import (
    accounts,
    conversations,
    groups,
    holds,
    inbox,
    installation,
    outbox,
    projects,
    topics,
)

# Importing the nouns is what fills the metadata.
NOUNS = (accounts, conversations, groups, holds, inbox, installation, outbox, projects, topics)
LOCK = 7_120_314  # any number; two migrations at once wait for one another


def run(connection: Connection) -> None:
    """Migrate within one transaction, under a lock of the whole database."""
    context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
    with context.begin_transaction():
        connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        context.run_migrations()


async def connect() -> None:
    """Open a connection of its own: migrations run once, before anything else."""
    url = context.config.attributes["url"]
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: asyncpg.connect(url),  # type: ignore[no-untyped-call]
        poolclass=NullPool,
    )
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


asyncio.run(connect())
