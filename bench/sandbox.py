"""How many `sendMessage` the sandbox takes in a second: `python -m bench.sandbox`.

It must never be what another benchmark measures. The server runs in a process and on a core of its own,
its limits lifted; the load comes from this process over connections that stay open. Beside it the floor:
the same server with an application that only reads the body and says yes. What counts is the core's own
time: on a machine that has other things to do, the clock on the wall measures those.
"""

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import psutil
import uvicorn
from starlette.types import Receive, Scope, Send

from topicwire.sandbox.connection import SandboxProtocol
from topicwire.sandbox.server import SANDBOX_CHAT_ID, SandboxConfig, run

AIM = 3000
TOKEN = "4242:bench"
CONNECTIONS = 32
ROUNDS = 3
READY_WITHIN = 20.0


@dataclass(frozen=True)
class Figures:
    """One round: calls a second, calls a second of the core's time, what a call took, in milliseconds."""

    a_second: float
    a_core_second: float
    median: float
    slowest_of_100: float


def serve(port: int, what: str) -> None:
    """The server's process."""
    if what == "sandbox":
        config = SandboxConfig(port=port, token=TOKEN, secret_path="bench", group_rate="off", bot_rate="off")
        run(config)
    else:
        uvicorn.run(
            _floor, host="127.0.0.1", port=port, log_level="error", access_log=False, http=SandboxProtocol
        )


async def _floor(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    await receive()
    body = b'{"ok":true,"result":true}'
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def request(port: int) -> bytes:
    """A sendMessage as aiohttp writes it."""
    text = "Hello, is the shop open on Saturday? I would come by at about ten."
    body = urlencode({"chat_id": SANDBOX_CHAT_ID, "text": text}).encode()
    lines = [
        f"POST /bot{TOKEN}/sendMessage HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Accept: */*",
        "Accept-Encoding: gzip, deflate",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def load(port: int, seconds: float, server: psutil.Process) -> Figures:
    """Calls over every connection, one after the other on each, until the time is over."""
    took: list[float] = []
    used_before = _core_seconds(server)
    until = time.perf_counter() + seconds
    began = time.perf_counter()
    await asyncio.gather(*(_call(port, until, took) for _ in range(CONNECTIONS)))
    took_all = time.perf_counter() - began
    took.sort()
    used = _core_seconds(server) - used_before
    middle, slow = took[len(took) // 2], took[len(took) * 99 // 100]
    return Figures(len(took) / took_all, len(took) / used, 1e3 * middle, 1e3 * slow)


def _core_seconds(server: psutil.Process) -> float:
    times = server.cpu_times()
    return times.user + times.system


async def _call(port: int, until: float, took: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    asked = request(port)
    while (began := time.perf_counter()) < until:
        writer.write(asked)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
        await reader.readexactly(length)
        took.append(time.perf_counter() - began)
    writer.close()
    await writer.wait_closed()


def measure(what: str, seconds: float) -> Figures:
    """The best of some rounds against a fresh server."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "bench.sandbox", "--serve", str(port), "--what", what]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1])  # noqa: S603 - ourselves
    try:
        _pin(process.pid, 0)
        _wait(port)
        server = psutil.Process(process.pid)
        rounds = [asyncio.run(load(port, seconds, server)) for _ in range(ROUNDS)]
    finally:
        process.terminate()
        process.wait(10)
    return max(rounds, key=lambda figures: figures.a_core_second)


def _pin(process: int, core: int) -> None:
    """One core for the server, another for the load, where the system can do that."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(process, {cores[core % len(cores)]})


def _wait(port: int) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.05)
        else:
            return


def main() -> int:
    """Prints the figures; 1 if the aim was missed."""
    parser = argparse.ArgumentParser(prog="bench.sandbox", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--what", default="sandbox", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.what)
        return 0
    figures = {what: measure(what, options.seconds) for what in ("sandbox", "floor")}
    print(f"sendMessage on one core, {CONNECTIONS} connections, best of {ROUNDS} rounds")
    for what, each in figures.items():
        rates = f"{each.a_core_second:7.0f}/s of the core's time  {each.a_second:7.0f}/s seen"
        print(f"{what:8} {rates}  median {each.median:.2f} ms  99 % within {each.slowest_of_100:.2f} ms")
    rate = figures["sandbox"].a_core_second
    share = rate / figures["floor"].a_core_second
    print(f"{share:.0%} of the floor; aim {AIM}/s: {'met' if rate >= AIM else 'missed'}")
    return int(rate < AIM)


if __name__ == "__main__":
    sys.exit(main())
