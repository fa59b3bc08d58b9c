"""Every refusal has one fate: a row for each kind of error, of a message and of what tidies up."""

from collections.abc import Sequence

import pytest
from sqlalchemy import text

from tests.domain.conftest import CHAT, Desk, new_desk
from tests.relay.conftest import Quiet
from topicwire.db import Database
from topicwire.domain import outbox
from topicwire.domain.outbox import Discard, Notice, Remove
from topicwire.relay import channel as channels
from topicwire.relay.channel import (
    Astray,
    ChannelError,
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
)
from topicwire.relay.to_operator import ToOperator

NOWHERE = 77  # a topic that belongs to nobody
ELSEWHERE = -9000  # where a chat moved to


Standing = dict[str, object]


async def standing(desk: Desk) -> Standing:
    """What a refusal may change: the group's row, the entries that are left, the only message."""
    query = text(
        """
        SELECT g.trouble, g.chat_id AS chat, jsonb_array_length(g.doubts) AS doubts,
          ceil(greatest(0, extract(epoch FROM g.not_before - now())))::int AS pause,
          (SELECT array_agg(kind || ' ' || state ORDER BY id) FROM outbox) AS entries,
          (SELECT sum(attempts) FROM outbox) AS attempts,
          (SELECT state FROM messages) AS message
        FROM groups g WHERE g.id = :group
        """
    )
    async with desk.database.statement() as db:
        row = (await db.execute(query, {"group": desk.group_id})).one()
    return {
        name: getattr(row, name)
        for name in ("trouble", "chat", "pause", "doubts", "entries", "attempts", "message")
    }


WAITING: Standing = {
    "trouble": None, "chat": CHAT, "pause": 0, "doubts": 0,
    "entries": ["message accepted"], "attempts": 0, "message": "accepted",
}  # fmt: skip
SAID: Standing = {**WAITING, "entries": None, "attempts": None, "message": "relayed"}
LATER: Standing = {**WAITING, "attempts": 1}

ROWS: tuple[tuple[ChannelError, Sequence[str], Standing], ...] = (
    (Wait("Too Many Requests", 7), [], {**WAITING, "pause": 7}),
    (NotReached("no connection"), [], LATER),
    (Unchanged("message is not modified"), [], LATER),
    (Unreliable("it was accepted"), [], LATER),
    (TopicGone("message thread not found"), ["topic_exists", "create_topic", "send", "send"], SAID),
    (TopicClosed("TOPIC_CLOSED"), ["reopen_topic", "send"], SAID),
    (
        Astray("it is elsewhere", 900),
        ["delete_message 900", "check_group", "topic_exists", "create_topic", "send", "send"], SAID,
    ),
    (ChatMoved("upgraded", ELSEWHERE), ["create_topic", "send"], {**SAID, "chat": ELSEWHERE}),
    *(
        (ChatRefused("Forbidden", reason), [], {**WAITING, "trouble": reason, "pause": 5})
        for reason in ("kicked", "chat_gone", "not_a_forum", "rights", "token")
    ),
    (
        Rejected("MESSAGE_IS_CURSED"), ["send"],
        {**WAITING, "entries": ["message failed"], "attempts": 1, "message": "failed"},
    ),
    (Unknown("no answer in time"), ["whose"] * 6, {**WAITING, "doubts": 1}),
)  # fmt: skip


@pytest.mark.parametrize(
    ("error", "follows", "left"), ROWS, ids=[f"{type(row[0]).__name__}-{row[0]}" for row in ROWS]
)
async def test_a_message_is_refused(
    relay: ToOperator,
    channel: Quiet,
    desk: Desk,
    *,
    error: ChannelError,
    follows: list[str],
    left: Standing,
) -> None:
    await desk.say("one")
    await desk.give_topic("ann", 10)
    channel.errors["send"] = [error]
    await relay.drain(desk.group_id)
    assert channel.asked == ["send", *follows]
    assert await standing(desk) == left


def test_no_refusal_is_without_a_row() -> None:
    kinds = {
        each for each in vars(channels).values() if isinstance(each, type) and issubclass(each, ChannelError)
    }
    assert kinds - {ChannelError} == {type(error) for error, _, _ in ROWS}


# What tidies up is worth no repair and no dead letter, but a group that is in trouble is one all the same

PASSING = (NotReached("no connection"), Unknown("no answer in time"))
TIDY: tuple[tuple[ChannelError, Standing], ...] = (
    *((error, {**LATER, "entries": ["remove accepted"], "message": None}) for error in PASSING),
    (Wait("Too Many Requests", 7), {**WAITING, "entries": ["remove accepted"], "pause": 7, "message": None}),
    (
        ChatRefused("Forbidden", "kicked"),
        {**WAITING, "entries": ["remove accepted"], "trouble": "kicked", "pause": 5, "message": None},
    ),
    *(
        (error, {**SAID, "message": None})
        for error in (
            ChatRefused("not enough rights", "rights"), Rejected("message to delete not found"),
            TopicGone("message thread not found"), TopicClosed("TOPIC_CLOSED"), Unchanged("nothing to do"),
        )
    ),
)  # fmt: skip


@pytest.mark.parametrize(("error", "left"), TIDY, ids=[f"{type(row[0]).__name__}-{row[0]}" for row in TIDY])
async def test_what_tidies_up_is_refused(
    relay: ToOperator, channel: Quiet, desk: Desk, *, error: ChannelError, left: Standing
) -> None:
    async with desk.database.statement() as db:
        await outbox.tidy_up(db, desk.group_id, Remove(CHAT, 900))
    channel.errors["delete_message 900"] = [error]
    await relay.drain(desk.group_id)
    assert channel.asked == ["delete_message 900"]
    assert await standing(desk) == left


