"""What the settings leave open on one machine: addresses and keys, found or made in `DATA_DIR`.

`web` and `worker` attach to a running `up`. Short commands do too, and without one run the servers
themselves for as long as they take.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from topicwire.embedded import Servers, datadir
from topicwire.embedded.datadir import Holder, Lock, OccupiedError
from topicwire.errors import MisconfiguredError
from topicwire.settings import Settings

PATIENCE = 120.0  # seconds that we wait for an `up` that is still starting; the first time takes longest
GLANCE = 0.1


def secret_keys(settings: Settings) -> tuple[str, ...]:
    """`SECRET_KEY`, or the one made in `DATA_DIR` for the database that is kept there."""
    if settings.secret_keys:
        return settings.secret_keys
    if settings.database_url is not None:
        raise MisconfiguredError(
            "SECRET_KEY: needed with DATABASE_URL, one for all processes; `openssl rand -hex 32` makes one"
        )
    return (datadir.secret(settings.data_dir, "secret-key", lambda: secrets.token_hex(32)),)


def sandbox_token(settings: Settings) -> str:
    """The token of the sandbox's bot, the same at every start."""
    return datadir.secret(
        settings.data_dir,
        "sandbox-token",
        lambda: f"{secrets.randbelow(10**9) + 10**9}:{secrets.token_hex(17)}",
    )


def sandbox_path(settings: Settings) -> str:
    """The unguessable part of the operators' console's address, the same at every start."""
    return datadir.secret(settings.data_dir, "sandbox-path", lambda: secrets.token_urlsafe(18))


def with_sandbox(settings: Settings, url: str | None) -> Settings:
    """The settings with the sandbox, if there is one, in Telegram's place."""
    if url is None:
        return settings
    return replace(
        settings, telegram_bot_token=sandbox_token(settings), telegram_api_url=url, telegram_updates="webhook"
    )


def attached(settings: Settings) -> Settings:
    """The settings with what they lack taken from the `up` that runs in `DATA_DIR`."""
    if settings.database_url and settings.redis_url:
        return replace(settings, secret_keys=secret_keys(settings))
    found = _lock_or_holder(settings)
    if isinstance(found, Holder):
        return _joined(settings, found)
    with found:
        lacking = [name for name, value in _needed(settings).items() if not value]
        raise MisconfiguredError(
            f"{', '.join(lacking)}: not set, and no `topicwire up` runs in {settings.data_dir}"
        )


@contextmanager
def at_hand(settings: Settings) -> Iterator[Settings]:
    """The settings with a database and a Redis that can be used inside the block."""
    if settings.database_url and settings.redis_url:
        yield replace(settings, secret_keys=secret_keys(settings))
        return
    from topicwire.db import migrate  # noqa: PLC0415 - `up` reads this module before it can wait for SQLAlchemy

    found = _lock_or_holder(settings)
    if isinstance(found, Holder):
        yield _joined(settings, found)
        return
    with found:
        own = replace(settings, secret_keys=secret_keys(settings))
        if settings.telegram_bot_token is None and settings.local:  # what `up` would start here, too
            own = with_sandbox(own, f"http://127.0.0.1:{settings.port + 1}")
        servers = Servers(settings.data_dir, postgres=not settings.database_url, redis=not settings.redis_url)
        with servers:
            complete = filled(own, servers.database_url, servers.redis_url)
            if servers.postgres is not None:
                migrate(complete.database)
            yield complete


def filled(settings: Settings, database_url: str | None, redis_url: str | None) -> Settings:
    """The settings with these addresses where they have none."""
    return replace(
        settings,
        database_url=settings.database_url or database_url,
        redis_url=settings.redis_url or redis_url,
    )


def _joined(settings: Settings, holder: Holder) -> Settings:
    joined = filled(
        replace(settings, secret_keys=secret_keys(settings)), holder.database_url, holder.redis_url
    )
    for name, value in _needed(joined).items():
        if not value:
            raise MisconfiguredError(
                f"{name}: set it as for the running `topicwire up` (process {holder.pid})"
            )
    return joined if settings.telegram_bot_token else with_sandbox(joined, holder.sandbox_url)


def _needed(settings: Settings) -> dict[str, object]:
    return {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "SECRET_KEY": settings.secret_keys,
    }


def _lock_or_holder(settings: Settings) -> Lock | Holder:
    """The data directory for ourselves, or the `up` that has it and is ready for us."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return datadir.take(settings.data_dir, "command")
        except OccupiedError as occupied:
            if occupied.holder.ready:
                return occupied.holder
            if time.monotonic() > deadline:
                raise
        time.sleep(GLANCE)
