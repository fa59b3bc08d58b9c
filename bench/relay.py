"""How long a message takes, beside the floor: `python -m bench.relay`.

    visitor -> Telegram   from the visitor's send to the call's arrival at the Bot API server
    send -> ack           from the visitor's send to the ack, which means: committed
    webhook -> visitor    from the start of the webhook call to the frame at the visitor's socket

Both sides run at once on the same servers and are loaded in turns, so that noise hits both: read the
ratios. Limits and Telegram's budgets are lifted. The first message of each conversation, which makes
its topic, is not measured.
"""

import argparse
import functools
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from aiohttp import ClientSession

from bench import bot_api, command, cpu, figures, load, ours, stages
from bench.figures import ratio, verdict
from bench.load import Side, Trip, Trips
from bench.stand import TOKEN, NotReadyError, Stand, free_port, process, ready
from topicwire.telegram import webhook

BOT_ID = int(TOKEN.partition(":")[0])
TRIES = 3
WARM_UP = 2.0  # seconds of load before anything is measured

# What is measured, and how many times the floor it may take at p50 and at p99.
TRIPS = (
    ("visitor -> Telegram", "to_telegram", 2.0, 3.0),
    ("send -> ack", "to_ack", 1.5, 2.0),
    ("webhook -> visitor", "to_visitor", 1.5, 2.0),
)


class Options(argparse.Namespace):
    """What the command line says."""

    rate: float
    conversations: int
    groups: int
    duration: float
    passes: int
    even: bool
    profile: bool


def options() -> Options:
    """Read the command line."""
    parser = command.parser("bench.relay", __doc__)
    parser.add_argument("--rate", type=float, default=50, help="messages a second (%(default)s)")
    parser.add_argument("--conversations", type=int, default=50, help="visitors (%(default)s)")
    parser.add_argument("--groups", type=int, default=10, help="Telegram groups, one a project (%(default)s)")
    parser.add_argument(
        "--duration", type=float, default=20, help="seconds of each way and side, all passes (%(default)s)"
    )
    parser.add_argument("--passes", type=int, default=4, help="turns of each side (%(default)s)")
    parser.add_argument("--even", action="store_true", help="evenly spaced instead of at random moments")
    parser.add_argument(
        "--profile", action="store_true", help="show where our own time goes, which costs some"
    )
    return parser.parse_args(namespace=Options())


async def measure(asked: Options, place: Stand) -> str:
    """Run both sides and give the report."""
    sides: list[Side] = []

    def reached(number: int, at: float, chat: int, topic: int) -> None:
        for side in sides:
            side.reached_telegram(number, at, chat, topic)

    traces = place.directory / "traces"
    traces.mkdir()
    api_port = free_port()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(bot_api.serving(bot_api.BotApi(reached), api_port))
        trace_to = traces if asked.profile else None
        sides.append(await stack.enter_async_context(_ours(asked, place, api_port, trace_to)))
        sides.append(await stack.enter_async_context(_floor(asked, place, api_port)))
        session = await stack.enter_async_context(ClientSession())
        await _load(asked, session, sides)
    mine, floor = sides
    shown = [_heading(asked), report(mine.trips, floor.trips), processor(mine.trips, floor.trips)]
    if asked.profile:
        group_of = await _groups(place, mine)
        shown += ["Where our time goes", stages.report(traces, mine.trips.to_telegram, group_of)]
    return "\n\n".join([*shown, figures.machine()])


@asynccontextmanager
async def _ours(asked: Options, place: Stand, api_port: int, trace_to: Path | None) -> AsyncIterator[Side]:
    """Our web process and our worker, and the visitors of as many projects as there are groups."""
    environment = place.environment(port=free_port(), api_port=api_port)
    module = "topicwire.cli"
    if trace_to is not None:
        module = "bench.traced"
        environment[stages.DIRECTORY] = str(trace_to)
    paths = await ours.projects(environment, ours.CHATS[: asked.groups])
    hook = f"http://127.0.0.1:{environment['PORT']}/telegram/{BOT_ID}"
    side = Side("ours", hook, webhook.secret(place.secret_key, BOT_ID))
    doors = itertools.islice(itertools.cycle(ours.addresses(environment, paths)), asked.conversations)
    async with ours.running(place, environment, module=module), load.visiting(side, list(doors)):
        yield side