# A notice has no conversation, so its topic can be neither mended nor reopened


@pytest.mark.parametrize(
    "error", [TopicGone("message thread not found"), TopicClosed("TOPIC_CLOSED"), Rejected("no")]
)
async def test_a_notice_whose_topic_refuses_it_is_given_up(
    relay: ToOperator, channel: Quiet, desk: Desk, error: ChannelError
) -> None:
    async with desk.database.statement() as db:
        await outbox.add_notice(db, desk.group_id, Notice("Nobody reads this topic.", NOWHERE))
    channel.errors["send"] = [error]
    await relay.drain(desk.group_id)
    assert channel.asked == ["send"]
    assert await standing(desk) == {**WAITING, "entries": ["notice failed"], "attempts": 1, "message": None}


# What is refused while something is mended


@pytest.mark.parametrize(
    ("method", "another", "left"),
    [
        ("check_group", Wait("Too Many Requests", 7), {"pause": 7}),
        ("check_group", ChatRefused("bot was kicked", "kicked"), {"trouble": "kicked", "pause": 5}),
        ("check_group", Unknown("no answer in time"), {"attempts": 1}),
        ("topic_exists", Wait("Too Many Requests", 7), {"pause": 7}),
        ("topic_exists", ChatRefused("not enough rights", "rights"), {"trouble": "rights", "pause": 5}),
        ("topic_exists", NotReached("no connection"), {"attempts": 1}),
    ],
)  # fmt: skip
async def test_a_stray_message_is_taken_back_and_what_comes_next_is_refused(
    relay: ToOperator,
    channel: Quiet,
    desk: Desk,
    *,
    method: str,
    another: ChannelError,
    left: Standing,
) -> None:
    await desk.say("one")
    await desk.give_topic("ann", 10)
    channel.errors = {"send": [Astray("it is elsewhere", 900)], method: [another]}
    await relay.drain(desk.group_id)
    assert channel.asked[:2] == ["send", "delete_message 900"]
    assert channel.asked[-1] == method
    assert await standing(desk) == {**WAITING, **left}


async def test_a_stray_message_that_cannot_be_taken_back_now_is_taken_back_later(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    await desk.say("one")
    await desk.give_topic("ann", 10)
    channel.errors = {
        "send": [Astray("it is elsewhere", 900)],
        "delete_message 900": [Unknown("no answer in time")],
    }
    await relay.drain(desk.group_id)
    assert channel.asked.count("delete_message 900") == 2
    assert await standing(desk) == SAID


async def test_a_stray_message_of_a_group_in_trouble_suspends_it(
    relay: ToOperator, channel: Quiet, desk: Desk
) -> None:
    await desk.say("one")
    await desk.give_topic("ann", 10)
    channel.errors["send"], channel.trouble = [Astray("it is elsewhere", 900)], "not_a_forum"
    await relay.drain(desk.group_id)
    assert channel.asked == ["send", "delete_message 900", "check_group"]
    assert await standing(desk) == {**WAITING, "trouble": "not_a_forum", "pause": 5}


async def test_a_chat_that_moved_to_where_another_group_is_cannot_be_followed(
    relay: ToOperator, channel: Quiet, desk: Desk, database: Database
) -> None:
    await new_desk(database, chat_id=ELSEWHERE)
    await desk.say("one")
    await desk.give_topic("ann", 10)
    channel.errors["send"] = [ChatMoved("upgraded", ELSEWHERE)]
    await relay.drain(desk.group_id)
    assert await standing(desk) == {**WAITING, "trouble": "chat_gone", "pause": 5}


# Topics


@pytest.mark.parametrize(
    ("error", "left"),
    [
        (Wait("Too Many Requests", 7), {"pause": 7}),
        (NotReached("no connection"), {"attempts": 1}),
        (ChatRefused("not enough rights to create a topic", "rights"), {"trouble": "rights", "pause": 5}),
        (Rejected("something new"), {"trouble": "topics", "pause": 5}),
        (Unknown("no answer in time"), {"attempts": 1}),
    ],
)
async def test_the_making_of_a_topic_is_refused(
    relay: ToOperator, channel: Quiet, desk: Desk, *, error: ChannelError, left: Standing
) -> None:
    """Which is no fault of the message, and asks for no second topic while the first may turn up."""
    await desk.say("one")
    channel.errors["create_topic"] = [error]
    await relay.drain(desk.group_id)
    assert channel.asked == ["create_topic"]
    assert await standing(desk) == {**WAITING, **left}


@pytest.mark.parametrize(
    ("error", "marked"),
    [
        (ChatRefused("not enough rights", "rights"), True),
        (Rejected("TOPIC_ID_INVALID"), True),
        (TopicGone("gone"), False),
    ],
)
async def test_a_topic_too_many_is_not_let_go(
    relay: ToOperator, channel: Quiet, desk: Desk, *, error: ChannelError, marked: bool
) -> None:
    async with desk.database.statement() as db:
        await outbox.tidy_up(db, desk.group_id, Discard(CHAT, NOWHERE))
    channel.errors[f"delete_topic {NOWHERE}"] = [error]
    await relay.drain(desk.group_id)
    assert channel.asked[1:] == (["rename_topic", "close_topic"] if marked else [])
    assert await standing(desk) == {**SAID, "message": None}
