"""One fault after the other while everybody talks: `python -m bench.chaos`.

Two web processes and two workers, PostgreSQL and Valkey, the sandbox a little way off. Visitors and
operators talk all the while; every message carries its conversation and its number, so that afterwards
both sides can be compared with what was written:

    lost, twice, disorder, astray   messages; astray is in the wrong conversation
    silence    the longest time for which a group's messages waited and none was said, seconds
    recovery   from the end of a fault until all had arrived that was written by then or right after
    bound      what these two may be
    others     the slowest message, either way, of the groups that the fault was not aimed at, seconds

Times are real. Limits are off, and Telegram takes 10 calls in 5 s of a group instead of 20 in 60. Exit
status 1 where anything went wrong or took too long.
"""

import argparse
import asyncio
import sys
import time
from math import inf
from pathlib import Path

import uvloop

from bench import command, figures
from bench.chaos import house, table
from bench.chaos.faults import FAULTS, QUIET, Fault, Scene
from bench.chaos.house import House
from bench.chaos.ledger import FRESH, Count, Ledger
from bench.chaos.people import Crowd
from bench.chaos.table import Outcome
from bench.chaos.telegram import Telegram
from bench.stand import NotReadyError
from topicwire.embedded import Servers
from topicwire.errors import UnavailableError

GIVE_UP = 60.0  # seconds beyond its bound after which a message counts as lost
SHOWN = 5  # of what was noticed besides


class Options(argparse.Namespace):
    """What the command line says."""

    only: list[str]
    scale: str
    rate: float
    groups: int
    visitors: int
    keep: Path | None


def options() -> Options:
    """Read the command line."""
    names = [fault.name for fault in FAULTS]
    parser = command.parser("bench.chaos", __doc__)
    parser.add_argument("--only", action="append", choices=names, default=[], help="this fault; repeatable")
    parser.add_argument("--scale", choices=("full", "small"), default="full", help="%(default)s")
    parser.add_argument("--rate", type=float, default=9, help="messages a second each way (%(default)s)")
    parser.add_argument("--groups", type=int, default=8, help="Telegram groups, one a project (%(default)s)")
    parser.add_argument("--visitors", type=int, default=4, help="who write in each group (%(default)s)")
    parser.add_argument("--keep", type=Path, help="a directory for logs and messages.csv")
    return parser.parse_args(namespace=Options())


def chosen(asked: Options) -> list[Fault]:
    """The faults to play, in order."""
    if asked.only:
        return [fault for fault in FAULTS if fault.name in asked.only]
    return [fault for fault in FAULTS if fault.small or asked.scale == "full"]


class Run:
    """One run: the faults are played, then everything is compared."""

    def __init__(self, asked: Options, home: House, crowd: Crowd, ledger: Ledger) -> None:
        self._asked = asked
        self._house = home
        self._crowd = crowd
        self._ledger = ledger
        self._scenes: list[tuple[Fault, Scene]] = []
        self._interrupted: list[str] = []

    async def play(self) -> None:
        """Play the faults while everybody talks, then wait until all has arrived."""
        faults = chosen(self._asked)
        for _ in range(self._asked.groups):
            await self._crowd.open_group()
        self._keep_quiet(faults)
        async with self._crowd.talk():
            for fault in faults:
                await self._play(fault)
        await self._arrived(GIVE_UP)

    def _keep_quiet(self, faults: list[Fault]) -> None:
        """Some write once, and not again before a fault that is about them."""
        if any(fault.name == "later" for fault in faults):
            for group in self._crowd.groups[:QUIET]:
                visitor = self._crowd.join(group)
                visitor.say()
                self._crowd.quiet.append(visitor)

    async def _play(self, fault: Fault) -> None:
        self._ledger.fault = fault.name
        most = 1 if self._asked.scale == "small" else None
        scene = Scene(self._house, self._crowd, self._ledger, most)
        self._scenes.append((fault, scene))
        began = time.monotonic()
        try:
            await fault.play(scene)
        except NotReadyError as error:
            self._interrupted.append(f"{fault.title}: {error}")
            await self._house.mend()
        await asyncio.sleep(FRESH)
        scene.over = time.monotonic()
        if scene.struck:
            scene.spared = {group.number for group in scene.groups} - scene.struck
        await self._arrived(fault.bound + GIVE_UP)
        took = time.monotonic() - began
        print(f"{took:6.1f} s  {fault.title}", file=sys.stderr, flush=True)

    async def _arrived(self, within: float) -> None:
        """Wait until everything that was written by now is there."""
        now = time.monotonic()
        while self._ledger.waiting(now) and time.monotonic() < now + within:  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    def outcomes(self) -> list[Outcome]:
        """What came of each fault."""
        transcripts = {number: visitor.transcript for number, visitor in self._crowd.visitors.items()}
        counts = self._ledger.counts(transcripts)
        found = []
        for fault, scene in self._scenes:
            found.append(
                Outcome(
                    fault=fault,
                    strikes=len(scene.ends),
                    count=counts.get(fault.name, Count()),
                    silence=self._ledger.silence(fault.name, scene.over),
                    recovery=max((self._ledger.recovery(fault.name, end) for end in scene.ends), default=inf),
                    others=self._slowest_of_the_spared(fault, scene),
                )
            )
        return found

    def _slowest_of_the_spared(self, fault: Fault, scene: Scene) -> float | None:
        if not scene.spared:
            return None
        return self._ledger.slowest(fault.name, scene.over, scene.spared)

    def noticed(self) -> list[str]:
        """What is no message's fate, but should not be."""
        found = [
            f"visitor {visitor.number}: {trouble}"
            for visitor in self._crowd.visitors.values()
            for trouble in (*visitor.troubles, *(f"failed: {text}" for text in visitor.failed))
        ]
        floods = self._house.telegram.floods
        if floods:
            found.append(f"Telegram's own limits refused {floods} calls")
        return self._interrupted + found + self._house.surprises()


async def measure(asked: Options, directory: Path, servers: Servers) -> bool:
    """Play and print; whether all is well."""
    ledger = Ledger()
    if asked.keep is not None:
        asked.keep.mkdir(parents=True, exist_ok=True)
    async with house.standing(directory, servers, Telegram(ledger), asked.keep or directory) as home:
        crowd = Crowd(home, ledger, rate=asked.rate, places=asked.visitors)
        run = Run(asked, home, crowd, ledger)
        try:
            await run.play()
        finally:
            await crowd.leave()
        outcomes, noticed = run.outcomes(), run.noticed()
        if asked.keep is not None:
            table.keep(asked.keep / "messages.csv", ledger)
    print(table.shown(outcomes))
    for line in noticed[:SHOWN]:
        print(f"noticed: {line[:2000]}")
    if len(noticed) > SHOWN:
        print(f"noticed: {len(noticed) - SHOWN} more")
    print(figures.machine())
    return not noticed and all(outcome.met for outcome in outcomes)


def main() -> None:
    """Run, print, and say by the exit status whether all is well."""
    asked = options()
    try:
        with house.place() as place, Servers(Path(place) / "servers") as servers:
            house.migrate(servers)
            good = uvloop.run(measure(asked, Path(place), servers))
    except (NotReadyError, UnavailableError) as error:
        raise SystemExit(f"bench.chaos: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
