"""From the operators to the visitor: what an event of the group changes, in the update's commit.

The update's key and its effect are committed together, so an update counts once; whoever committed
rings afterwards.
"""

from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import structlog
from msgspec import Struct

from topicwire import metrics
from topicwire.db import Connection, Row, is_away
from topicwire.domain import conversations, groups, inbox, lanes, outbox, topics
from topicwire.domain.conversations import Answer, Change
from topicwire.domain.outbox import Discard, Notice
from topicwire.relay.channel import (
    ChatMigrated,
    Edited,
    Event,
    LinkAsked,
    MembershipChanged,
    Seen,
    Text,
    TopicChanged,
    Wrote,
)

UNREAD = "This topic belongs to no conversation: what is written here reaches no visitor."
_LOST = {
    "Wrote": "This message did not reach the visitor, although it was tried for an hour: something is wrong"
    " in Topicwire, whose log tells more. Please write it again, perhaps in other words.",
    "Edited": "The change of this message did not reach the visitor, although it was tried for an hour:"
    " something is wrong in Topicwire, whose log tells more. Please write it as a new message.",
}

log = structlog.get_logger()


class Effects(Struct):
    """What to ring for, once it is committed; `unowned`: the event's topic belongs to nobody yet."""

    changes: list[Change] = []
    drains: list[int] = []
    command: bool = False
    unowned: bool = False


async def take(
    db: Connection, *, bot_id: int, update_id: int, event: Event | None, seen: Seen | None = None
) -> Effects:
    """Commit to an update and its effect. An update that was taken before has none."""
    chat_id, message_id = (None, None) if seen is None else (seen.chat_id, seen.message_id)
    if not await inbox.take(db, bot_id=bot_id, update_id=update_id, chat_id=chat_id, message_id=message_id):
        metrics.updates_repeated.inc()
        return await _ring_again(db, event)
    return Effects() if event is None else await _effect(db, bot_id, update_id, event)


async def _effect(db: Connection, bot_id: int, update_id: int, event: Event) -> Effects:
    if isinstance(event, LinkAsked):
        await inbox.keep(
            db, bot_id=bot_id, update_id=update_id, state="command", event=event,
            chat_id=event.chat_id, topic_id=event.topic_id,
        )  # fmt: skip
        return Effects(command=True)
    if isinstance(event, MembershipChanged | ChatMigrated):
        return await _group_changed(db, bot_id, event)
    if not await groups.hears(db, bot_id=bot_id, chat_id=event.chat_id):
        return Effects()
    return await _in_topic(db, bot_id, update_id, event)


async def _in_topic(
    db: Connection, bot_id: int, update_id: int, event: Wrote | Edited | TopicChanged
) -> Effects:
    if isinstance(event, TopicChanged) and event.ours:
        return await _own_topic(db, bot_id, event)
    if not await inbox.keeps(db, chat_id=event.chat_id, topic_id=event.topic_id):
        effects = await apply(db, event)
        if not effects.unowned:
            return effects
    return await _wait(db, bot_id, update_id, event)


async def take_answer(db: Connection, *, bot_id: int, update_id: int, event: Wrote) -> Effects | None:
    """The short way for what comes most often; None, with nothing changed, where it needs `take`."""
    change = await inbox.take_answer(db, bot_id=bot_id, update_id=update_id, answer=_answer(event))
    return None if change is None else Effects(changes=[change])


async def apply(db: Connection, event: Event) -> Effects:
    """The effect of what somebody did in a topic; `unowned` when the topic is nobody's."""
    match event:
        case Wrote():
            return await _wrote(db, event)
        case Edited():
            return await _edited(db, event)
        case TopicChanged():
            return await _topic_changed(db, event)
    return Effects()


async def _wrote(db: Connection, event: Wrote) -> Effects:
    owner = await topics.owner_of(db, chat_id=event.chat_id, topic_id=event.topic_id)
    if owner is None:
        return Effects(unowned=True)
    message = await conversations.answer(db, owner, _answer(event))
    return Effects() if message is None else Effects(changes=[Change(owner, message.rev, message)])


def _answer(event: Wrote) -> Answer:
    return Answer(
        chat_id=event.chat_id,
        topic_id=event.topic_id,
        message_id=event.message_id,
        author=event.author,
        said=event.text.text,
        entities=_entities(event.text),
        reply_to=event.reply_to,
    )


async def _edited(db: Connection, event: Edited) -> Effects:
    change = await conversations.edit(
        db,
        chat_id=event.chat_id,
        message_id=event.message_id,
        at=event.at,
        said=event.text.text,
        entities=_entities(event.text),
    )
    if change is not None:
        return Effects(changes=[change])
    owner = await topics.owner_of(db, chat_id=event.chat_id, topic_id=event.topic_id)
    return Effects(unowned=owner is None)


