"""What a worker costs that has nothing to do, beside a bare one of arq's: `python -m bench.idle_worker`.

    ours    listens for rings, and sweeps for what nobody rang for; linked groups that are silent, and no
            conversation
    floor   arq's own worker with one job and its defaults, which looks at its queue twice a second

Both run at once on the same servers. What the servers use is shown too. The system counts in hundredths of
a second, so that over 30 s the figures are right within 0.07.
"""

import argparse
import asyncio
import functools
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

import psutil
from arq.constants import default_queue_name, health_check_key_suffix

from bench import bot_api, command, cpu, figures, ours
from bench.bot_api import BotApi
from bench.figures import ratio, verdict
from bench.stand import GLANCE, READY_WITHIN, NotReadyError, Stand, free_port, process
from topicwire import notifier
from topicwire.jobs import QUEUE

AIM = 0.4  # % of a core
MB = 1_000_000


class Options(argparse.Namespace):
    """What the command line says."""

    seconds: float
    settle: float
    groups: int


def options() -> Options:
    """Read the command line."""
    parser = command.parser("bench.idle_worker", __doc__)
    parser.add_argument("--seconds", type=float, default=30, help="over which CPU is measured (%(default)s)")
    parser.add_argument("--settle", type=float, default=5, help="seconds before that (%(default)s)")
    parser.add_argument("--groups", type=int, default=50, help="linked, and silent (%(default)s)")
    return parser.parse_args(namespace=Options())


async def measure(asked: Options, place: Stand) -> str:
    """Run both workers and give the report."""
    api_port = free_port()
    environment = place.environment(port=free_port(), api_port=api_port)
    floor_environment = place.floor_environment(port=0, api_port=api_port)
    await ours.projects(environment, ours.CHATS[: asked.groups])
    async with AsyncExitStack() as stack:
        start = stack.enter_async_context
        await start(bot_api.serving(BotApi(lambda *_: None), api_port))
        mine = await start(process(place, "worker", "topicwire.cli", "worker", environment=environment))
        bare = await start(process(place, "bare", "bench.bare_worker", environment=floor_environment))
        await _seen(place, {QUEUE: mine, default_queue_name: bare})
        await asyncio.sleep(asked.settle)
        workers = [psutil.Process(child.pid) for child in (mine, bare)]
        return report(asked, *await _rest(asked, workers))


async def _seen(place: Stand, workers: Mapping[str, subprocess.Popen[bytes]]) -> None:
    """Wait until each worker has left a sign of life at its queue."""
    redis = notifier.client(place.redis_url)
    deadline = time.monotonic() + READY_WITHIN
    signs = [queue + health_check_key_suffix for queue in workers]
    try:
        while await redis.exists(*signs) < len(signs):
            if time.monotonic() > deadline or any(child.poll() is not None for child in workers.values()):
                raise NotReadyError("a worker does not begin to work")
            await asyncio.sleep(GLANCE)
    finally:
        await redis.aclose()


async def _rest(
    asked: Options, workers: Sequence[psutil.Process]
) -> tuple[list[float], list[int], dict[str, float]]:
    """Let both be idle: % of a core and bytes of memory of each, and % of a core of the servers."""
    servers: dict[str, float] = {}
    with cpu.counted(servers):
        began = [_used(worker) for worker in workers]
        await asyncio.sleep(asked.seconds)
        used = [(_used(worker) - at) / asked.seconds * 100 for worker, at in zip(workers, began, strict=True)]
    shares = {name: used / asked.seconds * 100 for name, used in servers.items()}
    return used, [worker.memory_info().rss for worker in workers], shares


def _used(worker: psutil.Process) -> float:
    """Seconds of CPU, the program's own and the system's."""
    times = worker.cpu_times()
    return float(times.user + times.system)


def report(
    asked: Options, used: Sequence[float], resident: Sequence[int], servers: Mapping[str, float]
) -> str:
    """The table."""
    (mine, floor), (memory, bare_memory) = used, resident
    times = f"{ratio(mine, floor):.2f} x"
    rows: list[Sequence[str]] = [
        ("", "ours", "floor", "ratio", "aim", ""),
        ("CPU, % of a core", f"{mine:.2f}", f"{floor:.2f}", times, f"{AIM} %", verdict(mine, AIM)),
        (
            "MB of the process",
            f"{memory / MB:.0f}",
            f"{bare_memory / MB:.0f}",
            f"{ratio(memory, bare_memory):.2f} x",
            "",
            "",
        ),
    ]
    both = [(f"{name}, for both, %", f"{servers.get(name, 0):.2f}") for name in ("PostgreSQL", "Valkey")]
    heading = f"An idle worker beside {asked.groups} silent groups, over {asked.seconds:g} s"
    return "\n\n".join((heading, figures.table(rows), figures.table(both), figures.machine()))


def main() -> None:
    """Measure and print."""
    command.report("bench.idle_worker", functools.partial(measure, options()))


if __name__ == "__main__":
    main()
