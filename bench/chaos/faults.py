"""The faults, in the order in which they are played, each with what it may cost at most.

A fault consists of strikes. A strike ends when its cause is gone: a killed process is gone at once, a
forum that was turned off is back when it is turned on. From then on it is measured how long it takes
until everything that was written by then has arrived.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bench.chaos.house import House, until
from bench.chaos.ledger import Ledger
from bench.chaos.people import Crowd, Group
from bench.chaos.telegram import Held
from topicwire.sandbox.faults import Fault as SandboxFault

BETWEEN_KILLS = 5.0  # seconds; a lane that was held is taken over 15 s after the turn began
MET_WITHIN = 60.0  # seconds for somebody to meet a fault that waits for them
CACHED = 61.0  # seconds for which Telegram's server believes that a topic is there, and one
QUIET = 3  # visitors who keep quiet until then


@dataclass
class Scene:
    """What a fault can reach, and what is noted of it. `most` bounds how often it strikes."""

    house: House
    crowd: Crowd
    ledger: Ledger
    most: int | None
    ends: list[float] = field(default_factory=list)
    struck: set[int] = field(default_factory=set)  # the groups that it was aimed at
    spared: set[int] = field(default_factory=set)  # the others of that time, unless it was aimed at nobody
    over: float = 0.0  # when the last of it was over, and all that was written by then is looked at

    @property
    def groups(self) -> Sequence[Group]:
        """The groups in which people talk."""
        return self.crowd.groups

    def times(self, count: int) -> range:
        """So many strikes, or fewer where the run is a small one."""
        return range(count if self.most is None else min(count, self.most))

    @asynccontextmanager
    async def strike(self, *groups: Group) -> AsyncIterator[None]:
        """One strike, aimed at these groups or at all; it ends with the block."""
        self.struck |= {group.number for group in groups or self.groups}
        yield
        self.ends.append(time.monotonic())

    async def called(self, held: Held) -> int:
        """Wait until a call's answer is held; its caller's port."""

        async def look() -> bool:
            return held.caller.done()

        await until(look, f"{held.method} is called", within=MET_WITHIN)
        return held.caller.result()

    async def met(self, *faults: SandboxFault) -> None:
        """Wait until somebody has met these, as often as they are there."""
        active = self.house.telegram.sandbox.faults

        async def look() -> bool:
            return not any(fault in active.active for fault in faults)

        try:
            await until(look, "the faults are met", within=MET_WITHIN)
        finally:
            for fault in faults:
                active.clear(fault.id)


async def calm(scene: Scene) -> None:
    """Nothing: what the others are compared with."""
    async with scene.strike():
        await asyncio.sleep(10)
    scene.struck.clear()


# Our processes


async def worker_killed(scene: Scene) -> None:
    """kill -9 of a worker at any moment."""
    for turn in scene.times(10):
        async with scene.strike():
            await scene.house.workers[turn % 2].end(signal.SIGKILL)
        await scene.house.mend()
        await asyncio.sleep(BETWEEN_KILLS)


async def worker_killed_after_acceptance(scene: Scene) -> None:
    """kill -9 of a worker between Telegram's acceptance and our commit."""
    for turn in scene.times(10):
        group = scene.groups[turn % len(scene.groups)]
        async with scene.house.telegram.holding("sendMessage", group.chat) as held:
            scene.crowd.write(group)
            port = await scene.called(held)
            async with scene.strike():
                await scene.house.worker_at(port).end(signal.SIGKILL)
        await scene.house.mend()
        await asyncio.sleep(BETWEEN_KILLS)


async def worker_frozen(scene: Scene) -> None:
    """SIGSTOP for 20 s, the second time with Telegram's answer on its way."""
    for turn in scene.times(2):
        group = scene.groups[turn]
        async with scene.strike():
            if turn == 0:
                async with scene.house.telegram.holding("sendMessage", group.chat) as held:
                    scene.crowd.write(group)
                    port = await scene.called(held)
                    worker = scene.house.worker_at(port)
                    worker.send(signal.SIGSTOP)
            else:
                worker = scene.house.workers[0]
                worker.send(signal.SIGSTOP)
            await asyncio.sleep(20)
            worker.send(signal.SIGCONT)


async def web_killed(scene: Scene) -> None:
    """kill -9 of a web process at any moment."""
    for turn in scene.times(10):
        async with scene.strike():
            await scene.house.webs[turn % 2].end(signal.SIGKILL)
        await asyncio.sleep(1)
        await scene.house.mend()
        await asyncio.sleep(1)


