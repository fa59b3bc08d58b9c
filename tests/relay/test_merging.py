"""Whatever visitors write and whatever becomes of the calls: everything is said once, in order and whole.

The lane is behind, so that messages travel together. The other side takes calls, refuses them, takes them
without an answer, or never hears of them; workers are killed before and after a call.
"""

import itertools
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.domain.conftest import BOT, Desk, new_desk
from tests.relay.conftest import Quiet
from topicwire.db import Database
from topicwire.relay.channel import NotReached, Rejected, Sent, Text, Unknown, Wait
from topicwire.relay.to_operator import ToOperator
from topicwire.settings import Rate
from topicwire.telegram import formatting
from topicwire.telegram.formatting import JOINER, TEXT_LIMIT, VISITOR_LIMIT, utf16_length
from topicwire.visitor import protocol

CURSED = "cursed"  # what the other side never takes
REPEATED = formatting.repeated().text
ROUNDS = 60  # drains within which everything has to be settled
NUMBERS = itertools.count(1)

Fate = Literal["taken", "told to wait", "not reached", "unanswered", "lost", "killed before", "killed after"]
FATES: tuple[Fate, ...] = (
    "taken", "told to wait", "not reached", "unanswered", "lost", "killed before", "killed after",
)  # fmt: skip

_AGE = """
    UPDATE groups SET calls = '{}', not_before = NULL, lease_until = lease_until - interval '60 s',
      doubt_due = doubt_due - interval '60 s',
      doubts = coalesce((
        SELECT jsonb_agg(jsonb_set(d, '{at}', to_jsonb((d ->> 'at')::float8 - 60)))
        FROM jsonb_array_elements(doubts) d), '[]')
    WHERE id = :group
"""
_AGE_ENTRIES = "UPDATE outbox SET not_before = NULL WHERE group_id = :group"


class Killed(BaseException):
    """The worker ends here, as if somebody had pulled the plug."""


@dataclass
class Fickle(Quiet):
    """What becomes of each call is written down beforehand; what is not, succeeds."""

    fates: list[Fate] = field(default_factory=list)
    strangers: int = 0  # messages of others before each of ours, of which nobody tells us
    messages: int = 0
    heard: dict[int, tuple[int | None, Text]] = field(default_factory=dict)  # by message id

    async def send(
        self, chat_id: int, topic_id: int | None, text: Text, *, reply_to: int | None = None
    ) -> Sent:
        fate = self.fates.pop(0) if self.fates else "taken"
        match fate:
            case "told to wait":
                raise Wait("Too Many Requests: retry after 5", 5)
            case "not reached":
                raise NotReached("no connection")
            case "killed before":
                raise Killed
            case "lost":
                raise Unknown("no answer in time")
        if CURSED in text.text:
            raise Rejected("MESSAGE_IS_CURSED")
        if not 0 < utf16_length(text.text) <= TEXT_LIMIT:
            raise Rejected("message is too long, or empty")
        self.messages += 1 + self.strangers
        self.heard[self.messages] = (topic_id, text)
        if fate == "killed after":
            raise Killed
        if fate == "unanswered":
            raise Unknown("no answer in time")
        return Sent(self.messages)

    async def whose(self, chat_id: int, message_id: int) -> Literal["ours", "theirs", "nobody's"]:
        if message_id in self.heard:
            return "ours"
        return "theirs" if message_id <= self.messages else "nobody's"

    async def hide_button(self, chat_id: int, message_id: int) -> int | None:
        return self.heard[message_id][0]


@dataclass(frozen=True)
class Told:
    """One message that a visitor wrote: a number that no other has, and some words, as often as may be."""

    who: int
    words: str
    times: int = 1
    number: int = 0

    @property
    def text(self) -> str:
        """What the door makes of it."""
        said = _short(f"{self.number} {self.words * self.times}")
        frame = protocol.decode(json.dumps({"type": "message", "id": str(uuid.UUID(int=0)), "text": said}))
        assert isinstance(frame, protocol.Say)
        return frame.text

    @property
    def shown(self) -> str:
        """How the operators are to read it; joiners, which nobody sees, are left out."""
        return "" if self.cursed else _visible(formatting.to_telegram(self.text).text)

    @property
    def cursed(self) -> bool:
        """Whether the other side never takes it."""
        return CURSED in self.text


def _visible(words: str) -> str:
    return words.replace(JOINER, "")


