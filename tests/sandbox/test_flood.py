"""Telegram's limits."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topicwire.sandbox.flood import (
    PROFILES,
    Admission,
    Cost,
    Limits,
    Profile,
    RefusedFloodError,
)
from topicwire.sandbox.meters import Rate, parse_rate

if TYPE_CHECKING:
    from tests.sandbox.conftest import Running, Telegram

GROUP = -100
WAIT, REFUSED = "wait", "refused"


def limits(group: str = "20/60", bot: str = "30/1", profile: str = "standard") -> Limits:
    return Limits(parse_rate(group), parse_rate(bot), PROFILES[profile])


def asked(window: Limits, cost: Cost, chat: int, now: float, places: int = 1) -> tuple[str, int]:
    """What the caller meets: a wait, 0 for none, or a refusal with the seconds it is told."""
    try:
        return WAIT, window.admit(cost, chat, now, places).wait
    except RefusedFloodError as refused:
        return REFUSED, refused.seconds


def test_a_window_slides() -> None:
    window = limits("2/60")
    assert asked(window, Cost.MESSAGE, GROUP, 0.0) == (WAIT, 0)
    assert asked(window, Cost.EDIT, GROUP, 30.0) == (WAIT, 0)
    assert asked(window, Cost.TOPIC, GROUP, 40.5) == (REFUSED, 20)
    assert asked(window, Cost.MESSAGE, GROUP, 60.6) == (WAIT, 0)
    assert window.left(GROUP, 60.6) == 0
    assert window.left(GROUP, 91.0) == 1


def test_a_short_wait_is_absorbed_and_the_next_queues_behind_it() -> None:
    window = limits("2/10")
    for now in (0.0, 2.0):
        window.admit(Cost.MESSAGE, GROUP, now)
    first = window.admit(Cost.MESSAGE, GROUP, 4.5)
    assert (first.wait, first.at) == (6, 10.5)
    assert asked(window, Cost.MESSAGE, GROUP, 4.5) == (WAIT, 8)


def test_a_long_wait_takes_those_that_are_held_with_it() -> None:
    window = limits("1/5")
    told: list[int] = []
    window.admit(Cost.MESSAGE, GROUP, 0.0)
    held = window.admit(Cost.MESSAGE, GROUP, 0.0)
    held.on_refused = told.append
    edit = limits("1/5").admit(Cost.EDIT, GROUP, 0.0)
    assert (held.wait, edit.wait) == (5, 0)
    assert asked(window, Cost.MESSAGE, GROUP, 0.0) == (REFUSED, 10)
    assert told == [10]
    assert asked(window, Cost.MESSAGE, GROUP, 10.0) == (WAIT, 0)  # the held call had given its place back


def test_what_was_queued_behind_a_refusal_is_told_the_same_and_not_punished() -> None:
    window = limits("1/60")
    window.admit(Cost.MESSAGE, GROUP, 0.0)
    assert [asked(window, Cost.MESSAGE, GROUP, 1.0) for _ in range(4)] == [(REFUSED, 59)] * 4


def test_impatience_is_punished() -> None:
    window = limits("1/60")
    window.admit(Cost.MESSAGE, GROUP, 0.0)
    assert asked(window, Cost.MESSAGE, GROUP, 20.0) == (REFUSED, 40)
    assert asked(window, Cost.MESSAGE, GROUP, 40.0) == (REFUSED, 30)  # 20 were left
    assert asked(window, Cost.MESSAGE, GROUP, 60.0) == (REFUSED, 15)
    assert asked(window, Cost.MESSAGE, GROUP, 75.0) == (WAIT, 0)
    assert asked(window, Cost.MESSAGE, GROUP, 76.0) == (REFUSED, 59)  # forgiven: it starts anew


def test_punishment_has_an_end() -> None:
    window = limits("1/60")
    window.admit(Cost.MESSAGE, GROUP, 0.0)
    told = [asked(window, Cost.MESSAGE, GROUP, 1 + n)[1] for n in range(20)]
    assert told == sorted(told)
    assert max(told) == 3600


def test_a_lenient_telegram_only_tells_what_is_left() -> None:
    window = limits("1/60", profile="lenient")
    window.admit(Cost.MESSAGE, GROUP, 0.0)
    assert asked(window, Cost.MESSAGE, GROUP, 20.0) == (REFUSED, 40)
    assert asked(window, Cost.MESSAGE, GROUP, 40.0) == (REFUSED, 20)
    assert asked(window, Cost.EDIT, GROUP, 40.0) == (WAIT, 0)  # edits have a window of their own


def test_a_strict_telegram_wants_a_second_between_messages() -> None:
    window = limits("off", "off", "strict")
    assert [asked(window, Cost.MESSAGE, GROUP, 0.0) for _ in range(7)] == [(WAIT, 0)] * 5 + [
        (WAIT, 1),
        (WAIT, 2),
    ]
    assert asked(window, Cost.MESSAGE, GROUP, 60.0) == (WAIT, 0)


def test_an_album_takes_a_place_for_each_item() -> None:
    window = limits("20/60")
    window.admit(Cost.MESSAGE, GROUP, 0.0, 10)
    window.admit(Cost.MESSAGE, GROUP, 1.0, 5)
    assert asked(window, Cost.MESSAGE, GROUP, 55.0, 6) == (WAIT, 5)


def test_groups_have_windows_of_their_own_and_share_the_bots() -> None:
    window = limits("20/60", "3/1")
    assert [asked(window, Cost.MESSAGE, -chat, 0.0)[1] for chat in (1, 2, 3, 4)] == [0, 0, 0, 1]
    assert window.left(-5, 0.0) == 20


def test_what_its_group_holds_back_takes_nothing_of_the_bots_window() -> None:
    window = limits("1/5", "2/60")
    window.admit(Cost.MESSAGE, -1, 0.0)
    held = window.admit(Cost.MESSAGE, -1, 0.0)
    assert held.at == 5.0
    assert asked(window, Cost.MESSAGE, -2, 1.0) == (WAIT, 0)  # the second of two
    with pytest.raises(RefusedFloodError) as refused:  # it comes third
        window.go_on(held, 5.0)
    assert refused.value.seconds == 55
    assert window.left(-1, 5.0) == 1  # it has given its place back


def test_a_call_waits_for_its_group_and_then_for_the_bot() -> None:
    window = limits("1/3", "1/2")
    window.admit(Cost.MESSAGE, -1, 0.0)
    first = window.admit(Cost.MESSAGE, -1, 0.0)
    assert asked(window, Cost.MESSAGE, -2, 2.0) == (WAIT, 0)
    behind = window.admit(Cost.MESSAGE, -1, 2.5)
    assert (first.at, behind.at) == (3.0, 6.5)
    assert window.go_on(first, 3.0) == 1.0
    assert window.go_on(first, 4.0) == 0.0
    assert window.go_on(behind, 6.5) == 1.0  # its group has it wait for whom it waits for
    assert window.go_on(behind, 7.5) == 0.0


def test_of_several_waits_the_last_is_told() -> None:
    window = limits("1/7", "1/4")
    window.admit(Cost.MESSAGE, -1, 0.0)
    held = window.admit(Cost.MESSAGE, -1, 0.0)
    window.admit(Cost.MESSAGE, -2, 5.0)
    with pytest.raises(RefusedFloodError) as refused:
        window.go_on(held, 7.0)
    assert refused.value.seconds == 2
    assert asked(window, Cost.MESSAGE, -3, 7.0) == (WAIT, 2)  # no more than it waits itself


def test_who_waits_for_the_bots_window_holds_up_nobody_it_has_room_for() -> None:
    window = limits("off", "2/1")
    for _ in range(2):
        window.admit(Cost.MESSAGE, GROUP, 0.0)
    assert window.admit(Cost.MESSAGE, GROUP, 0.75).at == 1.75  # there is room sooner, but waits are whole
    assert asked(window, Cost.MESSAGE, GROUP, 1.0) == (WAIT, 0)
    assert asked(window, Cost.MESSAGE, GROUP, 1.25) == (WAIT, 1)  # one more, and it would wait longer


def test_typing_is_limited_apart() -> None:
    window = limits("1/60")
    assert [asked(window, Cost.TYPING, GROUP, 0.0) for _ in range(21)] == [(WAIT, 0)] * 20 + [(REFUSED, 5)]
    assert asked(window, Cost.MESSAGE, GROUP, 0.0) == (WAIT, 0)
    assert [asked(window, Cost.TYPING, GROUP, 6.0) for _ in range(21)] == [(WAIT, 0)] * 20 + [(REFUSED, 24)]


def test_two_seconds_of_typing_are_absorbed() -> None:
    window = limits()
    for n in range(20):
        window.admit(Cost.TYPING, GROUP, n / 5)
    assert asked(window, Cost.TYPING, GROUP, 4.0) == (WAIT, 1)


def test_off_lifts_a_limit() -> None:
    window = limits("off", "off")
    assert not any(window.admit(Cost.MESSAGE, GROUP, 0.0).wait for _ in range(1000))
    assert window.left(GROUP, 0.0) is None


def test_rates() -> None:
    assert parse_rate("20/60") == Rate(20, 60)
    for senseless in ("", "20", "0/60", "x/y"):
        with pytest.raises(ValueError, match=r".*"):
            parse_rate(senseless)


LINES = {Cost.MESSAGE: 0, Cost.EDIT: 1, Cost.TOPIC: 1}


@dataclass
class PlainModel:
    """The same rules, looked up second by second in a list of everything that went out."""

    rate: Rate
    profile: Profile
    gone: list[float] = field(default_factory=list)
    held: list[tuple[float, int, int]] = field(default_factory=list)  # when, places, line
    told_at: float = -math.inf
    free_at: float = -math.inf

    def ask(self, cost: Cost, now: float, places: int) -> tuple[str, int]:
        self.held = [each for each in self.held if each[0] > now]
        if now < self.free_at:
            if self.profile.punished and now - self.told_at > 0.05:
                left = self.free_at - now
                self.free_at = now + max(left, min(3600, math.ceil(1.5 * left)))
            return REFUSED, math.ceil(self.free_at - now)
        wait = next(wait for wait in range(10_000) if self._fits(now + wait, places))
        if wait <= self.profile.absorbed:
            self.gone += [now + wait] * places
            self.held += [(now + wait, places, LINES[cost])] if wait else []
            return WAIT, wait
        for at, n, line in self.held:
            if line == LINES[cost]:
                for _ in range(n):
                    self.gone.remove(at)
        self.held = [each for each in self.held if each[2] != LINES[cost]]
        self.told_at, self.free_at = now, now + wait
        return REFUSED, wait

    def _fits(self, at: float, places: int) -> bool:
        recent = [each for each in self.gone if each > at - self.rate.seconds]
        nobody_overtaken = all(each <= at for each in self.gone)
        return nobody_overtaken and len(recent) + min(places, self.rate.calls) <= self.rate.calls


class PlainPace(PlainModel):
    """The same for a pace: between any two moments goes out what a full rest allows and time brings."""

    def _fits(self, at: float, places: int) -> bool:
        gone = [each for each in self.gone if each <= at]
        if len(gone) < len(self.gone):
            return False
        behind = min(places, self.rate.calls)
        starts = [*gone, at]
        return all(
            sum(each >= start for each in gone) + behind <= self.rate.calls + (at - start) / self.rate.seconds
            for start in starts
        )


COSTS = st.sampled_from(list(LINES))
STEPS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 4), COSTS), max_size=40)
RATES = st.builds(Rate, st.integers(1, 8), st.integers(1, 40))


@settings(max_examples=150, deadline=None)
@given(rate=RATES, profile=st.sampled_from(list(PROFILES)), steps=STEPS)
def test_the_window_does_what_the_plain_model_does(
    rate: Rate, profile: str, steps: list[tuple[int, int, Cost]]
) -> None:
    kind = Profile(absorbed=PROFILES[profile].absorbed, punished=PROFILES[profile].punished)
    follow(Limits(rate, None, kind), PlainModel(rate, kind), steps)


@settings(max_examples=150, deadline=None)
@given(calls=st.integers(1, 8), seconds=st.integers(1, 4), steps=STEPS)
def test_the_pace_does_what_the_plain_model_does(
    calls: int, seconds: int, steps: list[tuple[int, int, Cost]]
) -> None:
    kind = Profile(chat=Rate(calls, seconds))
    follow(Limits(None, None, kind), PlainPace(Rate(calls, seconds), kind), steps)


def follow(limits: Limits, model: PlainModel, steps: list[tuple[int, int, Cost]]) -> None:
    """Asks both the same, some quarters of a second apart."""
    now = 1000.0
    admitted: list[Admission] = []
    for quarters, places, cost in steps:
        now += quarters / 4
        for admission in [each for each in admitted if each.at <= now]:
            limits.settle(admission)
        try:
            admission = limits.admit(cost, GROUP, now, places)
            admitted.append(admission)
            answer = WAIT, admission.wait
        except RefusedFloodError as refused:
            answer = REFUSED, refused.seconds
        assert answer == model.ask(cost, now, places)


@settings(max_examples=50, deadline=None)
@given(gaps=st.lists(st.floats(0, 30), min_size=1, max_size=80))
def test_never_more_than_the_rate_goes_out_in_any_window(gaps: list[float]) -> None:
    window, now, gone = limits("5/20", "off"), 0.0, []
    for gap in gaps:
        now += gap
        try:
            gone.append(now + window.admit(Cost.MESSAGE, GROUP, now).wait)
        except RefusedFloodError:
            continue
    for start in gone:
        assert sum(start <= each < start + 20 - 1e-6 for each in gone) <= 5


@dataclass
class Crowd:
    """Several groups of one bot: who asked, who went when, who was refused."""

    limits: Limits
    now: float = 1000.0
    held: dict[int, Admission] = field(default_factory=dict)  # by the number of the call
    gone: list[tuple[float, int, int, int]] = field(default_factory=list)  # when, which group, call, places
    refused: set[int] = field(default_factory=set)

    def ask(self, number: int, chat: int, cost: Cost, places: int) -> None:
        idle = not any(call.chat_id == chat for call in self.held.values())
        room = idle and self._room(chat, places)
        try:
            call = self.limits.admit(cost, chat, self.now, places)
        except RefusedFloodError:
            self.refused.add(number)
            return
        assert call.wait == 0 or not room
        if call.at > self.now:
            self.held[number] = call
            call.on_refused = lambda _: self._forget(number)
        else:
            self.gone.append((self.now, chat, number, places))

    def until(self, now: float) -> None:
        """Lets go on who is held, in the order of the clock."""
        while due := [(call.at, number) for number, call in self.held.items() if call.at <= now]:
            at, number = min(due)
            call = self.held[number]
            try:
                if not self.limits.go_on(call, at):
                    del self.held[number]
                    self.gone.append((at, call.chat_id, number, call.places))
            except RefusedFloodError:
                self._forget(number)
        self.now = now

    def most_in(self, rate: Rate, chat: int | None = None) -> int:
        went = [(at, places) for at, where, _, places in self.gone if chat in (None, where)]
        return max(
            sum(places for at, places in went if start <= at < start + rate.seconds) for start, _ in went
        )

    def _forget(self, number: int) -> None:
        del self.held[number]
        self.refused.add(number)

    def _room(self, chat: int, places: int) -> bool:
        group, bot = self.limits.group, self.limits.bot
        assert group
        assert bot
        waiting = sum(call.places for call in self.held.values() if call.is_counted)
        return (
            self._recent(group, chat) + places <= group.calls
            and self._recent(bot) + waiting + places <= bot.calls
        )

    def _recent(self, rate: Rate, chat: int | None = None) -> int:
        since = self.now - rate.seconds
        return sum(places for at, where, _, places in self.gone if at > since and chat in (None, where))


CROWDED = st.tuples(st.integers(0, 12), st.sampled_from([-1, -2, -3]), st.integers(1, 2), COSTS)


@settings(max_examples=300, deadline=None)
@given(
    group=st.builds(Rate, st.integers(2, 5), st.integers(1, 12)),
    bot=st.builds(Rate, st.integers(2, 6), st.integers(1, 6)),
    absorbed=st.sampled_from([8, 10_000]),
    steps=st.lists(CROWDED, min_size=1, max_size=60),
)
def test_groups_share_the_bots_window_fairly(
    group: Rate, bot: Rate, absorbed: int, steps: list[tuple[int, int, int, Cost]]
) -> None:
    crowd = Crowd(Limits(group, bot, Profile(absorbed=absorbed)))
    for number, (quarters, chat, places, cost) in enumerate(steps):
        crowd.until(crowd.now + quarters / 4)
        crowd.ask(number, chat, cost, places)
    asked_until = crowd.now
    crowd.until(asked_until + 10_000)

    assert not crowd.held
    assert sorted([number for _, _, number, _ in crowd.gone] + [*crowd.refused]) == [*range(len(steps))]
    if absorbed > 8:
        assert not crowd.refused
    assert max(at for at, *_ in crowd.gone) <= asked_until + absorbed
    assert crowd.most_in(bot) <= bot.calls
    for chat in {chat for _, chat, _, _ in crowd.gone}:
        assert crowd.most_in(group, chat) <= group.calls
        went = [number for _, where, number, _ in crowd.gone if where == chat]
        assert went == sorted(went)


async def test_sends_edits_topics_and_pins_share_twenty_a_minute(strict: Telegram) -> None:
    thread = await strict.topic()
    said = await strict.say("hello", message_thread_id=thread)
    await strict.ok("editMessageText", message_id=said["message_id"], text="hello again")
    await strict.ok("closeForumTopic", message_thread_id=thread)
    for n in range(16):
        strict.clock.advance(1)
        await strict.say(f"message {n}", message_thread_id=thread)

    status, answer = await strict.call("sendMessage", text="too much")

    assert status == 429
    assert strict.retry_after == "44"
    assert answer == {
        "ok": False,
        "error_code": 429,
        "description": "Too Many Requests: retry after 44",
        "parameters": {"retry_after": 44},
    }
    strict.clock.advance(44)
    await strict.say("now it fits")


async def test_up_to_eight_seconds_show_as_latency(sandbox: Running) -> None:
    async with sandbox(group_rate="2/6", bot_rate="off") as telegram:
        await telegram.say("a")
        await telegram.say("b")
        waiting = asyncio.create_task(telegram.say("c"))
        await telegram.asleep(6)
        assert not waiting.done()
        telegram.clock.advance(6)
        assert (await waiting)["date"] == int(telegram.clock.now())


async def test_calls_that_queue_are_refused_together(sandbox: Running) -> None:
    async with sandbox(group_rate="1/5", bot_rate="off") as telegram:
        await telegram.say("a")
        held = asyncio.create_task(telegram.refused("sendMessage", text="b"))
        await telegram.asleep(5)
        told = (429, "Too Many Requests: retry after 10")
        assert await telegram.refused("sendMessage", text="c") == told
        assert await held == told
        telegram.clock.advance(10)
        await telegram.say("d")
        shown: list[Any] = (await telegram.look("topics/1/messages"))["messages"]
        assert [each["text"] for each in shown] == ["a", "d"]


async def test_another_group_is_not_held_up(strict: Telegram) -> None:
    other = await strict.group()
    for n in range(20):
        strict.clock.advance(0.5)
        await strict.say(f"message {n}")
    assert (await strict.refused("sendMessage", text="x"))[0] == 429
    await other.say("x")


async def test_a_group_that_waits_holds_up_no_other(sandbox: Running) -> None:
    async with sandbox(group_rate="2/6", bot_rate="2/2") as telegram:
        other = await telegram.group()
        await telegram.say("a")
        await telegram.say("b")
        waiting = asyncio.create_task(telegram.say("c"))
        await telegram.asleep(6)
        telegram.clock.advance(5)
        await other.say("x")
        await other.say("y")
        telegram.clock.advance(1)
        await telegram.asleep(1)  # now it waits for the bot
        assert not waiting.done()
        telegram.clock.advance(1)
        assert (await waiting)["date"] == int(telegram.clock.now())


async def test_typing_and_reading_cost_nothing_of_it(strict: Telegram) -> None:
    for _ in range(20):
        await strict.ok("sendChatAction", action="typing")
        await strict.ok("getChat")
    assert (await strict.refused("sendChatAction", action="typing")) == (
        429,
        "Too Many Requests: retry after 5",
    )
    await strict.say("x")


async def test_the_bot_has_thirty_a_second(sandbox: Running) -> None:
    async with sandbox(group_rate="off") as telegram:
        for n in range(30):
            await telegram.say(f"message {n}")
        waiting = asyncio.create_task(telegram.say("x"))
        await telegram.asleep(1)
        telegram.clock.advance(1)
        await waiting
