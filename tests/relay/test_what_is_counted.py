"""What a lane meets is counted: one row a figure."""

from dataclasses import replace

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from tests.domain.conftest import Desk, pass_time
from tests.relay.conftest import STRICT, Quiet
from topicwire.domain import outbox
from topicwire.relay.channel import ChannelError, ChatRefused, Rejected, TopicClosed, Unknown, Unreliable
from topicwire.relay.to_operator import ToOperator


def counted(name: str, **labels: str) -> float:
    """How much of it this process has counted."""
    return REGISTRY.get_sample_value(f"topicwire_{name}_total", labels) or 0.0


@pytest.mark.parametrize(
    ("error", "name", "labels"),
    [
        (Rejected("MESSAGE_IS_CURSED"), "messages_failed", {"refusal": "rejected"}),
        (Rejected("MESSAGE_IS_CURSED"), "calls_refused", {"meaning": "Rejected"}),
        (TopicClosed("TOPIC_CLOSED"), "calls_refused", {"meaning": "TopicClosed"}),
        (ChatRefused("Forbidden", "kicked"), "calls_refused", {"meaning": "ChatRefused"}),
        (Unknown("no answer in time"), "doubts", {"verdict": "wait"}),
    ],
)  # fmt: skip
async def test_a_refusal_is_counted_once(
    relay: ToOperator, channel: Quiet, desk: Desk, *, error: ChannelError, name: str, labels: dict[str, str]
) -> None:
    before = counted(name, **labels)
    await desk.say("one")
    await desk.give_topic("ann", 10)
    channel.errors["send"] = [error]
    await relay.drain(desk.group_id)
    assert counted(name, **labels) == before + 1


@pytest.mark.parametrize("verdict", ["adopt", "again", "repeat"])
async def test_what_became_of_a_call_in_doubt_is_counted(
    relay: ToOperator, channel: Quiet, desk: Desk, verdict: str
) -> None:
    before, relayed = counted("doubts", verdict=verdict), counted("messages_relayed")
    await desk.say("one")
    await desk.give_topic("ann", 10)
    channel.errors["send"] = [Unknown("no answer in time")]
    if verdict == "repeat":
        channel.errors["whose"] = [Unreliable("it was accepted")]
    channel.unanswered = 1 if verdict == "adopt" else 0
    await relay.drain(desk.group_id)
    if verdict == "again":
        await _half_a_minute_later(desk)
        await relay.drain(desk.group_id)
    assert counted("doubts", verdict=verdict) == before + 1
    assert counted("messages_relayed") == relayed + 1


async def _half_a_minute_later(desk: Desk) -> None:
    async with desk.database.statement() as db:
        await db.execute(
            text(
                "UPDATE groups SET doubt_due = now(), not_before = NULL,"
                " doubts = jsonb_set(doubts, '{0,at}', to_jsonb((doubts -> 0 ->> 'at')::float8 - 31))"
            )
        )


async def test_each_message_of_a_batch_is_counted(relay: ToOperator, channel: Quiet, desk: Desk) -> None:
    before = counted("messages_relayed")
    for number in range(4):
        await desk.say(f"message {number}")
    await replace(relay, group_rate=STRICT).drain(desk.group_id)
    assert len(channel.said) == 1
    assert counted("messages_relayed") == before + 4


async def test_a_lane_that_is_taken_over_is_counted(relay: ToOperator, desk: Desk) -> None:
    before = counted("lease_takeovers")
    await desk.say("one")
    async with desk.database.begin() as db:
        assert await outbox.take(db, desk.group_id) is not None  # and its worker is killed
        await pass_time(db, desk.group_id, 16)
    await relay.drain(desk.group_id)
    assert counted("lease_takeovers") == before + 1
    await desk.say("two")
    await relay.drain(desk.group_id)
    assert counted("lease_takeovers") == before + 1
