"""A lane being drained, against every answer that the other side has."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from arq.connections import ArqRedis
from sqlalchemy import text

from tests.domain.conftest import CHAT, Desk, pass_time
from tests.relay.conftest import STRICT, Quiet
from topicwire.db import Database
from topicwire.domain import conversations, dead_letters, inbox, outbox
from topicwire.domain import topics as domain_topics
from topicwire.domain.lanes import Doubt, Lane
from topicwire.domain.outbox import Notice
from topicwire.relay import doubts, saying, topics
from topicwire.relay.channel import (
    Astray,
    Channel,
    ChatMoved,
    ChatRefused,
    NotReached,
    Rejected,
    TopicClosed,
    TopicGone,
    Unchanged,
    Unknown,
    Unreliable,
    Wait,
    Wrote,
)
from topicwire.relay.channel import Text as Words
from topicwire.relay.doubts import judge
from topicwire.relay.fates import backoff
from topicwire.relay.to_operator import ToOperator
from topicwire.relay.turn import Held, TooLate, Turn
from topicwire.settings import Rate


def words(channel: Quiet) -> list[str]:
    return [said.rpartition("\n")[2] for _, said in channel.said]


async def states(desk: Desk) -> dict[str, str]:
    async with desk.database.statement() as db:
        rows = await db.execute(text("SELECT text, state FROM messages WHERE origin = 'visitor'"))
        return {row.text: row.state for row in rows}


async def overtake(desk: Desk, seconds: float) -> None:
    """Let time pass for the group, its doubts and its entries."""
    async with desk.database.begin() as db:
        await pass_time(db, desk.group_id, seconds)
        await db.execute(text(_AGE_DOUBTS), {"s": seconds})
        await db.execute(
            text("UPDATE outbox SET not_before = not_before - make_interval(secs => :s)"), {"s": seconds}
        )


_AGE_DOUBTS = """
    UPDATE groups SET doubt_due = doubt_due - make_interval(secs => :s), doubts = (
      SELECT jsonb_agg(jsonb_set(d, '{at}', to_jsonb((d ->> 'at')::float8 - :s)))
      FROM jsonb_array_elements(doubts) d)
    WHERE doubts <> '[]'"""


async def pause(desk: Desk) -> float:
    """Seconds for which nobody serves the group."""
    query = "SELECT greatest(0, extract(epoch FROM not_before - now())) FROM groups WHERE id = :id"
    async with desk.database.statement() as db:
        return float((await db.execute(text(query), {"id": desk.group_id})).scalar_one())


async def test_everything_that_is_due_is_said_in_order(relay: ToOperator, channel: Quiet, desk: Desk) -> None:
    for number in range(5):
        await desk.say(f"message {number}")
    await desk.say("ben's", by="ben")
    await relay.drain(desk.group_id)
    said = words(channel)
    assert [text for text in said if text != "ben's"] == [f"message {number}" for number in range(5)]
    assert set((await states(desk)).values()) == {"relayed"}
    assert channel.asked.count("create_topic") == 2
    await relay.drain(desk.group_id)  # again, as rings may come twice
    assert words(channel) == said


async def test_a_drain_while_another_is_at_it_does_nothing(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    for number in range(5):
        await desk.say(f"message {number}")
    await asyncio.gather(*(relay.drain(desk.group_id) for _ in range(5)))
    assert words(channel) == [f"message {number}" for number in range(5)]


async def test_what_comes_during_the_last_call_is_rung_for(
    relay: ToOperator, channel: Quiet, desk: Desk, arq: ArqRedis
) -> None:
    async def meanwhile(method: str) -> None:
        if method == "send" and not channel.said:
            channel.meanwhile = None
            await desk.say("while you spoke")

    await desk.say("one")
    channel.meanwhile = meanwhile
    await relay.drain(desk.group_id)
    if len(channel.said) == 1:  # then somebody has been rung for
        await relay.jobs._task  # type: ignore[misc]
        assert [job.function for job in await arq.queued_jobs()] == ["drain"]
        await relay.drain(desk.group_id)
    assert words(channel) == ["one", "while you spoke"]


async def test_a_drain_ends_after_25_turns_and_rings(
    relay: ToOperator, channel: Quiet, desk: Desk, arq: ArqRedis
) -> None:
    for number in range(30):
        await desk.say(f"message {number}")
    await relay.drain(desk.group_id)
    assert len(channel.asked) == 25
    await relay.jobs._task  # type: ignore[misc]
    assert [job.function for job in await arq.queued_jobs()] == ["drain"]
    await relay.drain(desk.group_id)
    assert words(channel) == [f"message {number}" for number in range(30)]


async def test_the_groups_own_budget_pauses_the_lane(
    relay: ToOperator, channel: Quiet, desk: Desk, arq: ArqRedis
) -> None:
    relay = replace(relay, group_rate=STRICT)
    for number in range(4):
        await desk.say(f"message {number}", by=f"visitor {number}")
        await desk.give_topic(f"visitor {number}", 10 + number)
    await relay.drain(desk.group_id)
    assert channel.asked == ["send"] * 3
    assert 50 < await pause(desk) <= 60
    await relay.jobs._task  # type: ignore[misc]
    (job,) = await arq.queued_jobs()
    assert job.score is not None
    assert 50 < (job.score - job.enqueue_time.timestamp() * 1000) / 1000 <= 61
    async with desk.database.begin() as db:
        await db.execute(text("UPDATE groups SET calls = '{}', not_before = NULL"))
    await relay.drain(desk.group_id)
    assert words(channel) == [f"message {number}" for number in range(4)]


# Several messages in one


async def test_a_lane_that_is_behind_says_in_one_message_what_belongs_together(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    relay = replace(relay, group_rate=STRICT)
    for number in range(4):
        await desk.say(f"message {number}")
    await relay.drain(desk.group_id)
    assert channel.asked == ["create_topic", "send"]
    ((_, said),) = channel.said
    assert said == "message 0\nmessage 1\nmessage 2\nmessage 3"
    assert set((await states(desk)).values()) == {"relayed"}
    async with desk.database.statement() as db:
        rows = (
            await db.execute(text("SELECT seq, rev, telegram_message_id FROM messages ORDER BY seq"))
        ).all()
    assert [tuple(row) for row in rows] == [(seq, 4 + seq, 1001) for seq in (1, 2, 3, 4)]
    await desk.answer("to the last", reply_to=1001)
    async with desk.database.statement() as db:
        assert (await db.execute(text("SELECT reply_to FROM messages WHERE seq = 5"))).scalar_one() == 4


async def test_a_lane_that_is_not_behind_says_each_by_itself(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    relay = replace(relay, group_rate=Rate(20, 60))
    for number in range(10):
        await desk.say(f"message {number}")
    await relay.drain(desk.group_id)
    assert words(channel) == [f"message {number}" for number in range(10)]


async def test_a_busy_lane_waits_for_the_rest_of_a_burst(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    """A quarter of a second without another message, and no message longer than a second for it."""
    relay = replace(relay, group_rate=STRICT, collect=0.25)
    for number in range(4):
        await desk.say(f"message {number}")
    await desk.give_topic("ann", 10)
    await relay.drain(desk.group_id)
    assert channel.said == []
    assert 0 < await pause(desk) <= 0.25
    async with desk.database.begin() as db:
        await db.execute(text("UPDATE groups SET not_before = NULL"))
        await db.execute(text("UPDATE outbox SET created_at = created_at - interval '0.3 seconds'"))
    await relay.drain(desk.group_id)
    ((_, said),) = channel.said
    assert said == "message 0\nmessage 1\nmessage 2\nmessage 3"


async def test_a_lane_at_rest_waits_for_nobody(relay: ToOperator, channel: Quiet, desk: Desk) -> None:
    relay = replace(relay, group_rate=Rate(20, 60), collect=0.25)
    for number in range(5):
        await desk.say(f"message {number}")
    await relay.drain(desk.group_id)
    assert words(channel) == [f"message {number}" for number in range(5)]


async def test_what_may_be_repeated_is_not_said_with_what_is_not(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    """The mark stands above the whole message."""
    for number in range(3):
        await desk.say(f"message {number}")
    await desk.give_topic("ann", 10)
    async with desk.database.begin() as db:
        await db.execute(text("UPDATE outbox SET repeated = seq < 3"))
    await replace(relay, group_rate=Rate(2, 60)).drain(desk.group_id)
    assert [said for _, said in channel.said] == [
        "(possibly repeated)\nmessage 0\nmessage 1",
        "message 2",
    ]


async def test_only_what_fits_is_said_together(relay: ToOperator, channel: Quiet, desk: Desk) -> None:
    relay = replace(relay, group_rate=STRICT)
    for letter in "abc":
        await desk.say(letter * 2047)
    await desk.give_topic("ann", 10)
    async with desk.database.begin() as db:
        await db.execute(text("UPDATE conversations SET topic_opened = true"))
    for number in range(20):
        await desk.say("ben's", by=f"ben {number}")
    await relay.drain(desk.group_id)
    assert ("a" * 2047 + "\n" + "b" * 2047) in [said for _, said in channel.said]


async def test_who_is_refused_in_company_goes_alone(relay: ToOperator, channel: Quiet, desk: Desk) -> None:
    relay = replace(relay, group_rate=Rate(4, 60))
    for said in ("one", "cursed", "three", "four", "five"):
        await desk.say(said)
    await desk.give_topic("ann", 10)
    channel.refuses = "cursed"
    for _ in range(2):
        await relay.drain(desk.group_id)
        async with desk.database.begin() as db:
            await db.execute(text("UPDATE groups SET calls = '{}', not_before = NULL"))
    assert [text for text in words(channel) if "dead-letters" not in text] == ["one", "three", "four", "five"]
    assert (await states(desk))["cursed"] == "failed"


async def test_the_operators_are_told_of_a_dead_letter(
    relay: ToOperator, channel: Quiet, desk: Desk, database: Database
) -> None:
    await desk.say("cursed @mara")
    await desk.give_topic("ann", 10)
    channel.errors["send"] = [Rejected("MESSAGE_IS_CURSED")]
    await relay.drain(desk.group_id)
    ((topic, said),) = channel.said
    assert topic == 10
    assert "MESSAGE_IS_CURSED" in said
    assert "“cursed @\u2060mara”" in said  # nobody's phone rings
    async with database.statement() as db:
        (letter,) = await dead_letters.every(db)
    assert said.endswith(f"topicwire dead-letters requeue {letter.id}")
    assert (letter.kind, letter.text, letter.attempts) == ("message", "cursed @mara", 1)
    assert (letter.reason, letter.last_error) == ("rejected", "MESSAGE_IS_CURSED")


@pytest.mark.parametrize("by", ["an operator", "the visitor"])
async def test_of_what_is_sent_again_nobody_hears_that_it_was_refused(
    relay: ToOperator, database: Database, channel: Quiet, desk: Desk, by: str
) -> None:
    """The notice was refused too, or waits; it would be read after the message has arrived."""
    await desk.say("one", client_id="first")
    await desk.give_topic("ann", 10)
    channel.errors["send"] = [Rejected("MESSAGE_IS_CURSED")] * 2
    await relay.drain(desk.group_id)
    assert channel.said == []
    async with database.begin() as db:
        letters = await dead_letters.every(db)
        if by == "an operator":
            done = await dead_letters.requeue(db, [int(letter.id) for letter in letters])
            assert len(done.ids) == 1
        else:
            await conversations.repeat(db, conversation_id="ann", client_id="first")
    await relay.drain(desk.group_id)
    assert words(channel) == ["one"]
    async with database.statement() as db:
        assert await dead_letters.every(db) == []


async def test_a_notice_that_is_refused_makes_no_other(
    relay: ToOperator, channel: Quiet, desk: Desk, database: Database
) -> None:
    await desk.say("cursed")
    await desk.give_topic("ann", 10)
    channel.refuses = "cursed"  # the notice holds the word, too
    await relay.drain(desk.group_id)
    await relay.drain(desk.group_id)
    assert channel.asked == ["send", "send"]
    async with database.statement() as db:
        assert [letter.kind for letter in await dead_letters.every(db)] == ["message", "notice"]


async def test_the_bots_budget_is_shared_and_costs_the_group_nothing(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    await desk.say("one")
    await desk.give_topic("ann", 10)
    relay = replace(relay, bot_rate=Rate(1, 60))
    assert await relay.budget.take("bot:4200", relay.bot_rate) == 0  # somebody else's call
    await relay.drain(desk.group_id)
    assert channel.asked == []
    assert 50 < await pause(desk) <= 60
    async with desk.database.statement() as db:
        assert (await db.execute(text("SELECT cardinality(calls) FROM groups"))).scalar_one() == 0
        state = (await db.execute(text("SELECT state, attempts FROM outbox"))).one()
    assert tuple(state) == ("accepted", 0)


async def test_a_turns_second_call_takes_a_slot_of_the_bot_too(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    await desk.say("one")
    await desk.give_topic("ann", 10)
    relay = replace(relay, bot_rate=Rate(1, 60))
    channel.errors["send"] = [TopicGone("message thread not found")]
    await relay.drain(desk.group_id)
    assert channel.asked == ["send"]  # and not a look at the topic
    assert 50 < await pause(desk) <= 60


async def test_told_to_wait_the_whole_lane_waits(relay: ToOperator, channel: Quiet, desk: Desk) -> None:
    await desk.say("one")
    await desk.say("ben's", by="ben")
    channel.errors["send"] = [Wait("Too Many Requests: retry after 7", 7)]
    await relay.drain(desk.group_id)
    assert channel.said == []
    assert 6 < await pause(desk) <= 7
    await relay.drain(desk.group_id)
    assert channel.said == []
    async with desk.database.statement() as db:
        assert (await db.execute(text("SELECT sum(attempts) FROM outbox"))).scalar_one() == 0
    await overtake(desk, 8)
    await relay.drain(desk.group_id)
    assert words(channel) == ["one", "ben's"]


async def test_a_passing_fault_holds_its_conversation_only(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    await desk.say("one")
    await desk.say("two")
    await desk.say("ben's", by="ben")
    channel.errors["send"] = [NotReached("no connection")]
    await relay.drain(desk.group_id)
    assert words(channel) == ["ben's"]
    assert await pause(desk) == 0
    await overtake(desk, 2)
    await relay.drain(desk.group_id)
    assert words(channel) == ["ben's", "one", "two"]


async def test_a_refused_message_is_a_dead_letter_and_holds_nobody(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    await desk.say("cursed")
    await desk.say("two")
    channel.errors["send"] = [Rejected("MESSAGE_IS_CURSED")]
    await relay.drain(desk.group_id)
    assert [text for text in words(channel) if "dead-letters" not in text] == ["two"]
    assert await states(desk) == {"cursed": "failed", "two": "relayed"}


async def test_a_topic_that_cannot_be_made_is_no_fault_of_the_message(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    await desk.say("one")
    channel.errors["create_topic"] = [Rejected("Bad Request: something new")]
    await relay.drain(desk.group_id)
    assert await states(desk) == {"one": "accepted"}
    assert 4 < await pause(desk) <= 5
    await overtake(desk, 6)
    await relay.drain(desk.group_id)
    assert await states(desk) == {"one": "relayed"}


async def test_a_group_that_refuses_us_is_left_alone_ever_longer(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    await desk.say("one")
    await desk.give_topic("ann", 10)
    channel.errors["send"] = [ChatRefused("Forbidden: bot was kicked", "kicked")] * 3
    for seconds in (5, 10, 20):
        await relay.drain(desk.group_id)
        assert seconds - 1 < await pause(desk) <= seconds
        await overtake(desk, seconds + 1)
    await relay.drain(desk.group_id)
    assert await states(desk) == {"one": "relayed"}


async def test_a_group_that_is_mended_says_so_even_by_a_refusal(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    await desk.say("cursed")
    await desk.give_topic("ann", 10)
    channel.errors["send"] = [ChatRefused("Forbidden: bot was kicked", "kicked")]
    await relay.drain(desk.group_id)
    await overtake(desk, 6)
    channel.errors["send"] = [Rejected("MESSAGE_IS_CURSED")]
    await relay.drain(desk.group_id)
    assert any(said.startswith("Back again.") for _, said in channel.said)
    assert await states(desk) == {"cursed": "failed"}


async def test_a_vanished_topic_is_replaced_with_a_recap(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    await desk.say("one")
    await relay.drain(desk.group_id)
    await desk.say("two")
    channel.errors["send"] = [TopicGone("message thread not found")]
    await relay.drain(desk.group_id)
    assert channel.asked == ["create_topic", "send", "send", "topic_exists", "create_topic", "send", "send"]
    (old, _), (recap_topic, recap), (new, last) = channel.said
    assert old != new == recap_topic
    assert "Visitor: one" in recap
    assert last == "two"
    async with desk.database.statement() as db:
        assert await domain_topics.owner_of(db, chat_id=CHAT, topic_id=old or 0) == "ann"


async def test_a_stray_message_that_stays_is_adopted_for_nobody(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    """One is said into the main thread and cannot be removed; the next call is not answered."""
    for who, topic in (("ann", 10), ("ben", 11)):
        await desk.say(f"{who}'s", by=who)
        await desk.give_topic(who, topic)
    stray = channel.messages = 1001
    channel.errors["send"] = [Astray("not in its topic", stray), Unknown("no answer in time")]
    channel.errors[f"delete_message {stray}"] = [NotReached("no connection")]
    for _ in range(3):
        await relay.drain(desk.group_id)
        await overtake(desk, 31)
    assert set((await states(desk)).values()) == {"relayed"}
    assert sorted(word for word in words(channel) if word in {"ann's", "ben's"}) == ["ann's", "ben's"]
    assert channel.asked.count(f"delete_message {stray}") == 2  # in vain, then again


async def test_a_stray_message_goes_though_its_worker_died(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    async def die(method: str) -> None:
        if method.startswith("delete_message"):
            channel.meanwhile = None
            raise asyncio.CancelledError

    await desk.say("one")
    await desk.give_topic("ann", 10)
    stray = channel.messages = 1001
    channel.errors["send"] = [Astray("not in its topic", stray)]
    channel.meanwhile = die
    with pytest.raises(asyncio.CancelledError):
        await relay.drain(desk.group_id)
    await overtake(desk, 16)
    await relay.drain(desk.group_id)
    assert words(channel) == ["one"]
    assert channel.asked.count(f"delete_message {stray}") == 2
    assert "whose" not in channel.asked  # it is known what became of the call


async def test_a_topic_that_only_seemed_to_vanish_stays(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    await desk.say("one")
    await desk.give_topic("ann", 10)
    channel.errors["send"] = [TopicGone("message thread not found")]
    channel.errors["topic_exists"] = [NotReached("no connection")]
    await relay.drain(desk.group_id)
    assert channel.said == []
    await overtake(desk, 2)
    await relay.drain(desk.group_id)
    assert [topic for topic, _ in channel.said] == [10]


async def test_a_closed_topic_is_reopened(relay: ToOperator, channel: Quiet, desk: Desk) -> None:
    await desk.say("one")
    await desk.give_topic("ann", 10)
    channel.errors["send"] = [TopicClosed("TOPIC_CLOSED")]
    channel.errors["reopen_topic"] = [Unchanged("TOPIC_NOT_MODIFIED")]  # somebody was quicker
    await relay.drain(desk.group_id)
    assert channel.asked == ["send", "reopen_topic", "send"]
    assert await states(desk) == {"one": "relayed"}


async def test_a_chat_that_moved_is_followed(relay: ToOperator, channel: Quiet, desk: Desk) -> None:
    await desk.say("one")
    await desk.give_topic("ann", 10)
    channel.errors["send"] = [ChatMoved("upgraded", -9000)]
    await relay.drain(desk.group_id)
    await overtake(desk, 1)
    await relay.drain(desk.group_id)
    assert words(channel) == ["one"]
    async with desk.database.statement() as db:
        chats = (await db.execute(text("SELECT g.chat_id, c.chat_id FROM groups g, conversations c"))).one()
        assert tuple(chats) == (-9000, -9000)
        assert await domain_topics.owner_of(db, chat_id=CHAT, topic_id=10) == "ann"


# Calls that nobody answers


async def test_a_message_that_was_said_is_found_and_adopted(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    await desk.say("one")
    await desk.say("two")
    await desk.give_topic("ann", 10)
    channel.errors["send"] = [Unknown("no answer in time")]
    channel.unanswered = 3  # others have written 1 and 2, which we have not been told yet
    await relay.drain(desk.group_id)
    assert words(channel) == ["two"]
    assert set((await states(desk)).values()) == {"relayed"}
    async with desk.database.statement() as db:
        found = await db.execute(text("SELECT telegram_message_id FROM messages ORDER BY seq"))
        assert [row.telegram_message_id for row in found] == [3, 1001]


@pytest.mark.parametrize("rate", [None, Rate(20, 60), Rate(8, 60)])
async def test_a_message_is_found_behind_what_others_wrote(
    relay: ToOperator, channel: Quiet, desk: Desk, rate: Rate | None
) -> None:
    """Nobody tells a bot what other bots say. Where the budget has no room for one look, it goes on later."""
    relay = replace(relay, group_rate=rate)
    await desk.say("one")
    await desk.give_topic("ann", 10)
    channel.errors["send"] = [Unknown("no answer in time")]
    channel.theirs, channel.unanswered = range(1, 31), 31
    for _ in range(6):
        await relay.drain(desk.group_id)
        async with desk.database.begin() as db:
            await db.execute(text("UPDATE groups SET calls = '{}'"))
        await overtake(desk, 60)
    assert (await states(desk), channel.said) == ({"one": "relayed"}, [])
    assert channel.asked.count("whose") < 31 + 10  # what somebody has is not asked for again


async def test_what_lies_behind_too_much_is_said_again_and_says_so(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    await desk.say("one")
    await desk.give_topic("ann", 10)
    channel.errors["send"] = [Unknown("no answer in time")]
    channel.theirs, channel.unanswered = range(1, 500), 500
    await relay.drain(desk.group_id)
    assert [said for _, said in channel.said] == ["(possibly repeated)\none"]
    assert channel.asked.count("whose") < 70


async def test_with_two_in_doubt_nothing_is_asked_before_there_is_news(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    """The first is final, the second is not, and the message that is there may be of either."""
    for who, topic in (("ann", 10), ("ben", 11)):
        await desk.say(f"{who}'s", by=who)
        await desk.give_topic(who, topic)
    channel.errors["send"] = [Unknown("no answer in time")]
    await relay.drain(desk.group_id)
    await overtake(desk, 15)
    channel.errors["send"] = [Unknown("no answer in time")]
    await desk.say("cam's", by="cam")
    await desk.give_topic("cam", 12)
    await relay.drain(desk.group_id)
    await overtake(desk, 16)
    channel.unanswered = 1002
    channel.asked.clear()
    for _ in range(5):
        await relay.drain(desk.group_id)
        await overtake(desk, 1)
    assert channel.asked.count("whose") <= 2
    await overtake(desk, 15)
    await relay.drain(desk.group_id)
    assert set((await states(desk)).values()) == {"relayed"}


async def test_a_message_that_was_not_said_is_said_again_half_a_minute_later(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    for who, said in (("ann", "one"), ("ann", "two"), ("ben", "ben's")):
        await desk.say(said, by=who)
    await desk.give_topic("ann", 10)
    await desk.give_topic("ben", 11)
    async with desk.database.begin() as db:
        await db.execute(text("UPDATE groups SET known_id = :id"), {"id": channel.messages})
    channel.errors["send"] = [Unknown("no answer in time")]
    await relay.drain(desk.group_id)
    assert words(channel) == ["ben's"]  # the others go on
    await overtake(desk, 29)
    await relay.drain(desk.group_id)
    assert words(channel) == ["ben's"]
    await overtake(desk, 2)
    await relay.drain(desk.group_id)
    assert words(channel) == ["ben's", "one", "two"]
    assert not any("repeated" in said for _, said in channel.said)


async def test_nothing_is_lost_where_nothing_can_be_found_out(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    await desk.say("one")
    await desk.give_topic("ann", 10)
    channel.errors["send"] = [Unknown("no answer in time")]
    channel.errors["whose"] = [Unreliable("it was accepted")]
    await relay.drain(desk.group_id)
    ((_, said),) = channel.said
    assert said.startswith("(possibly repeated)\n")
    assert await states(desk) == {"one": "relayed"}


async def test_a_batch_that_was_said_is_adopted_as_a_whole(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    relay = replace(relay, group_rate=Rate(8, 60))
    for number in range(9):
        await desk.say(f"message {number}")
    await desk.give_topic("ann", 10)
    channel.errors["send"] = [Unknown("no answer in time")]
    channel.unanswered = 1
    await relay.drain(desk.group_id)
    assert channel.said == []
    assert set((await states(desk)).values()) == {"relayed"}


async def test_looking_waits_as_it_is_told(relay: ToOperator, channel: Quiet, desk: Desk) -> None:
    await desk.say("one")
    await desk.give_topic("ann", 10)
    channel.errors["send"] = [Unknown("no answer in time")]
    channel.errors["whose"] = [Wait("Too Many Requests: retry after 7", 7)]
    channel.unanswered = 1
    await relay.drain(desk.group_id)
    assert await states(desk) == {"one": "accepted"}
    await overtake(desk, 8)
    await relay.drain(desk.group_id)
    assert (await states(desk), channel.said) == ({"one": "relayed"}, [])


_STEADY = """
    UPDATE groups SET calls = ARRAY(
      SELECT now() - make_interval(secs => 8 * n) FROM generate_series(7, 1, -1) n)
