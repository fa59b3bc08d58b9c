"""Trying the assumptions on a real bot and a scratch group, without haste and without a trace.

Calls keep well below what Telegram allows a group; a 429 is obeyed. Whatever was made is removed
when the replay ends, also when it is interrupted: a call that is under way then is waited for,
because what it made has to be known.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from topicwire.doctor.assumptions import (
    ASSUMPTIONS,
    FORGOTTEN_AFTER,
    OWN_UPDATES,
    PATIENT,
    WITH_WEBHOOK,
    Assumption,
    OwnUpdate,
)
from topicwire.doctor.bot_api import Answer, BotApi, NoAnswer
from topicwire.doctor.matching import Gives, difference, matches
from topicwire.doctor.traces import Traces
from topicwire.errors import RefusedError
from topicwire.settings import Rate

LONGEST_WAIT = 120  # seconds that a 429 may ask for before the rest is left untried
PATIENCE = 3  # how often one call is tried again after a 429, and how many answers in a row may be missing
APART = 0.5  # seconds between calls that are about no chat
SPARE = 1.15  # how much longer we wait than the limit asks
MANY_UPDATES = 50  # that wait for somebody: ours may be beyond the hundred that one call shows
PAGE = 100  # messages that one deleteMessages takes

Pause = Callable[[float], Awaitable[None]]
T = TypeVar("T")


class Outcome(StrEnum):
    """What came of one assumption."""

    HELD = "held"
    DIFFERENT = "different"
    NOT_TRIED = "not tried"


@dataclass(frozen=True)
class Tried:
    """One assumption, and what came of it; `detail` says how it differs or why it was not tried."""

    outcome: Outcome
    section: str
    name: str
    detail: str = ""


class Report(Protocol):
    """Who is told while it goes on."""

    def tried(self, tried: Tried) -> None:
        """What came of one assumption."""

    def remaining(self, seconds: float) -> None:
        """About how long it still takes, if nothing comes in between."""

    def say(self, text: str) -> None:
        """Anything else that people should know."""


@dataclass
class Summary:
    """How a replay ended."""

    counts: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    unanswered: int = 0  # assumptions that nobody can judge, because no answer came
    left: list[str] = field(default_factory=list)  # what could not be removed

    @property
    def is_good(self) -> bool:
        """Nothing differs, nothing failed, nothing was left behind."""
        return not (self.counts[Outcome.DIFFERENT] or self.unanswered or self.left)


class Stopped(Exception):
    """It makes no sense to go on; the text says why."""


async def replay(
    api: BotApi,
    chat_id: int,
    report: Report,
    *,
    rate: Rate | None,
    patient: bool = False,
    pause: Pause = asyncio.sleep,
) -> Summary:
    """Try every assumption, and remove whatever was made.

    Raises `RefusedError` where the group is none that this can be tried in, and `NoAnswer` where
    nothing answers at all; nothing was made then.
    """
    return await _Replay(api, chat_id, report, _Pace(rate, pause)).run(patient=patient)


class _Pace:
    """A steady step: so many seconds before each call, whatever came of the one before."""

    def __init__(self, rate: Rate | None, pause: Pause) -> None:
        self.pause = pause
        self._in_chat = 0.0 if rate is None else rate.seconds / rate.calls * SPARE
        self._apart = 0.0 if rate is None else min(APART, self._in_chat)

    def step(self, *, in_chat: bool) -> float:
        return self._in_chat if in_chat else self._apart


class _Replay:
    def __init__(self, api: BotApi, chat_id: int, report: Report, pace: _Pace) -> None:
        self._api = api
        self._report = report
        self._pace = pace
        self._traces = Traces(chat_id)
        self._summary = Summary()
        self._silences = 0  # answers missing in a row
        self._names: dict[str, Any] = {"chat": chat_id, **_topic_names(secrets.token_hex(3))}

    async def run(self, *, patient: bool) -> Summary:
        try:
            webhook, waiting = await self._prepare()
        except Stopped as stop:
            raise RefusedError("flood", str(stop)) from None
        rows: list[Assumption] = [*ASSUMPTIONS, *(WITH_WEBHOOK if webhook else ())]
        try:
            await self._try_all(rows)
            await self._try_patient(patient)
            await self._hear_updates(webhook, waiting)
        except asyncio.CancelledError:
            self._report.say("Interrupted: removing what was made …")
            raise
        finally:
            await self._clean()
        return self._summary

    async def _prepare(self) -> tuple[str, int]:
        """Learn who we are; whether a webhook is set, and how many updates wait."""
        me = await self._ask("getMe", {})
        if not me.ok:
            raise RefusedError("token", f"TELEGRAM_BOT_TOKEN: {me.description}")
        self._names |= {
            "me": me.result["id"],
            "no_token": "nonsense",
            "wrong_token": f"{me.result['id']}:{'A' * 35}",
        }
        await self._check_group()
        info = await self._ask("getWebhookInfo", {})
        told = info.result if info.ok else {}
        return str(told.get("url", "")), int(told.get("pending_update_count", 0))

    async def _check_group(self) -> None:
        chat = await self._ask("getChat", {"chat_id": self._names["chat"]})
        us = await self._ask("getChatMember", {"chat_id": self._names["chat"], "user_id": self._names["me"]})
        for answer in (chat, us):
            if not answer.ok:
                raise RefusedError("scratch_group", f"--chat: {answer.description}")
        if not chat.result.get("is_forum"):
            raise RefusedError("scratch_group", "--chat: turn on Topics in that group's settings")
        if not (us.result.get("can_manage_topics") and us.result.get("can_delete_messages")):
            raise RefusedError(
                "scratch_group",
                "--chat: make the bot an administrator of that group who may manage topics and delete"
                " messages: else it could not remove what it makes there",
            )

    # Trying

    async def _try_all(self, rows: Sequence[Assumption]) -> None:
        for index, row in enumerate(rows):
            self._report.remaining(sum(self._pace.step(in_chat=each.in_chat) for each in rows[index:]))
            try:
                await self._try(row)
            except Stopped as stop:
                for each in rows[index:]:
                    self._not_tried(each, str(stop))
                self._summary.unanswered += 1
                return

    async def _try(self, row: Assumption) -> None:
        try:
            params = self._filled(row.params)
            expected = self._expected(row)
        except KeyError as missing:
            self._not_tried(row, f"there is no {missing.args[0]}: an earlier call failed")
            return
        try:
            answer = await self._answer(row, params)
        except NoAnswer as error:
            self._silent(row, error)
            return
        self._silences = 0
        self._tell(row, difference(expected, answer))
        self._keep(row, answer)

    async def _answer(self, row: Assumption, params: Mapping[str, Any]) -> Answer:
        if row.method == "download":
            return await self._api.download(str(params["path"]))
        if row.in_chat:
            params = {"chat_id": self._names["chat"], **params}
        token = None if row.token is None else str(self._value(row.token))
        return await self._ask(row.method, params, in_chat=row.in_chat, token=token, via=row.via)

    def _expected(self, row: Assumption) -> Any:
        expected = row.expected
        return Gives(self._value(expected.result)) if isinstance(expected, Gives) else expected

    def _keep(self, row: Assumption, answer: Answer) -> None:
        for name, path in row.keep.items():
            value = answer.result if answer.ok else None
            for step in path.split("."):
                value = value.get(step) if isinstance(value, dict) else None
            if value is not None:
                self._names[name] = value

    def _silent(self, row: Assumption, error: NoAnswer) -> None:
        self._not_tried(row, f"no answer: {error}")
        self._summary.unanswered += 1
        self._silences += 1
        if self._silences >= PATIENCE:
            raise Stopped("no answers any more")

    async def _try_patient(self, patient: bool) -> None:
        if not patient:
            for row in PATIENT:
                self._not_tried(row, "takes another minute: --patient")
            return
        self._report.say(f"Waiting {FORGOTTEN_AFTER:g} s, until the deleted topic is forgotten …")
        await self._pace.pause(FORGOTTEN_AFTER)
        await self._try_all(PATIENT)

    async def _hear_updates(self, webhook: str, waiting: int) -> None:
        """Look for our own service messages without confirming an update: the relay still gets each."""
        if webhook or waiting > MANY_UPDATES:
            why = "a webhook is set" if webhook else f"{waiting} updates wait for somebody else"
            for each in OWN_UPDATES:
                self._not_tried(each, why)
            return
        try:
            answer = await self._ask("getUpdates", {})
        except (NoAnswer, Stopped) as error:
            answer = Answer(status=0, ok=False, description=str(error))
        for each in OWN_UPDATES:
            if answer.ok:
                self._hear(each, [update.get("message", {}) for update in answer.result])
            else:
                self._not_tried(each, f"updates cannot be had: {answer.description}")

    def _hear(self, each: OwnUpdate, messages: Sequence[Mapping[str, Any]]) -> None:
        try:
            pattern = self._value(each.message)
        except KeyError as missing:
            self._not_tried(each, f"there is no {missing.args[0]}: an earlier call failed")
            return
        arrived = any(matches(pattern, message) for message in messages)
        if arrived == each.arrives:
            self._tell(each, None)
        elif arrived:
            self._tell(each, "such an update came")
        else:
            self._tell(each, "no such update came (does another program poll with this token?)")

    # Telling

    def _tell(self, row: Assumption | OwnUpdate, differs: str | None) -> None:
        self._came_out(row, Outcome.HELD if differs is None else Outcome.DIFFERENT, differs or "")

    def _not_tried(self, row: Assumption | OwnUpdate, why: str) -> None:
        self._came_out(row, Outcome.NOT_TRIED, why)

    def _came_out(self, row: Assumption | OwnUpdate, outcome: Outcome, detail: str) -> None:
        self._summary.counts[outcome] += 1
        self._report.tried(Tried(outcome, row.section, row.name, detail))

    # Calling

    async def _ask(
        self, method: str, params: Mapping[str, Any], *, in_chat: bool = False, **how: Any
    ) -> Answer:
        """Call when it is time to. A 429 is waited out; one that asks for too much raises `Stopped`."""
        for _ in range(PATIENCE):
            await self._pace.pause(self._pace.step(in_chat=in_chat))
            answer = await _completed(self._call(method, params, how))
            if answer.status != 429:
                return answer
            wait = answer.retry_after or 1
            if wait > LONGEST_WAIT:
                raise Stopped(f"Telegram asks to be left alone for {wait} s")
            self._report.say(f"429 for {method}: waiting {wait} s, as Telegram asks")
            await self._pace.pause(wait)
        raise Stopped(f"Telegram keeps asking to wait: {answer.description}")

    async def _call(self, method: str, params: Mapping[str, Any], how: Mapping[str, Any]) -> Answer:
        try:
            answer = await self._api.call(method, params, **how)
        except NoAnswer:
            self._traces.may_have(method, params)
            raise
        self._traces.saw(method, params, answer)
        return answer

    def _filled(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._value(value) for name, value in params.items()}

    def _value(self, value: Any) -> Any:
        """What stands for something, filled in; KeyError where it is not known."""
        if isinstance(value, str) and value.startswith("$"):
            return self._names[value[1:]]
        if isinstance(value, Mapping):
            return {name: self._value(each) for name, each in value.items()}
        return [self._value(each) for each in value] if isinstance(value, list) else value

    # Cleaning up

    async def _clean(self) -> None:
        try:
            await self._remove_all()
        finally:
            self._summary.left = self._traces.left()
            left = ", ".join(self._summary.left)
            self._report.say(
                f"Left behind, please delete by hand: {left}" if left else "Everything was removed."
            )

    async def _remove_all(self) -> None:
        for topic in list(self._traces.topics):
            if await self._removed("deleteForumTopic", message_thread_id=topic):
                self._traces.forget_topic(topic)
        messages = sorted(self._traces.messages)
        for page in (messages[start : start + PAGE] for start in range(0, len(messages), PAGE)):
            if await self._removed("deleteMessages", message_ids=page):
                self._traces.messages.difference_update(page)

    async def _removed(self, method: str, **params: Any) -> bool:
        """Whether it is gone; asking twice does no harm, so a lost answer is asked for again."""
        for _ in range(PATIENCE):
            try:
                answer = await self._ask(method, {"chat_id": self._names["chat"], **params}, in_chat=True)
            except NoAnswer as error:
                self._report.say(f"{method}: no answer: {error}")
            except Stopped as stop:
                self._report.say(f"{method}: {stop}")
                return False
            else:
                return answer.ok or "TOPIC_ID_INVALID" in answer.description
        return False


def _topic_names(tag: str) -> dict[str, str]:
    name = f"Topicwire doctor {tag}"
    long_name = f"{name} {'x' * 200}"
    return {
        "name": name,
        "messy_name": f"  Topicwire \n\n doctor   {tag} ",
        "long_name": long_name,
        "cut_name": long_name[:128],
    }


async def _completed(work: Coroutine[Any, Any, T]) -> T:
    """The result of a call, which is let end also when we are cancelled meanwhile."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