async def _topic_changed(db: Connection, event: TopicChanged) -> Effects:
    owner = await topics.owner_of(db, chat_id=event.chat_id, topic_id=event.topic_id)
    if owner is None:
        return Effects()
    if event.change in ("closed", "reopened"):
        rev = await topics.set_closed(db, owner, topic_id=event.topic_id, closed=event.change == "closed")
        state = "closed" if event.change == "closed" else "open"
        return Effects() if rev is None else Effects(changes=[Change(owner, rev, state=state)])
    if event.change == "renamed" and event.name:
        await topics.set_name(db, owner, topic_id=event.topic_id, name=event.name)
    return Effects()


# Topics of our own making, whose id may be told by the update before, instead of or long after the answer


async def _own_topic(db: Connection, bot_id: int, event: TopicChanged) -> Effects:
    """Find out whose topic it is that we made, unless that is known."""
    if event.change != "created" or await topics.owner_of(db, chat_id=event.chat_id, topic_id=event.topic_id):
        return Effects()
    group_id, asked = await lanes.lock_asked_topic(db, bot_id=bot_id, chat_id=event.chat_id)
    if asked is None or asked.name != event.name:
        return await _late_topic(db, group_id, event)
    changes = await claim(
        db, asked.conversation_id, group_id=group_id,
        chat_id=event.chat_id, topic_id=event.topic_id, name=asked.name,
    )  # fmt: skip
    return Effects(changes=changes, drains=[group_id])


async def _late_topic(db: Connection, group_id: int, event: TopicChanged) -> Effects:
    """Another was made in its place meanwhile: this one is too many, if we can tell whose it was."""
    await topics.lock(db, chat_id=event.chat_id, topic_id=event.topic_id)
    owner = await topics.owner_of(db, chat_id=event.chat_id, topic_id=event.topic_id)
    whose = await topics.only_one_called(db, group_id=group_id, name=event.name or "")
    if owner is not None or whose is None:
        return Effects()
    await _one_too_many(db, whose, group_id=group_id, chat_id=event.chat_id, topic_id=event.topic_id)
    missed = await replay(db, chat_id=event.chat_id, topic_id=event.topic_id)
    return Effects(changes=missed.changes, drains=[group_id])


async def claim(
    db: Connection, conversation_id: str, *, group_id: int, chat_id: int, topic_id: int, name: str
) -> list[Change]:
    """Give a conversation the topic that was asked for; what its visitor missed until now.

    Where it has got another one meanwhile, this one becomes an alias and is discarded.
    """
    await lanes.got_topic(db, group_id, conversation_id)
    await topics.lock(db, chat_id=chat_id, topic_id=topic_id)
    if not await topics.claim(db, conversation_id, chat_id=chat_id, topic_id=topic_id, name=name):
        await _one_too_many(db, conversation_id, group_id=group_id, chat_id=chat_id, topic_id=topic_id)
    return (await replay(db, chat_id=chat_id, topic_id=topic_id)).changes


async def _one_too_many(
    db: Connection, conversation_id: str, *, group_id: int, chat_id: int, topic_id: int
) -> None:
    await topics.add_alias(db, conversation_id, chat_id=chat_id, topic_id=topic_id)
    await outbox.tidy_up(db, group_id, Discard(chat_id, topic_id))


# What is kept, because its topic was nobody's or its effect failed


async def replay(db: Connection, *, chat_id: int, topic_id: int) -> Effects:
    """Carry out what is kept of a topic, in order, as far as somebody owns it and nothing fails.

    What fails again an hour after it came is given up: the operators are told, and what is behind it goes on.
    """
    done = Effects()
    await topics.lock(db, chat_id=chat_id, topic_id=topic_id)
    for row in await inbox.of_topic(db, chat_id=chat_id, topic_id=topic_id):
        effects = await _try(db, row, lambda event: apply(db, event))
        if effects is None and not (row.late and row.state == "failed"):
            await inbox.mark(db, bot_id=row.bot_id, update_id=row.update_id, state="failed")
            break
        if effects is None:
            done.drains += await _give_up(db, row)
        elif effects.unowned:
            await inbox.mark(db, bot_id=row.bot_id, update_id=row.update_id, state="waiting")
            break
        else:
            await inbox.done(db, bot_id=row.bot_id, update_id=row.update_id)
            done.changes += effects.changes
    return done


async def replay_outside_topics(db: Connection) -> Effects:
    """Try again what failed and belongs to no topic; what has failed for an hour is given up."""
    done = Effects()
    for row in await inbox.stuck_outside_topics(db):
        effects = await _try(db, row, partial(_effect_of_kept, db, row))
        if effects is not None:
            done.drains += effects.drains
        elif row.late:
            await _give_up(db, row)
    return done


async def _effect_of_kept(db: Connection, row: Row, event: Event) -> Effects:
    await inbox.done(db, bot_id=row.bot_id, update_id=row.update_id)  # a command will be kept as such
    return await _effect(db, row.bot_id, row.update_id, event)