async def web_killed_before_ring(scene: Scene) -> None:
    """kill -9 of a web process between the commit of an answer and its ring."""
    for turn in scene.times(4):
        async with scene.strike():
            await scene.house.doom(turn % 2)
        await asyncio.sleep(1)
        await scene.house.mend()


async def redis_killed(scene: Scene) -> None:
    """Redis killed, gone for two seconds, and empty when it is back."""
    for _ in scene.times(5):
        async with scene.strike():
            await scene.house.kill_redis()
            await asyncio.sleep(2)
            await asyncio.to_thread(scene.house.servers.mend)
        await asyncio.sleep(3)
    await scene.house.mend()


async def postgres_restarted(scene: Scene) -> None:
    """PostgreSQL restarted; the last time after a kill -9."""
    for _ in scene.times(3):
        async with scene.strike():
            await scene.house.restart_postgres()
        await asyncio.sleep(3)
    async with scene.strike():
        await scene.house.kill_postgres()
        await asyncio.to_thread(scene.house.servers.mend)
    await scene.house.mend()


async def power_cut(scene: Scene) -> None:
    """kill -9 of everything at once."""
    async with scene.strike():
        await scene.house.cut_power()
        await scene.house.mend()


# Telegram's answers


async def flood(scene: Scene) -> None:
    """429: with a wait, without one, and after seven seconds."""
    await _refuse(
        scene, [("flood", {"count": 3, "retry_after": 4}), ("flood_bare", {"count": 3}), ("fake_flood", {})]
    )


async def errors(scene: Scene) -> None:
    """5xx in JSON, and empty; nothing was done."""
    await _refuse(scene, [(kind, {"count": 2}) for kind in ("http_500", "restart", "http_504")])


async def html(scene: Scene) -> None:
    """The proxy's 502 in HTML: nothing was done, or it was."""
    await _refuse(scene, [("http_502", {"count": 2}), ("http_502", {"accepted": True})])


async def reset(scene: Scene) -> None:
    """Connections reset before anything was done."""
    await _refuse(scene, [("reset", {}), ("reset", {"count": 2})])


async def answer_lost(scene: Scene) -> None:
    """The connection closed after acceptance."""
    for turn in scene.times(20):
        group = scene.groups[turn % len(scene.groups)]
        fault = scene.house.telegram.fault("answer_lost", method="sendMessage", chat=group.chat)
        scene.crowd.write(group)
        async with scene.strike():
            await scene.met(fault)
        await asyncio.sleep(0.5)


async def answer_never(scene: Scene) -> None:
    """No answer after acceptance, on a connection that stays open."""
    await _refuse(scene, [("answer_never", {}), ("answer_never", {})])


async def landed_late(scene: Scene) -> None:
    """The connection closed at once, the message there ten seconds later."""
    await _refuse(scene, [("late", {"delay": 10})])


async def topic_lost(scene: Scene) -> None:
    """The answer to the making of a topic lost, and another worker killed before it came."""
    groups = scene.groups[:4]
    for group in groups[1:]:
        fault = scene.house.telegram.fault("answer_lost", method="createForumTopic", chat=group.chat)
        _newcomer(scene, group)
        async with scene.strike(group):
            await scene.met(fault)
    async with scene.house.telegram.holding("createForumTopic", groups[0].chat) as held:
        _newcomer(scene, groups[0])
        port = await scene.called(held)
        async with scene.strike():
            await scene.house.worker_at(port).end(signal.SIGKILL)
    await scene.house.mend()


async def _refuse(scene: Scene, faults: Sequence[tuple[str, dict[str, object]]]) -> None:
    """One of these in each of the first groups, all at the same time."""
    groups = scene.groups[: len(faults)]
    met = [
        scene.house.telegram.fault(kind, method="sendMessage", chat=group.chat, **more)
        for group, (kind, more) in zip(groups, faults, strict=True)
    ]
    async with scene.strike(*groups):
        for group in groups:
            scene.crowd.write(group)
        await scene.met(*met)


def _newcomer(scene: Scene, group: Group) -> None:
    newcomer = scene.crowd.join(group)
    group.writing[0] = newcomer
    newcomer.say()


# What people do to a group


async def topic_deleted(scene: Scene) -> None:
    """Topics deleted in which the bot has just written."""
    for group in scene.groups[: len(scene.times(4))]:
        visitor = scene.crowd.talking(group)[0]
        async with scene.strike(group):
            scene.house.telegram.delete_topic(visitor.number)
        visitor.say()
        visitor.say()


