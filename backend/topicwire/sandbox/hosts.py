"""The sandbox is for this machine only: what counts as this machine, and a guard against other names.

A page elsewhere can make a browser ask for its own name at 127.0.0.1 (DNS rebinding); the Host header
then still carries that name, which is how such requests are told apart.
"""

import ipaddress
from functools import lru_cache

from starlette.types import ASGIApp, Receive, Scope, Send


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether a bare host name or address means this machine."""
    name = host.strip("[]").lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class LoopbackOnly:
    """Answers 403 with an empty body to requests for any other host."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await guard(self._app, scope, receive, send)
        else:
            await self._app(scope, receive, send)


async def guard(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Lets a request through to `app` if it names this machine."""
    if _is_for_this_machine(scope):
        await app(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def _is_for_this_machine(scope: Scope) -> bool:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
    return len(hosts) == 1 and is_loopback(_without_port(hosts[0]))


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host