"""
_PASS_ON = "UPDATE groups SET calls = ARRAY(SELECT call - interval '8 s' FROM unnest(calls) call)"


async def test_a_look_that_was_cut_short_waits_until_all_its_calls_have_room(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    """A place every eight seconds, as a steady load leaves them; one look takes up to six.

    The first asks for what it can, since the message may well be the next one.
    """
    relay = replace(relay, group_rate=Rate(8, 60))
    await desk.say("one")
    await desk.give_topic("ann", 10)
    async with desk.database.begin() as db:
        await db.execute(text(_STEADY))
    channel.errors["send"] = [Unknown("no answer in time")]
    channel.unanswered = 4  # others wrote what is before it, of which nobody told us
    for _ in range(10):
        await relay.drain(desk.group_id)
        async with desk.database.begin() as db:
            await db.execute(text(_PASS_ON))
        await overtake(desk, 8)
    assert channel.asked == ["send"] + ["whose"] * 6
    assert (await states(desk), channel.said) == ({"one": "relayed"}, [])


async def test_what_takes_more_calls_than_the_budget_has_is_not_looked_for(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    relay = replace(relay, group_rate=STRICT)
    await desk.say("one")
    await desk.give_topic("ann", 10)
    channel.errors["send"] = [Unknown("no answer in time")]
    await relay.drain(desk.group_id)
    assert [said for _, said in channel.said] == ["(possibly repeated)\none"]


async def test_looking_in_a_group_that_threw_us_out_leaves_it_alone(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    await desk.say("one")
    await desk.give_topic("ann", 10)
    channel.errors["send"] = [Unknown("no answer in time")]
    channel.errors["whose"] = [ChatRefused("Forbidden: bot was kicked", "kicked")] * 2
    channel.unanswered = 1
    for seconds in (5, 10):
        await relay.drain(desk.group_id)
        assert seconds - 1 < await pause(desk) <= seconds
        await overtake(desk, seconds + 1)
    await relay.drain(desk.group_id)
    assert (await states(desk), channel.said) == ({"one": "relayed"}, [])


async def test_what_was_in_doubt_in_another_chat_is_said_again(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    await desk.say("one")
    await desk.give_topic("ann", 10)
    channel.errors["send"] = [Unknown("no answer in time")]
    channel.errors["whose"] = [ChatMoved("upgraded", -9000)]
    await relay.drain(desk.group_id)
    await overtake(desk, 6)
    await relay.drain(desk.group_id)
    assert await states(desk) == {"one": "relayed"}
    assert [said for _, said in channel.said] == ["(possibly repeated)\none"]


async def test_a_topic_that_was_reopened_without_an_answer_is_simply_reopened_again(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    await desk.say("one")
    await desk.give_topic("ann", 10)
    async with desk.database.begin() as db:
        await domain_topics.found_closed(db, "ann")
    channel.errors["reopen_topic"] = [Unknown("no answer in time")]
    await relay.drain(desk.group_id)
    await overtake(desk, 2)
    await relay.drain(desk.group_id)
    assert channel.asked == ["reopen_topic", "reopen_topic", "send"]


async def test_what_was_found_and_could_be_either_is_nobody_elses(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    """Two calls into the main thread are in doubt, one message is found, both are said again.

    The next in doubt was not said.
    """
    async with desk.database.begin() as db:
        for notice in ("first", "second"):
            await outbox.add_notice(db, desk.group_id, Notice(notice))
    channel.errors["send"] = [Unknown("no answer in time")] * 3
    await relay.drain(desk.group_id)
    channel.unanswered = 1
    await overtake(desk, 31)
    for _ in range(3):
        await relay.drain(desk.group_id)
        await overtake(desk, 31)
    said = sorted(said for _, said in channel.said)
    assert said == ["(possibly repeated)\nfirst", "(possibly repeated)\nsecond"]
    assert "show_button" not in channel.asked  # both would be in the main thread


@pytest.mark.parametrize(("topic", "again"), [(10, "ben's"), (11, "ann's")])
async def test_of_two_in_doubt_the_topic_tells_whose_message_was_found(
    relay: ToOperator, channel: Quiet, desk: Desk, topic: int, again: str
) -> None:
    for who, theirs in (("ann", 10), ("ben", 11)):
        await desk.say(f"{who}'s", by=who)
        await desk.give_topic(who, theirs)
    channel.errors["send"] = [Unknown("no answer in time")] * 2
    channel.meanwhile = _land(channel, 2, topic)
    for _ in range(3):
        await relay.drain(desk.group_id)
        await overtake(desk, 31)
    assert set((await states(desk)).values()) == {"relayed"}
    assert [said for _, said in channel.said] == [again]
    async with desk.database.statement() as db:
        found = await db.execute(text("SELECT text FROM messages WHERE telegram_message_id = 1"))
        assert found.scalar_one() != again


def _land(channel: Quiet, number: int, topic: int) -> Callable[[str], Awaitable[None]]:
    """With so many sends, one message stands in a topic."""

    async def meanwhile(method: str) -> None:
        if method == "send" and channel.asked.count("send") == number:
            channel.unanswered, channel.stands = 1, {1: topic}

    return meanwhile


async def test_where_the_topic_is_not_told_nothing_is_lost(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    for who, topic in (("ann", 10), ("ben", 11)):
        await desk.say(f"{who}'s", by=who)
        await desk.give_topic(who, topic)
    channel.errors["send"] = [Unknown("no answer in time")] * 2
    channel.errors["show_button"] = [Rejected("message can't be edited")]
    channel.meanwhile = _land(channel, 2, 10)
    await relay.drain(desk.group_id)
    assert sorted(said for _, said in channel.said) == [
        "(possibly repeated)\nann's",
        "(possibly repeated)\nben's",
    ]


async def test_a_process_that_was_frozen_does_not_look(relay: ToOperator, channel: Quiet, desk: Desk) -> None:
    """Somebody else may have looked by now; who looks next finds the doubt as it was."""
    await desk.say("one")
    await desk.give_topic("ann", 10)
    channel.errors["send"] = [Unknown("no answer in time")]
    channel.errors["whose"] = [NotReached("no connection")]
    await relay.drain(desk.group_id)
    await overtake(desk, 3)
    channel.asked.clear()
    async with desk.database.statement() as db:
        taken = await outbox.take(db, desk.group_id)
    assert taken is not None
    now = time.monotonic()
    frozen = Held(means=relay.means, lane=taken[0], voice=channel, began=now, renewed=now - 4)
    assert await doubts.look(frozen) == 0
    assert channel.asked == []
    await overtake(desk, 31)
    await relay.drain(desk.group_id)
    assert words(channel) == ["one"]


async def test_two_that_were_found_go_to_whom_they_belong(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    """The first call was held up on its way and landed after the second."""
    for who, topic in (("ann", 10), ("ben", 11)):
        await desk.say(f"{who}'s", by=who)
        await desk.give_topic(who, topic)
    channel.errors["send"] = [Unknown("no answer in time")] * 2
    channel.stands = {1001: 11, 1002: 10}

    async def meanwhile(method: str) -> None:
        if channel.asked.count("send") == 2:
            channel.messages = 1002

    async with desk.database.begin() as db:
        await db.execute(text("UPDATE groups SET known_id = 1000"))
    channel.meanwhile = meanwhile
    for _ in range(2):
        await relay.drain(desk.group_id)
        await overtake(desk, 15)
    async with desk.database.statement() as db:
        found = await db.execute(text("SELECT text, telegram_message_id FROM messages"))
        where = {row.text: row.telegram_message_id for row in found}
    assert (where, channel.said) == ({"ann's": 1002, "ben's": 1001}, [])


FIRST, SECOND = Doubt((1,), after=10, at=100.0), Doubt((2,), after=12, at=115.0)


@pytest.mark.parametrize(
    ("doubts", "found", "now", "verdicts"),
    [
        ([FIRST], [], 129, ["wait"]),
        ([FIRST], [], 130, ["again"]),
        ([FIRST], [11], 101, ["adopt 11"]),
        ([FIRST, SECOND], [], 129, ["wait", "wait"]),
        ([FIRST, SECOND], [], 130, ["again", "wait"]),
        ([FIRST, SECOND], [], 145, ["again", "again"]),
        ([FIRST, SECOND], [11, 13], 116, ["adopt 11", "adopt 13"]),
        ([FIRST, SECOND], [13, 14], 116, ["adopt 13", "adopt 14"]),
        ([FIRST, SECOND], [11], 120, ["adopt 11", "wait"]),
        ([FIRST, SECOND], [11], 145, ["adopt 11", "again"]),
        ([FIRST, SECOND], [13], 144, ["wait", "wait"]),  # it may be of either
        ([FIRST, SECOND], [13], 145, ["repeat", "repeat"]),
    ],
)
def test_the_verdict_on_calls_in_doubt(
    doubts: list[Doubt], found: list[int], now: float, verdicts: list[str]
) -> None:
    judged = judge(doubts, found, now)
    assert [f"{one.kind} {one.message_id or ''}".strip() for one in judged] == verdicts


async def test_a_process_that_was_frozen_does_not_speak(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    """Somebody else has the lane by now: what it was about to say, the other may have said."""
    await desk.say("one")
    await desk.give_topic("ann", 10)
    turn = await begin(relay, channel, desk)
    turn.renewed -= 4
    with pytest.raises(TooLate):
        await saying.carry_out(turn)
    assert channel.asked == []


async def test_a_lane_that_was_lost_says_no_more(relay: ToOperator, channel: Quiet, desk: Desk) -> None:
    """As when a process was frozen for longer than its lease: what it was told late changes nothing."""
    lost: list[Lane] = []

    async def meanwhile(method: str) -> None:
        if method == "send" and not lost:
            await overtake(desk, 16)
            async with desk.database.statement() as db:
                turn = await outbox.take(db, desk.group_id)
            assert turn is not None
            lost.append(turn[0])

    await desk.say("one")
    await desk.say("two")
    channel.meanwhile = meanwhile
    await relay.drain(desk.group_id)
    assert words(channel) == ["one"]
    assert set((await states(desk)).values()) == {"accepted"}


async def test_a_group_of_a_bot_that_is_not_ours_waits(relay: ToOperator, channel: Quiet, desk: Desk) -> None:
    await desk.say("one")
    await replace(relay, channel=lambda _: None).drain(desk.group_id)
    assert await pause(desk) > 4
    assert await states(desk) == {"one": "accepted"}


async def test_typing_is_dropped_under_pressure(relay: ToOperator, channel: Quiet, desk: Desk) -> None:
    for number in range(30):
        await desk.say("one", by=f"visitor {number}")
        await desk.give_topic(f"visitor {number}", 10 + number)
    for _ in range(2):  # each visitor's typing is shown once in a while, and so much in all
        for number in range(30):
            await relay.show_typing(f"visitor {number}")
    assert channel.asked == ["show_typing"] * 20


async def test_there_is_no_typing_without_a_topic(relay: ToOperator, channel: Quiet, desk: Desk) -> None:
    await relay.show_typing("nobody")
    await desk.say("one")
    await relay.show_typing("ann")
    assert channel.asked == []


# Topics


async def the_turn(desk: Desk) -> tuple[Lane, outbox.Entry]:
    async with desk.database.statement() as db:
        turn = await outbox.take(db, desk.group_id, rate=(20, 60))
    assert turn is not None
    lane, entry = turn
    assert entry is not None
    return lane, entry


async def begin(relay: ToOperator, channel: Channel, desk: Desk) -> Turn:
    lane, entry = await the_turn(desk)
    now = time.monotonic()
    return Turn(means=relay.means, lane=lane, voice=channel, began=now, renewed=now, entry=entry)


async def test_who_loses_a_topic_keeps_it_as_an_alias_then_deletes_it(
    relay: ToOperator, database: Database, channel: Quiet, desk: Desk
) -> None:
    await desk.say("one")
    turn = await begin(relay, channel, desk)
    aliases: list[str | None] = []

    async def meanwhile(method: str) -> None:
        if method == "create_topic":
            await desk.give_topic("ann", 55)
        if method.startswith("delete_topic"):
            async with database.statement() as db:
                aliases.append(await domain_topics.owner_of(db, chat_id=CHAT, topic_id=101))

    channel.meanwhile = meanwhile
    await topics.create(turn)
    await turn.give_back()
    await relay.drain(desk.group_id)
    assert channel.asked == ["create_topic", "send", "delete_topic 101"]
    assert aliases == ["ann"]  # before it was deleted
    async with database.statement() as db:
        assert await domain_topics.owner_of(db, chat_id=CHAT, topic_id=55) == "ann"


async def test_an_orphan_that_cannot_be_deleted_still_carries_answers(
    relay: ToOperator, database: Database, channel: Quiet, desk: Desk
) -> None:
    await desk.say("one")
    turn = await begin(relay, channel, desk)
    channel.meanwhile = lambda method: _claim_first(desk, method)
    channel.errors["delete_topic 101"] = [ChatRefused("not enough rights", "rights")]
    await topics.create(turn)
    await turn.give_back()
    await relay.drain(desk.group_id)
    assert channel.asked == ["create_topic", "send", "delete_topic 101", "rename_topic", "close_topic"]
    async with database.statement() as db:
        assert await domain_topics.owner_of(db, chat_id=CHAT, topic_id=101) == "ann"


async def _claim_first(desk: Desk, method: str) -> None:
    if method == "create_topic":
        await desk.give_topic("ann", 55)


async def test_what_was_said_before_the_claim_is_replayed_in_order(
    relay: ToOperator, database: Database, channel: Quiet, desk: Desk
) -> None:
    """Telegram tells of a topic, and of what is said in it, before it answers who made it."""
    await desk.say("one")
    turn = await begin(relay, channel, desk)
    async with database.begin() as db:
        for number in (1, 2, 3):
            event = Wrote(CHAT, 101, 500 + number, 0, "Mara", Words(f"answer {number}"))
            await inbox.take(db, bot_id=4200, update_id=number)
            await inbox.keep(
                db, bot_id=4200, update_id=number, state="waiting", event=event, chat_id=CHAT, topic_id=101
            )
    await topics.create(turn)
    async with database.statement() as db:
        assert await inbox.of_topic(db, chat_id=CHAT, topic_id=101) == []
        told = await conversations.since(db, "ann", 1)
    assert told is not None
    assert [message.text for message in told.messages] == ["answer 1", "answer 2", "answer 3"]
    assert await desk.counters() == (4, 4, 4)


def test_backoff_doubles_up_to_five_minutes() -> None:
    for attempts, longest in ((0, 1), (1, 2), (5, 32), (9, 300), (1000, 300)):
        for _ in range(50):
            assert longest / 2 <= backoff(attempts) <= longest
