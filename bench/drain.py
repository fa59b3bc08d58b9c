"""How long a crowd of new visitors takes into one group, beside the optimum: `python -m bench.drain`.

    ours                  our processes against the sandbox, which limits as strictly as Telegram may
    two calls a visitor   computed: a topic, and one message that says everything; nothing can be quicker
    one message a call    computed: a topic, and each message by itself

The clock of the sandbox runs faster and our budget is scaled alike, so that minutes pass in seconds; what
our processes take themselves is then shown longer than it is, in the same measure. The computed rows spend
the same limits, as soon as they allow it, by calls that take no time.
"""

import argparse
import asyncio
import contextlib
import itertools
import math
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import uvloop

from bench import figures, load
from bench.bot_api import MARK
from bench.figures import ratio, verdict
from bench.load import Side
from bench.stand import TOKEN, NotReadyError, Stand, free_port, process, ready, stand
from topicwire import wiring
from topicwire.sandbox.calls import Call
from topicwire.sandbox.flood import PROFILES
from topicwire.sandbox.meters import Meter, Pace, Rate, Window
from topicwire.sandbox.server import SANDBOX_CHAT_ID, Sandbox, SandboxConfig, SandboxServer

AIM = 1.2  # times the optimum
TOPIC = 1  # calls that a visitor's topic takes
AT_MOST = 3.0  # times one message a call, until we give up waiting
SPENDING = re.compile("send(?!chataction)|edit|forumtopic|pin", re.IGNORECASE)  # what the window counts


class Options(argparse.Namespace):
    """What the command line says."""

    visitors: int
    messages: int
    calls: int
    seconds: float
    scale: float
    profile: str


def options() -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.drain", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--visitors", type=int, default=20, help="who write at once (%(default)s)")
    parser.add_argument("--messages", type=int, default=8, help="of each visitor (%(default)s)")
    parser.add_argument("--calls", type=int, default=20, help="that the group takes (%(default)s)")
    parser.add_argument("--seconds", type=float, default=60, help="in so many seconds (%(default)s)")
    parser.add_argument("--scale", type=float, default=10, help="how much faster time goes (%(default)s)")
    parser.add_argument(
        "--profile", choices=sorted(PROFILES), default="strict", help="of the sandbox (%(default)s)"
    )
    return parser.parse_args(namespace=Options())


class FastClock:
    """A clock of the sandbox that runs so many times as fast as the machine's."""

    def __init__(self, scale: float) -> None:
        self._scale = scale
        self._began, self._real = time.time(), time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._began + (time.monotonic() - self._real) * self._scale

    async def sleep(self, seconds: float) -> None:
        """Return once so many seconds have passed on this clock."""
        await asyncio.sleep(seconds / self._scale)


@dataclass
class Seen:
    """What the group saw: each accepted call that spent budget, each refusal for speed, each text."""

    side: Side
    calls: list[Call] = field(default_factory=list)
    refusals: int = 0
    said: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))  # numbers, by topic

    def take(self, call: Call) -> None:
        """Note one call."""
        self.refusals += call.status == 429
        if not call.accepted or not SPENDING.search(call.method):
            return
        self.calls.append(call)
        topic = int(call.params.get("message_thread_id", 0))
        for number in map(int, MARK.findall(str(call.params.get("text", "")).encode())):
            self.said[topic].append(number)
            self.side.reached_telegram(number, call.done, SANDBOX_CHAT_ID, topic)

    def most_in(self, seconds: float) -> int:
        """The most calls that came in any window of so many seconds: a window overspent shows here."""
        came = [call.at for call in self.calls]
        return max((sum(at <= other < at + seconds for other in came) for at in came), default=0)

    def took(self, began: float) -> float:
        """Seconds until the last call was answered."""
        return max((call.done for call in self.calls), default=math.nan) - began

    def disorder(self) -> int:
        """How many texts were lost, said again or said before an earlier one of their visitor."""
        said = [number for numbers in self.said.values() for number in numbers]
        missed = self.side.trips.to_telegram.lost()
        again = len(said) - len(set(said))
        earlier = sum(
            before > after for numbers in self.said.values() for before, after in itertools.pairwise(numbers)
        )
        return missed + again + earlier


async def measure(asked: Options, place: Stand) -> str:
    """Let them write, wait until all is in the group, and give the report."""
    clock = FastClock(asked.scale)
    async with AsyncExitStack() as stack:
        sandbox, api_port = await stack.enter_async_context(_sandbox(asked, clock))
        side = await stack.enter_async_context(_ours(asked, place, api_port))
        seen = Seen(side)
        sandbox.calls.on_call = seen.take
        began = clock.now()
        await asyncio.gather(*(_write(asked, visitor) for visitor in side.visitors))
        slowest = _alone(asked) * AT_MOST + asked.seconds
        await load.arrived(side.trips.to_telegram, side.trips.to_ack, within=slowest / asked.scale)
        return report(asked, seen, began)


