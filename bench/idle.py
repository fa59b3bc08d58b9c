"""What an idle visitor's socket costs, beside a bare one: `python -m bench.idle`.

    memory   growth of the server's own memory (PSS) over the number of sockets; ours have said hello, and
             half of them a message too; the bare ones are accepted and listened to, nothing else
    CPU      of both servers over the same seconds, with all sockets open: pings, and our sweeps
    resident memory of a web process that nobody has talked to yet

A few sockets come and go before memory is taken down, so that what a process makes once is not counted
as a socket's.
"""

import argparse
import asyncio
import functools
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import psutil

from bench import command, crowd, figures, ours
from bench.crowd import Script
from bench.figures import ratio, verdict
from bench.stand import Stand, free_port, process, raise_open_files, ready

KIB = 1024
MB = 1_000_000
MEMORY_AIM = 1.25  # times the bare socket
RESIDENT_AIM = 85  # MB
FIRST = 64  # sockets that come and go before


class Options(argparse.Namespace):
    """What the command line says."""

    count: int
    seconds: float
    settle: float
    projects: int


def options() -> Options:
    """Read the command line."""
    parser = command.parser("bench.idle", __doc__)
    parser.add_argument("--count", type=int, default=5000, help="sockets of each server (%(default)s)")
    parser.add_argument("--seconds", type=float, default=20, help="over which CPU is measured (%(default)s)")
    parser.add_argument(
        "--settle", type=float, default=3, help="seconds before each look at memory (%(default)s)"
    )
    parser.add_argument("--projects", type=int, default=10, help="over which visitors spread (%(default)s)")
    return parser.parse_args(namespace=Options())


@dataclass
class Server:
    """A server under test, and what was seen of it."""

    process: psutil.Process
    scripts: Callable[[int], Script]
    resident: int = 0
    before: int = 0
    after: int = 0
    cpu: float = 0.0

    def memory(self) -> int:
        """Its proportional share of memory, bytes."""
        return int(self.process.memory_full_info().pss)

    def cpu_seconds(self) -> float:
        """CPU used since it began."""
        used = self.process.cpu_times()
        return used.user + used.system


async def measure(asked: Options, place: Stand) -> str:
    """Run both servers and give the report."""
    async with AsyncExitStack() as stack:
        mine = await stack.enter_async_context(_ours(asked, place))
        bare = await stack.enter_async_context(_bare(place))
        for server in (mine, bare):
            await _fill(asked, server, stack)
        await _rest(asked, mine, bare)
        return report(asked, mine, bare)


@asynccontextmanager
async def _ours(asked: Options, place: Stand) -> AsyncIterator[Server]:
    """Our web process alone: what visitors say waits for a worker that never comes."""
    port = free_port()
    environment = place.environment(port=port, api_port=free_port())
    paths = await ours.projects(environment, [None] * asked.projects)

    def script(number: int) -> Script:
        return Script(port, paths[number % len(paths)], hello=True, message=number % 2 == 0)

    async with process(place, "web", "topicwire.cli", "web", environment=environment) as web:
        await ready(place, f"http://127.0.0.1:{port}/healthz", {"web": web})
        yield _server(web, script)


@asynccontextmanager
async def _bare(place: Stand) -> AsyncIterator[Server]:
    port = free_port()
    environment = place.floor_environment(port=port, api_port=0)
    async with process(place, "bare", "bench.bare", environment=environment) as web:
        await ready(place, f"http://127.0.0.1:{port}/healthz", {"bare": web})
        yield _server(web, lambda _: Script(port, "/ws", hello=False, message=False))


def _server(child: subprocess.Popen[bytes], scripts: Callable[[int], Script]) -> Server:
    return Server(psutil.Process(child.pid), scripts)


async def _fill(asked: Options, server: Server, stack: AsyncExitStack) -> None:
    """Open all sockets and take down what they cost; they stay open as long as the stack."""
    await asyncio.sleep(asked.settle)
    server.resident = server.process.memory_info().rss
    async with crowd.gathered(server.scripts, FIRST):
        pass
    await asyncio.sleep(asked.settle)
    server.before = server.memory()
    await stack.enter_async_context(crowd.gathered(server.scripts, asked.count))
    await asyncio.sleep(asked.settle)
    server.after = server.memory()


async def _rest(asked: Options, *servers: Server) -> None:
    """Let all sockets be idle, and see what that costs."""
    began = [server.cpu_seconds() for server in servers]
    await asyncio.sleep(asked.seconds)
    for server, at in zip(servers, began, strict=True):
        server.cpu = (server.cpu_seconds() - at) / asked.seconds * 100


def report(asked: Options, ours: Server, bare: Server) -> str:
    """The table."""
    mine, floor = ((server.after - server.before) / asked.count / KIB for server in (ours, bare))
    resident, bare_resident = ours.resident / MB, bare.resident / MB
    times = ratio(mine, floor)
    rows = [
        ("", "ours", "floor", "ratio", "aim", ""),
        (
            "KiB a socket",
            f"{mine:.1f}",
            f"{floor:.1f}",
            f"{times:.2f} x",
            f"{MEMORY_AIM} x",
            verdict(times, MEMORY_AIM),
        ),
        (
            "CPU, % of a core",
            f"{ours.cpu:.1f}",
            f"{bare.cpu:.1f}",
            f"{ratio(ours.cpu, bare.cpu):.2f} x",
            "",
            "",
        ),
        (
            "MB of an unused web process",
            f"{resident:.0f}",
            f"{bare_resident:.0f}",
            f"{ratio(resident, bare_resident):.2f} x",
            f"{RESIDENT_AIM} MB",
            verdict(resident, RESIDENT_AIM),
        ),
    ]
    heading = (
        f"Idle: {asked.count} sockets of {asked.projects} projects, half of them with a message;"
        f" CPU over {asked.seconds:g} s"
    )
    return "\n\n".join((heading, figures.table(rows), figures.machine()))


def main() -> None:
    """Measure and print."""
    asked = options()
    wanted = asked.count * 2 + 500
    allowed = raise_open_files(wanted)
    if allowed < wanted:
        raise SystemExit(f"bench.idle: {wanted} open files are needed and {allowed} allowed; lower --count")
    command.report("bench.idle", functools.partial(measure, asked))


if __name__ == "__main__":
    main()
