"""The way of Telegram's updates to the web processes: a proxy in front of them, which may misbehave.

It passes an update on to one process after the other, past those that are down, as a proxy in front of
a real installation does. On demand it refuses updates, loses our answers, delays, or repeats them.
"""

import asyncio
import itertools
from collections.abc import Iterable
from typing import Self

import aiohttp
from aiohttp import web

PATIENCE = 30.0  # seconds for one of the web processes to answer
BAD_GATEWAY = 502
REPEATED_AFTER = 3.0  # seconds

KEPT = ("Content-Type", "X-Telegram-Bot-Api-Secret-Token")


class Door:
    """Forwards `POST /telegram/…`; the counters say to how many of the next updates something happens."""

    def __init__(self, ports: Iterable[int]) -> None:
        self._ports = list(ports)
        self._turns = itertools.cycle(range(len(self._ports)))
        self._repeats: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self.port = 0
        self.refused = 0  # are answered 502 and not passed on
        self.unanswered = 0  # are passed on, and answered 502 all the same
        self.repeated = 0  # come a second time some seconds later, when others have come
        self.delay = 0.0  # seconds that each takes on its way

    @property
    def is_calm(self) -> bool:
        """Whether everything that was to happen has."""
        return not (self.refused or self.unanswered or self.repeated or self._repeats)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE))
        app = web.Application()
        app.router.add_post("/telegram/{bot}", self._pass)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = int(self._runner.addresses[0][1])
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in list(self._repeats):
            task.cancel()
        await asyncio.gather(*self._repeats, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    async def _pass(self, request: web.Request) -> web.Response:
        if self.refused:
            self.refused -= 1
            return web.Response(status=BAD_GATEWAY)
        body = await request.read()
        headers = {name: request.headers[name] for name in KEPT if name in request.headers}
        await asyncio.sleep(self.delay)
        if self.repeated:
            self.repeated -= 1
            self._repeat(request.path, body, headers)
        status = await self._forward(request.path, body, headers)
        if self.unanswered:
            self.unanswered -= 1
            status = BAD_GATEWAY
        return web.Response(status=status)

    async def _forward(self, path: str, body: bytes, headers: dict[str, str]) -> int:
        """Whose turn it is, or the next that is up."""
        if self._session is None:
            raise RuntimeError("the door is not open")
        for _ in self._ports:
            url = f"http://127.0.0.1:{self._ports[next(self._turns)]}{path}"
            try:
                async with self._session.post(url, data=body, headers=headers) as answer:
                    return answer.status
            except aiohttp.ClientConnectorError:
                continue  # it is down: nothing has reached it
            except (aiohttp.ClientError, TimeoutError):
                break
        return BAD_GATEWAY

    def _repeat(self, path: str, body: bytes, headers: dict[str, str]) -> None:
        async def later() -> None:
            await asyncio.sleep(REPEATED_AFTER)
            await self._forward(path, body, headers)

        task = asyncio.create_task(later())
        self._repeats.add(task)
        task.add_done_callback(self._repeats.discard)