async def _try(db: Connection, row: Row, carry_out: Callable[[Event], Awaitable[Effects]]) -> Effects | None:
    """Carry out an event that is kept; None, with nothing changed, when that fails."""
    try:
        async with db.savepoint():
            return await carry_out(msgspec.convert(row.body, type=Event))
    except Exception as error:
        if is_away(error):
            raise
        log.warning("a kept update fails", bot=row.bot_id, update=row.update_id, error=repr(error))
        return None


async def _give_up(db: Connection, row: Row) -> list[int]:
    """Say in the topic what did not reach the visitor; the group to ring for."""
    log.error("an update is lost", bot=row.bot_id, update=row.update_id)
    metrics.updates_lost.inc()
    await inbox.mark(db, bot_id=row.bot_id, update_id=row.update_id, state="lost")
    words = _LOST.get(row.body.get("type"))
    group_id = await groups.of_chat(db, bot_id=row.bot_id, chat_id=row.body.get("chat_id", 0))
    if words is None or group_id is None:
        return []
    await outbox.add_notice(db, group_id, Notice(words, row.body["topic_id"], row.body["message_id"]))
    return [group_id]


async def tell_unread(db: Connection) -> Effects:
    """Say, once in each, in topics of nobody that what was written there an hour ago is not read."""
    told = await inbox.unread(db)
    for group_id, topic_id in told:
        await outbox.add_notice(db, group_id, Notice(UNREAD, topic_id))
    return Effects(drains=[group_id for group_id, _ in told])


async def _group_changed(db: Connection, bot_id: int, event: MembershipChanged | ChatMigrated) -> Effects:
    if isinstance(event, MembershipChanged) and not event.admin:
        trouble = "kicked" if event.status in ("left", "kicked") else "rights"
        await groups.suspend(db, bot_id=bot_id, chat_id=event.chat_id, trouble=trouble)
        return Effects()
    if isinstance(event, MembershipChanged):
        group_id = await groups.wake(db, bot_id=bot_id, chat_id=event.chat_id)
    else:
        group_id = await move_chat(
            db, bot_id=bot_id, old_chat_id=event.old_chat_id, new_chat_id=event.new_chat_id
        )
    return Effects(drains=[] if group_id is None else [group_id])


async def move_chat(db: Connection, *, bot_id: int, old_chat_id: int, new_chat_id: int) -> int | None:
    """Follow a group to its new id, where its conversations get new topics; its id, if it is ours."""
    group_id = await groups.move(db, bot_id=bot_id, old_chat_id=old_chat_id, new_chat_id=new_chat_id)
    if group_id is not None:
        project_id = await groups.project_of(db, group_id)
        if project_id is not None:
            await topics.leave(db, project_id=project_id, except_chat=new_chat_id)
    return group_id


async def _wait(db: Connection, bot_id: int, update_id: int, event: Wrote | Edited | TopicChanged) -> Effects:
    """Keep the event until its topic is claimed and what came before is done, unless both just happened."""
    await topics.lock(db, chat_id=event.chat_id, topic_id=event.topic_id)
    if not await inbox.keeps(db, chat_id=event.chat_id, topic_id=event.topic_id):
        effects = await apply(db, event)
        if not effects.unowned:
            return effects
    await inbox.keep(
        db, bot_id=bot_id, update_id=update_id, state="waiting", event=event,
        chat_id=event.chat_id, topic_id=event.topic_id,
    )  # fmt: skip
    return Effects()


async def keep_failed(
    db: Connection, *, bot_id: int, update_id: int, event: Event | None, seen: Seen | None
) -> None:
    """Keep an update whose effect cannot be carried out now; later ones of its topic wait behind it."""
    chat_id, message_id = (0, None) if seen is None else (seen.chat_id, seen.message_id)
    taken = await inbox.take(db, bot_id=bot_id, update_id=update_id, chat_id=chat_id, message_id=message_id)
    if taken and event is not None:
        topic_id = event.topic_id if isinstance(event, Wrote | Edited | TopicChanged) else None
        await inbox.keep(
            db, bot_id=bot_id, update_id=update_id, state="failed", event=event,
            chat_id=getattr(event, "chat_id", chat_id), topic_id=topic_id,
        )  # fmt: skip


async def _ring_again(db: Connection, event: Event | None) -> Effects:
    """A repeated update has no effect, but its first ring may have been lost."""
    if not isinstance(event, Wrote | Edited):
        return Effects(command=isinstance(event, LinkAsked))
    owner = await topics.owner_of(db, chat_id=event.chat_id, topic_id=event.topic_id)
    if owner is None:
        return Effects()
    return Effects(changes=[Change(id_, rev) for id_, rev, _ in await conversations.heads(db, [owner])])


def _entities(text: Text) -> bytes | None:
    return msgspec.json.encode(text.entities) if text.entities else None
