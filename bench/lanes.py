"""How many messages a second go out side by side, beside one queue for all: `python -m bench.lanes`.

    lanes        many groups, a few messages each, all at once, to a Telegram that is some way away; beside
                 `RELAY_LANES=1`, which is the single queue, with fewer messages of each group
    at best      computed: every lane makes one call after the other, and the calls are all that takes time
    slow group   what a message takes from the visitor's send to the call's arrival, while Telegram always
                 has a call for one more group under way, which takes seconds, and without that group

Telegram's budgets and our limits are lifted. The first message of each conversation, which makes its
topic, is not measured.
"""

import argparse
import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvloop

from bench import bot_api, figures, load
from bench.bot_api import BotApi
from bench.figures import ratio
from bench.load import Side, Trip, Trips
from bench.stand import NotReadyError, Stand, free_port, process, ready, stand
from topicwire import wiring

AIM = 30  # times one queue
FIRST_CHAT = -1001000000
LANES = 64  # RELAY_LANES
FIRST_WITHIN = 60.0  # seconds for all topics to be made
SLACK = 30.0  # seconds beside what the calls take


class Options(argparse.Namespace):
    """What the command line says."""

    groups: int
    messages: int
    alone: int
    latency: float
    slow: float
    rate: float
    seconds: float


def options() -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.lanes", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--groups", type=int, default=50, help="Telegram groups, one a project (%(default)s)")
    parser.add_argument("--messages", type=int, default=10, help="in each group at once (%(default)s)")
    parser.add_argument("--alone", type=int, default=4, help="the same with one queue (%(default)s)")
    parser.add_argument(
        "--latency", type=float, default=0.1, help="seconds until Telegram answers (%(default)s)"
    )
    parser.add_argument("--slow", type=float, default=5, help="the same of the slow group (%(default)s)")
    parser.add_argument(
        "--rate", type=float, default=50, help="messages a second beside the slow group (%(default)s)"
    )
    parser.add_argument(
        "--seconds", type=float, default=15, help="with, and without the slow group (%(default)s)"
    )
    return parser.parse_args(namespace=Options())


@dataclass(frozen=True)
class Throughput:
    """How many messages a second reached Telegram, at best and in truth, and how many never did."""

    a_second: float
    at_best: float
    lost: int


async def measure(asked: Options, place: Stand) -> str:
    """Run many lanes, then one queue, and give the report."""
    sides: list[Side] = []

    def reached(number: int, at: float, chat: int, topic: int) -> None:
        for side in sides:
            side.reached_telegram(number, at, chat, topic)

    api, api_port = BotApi(reached), free_port()
    async with bot_api.serving(api, api_port):
        async with _ours(asked, place, api_port, lanes=LANES) as side:
            sides[:] = [side]
            await _make_topics(api, side, asked.latency)
            many = await _all_at_once(asked, side, asked.messages, abreast=min(asked.groups, LANES))
            calm = await _steadily(asked, side)
            slowed = await _beside_a_slow_one(asked, api, side)
        async with _ours(asked, place, api_port, lanes=1) as side:
            sides[:] = [side]
            await _make_topics(api, side, asked.latency)
            one = await _all_at_once(asked, side, asked.alone, abreast=1)
    return "\n\n".join((_heading(asked), _lanes(many, one), _slow(asked, calm, slowed), figures.machine()))


@asynccontextmanager
async def _ours(asked: Options, place: Stand, api_port: int, *, lanes: int) -> AsyncIterator[Side]:
    """Our web process and our worker, and a visitor of each group, which are one more than asked for."""
    port = free_port()
    environment = place.environment(port=port, api_port=api_port) | {"RELAY_LANES": str(lanes)}
    settings = place.settings(environment)
    addresses = []
    for number in range(asked.groups + 1):
        name, chat = f"Lanes {lanes}, {number}", FIRST_CHAT - 1000 * lanes - number
        made = await wiring.provision(settings, owner="bench@localhost", name=name, chat_id=chat)
        addresses.append(f"ws://127.0.0.1:{port}/v1/widget/ws?key={made.key}")
    side = Side(f"{lanes} lanes", "", "")
    async with (
        process(place, f"web-{lanes}", "topicwire.cli", "web", environment=environment) as web,
        process(place, f"worker-{lanes}", "topicwire.cli", "worker", environment=environment) as worker,
    ):
        await ready(
            place, f"http://127.0.0.1:{port}/readyz", {f"web-{lanes}": web, f"worker-{lanes}": worker}
        )
        async with load.visiting(side, addresses):
            yield side


