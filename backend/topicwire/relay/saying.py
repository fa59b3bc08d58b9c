"""What a lane does for each kind of entry; every function ends the turn and gives the lane's pause.

    message, recap, notice   one text, into the conversation's topic, which is made or reopened first
    rename                   the topic's name, once the visitor's e-mail address is known
    discard                  a topic too many is removed
    remove                   a message that landed outside its topic is removed

They raise what the channel raises: `fates.py` says what follows from it.
"""

import contextlib
from collections.abc import Awaitable, Callable, Sequence

import structlog

from topicwire.domain import conversations, outbox
from topicwire.domain import topics as domain_topics
from topicwire.domain.outbox import Discard, Follower, Notice, Remove
from topicwire.relay import topics
from topicwire.relay.channel import (
    ChatRefused,
    RecapLine,
    Rejected,
    Text,
    TopicClosed,
    Unchanged,
)
from topicwire.relay.turn import Turn

LONGEST_COLLECT = 1.0  # seconds that a burst may hold its first message
SUPERFLUOUS = "Duplicate, please delete"

log = structlog.get_logger()


async def carry_out(turn: Turn) -> float:
    """Do what the turn's entry asks for, or the preparation that it still needs."""
    if not turn.entry.ready:
        return await _prepare(turn)
    return await _KINDS[turn.entry.kind](turn)


async def _prepare(turn: Turn) -> float:
    """Make or reopen the topic of an entry, which a later turn will say."""
    if turn.entry.topic_id is None:
        await topics.create(turn)
    elif not await topics.reopen(turn):
        return await _say_into_closed(turn)
    return await turn.give_back()


async def _say_into_closed(turn: Turn) -> float:
    """We may not reopen the topic, but perhaps write into it as it is."""
    await turn.another_call(saying=turn.batch)
    try:
        pause = await _say(turn)
    except TopicClosed as error:
        raise ChatRefused(str(error), "rights") from None
    await turn.persist(lambda db: domain_topics.reopened(db, turn.entry.conversation_id or ""))
    return pause


async def _say(turn: Turn) -> float:
    said, topic_id, reply_to = await _put_in_words(turn)
    if turn.lane.busy and not turn.entry.alone:
        async with turn.means.db.statement() as db:
            followers = await outbox.followers(db, turn.entry)
        if _burst(turn, followers):
            return await turn.put_back("More may follow.", pause=turn.means.collect, called=False)
        if turn.lane.behind:
            said = await _with_followers(turn, said, followers)
    if not said.text:
        return await turn.relayed(None)
    sent = await turn.channel.send(turn.lane.chat_id, topic_id, said, reply_to=reply_to)
    return await turn.relayed(sent.message_id)


def _burst(turn: Turn, followers: Sequence[Follower]) -> bool:
    """Whether a burst is under way, which in a busy lane is better said together than in pieces."""
    newest = followers[-1].age if followers else turn.entry.age
    return newest < turn.means.collect and turn.entry.age < LONGEST_COLLECT


async def _with_followers(turn: Turn, said: Text, followers: Sequence[Follower]) -> Text:
    """Say what waits behind a message with it, as far as one message of Telegram holds it."""
    batch = [turn.entry.id]
    for follower in followers:
        longer = turn.means.wording.joined(said, follower.text)
        if longer is None:
            break
        said = longer
        batch.append(follower.id)
    if len(batch) > 1:
        await turn.say_together(batch)
    return said


async def _put_in_words(turn: Turn) -> tuple[Text, int | None, int | None]:
    """What to send for an entry: text, topic, and the message that it answers."""
    entry, wording = turn.entry, turn.means.wording
    repeated = wording.repeated() if entry.repeated else None
    if isinstance(entry.body, Notice):
        notice = Text(entry.body.text)
        said = wording.stacked(repeated, notice) if repeated else notice
        return said, entry.body.topic_id, entry.body.reply_to
    head = repeated
    if not entry.topic_opened:
        head = wording.visitor_line(
            email=entry.email, name=entry.name, page_url=entry.page_url, locale=entry.locale
        )
        head = wording.stacked(repeated, head) if repeated else head
    if entry.kind == "recap":
        recap = await _recap(turn)
        return (wording.stacked(head, recap) if head else recap), entry.topic_id, None
    return wording.to_telegram(entry.text or "", head=head), entry.topic_id, None


async def _recap(turn: Turn) -> Text:
    async with turn.means.db.statement() as db:
        rows = await conversations.recent(db, turn.entry.conversation_id or "")
    lines = [
        RecapLine(row.at, None if row.origin == "visitor" else row.author or "", row.text) for row in rows
    ]
    return turn.means.wording.recap(lines)


async def _rename(turn: Turn) -> float:
    """Call the topic by the visitor's e-mail address, unless an operator has named it."""
    entry, topic_id, conversation_id = turn.entry, turn.entry.topic_id, turn.entry.conversation_id
    if topic_id is None or conversation_id is None or entry.topic_renamed:
        return await turn.done(called=False)
    name = turn.means.wording.topic_name(entry.email, conversation_id)
    if name == entry.topic_name:
        return await turn.done(called=False)
    with contextlib.suppress(Unchanged):
        await turn.channel.rename_topic(turn.lane.chat_id, topic_id, name)
    await turn.persist(
        lambda db: domain_topics.named(
            db, conversation_id, topic_id=topic_id, was=entry.topic_name, name=name
        )
    )
    return await turn.done()


async def _discard(turn: Turn) -> float:
    """Remove a topic too many; where we may not, say so in its name and close it."""
    body, chat_id = turn.entry.body, turn.lane.chat_id
    if not isinstance(body, Discard) or body.chat_id != chat_id:
        return await turn.done(called=False)
    try:
        await turn.channel.delete_topic(chat_id, body.topic_id)
    except (ChatRefused, Rejected) as error:
        if isinstance(error, ChatRefused) and error.reason != "rights":
            raise
        log.warning("a topic too many stays as an alias", chat=chat_id, topic=body.topic_id, error=str(error))
        await _mark_superfluous(turn, body.topic_id)
    return await turn.done()


async def _mark_superfluous(turn: Turn, topic_id: int) -> None:
    with contextlib.suppress(Unchanged):
        await turn.another_call()
        await turn.channel.rename_topic(turn.lane.chat_id, topic_id, SUPERFLUOUS)
    with contextlib.suppress(Unchanged):
        await turn.another_call()
        await turn.channel.close_topic(turn.lane.chat_id, topic_id)


async def _remove(turn: Turn) -> float:
    body = turn.entry.body
    if not isinstance(body, Remove) or body.chat_id != turn.lane.chat_id:
        return await turn.done(called=False)
    await turn.channel.delete_message(turn.lane.chat_id, body.message_id)
    return await turn.done()


_KINDS: dict[str, Callable[[Turn], Awaitable[float]]] = {
    "message": _say,
    "recap": _say,
    "notice": _say,
    "rename": _rename,
    "discard": _discard,
    "remove": _remove,
}
