"""Topics: every conversation has one; made at its first message, made anew when it vanished.

A topic belongs to a conversation by an atomic claim. Who loses the race keeps its own topic as an
alias first, so that an answer given there still arrives, and then deletes it.
"""

import contextlib

import msgspec
import structlog

from topicwire.db import Connection, Database, insist
from topicwire.domain import inbox, outbox
from topicwire.domain import topics as domain_topics
from topicwire.domain.conversations import Change
from topicwire.domain.groups import Lane
from topicwire.domain.outbox import Entry
from topicwire.relay import to_visitor
from topicwire.relay.channel import Channel, ChannelError, Event, Unchanged, Wording

SUPERFLUOUS = "Duplicate, please delete"

log = structlog.get_logger()


async def create(db: Database, channel: Channel, wording: Wording, lane: Lane, entry: Entry) -> list[Change]:
    """Make the topic of an entry's conversation; what its visitor missed until now.

    Raises what `Channel.create_topic` raises.
    """
    conversation_id = entry.conversation_id or ""
    name = entry.topic_name or wording.topic_name(entry.email, conversation_id)
    topic_id = await channel.create_topic(lane.chat_id, name)

    async def claim() -> tuple[bool, list[Change]]:
        async with db.begin() as tx:
            return await _claim(tx, conversation_id, chat_id=lane.chat_id, topic_id=topic_id, name=name)

    claimed, missed = await insist(claim)
    if not claimed:
        await _discard(channel, lane.chat_id, topic_id)
    return missed


async def _claim(
    db: Connection, conversation_id: str, *, chat_id: int, topic_id: int, name: str
) -> tuple[bool, list[Change]]:
    """Give a conversation its topic, or keep the topic as an alias where it has one already."""
    await domain_topics.lock(db, chat_id=chat_id, topic_id=topic_id)
    claimed = await domain_topics.claim(db, conversation_id, chat_id=chat_id, topic_id=topic_id, name=name)
    if not claimed:
        await domain_topics.add_alias(db, conversation_id, chat_id=chat_id, topic_id=topic_id)
    return claimed, await replay(db, chat_id=chat_id, topic_id=topic_id)


async def replay(db: Connection, *, chat_id: int, topic_id: int) -> list[Change]:
    """Carry out what was said in a topic before anybody owned it, in order."""
    changes = []
    for row in await inbox.waiting(db, chat_id=chat_id, topic_id=topic_id):
        event = msgspec.convert(row.body, type=Event)
        changes += (await to_visitor.apply(db, event)).changes
        await inbox.done(db, bot_id=row.bot_id, update_id=row.update_id)
    return changes


async def _discard(channel: Channel, chat_id: int, topic_id: int) -> None:
    """Remove a topic too many; where we may not, say so in its name and close it."""
    try:
        await channel.delete_topic(chat_id, topic_id)
    except ChannelError as error:
        log.warning("a topic too many stays as an alias", chat=chat_id, topic=topic_id, error=str(error))
        with contextlib.suppress(ChannelError):
            await channel.rename_topic(chat_id, topic_id, SUPERFLUOUS)
            await channel.close_topic(chat_id, topic_id)


async def reopen(db: Database, channel: Channel, lane: Lane, entry: Entry) -> None:
    """Reopen the topic of an entry's conversation, because its visitor has written again."""
    if entry.topic_id is None or entry.conversation_id is None:
        raise ValueError("only a conversation with a topic can be reopened")
    with contextlib.suppress(Unchanged):
        await channel.reopen_topic(lane.chat_id, entry.topic_id)
    async with db.begin() as tx:
        await domain_topics.reopened(tx, entry.conversation_id)


async def give_up(db: Database, lane: Lane, entry: Entry, *, pause: float) -> None:
    """The topic has vanished: the next one will open with a recap, then comes the message."""
    if entry.topic_id is None or entry.conversation_id is None:
        raise ValueError("only a topic that there was can vanish")
    async with db.begin() as tx:
        await outbox.put_back(tx, lane, entry.id, reason="The topic had vanished.", pause=pause)
        if await domain_topics.drop(tx, entry.conversation_id, topic_id=entry.topic_id):
            await outbox.add_recap(tx, lane.group_id, entry.conversation_id)