async def _make_topics(api: BotApi, side: Side, latency: float) -> None:
    """The first message of each conversation, which Telegram answers at once."""
    api.delay = 0.0
    for visitor in side.visitors:
        await visitor.say()
    await load.arrived(side.trips.to_telegram, within=FIRST_WITHIN)
    if side.trips.to_telegram.lost():
        raise NotReadyError(f"{side.name}: a first message did not reach Telegram")
    api.delay = latency


async def _all_at_once(asked: Options, side: Side, messages: int, *, abreast: int) -> Throughput:
    """Every visitor but the last writes so many messages; how fast they go out, so many lanes abreast."""
    side.trips = Trips()
    began = time.monotonic()
    await asyncio.gather(*(_write(visitor, messages) for visitor in side.visitors[:-1]))
    rounds = asked.groups * messages / abreast
    trip = side.trips.to_telegram
    await load.arrived(trip, side.trips.to_ack, within=rounds * asked.latency * 2 + SLACK)
    took = max(trip.arrived.values(), default=began) - began
    return Throughput(ratio(len(trip.arrived), took), abreast / asked.latency, trip.lost())


async def _write(visitor: load.Visitor, messages: int) -> None:
    for _ in range(messages):
        await visitor.say()


async def _beside_a_slow_one(asked: Options, api: BotApi, side: Side) -> Trip:
    """What messages take while there is always a slow call under way in the last group."""
    slow = side.visitors[-1]
    api.delays = {slow.chat: asked.slow}
    await _write(slow, 2 + int(asked.seconds / asked.slow))
    return await _steadily(asked, side)


async def _steadily(asked: Options, side: Side) -> Trip:
    """What messages take in all groups but the last."""
    side.trips = Trips()
    turns = itertools.cycle(side.visitors[:-1])
    await load.steadily(asked.rate, asked.seconds, lambda visitor: visitor.say(), turns, even=False)
    await load.arrived(side.trips.to_telegram, side.trips.to_ack)
    return side.trips.to_telegram


def _heading(asked: Options) -> str:
    return (
        f"Lanes: {asked.groups} groups, {asked.messages} messages each at once, {asked.alone} with one queue;"
        f" Telegram answers after {asked.latency * 1000:g} ms"
    )


def _lanes(many: Throughput, one: Throughput) -> str:
    times = ratio(many.a_second, one.a_second)
    rows: list[Sequence[str]] = [
        ("messages a second", "ours", "at best", "lost", "ratio", "aim", ""),
        (
            f"{LANES} lanes",
            f"{many.a_second:.1f}",
            f"{many.at_best:.1f}",
            f"{many.lost}",
            f"{times:.1f} x",
            f"{AIM} x",
            "met" if times >= AIM else "below",
        ),
        ("RELAY_LANES=1", f"{one.a_second:.1f}", f"{one.at_best:.1f}", f"{one.lost}", "1.0 x", "", ""),
    ]
    return figures.table(rows)


def _slow(asked: Options, calm: Trip, slowed: Trip) -> str:
    title = f"ms to Telegram at {asked.rate:g} a second"
    rows: list[Sequence[str]] = [(title, "", "with", "without", "ratio", "lost")]
    for percent in (50, 99):
        ours, floor = slowed.at(percent), calm.at(percent)
        lost = f"{slowed.lost()} of {len(slowed.left)}"
        shown = (f"p{percent}", f"{ours:.2f}", f"{floor:.2f}", f"{ratio(ours, floor):.2f} x", lost)
        rows.append((f"beside a group that takes {asked.slow:g} s", *shown))
    return figures.table(rows)


def main() -> None:
    """Measure and print."""
    asked = options()
    try:
        with stand() as place:
            print(uvloop.run(measure(asked, place)))
    except NotReadyError as error:
        raise SystemExit(f"bench.lanes: {error}") from None


if __name__ == "__main__":
    main()
