"""From the operators to the visitor: what an event of the group changes, in the update's commit.

The update's key and its effect are committed together, so an update counts once; whoever committed
rings afterwards.
"""

import msgspec
from msgspec import Struct

from topicwire import metrics
from topicwire.db import Connection
from topicwire.domain import conversations, groups, inbox, lanes, outbox, topics
from topicwire.domain.conversations import Answer, Change
from topicwire.domain.outbox import Discard
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
    if event is None:
        return Effects()
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
    effects = await apply(db, event)
    if effects.unowned:
        effects = await _wait_for_owner(db, bot_id, update_id, event)
    return effects


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
    changes = await _replay(db, chat_id=event.chat_id, topic_id=event.topic_id)
    return Effects(changes=changes, drains=[group_id])


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
    return await _replay(db, chat_id=chat_id, topic_id=topic_id)


async def _one_too_many(
    db: Connection, conversation_id: str, *, group_id: int, chat_id: int, topic_id: int
) -> None:
    await topics.add_alias(db, conversation_id, chat_id=chat_id, topic_id=topic_id)
    await outbox.tidy_up(db, group_id, Discard(chat_id, topic_id))


async def _replay(db: Connection, *, chat_id: int, topic_id: int) -> list[Change]:
    """Carry out what was said in a topic before anybody owned it, in order."""
    changes = []
    for row in await inbox.waiting(db, chat_id=chat_id, topic_id=topic_id):
        event = msgspec.convert(row.body, type=Event)
        changes += (await apply(db, event)).changes
        await inbox.done(db, bot_id=row.bot_id, update_id=row.update_id)
    return changes


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


async def _wait_for_owner(
    db: Connection, bot_id: int, update_id: int, event: Wrote | Edited | TopicChanged
) -> Effects:
    """Keep the event for the moment its topic is claimed, unless that has just happened."""
    await topics.lock(db, chat_id=event.chat_id, topic_id=event.topic_id)
    effects = await apply(db, event)
    if effects.unowned:
        await inbox.keep(
            db, bot_id=bot_id, update_id=update_id, state="waiting", event=event,
            chat_id=event.chat_id, topic_id=event.topic_id,
        )  # fmt: skip
    return effects


async def keep_failed(db: Connection, *, bot_id: int, update_id: int, event: Event | None) -> None:
    """Keep an update whose effect cannot be carried out, for somebody to look at."""
    if await inbox.take(db, bot_id=bot_id, update_id=update_id) and event is not None:
        await inbox.keep(
            db, bot_id=bot_id, update_id=update_id, state="failed", event=event,
            chat_id=getattr(event, "chat_id", 0), topic_id=getattr(event, "topic_id", None),
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
