"""Owners: who may see and change a project."""

import secrets

from sqlalchemy import Column, DateTime, Table, Text, func, text

from topicwire.db import Connection, metadata
from topicwire.errors import RefusedError

accounts = Table(
    "accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False, unique=True),  # in lower case
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

LONGEST_ADDRESS = 254  # RFC 5321


async def ensure(db: Connection, email: str) -> str:
    """The id of the account with this address, made if there is none."""
    address = normal_address(email)
    row = await db.execute(
        text(
            "INSERT INTO accounts (id, email) VALUES (:id, :email)"
            " ON CONFLICT (email) DO UPDATE SET email = excluded.email RETURNING id"
        ),
        {"id": secrets.token_urlsafe(16), "email": address},
    )
    return str(row.scalar_one())


def normal_address(email: str) -> str:
    """An e-mail address in its one spelling; raises `RefusedError("bad_email")`."""
    address = email.strip().lower()
    name, at, host = address.rpartition("@")
    if not (at and name and host) or len(address) > LONGEST_ADDRESS or any(c.isspace() for c in address):
        raise RefusedError("bad_email", f"{email!r} is not an e-mail address.")
    return address
