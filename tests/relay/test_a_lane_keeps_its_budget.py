"""A lane never makes more calls than its budget, whatever becomes of them, and waits as told."""

import itertools
import time
from dataclasses import dataclass, field, replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.domain.conftest import BOT, new_desk
from tests.relay.conftest import Quiet, let_pass
from topicwire.db import Database
from topicwire.relay.channel import ChannelError, NotReached, Rejected, TopicClosed, TopicGone, Unknown, Wait
from topicwire.relay.to_operator import ToOperator
from topicwire.settings import Rate

WINDOW = 60.0
ROUNDING = 0.1  # seconds, between the database's clock and ours
NUMBERS = itertools.count(1)


@dataclass
class Timed(Quiet):
    """Notes when each call comes, by a clock that is put forward; waits that it has told."""

    ahead: float = 0.0
    calls: list[float] = field(default_factory=list)
    told: list[tuple[float, float]] = field(default_factory=list)  # when, until when

    async def _call(self, method: str) -> None:
        now = time.monotonic() + self.ahead
        if method != "check_group":  # looking at a group costs nothing
            self.calls.append(now)
        try:
            await super()._call(method)
        except Wait as error:
            self.told.append((now, now + error.seconds))
            raise


passing = st.one_of(
    st.builds(lambda seconds: Wait("Too Many Requests", seconds), st.integers(1, 90)),
    st.builds(NotReached, st.just("no connection")),
    st.builds(Unknown, st.just("no answer in time")),
    st.builds(Rejected, st.just("MESSAGE_IS_CURSED")),
)
errors = passing | st.one_of(
    st.builds(TopicGone, st.just("message thread not found")),
    st.builds(TopicClosed, st.just("TOPIC_CLOSED")),
)


@given(
    rate=st.sampled_from([Rate(2, WINDOW), Rate(3, WINDOW), Rate(8, WINDOW), Rate(20, WINDOW)]),
    sends=st.lists(errors, max_size=8),
    topics=st.lists(passing, max_size=3),
    looks=st.lists(passing, max_size=3),
    steps=st.lists(st.tuples(st.integers(0, 12), st.integers(1, 50)), min_size=1, max_size=12),
)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_window_holds_more_calls_than_the_budget(
    relay: ToOperator,
    database: Database,
    *,
    rate: Rate,
    sends: list[ChannelError],
    topics: list[ChannelError],
    looks: list[ChannelError],
    steps: list[tuple[int, int]],
) -> None:
    number = next(NUMBERS)
    desk = await new_desk(database, chat_id=-number)
    channel = Timed(errors={"send": list(sends), "create_topic": list(topics), "whose": list(looks)})
    relay = replace(relay, channel={BOT: channel}.get, group_rate=rate)
    for step, (messages, seconds) in enumerate(steps):
        for message in range(messages):
            await desk.say(f"{step}/{message}", by=f"{number}/{message % 5}")
        await relay.drain(desk.group_id)
        channel.ahead += seconds
        await let_pass(desk, seconds)
    for first, beyond in zip(channel.calls, channel.calls[rate.calls :], strict=False):
        assert beyond - first >= WINDOW - ROUNDING
    for at, until in channel.told:
        assert not [call for call in channel.calls if at < call < until - ROUNDING]
