"""Ports: whether one can be had, before anything slow begins."""

import errno
import socket
import time

from topicwire.errors import MisconfiguredError

GLANCE = 0.1  # seconds between two tries


def check(host: str, number: int, *, patience: float = 0) -> None:
    """Refuse unless we could listen on that port of `HOST` now, or so many seconds later."""
    deadline = time.monotonic() + patience
    while (trouble := _trouble(host, number)) is not None:
        if time.monotonic() >= deadline:
            raise MisconfiguredError(trouble)
        time.sleep(GLANCE)


def is_free(host: str, number: int) -> bool:
    """Whether we could listen there now."""
    return _trouble(host, number) is None


def _trouble(host: str, number: int) -> str | None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the web server does
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        return _reason(error, host, number)
    return None


def _reason(error: OSError, host: str, number: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"PORT: {number} on {host} is taken by another program;"
            f" stop that one, or set another, as in `PORT={number + 10} topicwire up`"
        )
    if error.errno == errno.EACCES:
        return f"PORT: the system does not let you listen on {number}; ports from 1024 up are free to use"
    return f"HOST: cannot listen on {host}: {error.strerror}"
