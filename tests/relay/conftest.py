"""The relay with a quiet twin of Telegram: what it was asked is kept, what it answers is set."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

import pytest
from arq.connections import ArqRedis
from sqlalchemy import text

from tests.domain.conftest import BOT, Desk, new_desk
from topicwire import jobs, notifier
from topicwire.db import Database
from topicwire.embedded import Servers
from topicwire.jobs import Jobs
from topicwire.notifier import Notifier
from topicwire.ratelimit import Budget
from topicwire.relay.channel import Channel, GroupState, Rejected, Sent, Text
from topicwire.relay.to_operator import ToOperator
from topicwire.settings import Rate
from topicwire.telegram import formatting


@dataclass
class Quiet:
    """A channel that says yes, unless there are errors for a method, which are raised one a call."""

    said: list[tuple[int | None, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    errors: dict[str, list[Exception]] = field(default_factory=dict)
    meanwhile: Callable[[str], Awaitable[None]] | None = None  # what happens while a call is under way
    refuses: str = ""  # words that it never takes
    trouble: str | None = None  # what a look at the group shows
    topics: int = 100
    messages: int = 1000
    theirs: range = range(0)  # the ids of what others wrote, of which we were not told
    stands: dict[int, int] = field(default_factory=dict)  # the topics of messages
    unanswered: int = 0  # the id of a message of ours of which we were not told

    async def _call(self, method: str) -> None:
        self.asked.append(method)
        if self.meanwhile is not None:
            await self.meanwhile(method)
        if self.errors.get(method):
            raise self.errors[method].pop(0)

    async def send(
        self, chat_id: int, topic_id: int | None, text: Text, *, reply_to: int | None = None
    ) -> Sent:
        await self._call("send")
        if self.refuses and self.refuses in text.text:
            raise Rejected("MESSAGE_IS_CURSED")
        self.said.append((topic_id, text.text))
        self.messages += 1
        return Sent(self.messages)

    async def create_topic(self, chat_id: int, name: str) -> int:
        await self._call("create_topic")
        self.topics += 1
        return self.topics

    async def rename_topic(self, chat_id: int, topic_id: int, name: str) -> None:
        await self._call("rename_topic")

    async def topic_exists(self, chat_id: int, topic_id: int, name: str) -> bool:
        await self._call("topic_exists")
        return False

    async def reopen_topic(self, chat_id: int, topic_id: int) -> None:
        await self._call("reopen_topic")

    async def close_topic(self, chat_id: int, topic_id: int) -> None:
        await self._call("close_topic")

    async def delete_topic(self, chat_id: int, topic_id: int) -> None:
        await self._call(f"delete_topic {topic_id}")

    async def delete_message(self, chat_id: int, message_id: int) -> None:
        await self._call(f"delete_message {message_id}")

    async def whose(self, chat_id: int, message_id: int) -> Literal["ours", "theirs", "nobody's"]:
        await self._call("whose")
        if message_id == self.unanswered or 1000 < message_id <= self.messages:
            return "ours"
        if message_id in self.theirs:
            return "theirs"
        return "nobody's"

    async def show_button(self, chat_id: int, message_id: int) -> None:
        await self._call("show_button")

    async def hide_button(self, chat_id: int, message_id: int) -> int | None:
        await self._call("hide_button")
        return self.stands.get(message_id)

    async def show_typing(self, chat_id: int, topic_id: int) -> None:
        await self._call("show_typing")

    async def check_group(self, chat_id: int) -> GroupState:
        await self._call("check_group")
        return GroupState("Group", trouble=self.trouble)

    async def username(self) -> str:
        return "topicwire_bot"

    async def is_admin(self, chat_id: int, user_id: int) -> bool:
        await self._call("is_admin")
        return True


@pytest.fixture
def channel() -> Quiet:
    return Quiet()


@pytest.fixture
async def arq(servers: Servers) -> AsyncIterator[ArqRedis]:
    """An empty Redis."""
    pool = jobs.pool(str(servers.redis_url))
    await pool.flushall()
    yield pool
    await pool.aclose()


@pytest.fixture
async def relay(
    database: Database, channel: Channel, arq: ArqRedis, servers: Servers
) -> AsyncIterator[ToOperator]:
    """The relay of one worker, without a budget of its own."""
    redis = notifier.client(str(servers.redis_url))
    made = ToOperator(
        db=database,
        channel={BOT: channel}.get,
        wording=formatting,
        jobs=Jobs(arq),
        notifier=Notifier(redis),
        budget=Budget(redis),
        group_rate=None,
        bot_rate=None,
        collect=0,
    )
    yield made
    await made.jobs.close()
    await made.notifier.close()  # and with it `redis`, when the last ring is sent


@pytest.fixture
async def desk(database: Database) -> Desk:
    return await new_desk(database)


STRICT = Rate(3, 60)

_PASS = """
    UPDATE groups SET calls = ARRAY(SELECT call - make_interval(secs => :s) FROM unnest(calls) call),
      not_before = not_before - make_interval(secs => :s),
      asked_at = asked_at - make_interval(secs => :s), doubt_due = doubt_due - make_interval(secs => :s),
      doubts = coalesce((
        SELECT jsonb_agg(jsonb_set(d, '{at}', to_jsonb((d ->> 'at')::float8 - :s)))
        FROM jsonb_array_elements(doubts) d), '[]')
    WHERE id = :group
"""
_PASS_ENTRIES = (
    "UPDATE outbox SET not_before = not_before - make_interval(secs => :s) WHERE group_id = :group"
)


async def let_pass(desk: Desk, seconds: float) -> None:
    """Put the clock forward for a group and for what waits in it."""
    async with desk.database.begin() as db:
        for change in (_PASS, _PASS_ENTRIES):
            await db.execute(text(change), {"group": desk.group_id, "s": seconds})