async def _write(asked: Options, visitor: load.Visitor) -> None:
    for _ in range(asked.messages):
        await visitor.say()


@asynccontextmanager
async def _sandbox(asked: Options, clock: FastClock) -> AsyncIterator[tuple[Sandbox, int]]:
    """A Telegram with one group, whose time flies."""
    port = free_port()
    config = SandboxConfig(
        port=port,
        token=TOKEN,
        secret_path="bench",
        group_rate=f"{asked.calls}/{asked.seconds:g}",
        profile=asked.profile,
    )
    server = _Server(config, clock)
    task = asyncio.create_task(server.serve())
    try:
        yield server.config.app.state.sandbox, port  # type: ignore[union-attr]
    finally:
        server.should_exit = True
        await task


class _Server(SandboxServer):
    """Leaves signals to whoever runs the benchmark."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def _ours(asked: Options, place: Stand, api_port: int) -> AsyncIterator[Side]:
    """Our web process and our worker, and visitors who have not said anything yet."""
    port = free_port()
    environment = place.environment(port=port, api_port=api_port)
    environment["TELEGRAM_GROUP_RATE"] = f"{asked.calls}/{asked.seconds / asked.scale:g}"
    environment["TELEGRAM_BOT_RATE"] = f"30/{1 / asked.scale:g}"
    settings = place.settings(environment)
    made = await wiring.provision(settings, owner="bench@localhost", name="Bench", chat_id=SANDBOX_CHAT_ID)
    side = Side("ours", "", "")
    addresses = [f"ws://127.0.0.1:{port}/v1/widget/ws?key={made.key}"] * asked.visitors
    async with (
        process(place, "web", "topicwire.cli", "web", environment=environment) as web,
        process(place, "worker", "topicwire.cli", "worker", environment=environment) as worker,
    ):
        await ready(place, f"http://127.0.0.1:{port}/readyz", {"web": web, "worker": worker})
        async with load.visiting(side, addresses):
            yield side


def at_best(calls: int, asked: Options) -> float:
    """Seconds until so many calls are made, each as soon as the limits allow it."""
    meters: list[Meter] = [Window(Rate(asked.calls, asked.seconds))]
    pace = PROFILES[asked.profile].chat
    if pace is not None:
        meters.append(Pace(pace))
    now = 0.0
    for _ in range(calls):
        now += max(meter.opens(now, 1) for meter in meters)
        for meter in meters:
            meter.take(now, 1)
    return now


def _together(asked: Options) -> int:
    return asked.visitors * (TOPIC + 1)


def _each_alone(asked: Options) -> int:
    return asked.visitors * (TOPIC + asked.messages)


def _alone(asked: Options) -> float:
    return at_best(_each_alone(asked), asked)


def report(asked: Options, seen: Seen, began: float) -> str:
    """The table."""
    took = seen.took(began)
    optimum = at_best(_together(asked), asked)
    times = ratio(took, optimum)
    rows: list[Sequence[str]] = [
        ("", "minutes", "calls", "429s", "in a window", "lost or disordered", "ratio", "aim", ""),
        (
            "ours",
            f"{took / 60:.2f}",
            f"{len(seen.calls)}",
            f"{seen.refusals}",
            f"{seen.most_in(asked.seconds)} of {asked.calls}",
            f"{seen.disorder()}",
            f"{times:.2f} x",
            f"{AIM} x",
            verdict(times, AIM),
        ),
        _computed("two calls a visitor", _together(asked), asked, optimum),
        _computed("one message a call", _each_alone(asked), asked, optimum),
    ]
    heading = (
        f"Drain: {asked.visitors} new visitors write {asked.messages} messages each at once into one group,"
        f" {asked.calls} calls in {asked.seconds:g} s, {asked.profile} limits;"
        f" time goes {asked.scale:g} times as fast"
    )
    return "\n\n".join((heading, figures.table(rows), figures.machine()))


def _computed(title: str, calls: int, asked: Options, optimum: float) -> Sequence[str]:
    took = at_best(calls, asked)
    return (title, f"{took / 60:.2f}", f"{calls}", "0", "", "", f"{ratio(took, optimum):.2f} x", "", "")


def main() -> None:
    """Measure and print."""
    asked = options()
    try:
        with stand() as place:
            print(uvloop.run(measure(asked, place)))
    except NotReadyError as error:
        raise SystemExit(f"bench.drain: {error}") from None


if __name__ == "__main__":
    main()