@asynccontextmanager
async def _floor(asked: Options, place: Stand, api_port: int) -> AsyncIterator[Side]:
    """The floor's two processes and as many visitors."""
    port = free_port()
    environment = place.floor_environment(port=port, api_port=api_port)
    side = Side("floor", f"http://127.0.0.1:{port}/hook", place.secret_key)
    async with (
        process(place, "floor-web", "bench.floor", "web", environment=environment) as web,
        process(place, "floor-worker", "bench.floor", "worker", environment=environment) as worker,
    ):
        await ready(place, f"http://127.0.0.1:{port}/healthz", {"floor-web": web, "floor-worker": worker})
        async with load.visiting(side, [f"ws://127.0.0.1:{port}/ws"] * asked.conversations):
            yield side


async def _load(asked: Options, session: ClientSession, sides: Sequence[Side]) -> None:
    for side in sides:
        await _make_topics(side)
    await _turns(asked, session, sides, seconds=min(WARM_UP, asked.duration))
    for side in sides:
        side.trips = Trips()
    for _ in range(asked.passes):
        await _turns(asked, session, sides, seconds=asked.duration / asked.passes)


async def _make_topics(side: Side) -> None:
    """The first message of each conversation; said again while nobody listens yet."""
    for visitor in side.visitors:
        for _ in range(TRIES):
            await visitor.say()
            await load.arrived(side.trips.to_telegram)
            if visitor.chat:
                break
        else:
            raise NotReadyError(f"{side.name}: a first message did not reach Telegram")


async def _turns(asked: Options, session: ClientSession, sides: Sequence[Side], *, seconds: float) -> None:
    """One way on one side, then on the other; then the other way."""
    for side in sides:
        turns = itertools.cycle(side.visitors)
        with cpu.counted(side.trips.cpu_to_telegram):
            await load.steadily(asked.rate, seconds, lambda visitor: visitor.say(), turns, even=asked.even)
            await load.arrived(side.trips.to_telegram, side.trips.to_ack)
    for side in sides:
        turns = itertools.cycle(side.visitors)

        async def answer(visitor: load.Visitor, side: Side = side) -> None:
            await side.answer(session, visitor)

        with cpu.counted(side.trips.cpu_to_visitor):
            await load.steadily(asked.rate, seconds, answer, turns, even=asked.even)
            await load.arrived(side.trips.to_visitor)


async def _groups(place: Stand, side: Side) -> dict[int, int]:
    """The group in which each number was said."""
    connection: Any = await asyncpg.connect(place.database_url)  # type: ignore[no-untyped-call]
    try:
        known = {
            row["chat_id"]: row["id"] for row in await connection.fetch("SELECT id, chat_id FROM groups")
        }
    finally:
        await connection.close()
    return {number: known[visitor.chat] for number, visitor in side.said_by.items()}


def _heading(asked: Options) -> str:
    moments = "evenly spaced" if asked.even else "at random moments"
    return (
        f"Relay: {asked.rate:g} messages a second {moments}, {asked.conversations} conversations in"
        f" {asked.groups} groups, {asked.duration:g} s of each way in {asked.passes} passes; milliseconds"
    )


def report(ours: Trips, floor: Trips) -> str:
    """The table."""
    rows: list[tuple[str, ...]] = [("", "", "ours", "floor", "ratio", "aim", "", "lost")]
    for title, name, *aims in TRIPS:
        rows += _rows(title, getattr(ours, name), getattr(floor, name), aims)
    return figures.table(rows)


def processor(ours: Trips, floor: Trips) -> str:
    """The table of what a message costs the processor, which noise on the machine hardly changes."""
    rows: list[tuple[str, ...]] = [("CPU, ms a message", "", "ours", "floor", "ratio")]
    ways = (
        ("visitor -> Telegram", "cpu_to_telegram", "to_telegram"),
        ("webhook -> visitor", "cpu_to_visitor", "to_visitor"),
    )
    for title, used, trip in ways:
        mine, bare = (
            {
                name: spent * 1000 / len(getattr(trips, trip).left)
                for name, spent in getattr(trips, used).items()
            }
            for trips in (ours, floor)
        )
        rows += cpu.rows(title, mine, bare)
    return figures.table(rows)


def _rows(title: str, ours: Trip, floor: Trip, aims: Sequence[float]) -> list[tuple[str, ...]]:
    lost = f"{ours.lost()} of {len(ours.left)}"
    rows: list[tuple[str, ...]] = []
    for percent, aim in ((50, aims[0]), (90, None), (99, aims[1])):
        mine, bare = ours.at(percent), floor.at(percent)
        times = ratio(mine, bare)
        judged = ("", "") if aim is None else (f"{aim:.1f} x", verdict(times, aim))
        rows.append((title, f"p{percent}", f"{mine:.2f}", f"{bare:.2f}", f"{times:.2f} x", *judged, lost))
        title = lost = ""
    return rows


def main() -> None:
    """Measure and print."""
    command.report("bench.relay", functools.partial(measure, options()))


if __name__ == "__main__":
    main()
