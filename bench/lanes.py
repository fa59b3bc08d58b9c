"""How many messages a second go out side by side, beside one queue for all: `python -m bench.lanes`.

    lanes        many groups, a few messages each, all at once, to a Telegram that is some way away; beside
                 `RELAY_LANES=1`, which is the single queue and is given the same, but not waited for
    at best      computed: every lane makes one call after the other, and the calls are all that takes time
    CPU          what a message costs all processes, this one too, and how many a second the cores can bear
    slow group   what a message takes from the visitor's send to the call's arrival, while Telegram has a
                 call for one more group under way, which takes seconds, and without that call

All of it is measured in turns, so that noise hits both sides alike, and added up. Telegram's budgets and
our limits are lifted. Both sides share the web process and the visitors, whose topics are made before.
"""

import argparse
import functools
import itertools
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from bench import bot_api, command, cpu, figures, load, ours
from bench.bot_api import BotApi
from bench.figures import ratio
from bench.load import Side, Trip, Trips
from bench.stand import NotReadyError, Stand, free_port, process, ready

AIM = 30  # times one queue
LANES = 64  # RELAY_LANES
WARM_UP = 5  # messages of each visitor, after which a worker's connections know its statements
BEGIN_WITHIN = 60.0  # seconds for a worker to start and to say these
SLACK = 30.0  # seconds beside those that the calls take, before what has not come counts as lost


class Options(argparse.Namespace):
    """What the command line says."""

    groups: int
    messages: int
    latency: float
    seconds: float
    slow: float
    rate: float
    rounds: int


