"""Projects: a website with its widget, the group that answers, and the codes that link the two."""

import hashlib
import secrets
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from topicwire.db import Connection, metadata
from topicwire.domain import accounts
from topicwire.errors import RefusedError

projects = Table(
    "projects",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("key", Text, nullable=False, unique=True),
    Column("identity_secret", Text, nullable=False),
    Column("allowed_origins", ARRAY(Text), nullable=False, server_default="{}"),
    Column("operator_name", Text),  # what visitors see; None: the first name of whoever answers
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

link_codes = Table(
    "link_codes",
    metadata,
    Column("code_hash", LargeBinary, primary_key=True),
    Column("project_id", Text, ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)

link_tries = Table(
    "link_tries",
    metadata,
    Column("chat_id", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_link_tries_chat_id_at", "chat_id", "at"),
)

CODE_BYTES = 16
CODE_LIFETIME = "1 hour"
TRIES_PER_HOUR = 5
LONGEST_NAME = 100


class Project(Struct, frozen=True):
    """What a door needs to know of a project."""

    id: str
    name: str
    key: str
    allowed_origins: tuple[str, ...]
    operator_name: str | None
    linked: bool


class NewProject(Struct, frozen=True):
    """A project that was just made, with the secrets that are shown once."""

    id: str
    name: str
    key: str
    identity_secret: str


async def create(db: Connection, *, owner: str, name: str, origins: Sequence[str] = ()) -> NewProject:
    """Make a project; the owner's account is made if there is none.

    Raises `RefusedError`: `bad_email`, `bad_name`, `bad_origin`.
    """
    cleaned = " ".join(name.split())
    if not 0 < len(cleaned) <= LONGEST_NAME:
        raise RefusedError("bad_name", f"A project's name has 1 to {LONGEST_NAME} characters.")
    project = NewProject(
        id=secrets.token_urlsafe(12),
        name=cleaned,
        key="pk_" + secrets.token_hex(12),
        identity_secret=secrets.token_urlsafe(32),
    )
    await db.execute(
        text(
            "INSERT INTO projects (id, account_id, name, key, identity_secret, allowed_origins)"
            " VALUES (:id, :account, :name, :key, :secret, :origins)"
        ),
        {
            "id": project.id,
            "account": await accounts.ensure(db, owner),
            "name": project.name,
            "key": project.key,
            "secret": project.identity_secret,
            "origins": [normal_origin(origin) for origin in origins],
        },
    )
    return project


def normal_origin(origin: str) -> str:
    """An origin in its one spelling (`https://shop.example`, `https://*.shop.example`).

    Raises `RefusedError("bad_origin")` for anything with a path, or without http or https.
    """
    scheme, sep, rest = origin.strip().rstrip("/").lower().partition("://")
    host = rest.removeprefix("*.")
    if not sep or scheme not in ("http", "https") or not host or set(host) & set("/?#@*, "):
        raise RefusedError("bad_origin", f"{origin!r} is not an origin like https://shop.example")
    default_port = ":443" if scheme == "https" else ":80"
    return f"{scheme}://{rest.removesuffix(default_port)}"


def origin_allowed(origin: str | None, allowed: Sequence[str]) -> bool:
    """Whether a page of this origin may open the widget's socket.

    While no origin is configured any is; afterwards an absent one or `null` is refused.
    """
    if not allowed:
        return True
    scheme, _, host = (origin or "").lower().partition("://")
    return any(
        origin == entry or (entry.startswith(f"{scheme}://*.") and host.endswith(entry.partition("*")[2]))
        for entry in allowed
    )


_FIND = text(
    "SELECT id, name, key, allowed_origins, operator_name,"
    " EXISTS (SELECT 1 FROM groups WHERE project_id = projects.id) AS linked"
    " FROM projects WHERE key = :key"
)


async def by_key(db: Connection, key: str) -> Project | None:
    """The project with this public key."""
    row = (await db.execute(_FIND, {"key": key})).one_or_none()
    if row is None:
        return None
    return Project(row.id, row.name, row.key, tuple(row.allowed_origins), row.operator_name, row.linked)


async def every(db: Connection) -> list[dict[str, Any]]:
    """All projects with their owners and groups, oldest first."""
    rows = await db.execute(
        text(
            "SELECT p.id, p.name, p.key, a.email AS owner, g.chat_id, g.title AS chat_title"
            " FROM projects p JOIN accounts a ON a.id = p.account_id"
            " LEFT JOIN groups g ON g.project_id = p.id ORDER BY p.created_at, p.id"
        )
    )
    return [dict(row) for row in rows.mappings()]


async def make_link_code(db: Connection, project_id: str) -> str:
    """A code for `/connect`: 128 bits, one use, one hour. Only its hash is stored."""
    code = secrets.token_urlsafe(CODE_BYTES)
    await db.execute(
        text(
            "INSERT INTO link_codes (code_hash, project_id, expires_at)"
            f" VALUES (:hash, :project, now() + interval '{CODE_LIFETIME}')"
        ),
        {"hash": _hash(code), "project": project_id},
    )
    return code


async def project_of_code(db: Connection, code: str) -> tuple[str, str] | None:
    """The id and name of the project that a code links to, while the code is valid."""
    row = (
        await db.execute(
            text(
                "SELECT p.id, p.name FROM link_codes c JOIN projects p ON p.id = c.project_id"
                " WHERE c.code_hash = :hash AND c.expires_at > now() FOR UPDATE OF c"
            ),
            {"hash": _hash(code)},
        )
    ).one_or_none()
    return None if row is None else (row.id, row.name)


async def use_code(db: Connection, code: str) -> None:
    """Make a code invalid, and all that are too old with it."""
    await db.execute(
        text("DELETE FROM link_codes WHERE code_hash = :hash OR expires_at < now()"), {"hash": _hash(code)}
    )


async def may_try_code(db: Connection, chat_id: int) -> bool:
    """Whether a chat may try a code; not after five wrong ones in an hour. Tries wait for one another."""
    await db.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"link:{chat_id}"}
    )
    await db.execute(text("DELETE FROM link_tries WHERE at < now() - interval '1 hour'"))
    tries = await db.execute(text("SELECT count(*) FROM link_tries WHERE chat_id = :chat"), {"chat": chat_id})
    return int(tries.scalar_one()) < TRIES_PER_HOUR


async def count_wrong_code(db: Connection, chat_id: int) -> None:
    """Somebody who may link a chat tried a code that is not valid."""
    await db.execute(text("INSERT INTO link_tries (chat_id) VALUES (:chat)"), {"chat": chat_id})


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()
