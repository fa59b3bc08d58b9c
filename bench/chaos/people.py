"""Everybody who talks: visitors in several groups, and the operators who answer them."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from bench.chaos.house import House
from bench.chaos.ledger import Ledger
from bench.chaos.visitor import Visitor
from topicwire.background import end

STAYS = 40  # messages that a visitor writes; then another comes and this one only listens
BURST, BURSTS = 3, 0.15  # so many at once, with this chance


class Group:
    """A project and its group, with the visitors who write there now."""

    def __init__(self, number: int, chat: int, addresses: Sequence[str]) -> None:
        self.number = number
        self.chat = chat
        self.addresses = addresses
        self.writing: list[Visitor] = []


class Crowd:
    """All of them. `rate` is how many messages a second each side writes."""

    def __init__(self, house: House, ledger: Ledger, *, rate: float, places: int) -> None:
        self.groups: list[Group] = []
        self.visitors: dict[int, Visitor] = {}
        self.quiet: list[Visitor] = []  # have a topic, and say nothing until they are asked to
        self._house = house
        self._ledger = ledger
        self._rate = rate
        self._places = places
        self._tasks: list[asyncio.Task[None]] = []

    async def open_group(self, *, basic: bool = False) -> Group:
        """One more project, in whose group visitors write from now on."""
        number = len(self.groups)
        chat = self._house.telegram.open_group(number, basic=basic)
        key = await self._house.provision(f"Project {number}", chat)
        addresses = [f"ws://127.0.0.1:{port}/v1/widget/ws?key={key}" for port in self._house.ports]
        group = Group(number, chat, addresses)
        for _ in range(self._places):
            group.writing.append(self.join(group))
        self.groups.append(group)
        return group

    def join(self, group: Group) -> Visitor:
        """Somebody new, who has not written yet."""
        visitor = Visitor(len(self.visitors), group.number, group.addresses, self._ledger)
        self.visitors[visitor.number] = visitor
        self._tasks.append(asyncio.create_task(visitor.run()))
        return visitor

    def write(self, group: Group) -> None:
        """One of a group's visitors writes, once or several times in a row."""
        place = random.randrange(len(group.writing))  # noqa: S311
        visitor = group.writing[place]
        for _ in range(BURST if random.random() < BURSTS else 1):  # noqa: S311
            visitor.say()
        if visitor.written >= STAYS:
            group.writing[place] = self.join(group)

    def answer(self) -> None:
        """An operator writes into some topic."""
        known = list(self._ledger.topics)
        if known:
            conversation = random.choice(known[-len(self.groups) * self._places * 2 :])  # noqa: S311
            self._house.telegram.write(conversation, self.visitors[conversation].group)

    def talking(self, group: Group) -> list[Visitor]:
        """Those of a group's writers who have a topic, the last to have written first."""
        there = [visitor for visitor in group.writing if visitor.number in self._ledger.topics]
        return sorted(there, key=lambda visitor: -visitor.wrote_at)

    @asynccontextmanager
    async def talk(self) -> AsyncIterator[None]:
        """Everybody talks while the block runs."""
        tasks = [asyncio.create_task(self._visitors_talk()), asyncio.create_task(self._operators_talk())]
        try:
            yield
        finally:
            await end(*tasks)

    async def leave(self) -> None:
        """All visitors go; raises what ended one of them before."""
        await end(*self._tasks)
        for task in self._tasks:
            if not task.cancelled():
                task.result()

    async def _visitors_talk(self) -> None:
        more = 1 + (BURST - 1) * BURSTS
        while True:
            await asyncio.sleep(random.expovariate(self._rate / more))
            self.write(random.choice(self.groups))  # noqa: S311

    async def _operators_talk(self) -> None:
        while True:
            await asyncio.sleep(random.expovariate(self._rate))
            self.answer()
