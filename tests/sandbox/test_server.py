"""The server itself: who may reach it, and how it stops."""
# ruff: noqa: E501 - a row of a table stays a row

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

import aiohttp
import pytest

from topicwire.sandbox.server import SandboxConfig, build

if TYPE_CHECKING:
    from tests.sandbox.conftest import Telegram

PROGRAM = """
import logging, sys
from topicwire.sandbox.server import SandboxConfig, run
logging.getLogger("asyncio").setLevel(logging.ERROR)  # that something took long says nothing on a busy machine
run(SandboxConfig(token="1:x", secret_path="c0ffee", port=int(sys.argv[1])))
"""


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8001", "localhost:1", "[::1]:8001", "LOCALHOST", "a.localhost"]
)
async def test_names_of_this_machine(shared: Telegram, host: str) -> None:
    async with shared.http.get(f"{shared.base}/bot4200:secret/getMe", headers={"Host": host}) as response:
        assert response.status == 200


@pytest.mark.parametrize("path", ["/bot4200:secret/getMe", "/c0ffee/", "/"])
@pytest.mark.parametrize(
    "host", ["shop.example", "127.0.0.1.shop.example:8001", "10.0.0.1", "localhost.shop.example", ""]
)
async def test_other_names_are_turned_away(shared: Telegram, host: str, path: str) -> None:
    async with shared.http.get(shared.base + path, headers={"Host": host}) as response:
        assert (response.status, await response.read()) == (403, b"")


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "::", "shop.example", ""])  # noqa: S104 - that is the point
def test_it_binds_to_this_machine_only(host: str) -> None:
    with pytest.raises(ValueError, match="this machine only"):
        build(SandboxConfig(host=host, token="1:x", secret_path="c0ffee"))


@pytest.mark.parametrize(("token", "secret_path"), [("1", "a"), (":x", "a"), ("1:x", ""), ("1:x", "a/b")])
def test_senseless_settings(token: str, secret_path: str) -> None:
    with pytest.raises(ValueError, match=r"bot token|path segment"):
        build(SandboxConfig(token=token, secret_path=secret_path))


async def test_the_console_has_a_policy(shared: Telegram) -> None:
    async with shared.http.get(f"{shared.console}/") as response:
        assert response.headers["Content-Security-Policy"].startswith("default-src 'self'")
        assert response.headers["Referrer-Policy"] == "no-referrer"
        page = await response.text()
    for name in ("console.js", "base.css"):
        assert name in page
        async with shared.http.get(f"{shared.console}/{name}") as response:
            assert response.status == 200


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
async def test_it_stops_quietly(name: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(port),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env={**os.environ, "PYTHONDEVMODE": "1"},
    )  # fmt: skip
    async with aiohttp.ClientSession() as http:
        await _answers(http, f"http://127.0.0.1:{port}/bot1:x/getMe")
        stream = await http.get(f"http://127.0.0.1:{port}/c0ffee/api/events")
        wait = asyncio.create_task(_poll(http, f"http://127.0.0.1:{port}/c0ffee/api/calls?after=99&wait=50"))
        poll = asyncio.create_task(_poll(http, f"http://127.0.0.1:{port}/bot1:x/getUpdates?timeout=50"))
        await stream.content.readline()
        process.send_signal(name)
        output, _ = await asyncio.wait_for(process.communicate(), 10)
        stream.close()
        await asyncio.gather(poll, wait)
    assert output.decode() == ""
    assert process.returncode == 0


async def _answers(http: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                async with http.get(url) as response:
                    assert response.status == 200
                    return
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.02)


async def _poll(http: aiohttp.ClientSession, url: str) -> None:
    try:
        async with http.get(url) as response:
            await response.read()
    except aiohttp.ClientError:
        return  # it was stopped before it began to wait