async def topic_deleted_later(scene: Scene) -> None:
    """Topics deleted in which the bot has not written for a minute."""
    for visitor in scene.crowd.quiet:
        await asyncio.sleep(max(0.0, visitor.wrote_at + CACHED - time.monotonic()))
        async with scene.strike(scene.groups[visitor.group]):
            scene.house.telegram.delete_topic(visitor.number)
        visitor.say()
        visitor.say()


async def topic_closed(scene: Scene) -> None:
    """Topics closed."""
    for group in scene.groups[: len(scene.times(4))]:
        visitor = scene.crowd.talking(group)[0]
        async with scene.strike(group):
            scene.house.telegram.close_topic(visitor.number)
        visitor.say()


async def forum_off(scene: Scene) -> None:
    """Forum mode off for eight seconds."""
    group = scene.groups[0]
    async with scene.strike(group):
        scene.house.telegram.turn_forum(group.chat, on=False)
        scene.crowd.write(group)
        await asyncio.sleep(8)
        scene.house.telegram.turn_forum(group.chat, on=True)


async def migrated(scene: Scene) -> None:
    """A basic group, in which nothing can be said, becomes a supergroup with topics."""
    group = await scene.crowd.open_group(basic=True)
    async with scene.strike(group):
        for visitor in group.writing:
            visitor.say()
        await asyncio.sleep(8)
        scene.house.telegram.turn_forum(group.chat, on=True)


async def kicked(scene: Scene) -> None:
    """The bot kicked, and made an administrator again eight seconds later."""
    group = scene.groups[1]
    async with scene.strike(group):
        scene.house.telegram.set_bot(group.chat, "kicked")
        scene.crowd.write(group)
        await asyncio.sleep(8)
        scene.house.telegram.set_bot(group.chat, "administrator")


# Updates


async def updates(scene: Scene) -> None:
    """Updates twice, once more later, late, after a 502, between others of groups and of unknown kinds."""
    door, telegram = scene.house.door, scene.house.telegram
    async with scene.strike():
        kinds = ("update_duplicate", "update_reordered", "update_unknown_type", "update_unknown_fields")
        faults = [telegram.fault(kind, update="message", count=10) for kind in kinds]
        door.repeated, door.unanswered, door.refused = 20, 5, 5
        await scene.met(*faults)

        async def calm_again() -> bool:
            return door.is_calm

        await until(calm_again, "the door is calm")
        door.delay = 1.0
        await asyncio.sleep(5)
        door.delay = 0.0


@dataclass(frozen=True)
class Fault:
    """`bound`: seconds until all has arrived; `silence`: for which a group may say nothing meanwhile."""

    name: str
    play: Callable[[Scene], Awaitable[None]]
    bound: float
    silence: float
    small: bool = True  # part of a small run

    @property
    def title(self) -> str:
        """What it is, in a few words."""
        return (self.play.__doc__ or "").split("\n")[0].rstrip(".")


FAULTS = (
    Fault("calm", calm, 5, 5),
    Fault("worker", worker_killed, 40, 20, small=False),
    Fault("accepted", worker_killed_after_acceptance, 40, 20),
    Fault("web", web_killed, 15, 10),
    Fault("ring", web_killed_before_ring, 15, 10),
    Fault("redis", redis_killed, 10, 10),
    Fault("postgres", postgres_restarted, 20, 20),
    Fault("flood", flood, 20, 20),
    Fault("errors", errors, 40, 40, small=False),
    Fault("html", html, 40, 40, small=False),
    Fault("reset", reset, 40, 40),
    Fault("lost", answer_lost, 40, 20),
    Fault("never", answer_never, 40, 20, small=False),
    Fault("late", landed_late, 40, 20, small=False),
    Fault("asked", topic_lost, 40, 20, small=False),
    Fault("deleted", topic_deleted, 10, 10),
    Fault("closed", topic_closed, 10, 10),
    Fault("forum", forum_off, 30, 40),
    Fault("migrated", migrated, 30, 40),
    Fault("kicked", kicked, 30, 40),
    Fault("updates", updates, 15, 10),
    Fault("frozen", worker_frozen, 20, 20, small=False),
    Fault("later", topic_deleted_later, 10, 10, small=False),
    Fault("power", power_cut, 40, 60, small=False),
)