def options() -> Options:
    """Read the command line."""
    parser = command.parser("bench.lanes", __doc__)
    parser.add_argument("--groups", type=int, default=50, help="Telegram groups, one a project (%(default)s)")
    parser.add_argument("--messages", type=int, default=10, help="in each group at once (%(default)s)")
    parser.add_argument(
        "--latency", type=float, default=0.1, help="seconds until Telegram answers (%(default)s)"
    )
    parser.add_argument(
        "--seconds", type=float, default=10, help="after which we stop watching a round's queue (%(default)s)"
    )
    parser.add_argument(
        "--slow", type=float, default=5, help="seconds that the slow call takes (%(default)s)"
    )
    parser.add_argument(
        "--rate", type=float, default=50, help="messages a second beside the slow call (%(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=4, help="turns of each (%(default)s)")
    return parser.parse_args(namespace=Options())


@dataclass
class Queue:
    """One way of sending out, and what was seen of it in all rounds."""

    lanes: int
    said: int = 0
    lost: int = 0
    seconds: float = 0.0  # from the first send to the last answer
    used: dict[str, float] = field(default_factory=dict)  # seconds of CPU

    @property
    def name(self) -> str:
        """What it is called in the report."""
        return f"RELAY_LANES={self.lanes}"

    @property
    def a_second(self) -> float:
        """Messages."""
        return ratio(self.said, self.seconds)


async def measure(asked: Options, place: Stand) -> str:
    """Run all rounds and give the report."""
    side = Side("ours", "", "")
    api, api_port = BotApi(side.reached_telegram), free_port()
    environment = place.environment(port=free_port(), api_port=api_port)
    many, one = Queue(LANES), Queue(1)
    calm, slowed = Trips(), Trips()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(bot_api.serving(api, api_port))
        await stack.enter_async_context(_visitors(asked, place, environment, side))
        for number in range(asked.rounds):
            async with _worker(place, environment, api, side, many):
                await _all_at_once(asked, api, side, many)
                for slow in (True, False) if number % 2 else (False, True):
                    await _steadily(asked, api, side, slowed if slow else calm, slow=slow)
            async with _worker(place, environment, api, side, one):
                await _all_at_once(asked, api, side, one)
    shown = (
        _lanes(asked, many, one),
        _processor(many),
        _slow(asked, calm.to_telegram, slowed.to_telegram),
    )
    return "\n\n".join((_heading(asked), *shown, figures.machine()))


@asynccontextmanager
async def _visitors(
    asked: Options, place: Stand, environment: dict[str, str], side: Side
) -> AsyncIterator[None]:
    """Our web process, and a visitor of each group, which are one more than asked for."""
    paths = await ours.projects(environment, ours.CHATS[: asked.groups + 1])
    async with process(place, "web", "topicwire.cli", "web", environment=environment) as web:
        await ready(place, f"http://127.0.0.1:{environment['PORT']}/healthz", {"web": web})
        async with load.visiting(side, ours.addresses(environment, paths)):
            yield


@asynccontextmanager
async def _worker(
    place: Stand, environment: dict[str, str], api: BotApi, side: Side, queue: Queue
) -> AsyncIterator[None]:
    """A worker that has warmed up on a Telegram that is near."""
    lanes = {"RELAY_LANES": str(queue.lanes)}
    async with process(place, "worker", "topicwire.cli", "worker", environment=environment | lanes):
        api.delay, side.trips = 0.0, Trips()
        await load.at_once(side.visitors, WARM_UP)
        await load.arrived(side.trips.to_telegram, within=BEGIN_WITHIN)
        if side.trips.to_telegram.lost():
            raise NotReadyError(f"{queue.name}: a first message did not reach Telegram")
        yield


async def _all_at_once(asked: Options, api: BotApi, side: Side, queue: Queue) -> None:
    """Every visitor but the last writes so many messages; how fast they go out."""
    api.delay, side.trips = asked.latency, Trips()
    trip = side.trips.to_telegram
    with cpu.counted(queue.used, own="bench"):
        began = time.monotonic()
        await load.at_once(side.visitors[:-1], asked.messages)
        await load.arrived(trip, within=asked.seconds)
    queue.said += len(trip.arrived)
    queue.seconds += max(trip.arrived.values(), default=began) + asked.latency - began
    api.delay = 0.0
    await load.arrived(trip, side.trips.to_ack, within=SLACK + trip.lost() * asked.latency)
    queue.lost += trip.lost()


async def _steadily(asked: Options, api: BotApi, side: Side, trips: Trips, *, slow: bool) -> None:
    """What messages take in all groups but the last, for as long as a slow call there takes or would take."""
    api.delay, side.trips = asked.latency, Trips()
    if slow:
        api.delays = {side.visitors[-1].chat: asked.slow}
        await side.visitors[-1].say()
        await load.arrived(side.trips.to_telegram)
        api.delays = {}
    side.trips = trips
    turns = itertools.cycle(side.visitors[:-1])
    await load.steadily(asked.rate, asked.slow, lambda visitor: visitor.say(), turns, even=False)
    await load.arrived(trips.to_telegram, trips.to_ack)


def _heading(asked: Options) -> str:
    return (
        f"Lanes: {asked.groups} groups, {asked.messages} messages each at once; Telegram answers after"
        f" {asked.latency * 1000:g} ms; {asked.rounds} rounds"
    )


def _lanes(asked: Options, many: Queue, one: Queue) -> str:
    times = ratio(many.a_second, one.a_second)
    verdict = "met" if times >= AIM else "below"
    rows: list[Sequence[str]] = [
        ("messages a second", "ours", "at best", "lost", "ratio", "aim", ""),
        (*_speed(asked, many), f"{times:.1f} x", f"{AIM} x", verdict),
        (*_speed(asked, one), "1.0 x", "", ""),
    ]
    return figures.table(rows)


def _speed(asked: Options, queue: Queue) -> Sequence[str]:
    best = min(asked.groups, queue.lanes) / asked.latency
    return queue.name, f"{queue.a_second:.1f}", f"{best:.1f}", f"{queue.lost}"


def _processor(queue: Queue) -> str:
    """What a message costs the processor, and how many a second all cores can bear at that price."""
    parts = ("worker", "web", "PostgreSQL", "Valkey", "bench")
    cores = os.cpu_count() or 1
    spent = [ratio(queue.used.get(part, 0.0), queue.said) for part in parts]
    prices = [f"{seconds * 1000:.2f}" for seconds in (*spent, sum(spent))]
    rows: list[Sequence[str]] = [
        ("CPU, ms a message", *parts, "in all", f"{cores} cores bear"),
        (queue.name, *prices, f"{ratio(cores, sum(spent)):.1f} a second"),
    ]
    return figures.table(rows)


def _slow(asked: Options, calm: Trip, slowed: Trip) -> str:
    title = f"ms to Telegram at {asked.rate:g} a second"
    rows: list[Sequence[str]] = [(title, "", "with", "without", "ratio", "lost")]
    for percent in (50, 90, 99):
        ours, floor = slowed.at(percent), calm.at(percent)
        lost = f"{slowed.lost()} of {len(slowed.left)}"
        shown = (f"p{percent}", f"{ours:.2f}", f"{floor:.2f}", f"{ratio(ours, floor):.2f} x", lost)
        rows.append((f"beside a call that takes {asked.slow:g} s", *shown))
    return figures.table(rows)


def main() -> None:
    """Measure and print."""
    command.report("bench.lanes", functools.partial(measure, options()))


if __name__ == "__main__":
    main()