def _short(words: str) -> str:
    """As much of it as a visitor may write."""
    while utf16_length(words) > VISITOR_LIMIT:
        words = words[: len(words) - max(1, (utf16_length(words) - VISITOR_LIMIT) // 2)]
    return words


SEQUENCES = ("👩\u200d👩\u200d👧\u200d👦", "🇩🇪", "e\u0301", "a\u030a", "\u05d0\u202e", "  ", "\n\n")
SIGNS = ("@mara", "/start", "#sale", "$BTC", "http://a.de/@b")
pieces = st.one_of(
    st.sampled_from([*SEQUENCES, *SIGNS]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
short = st.lists(pieces, min_size=1, max_size=5).map("".join)
visitors = st.integers(0, 2)
told = st.one_of(
    st.builds(Told, visitors, short),
    st.builds(Told, visitors, short),
    st.builds(Told, visitors, pieces, st.integers(100, 4000)),
    st.builds(Told, visitors, short.map(lambda said: said[:50] + CURSED)),
)
batch = st.lists(told, min_size=1, max_size=15)


@given(
    batches=st.lists(batch, min_size=1, max_size=3),
    fates=st.lists(st.sampled_from(FATES), max_size=12),
    calls=st.sampled_from([2, 9, 9]),
    strangers=st.sampled_from([0, 1, 7]),
)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_everything_is_said_once_in_order_and_whole(
    relay: ToOperator,
    database: Database,
    *,
    batches: list[list[Told]],
    fates: list[Fate],
    calls: int,
    strangers: int,
) -> None:
    number = next(NUMBERS)
    desk = await new_desk(database, chat_id=-number)
    other_side = Fickle(fates=list(fates), strangers=strangers)
    relay = replace(relay, channel={BOT: other_side}.get, group_rate=Rate(calls, 60))
    written: list[Told] = []
    for batch in batches:
        for words in batch:
            told = replace(words, number=len(written))
            written.append(told)
            name = f"{number}/{told.who}"
            said = await desk.say(told.text, by=name, client_id=str(told.number))
            if said.seq == 1:
                await desk.give_topic(name, 10 + told.who)
        await _drain(relay, desk)
    for _ in range(ROUNDS):
        if not await _waiting(desk):
            break
        await _drain(relay, desk)
    assert calls == 2 or not any(said.text.startswith(REPEATED) for _, said in other_side.heard.values())
    for who in range(3):
        whole = [told for told in written if told.who == who]
        await _check(desk, f"{number}/{who}", whole, _of_topic(other_side, 10 + who))


async def _drain(relay: ToOperator, desk: Desk) -> None:
    """Say what is due a minute later, until a worker is killed at it."""
    async with desk.database.begin() as db:
        for change in (_AGE, _AGE_ENTRIES):
            await db.execute(text(change), {"group": desk.group_id})
    try:
        await relay.drain(desk.group_id)
    except Killed:
        return


async def _waiting(desk: Desk) -> bool:
    query = text("SELECT EXISTS (SELECT 1 FROM outbox WHERE group_id = :group AND state = 'accepted')")
    async with desk.database.statement() as db:
        return bool((await db.execute(query, {"group": desk.group_id})).scalar_one())


def _of_topic(other_side: Fickle, topic: int) -> list[tuple[int, Text]]:
    return [(message_id, said) for message_id, (where, said) in other_side.heard.items() if where == topic]


async def _check(
    desk: Desk, conversation: str, told: Sequence[Told], heard: Sequence[tuple[int, Text]]
) -> None:
    async with desk.database.statement() as db:
        query = text(
            "SELECT state, telegram_message_id FROM messages WHERE conversation_id = :id ORDER BY seq"
        )
        rows = (await db.execute(query, {"id": conversation})).all()
    assert [row.state for row in rows] == ["failed" if each.cursed else "relayed" for each in told]
    shown = [each.shown for each in told]
    holders = _holders(shown, heard)
    for row, words, ids in zip(rows, shown, holders, strict=True):
        assert len(ids) == (1 if words else 0) or _marked(heard, ids)
        assert not words or row.telegram_message_id in ids


def _marked(heard: Sequence[tuple[int, Text]], ids: Sequence[int]) -> bool:
    """Whether all but the first of these messages say that they may be repeated."""
    texts = dict(heard)
    return bool(ids) and all(texts[message_id].text.startswith(REPEATED) for message_id in ids[1:])


def _holders(shown: Sequence[str], heard: Sequence[tuple[int, Text]]) -> list[list[int]]:
    """The ids of the messages that hold each of the texts; each holds some that follow one another."""
    holders: list[list[int]] = [[] for _ in shown]
    at = 0
    for message_id, said in heard:
        whole = _visible(said.text)
        if whole.startswith(REPEATED):  # it begins again somewhere before
            whole = whole.removeprefix(REPEATED).removeprefix("\n")
            at = next(index for index in range(len(shown)) if shown[index] and _fits(shown, index, whole))
        run = _fits(shown, at, whole)
        assert run, f"{whole!r} is not what comes next: {shown[at:]!r}"
        for index in range(at, at + run):
            if shown[index]:
                holders[index].append(message_id)
        at += run
    return holders


def _fits(shown: Sequence[str], at: int, whole: str) -> int:
    """How many texts, from this one on, make up exactly this message; 0 if none do."""
    for end in range(at + 1, len(shown) + 1):
        if "\n".join(filter(None, shown[at:end])) == whole:
            return end - at
    return 0
