"""Topics: every conversation has one; made at its first message, made anew when it vanished.

A topic belongs to a conversation by an atomic claim. Who loses the race keeps its own topic as an
alias first, so that an answer given there still arrives, and then discards it.

An answer to a request for a topic may get lost. So what was asked for is written down before, and
one topic at a time is asked for in a group: the bot's own `created` update then tells whose it is,
often sooner than the answer. If none comes the topic is asked for again, and the first one, should
it turn up after all, is one too many.
"""

import contextlib
import time

import structlog

from topicwire.db import Connection
from topicwire.domain import lanes, outbox
from topicwire.domain import topics as domain_topics
from topicwire.domain.lanes import ASKED_TOPIC_WAITS
from topicwire.relay import to_visitor
from topicwire.relay.channel import ChannelError, ChatRefused, Unchanged, Unknown
from topicwire.relay.turn import Turn

PATIENCE = ASKED_TOPIC_WAITS

log = structlog.get_logger()


async def create(turn: Turn) -> None:
    """Make the topic of the turn's conversation, and tell its visitor what was said in it until now.

    Raises what `Channel.create_topic` raises; after `Unknown` the topic may exist.
    """
    entry, lane = turn.entry, turn.lane
    conversation_id = entry.conversation_id or ""
    name = entry.topic_name or turn.means.wording.topic_name(entry.email, conversation_id)
    asked = time.monotonic()
    if not await turn.persist(lambda db: lanes.ask_for_topic(db, lane, conversation_id, name)):
        return
    turn.renewed = asked
    try:
        topic_id = await turn.channel.create_topic(lane.chat_id, name)
    except Unknown:
        raise
    except ChannelError:
        await turn.persist(lambda db: lanes.got_topic(db, lane.group_id, conversation_id))
        raise
    missed = await turn.persist_all(
        lambda db: to_visitor.claim(
            db, conversation_id, group_id=lane.group_id, chat_id=lane.chat_id, topic_id=topic_id, name=name
        )
    )
    for change in missed:
        turn.means.notifier.ring(change)


async def reopen(turn: Turn) -> bool:
    """Reopen the topic of the turn's conversation, because its visitor has written again.

    False where we have no right to; what the channel raises otherwise is raised.
    """
    entry = turn.entry
    if entry.topic_id is None or entry.conversation_id is None:
        raise ValueError("only a conversation with a topic can be reopened")
    conversation_id = entry.conversation_id
    try:
        with contextlib.suppress(Unchanged):
            await turn.channel.reopen_topic(turn.lane.chat_id, entry.topic_id)
    except ChatRefused as error:
        if error.reason != "rights":
            raise
        log.warning("a closed topic stays closed", topic=entry.topic_id, error=str(error))
        return False
    await turn.persist(lambda db: domain_topics.reopened(db, conversation_id))
    return True


async def give_up(turn: Turn) -> float:
    """The topic has vanished: the next one will open with a recap, then comes the message."""
    entry, lane, pause = turn.entry, turn.lane, turn.pause
    if entry.topic_id is None or entry.conversation_id is None:
        raise ValueError("only a topic that there was can vanish")
    conversation_id, gone = entry.conversation_id, entry.topic_id

    async def drop(db: Connection) -> None:
        await outbox.put_back(db, lane, entry.id, reason="The topic had vanished.", pause=pause)
        if await domain_topics.drop(db, conversation_id, topic_id=gone):
            await outbox.add_recap(db, lane.group_id, conversation_id)

    await turn.persist_all(drop)
    return pause
