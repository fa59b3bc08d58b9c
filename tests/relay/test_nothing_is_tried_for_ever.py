"""What is never answered, as by a proxy that takes exception to one message, costs the others little."""

from dataclasses import replace

from tests.domain.conftest import Desk
from tests.relay.conftest import Quiet, let_pass
from topicwire.relay.channel import Unknown, Unreliable
from topicwire.relay.to_operator import ToOperator
from topicwire.settings import Rate

HOUR, STEP = 3600, 15


async def serve(relay: ToOperator, desk: Desk, seconds: int) -> None:
    """Let time pass, and serve the lane meanwhile."""
    for _ in range(0, seconds, STEP):
        await relay.drain(desk.group_id)
        await let_pass(desk, STEP)


async def test_what_is_never_answered_is_tried_ever_more_seldom(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    relay = replace(relay, group_rate=Rate(20, 60))
    await desk.say("nobody likes this")
    await desk.give_topic("ann", 10)
    channel.errors["send"] = [Unknown("<html>Request Entity Too Large</html>")] * 1000
    await serve(relay, desk, HOUR)
    early = len(channel.asked)
    await serve(relay, desk, HOUR)
    assert len(channel.asked) - early < 0.15 * HOUR / 60 * 20  # of what the group's budget has
    channel.errors["send"] = []
    await serve(relay, desk, 400)
    assert [said for _, said in channel.said] == ["nobody likes this"]


async def test_what_can_neither_be_found_nor_is_answered_is_not_said_over_and_over(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    """Each of these may be in the topic."""
    await desk.say("one")
    await desk.give_topic("ann", 10)
    channel.errors = {
        "send": [Unknown("no answer in time")] * 1000,
        "whose": [Unreliable("it was accepted")] * 1000,
    }
    await serve(relay, desk, HOUR)
    assert channel.asked.count("send") < 25
