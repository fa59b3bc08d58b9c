"""What follows from a refusal: one fate for each kind of error of the channel.

Every fate ends the turn and gives the seconds for which the lane pauses now. An entry that tidies up
(a new name, a topic too many) is not worth a repair or a dead letter: refused for good, it is done.
"""

import random
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from topicwire import metrics
from topicwire.domain import outbox
from topicwire.domain import topics as domain_topics
from topicwire.domain.outbox import TIDYING
from topicwire.relay import to_visitor, topics
from topicwire.relay.channel import (
    Astray,
    ChannelError,
    ChatMoved,
    ChatRefused,
    Rejected,
    TopicClosed,
    TopicGone,
    Unchanged,
    Unknown,
    Wait,
)
from topicwire.relay.turn import Turn

LONGEST_BACKOFF = 300.0  # seconds
MARGIN = 0.02  # seconds by which a ring comes after a pause, since clocks round
DOUBTS = 4  # refusals after which a topic that seems to be there counts as gone all the same

log = structlog.get_logger()


async def refused(turn: Turn, error: ChannelError) -> float:
    """Do what follows from a refusal; one that comes while mending counts like the first."""
    metrics.calls_refused.labels(type(error).__name__).inc()
    log.info("refused", group=turn.lane.group_id, meaning=type(error).__name__, said=str(error))
    try:
        return await _FATES.get(type(error), _later)(turn, error)
    except (Wait, ChatMoved, ChatRefused) as another:
        return await _FATES[type(another)](turn, another)
    except ChannelError as another:
        return await _later(turn, another)


async def _wait(turn: Turn, error: Wait) -> float:
    """Too many calls: the whole lane waits, which keeps the order, and no attempt is used up."""
    return await turn.put_back(str(error), pause=max(error.seconds, turn.pause))


async def _later(turn: Turn, error: ChannelError) -> float:
    """A passing fault: this conversation waits, the others go on."""
    delay = backoff(turn.entry.attempts)
    turn.means.jobs.drain(turn.lane.group_id, after=delay + MARGIN)
    return await turn.put_back(str(error), delay=delay, attempt=True)


async def _unknown(turn: Turn, error: Unknown) -> float:
    """No answer: what was to be said is in doubt, and so is a topic that was asked for.

    A topic's own update tells of it, or time does. What tidies up does no harm twice.
    """
    if turn.saying and turn.entry.kind not in TIDYING:
        return await turn.doubt()
    if turn.entry.topic_id is not None or turn.entry.kind in TIDYING:
        return await _later(turn, error)
    turn.means.jobs.drain(turn.lane.group_id, after=topics.PATIENCE + MARGIN)
    return await turn.put_back(str(error), attempt=True)


async def _gone(turn: Turn, error: ChannelError) -> float:
    """A topic seems to have vanished: make sure, since the refusal can have other reasons."""
    entry = turn.entry
    if entry.kind in TIDYING:
        return await turn.done()
    if entry.topic_id is None or entry.conversation_id is None:
        return await _give_up(turn, error)
    if pause := turn.pause_for_two:
        return await turn.put_back(str(error), pause=pause)
    await turn.another_call()
    there = await turn.channel.topic_exists(turn.lane.chat_id, entry.topic_id, entry.topic_name or "")
    if there and entry.attempts < DOUBTS:
        return await _later(turn, error)
    return await topics.give_up(turn)


async def _closed(turn: Turn, error: ChannelError) -> float:
    conversation_id = turn.entry.conversation_id
    if turn.entry.kind in TIDYING:
        return await turn.done()
    if conversation_id is None:
        return await _give_up(turn, error)
    await turn.persist(lambda db: domain_topics.found_closed(db, conversation_id))
    return await turn.put_back(str(error))


async def _astray(turn: Turn, error: Astray) -> float:
    """The message landed outside its topic: take it back, and find out what is wrong with the group."""
    await _take_back(turn, error.message_id)
    state = await turn.channel.check_group(turn.lane.chat_id)
    if state.trouble is not None:
        return await turn.suspend(str(error), state.trouble)
    return await _gone(turn, error)


async def _take_back(turn: Turn, message_id: int) -> None:
    """Remove a message at once, or later: it is written down before it is tried."""
    chat_id = turn.lane.chat_id
    removal = await turn.astray(message_id)
    try:
        await turn.channel.delete_message(chat_id, message_id)
    except Rejected:
        log.warning("a message outside its topic is gone already, or stays", chat=chat_id, message=message_id)
    except ChannelError as error:
        log.info("a message outside its topic is removed later", chat=chat_id, error=str(error))
        return
    await turn.persist(lambda db: outbox.tidied(db, removal))


async def _follow(turn: Turn, error: ChatMoved) -> float:
    lane = turn.lane
    if error.chat_id == lane.chat_id or not await _moved(turn, error.chat_id):
        log.error("a chat moved to where another group of ours is", group=lane.group_id, to=error.chat_id)
        return await turn.suspend(str(error), "chat_gone")
    return await turn.put_back(str(error))


async def _moved(turn: Turn, chat_id: int) -> bool:
    lane = turn.lane
    moved = await turn.persist_all(
        lambda db: to_visitor.move_chat(db, bot_id=lane.bot_id, old_chat_id=lane.chat_id, new_chat_id=chat_id)
    )
    return moved == lane.group_id


async def _suspend(turn: Turn, error: ChatRefused) -> float:
    if error.reason == "rights" and turn.entry.kind in TIDYING:
        return await turn.done()
    return await turn.suspend(str(error), error.reason)


async def _give_up(turn: Turn, error: ChannelError) -> float:
    if turn.entry.kind in TIDYING:
        return await turn.done()
    if not turn.saying:  # the topic could not be made: that is no fault of the message
        return await turn.suspend(str(error), "topics")
    if len(turn.batch) > 1:  # one of them is at fault: each goes alone
        await turn.persist(lambda db: outbox.say_alone(db, turn.batch))
        return await turn.put_back(str(error))
    return await turn.failed(error)


async def _unchanged(turn: Turn, error: Unchanged) -> float:
    """Everything is as it was asked for."""
    return await turn.done() if turn.entry.kind in TIDYING else await _later(turn, error)


_FATES: dict[type[ChannelError], Callable[[Turn, Any], Awaitable[float]]] = {
    Wait: _wait,
    TopicGone: _gone,
    TopicClosed: _closed,
    Astray: _astray,
    ChatMoved: _follow,
    ChatRefused: _suspend,
    Rejected: _give_up,
    Unchanged: _unchanged,
    Unknown: _unknown,
}


def backoff(attempts: int) -> float:
    """Seconds until the next attempt: 1 s doubling to 5 min, less up to a half at random."""
    return min(LONGEST_BACKOFF, 2.0 ** min(attempts, 16)) * random.uniform(0.5, 1)  # noqa: S311
