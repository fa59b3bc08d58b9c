"""The world as the console and tests see it: the Bot API's shapes with what only people can see added."""

from typing import Any

from topicwire.sandbox import shapes
from topicwire.sandbox.world import GENERAL, Chat, Message, Topic, World

Json = dict[str, Any]


def message(world: World, chat: Chat, said: Message) -> Json:
    """A Bot API Message and `reactions`: `[{user, emoji}]`."""
    shape = shapes.message(world, chat, said, world.bot.id)
    if said.reactions:
        shape["reactions"] = [
            {"user": author, "emoji": each.get("emoji", "⭐")}
            for author, given in said.reactions.items()
            for each in given
        ]
    return shape


def topic(world: World, chat: Chat, listed: Topic) -> Json:
    """One line of the list of topics; General has id 1."""
    shape: Json = {
        "id": listed.id,
        "name": chat.title if listed.id == GENERAL and not chat.is_forum else listed.name,
        "icon_color": listed.color,
        "closed": listed.closed,
        "unread": listed.unread,
        "messages": len(listed.messages),
    }
    if listed.id == GENERAL and listed.hidden:
        shape["hidden"] = True
    pinned = [each for each in chat.pinned if (chat.messages[each].thread or GENERAL) == listed.id]
    if pinned:
        shape["pinned"] = [message(world, chat, chat.messages[each]) for each in pinned]
    if listed.messages:
        shape["last"] = message(world, chat, chat.messages[listed.messages[-1]])
    return shape


def chat(world: World, group: Chat) -> Json:
    """A group with its topics, the liveliest first."""
    bot = group.member(world.bot.id)
    topics = [group.general()] + [
        each for each in group.topics.values() if each.id != GENERAL and not each.deleted
    ]
    shown = topics if group.is_forum else topics[:1]
    return shapes.chat(group) | {
        "is_forum": group.is_forum,
        "migrated_to": group.migrated_to,
        "deleted": group.deleted,
        "bot": {"status": bot.status, "rights": bot.rights},
        "members": [
            {"id": person_id, "status": role.status, "rights": role.rights}
            for person_id, role in group.members.items()
        ],
        "topics": [
            topic(world, group, each)
            for each in sorted(
                shown, key=lambda each: each.messages[-1] if each.messages else each.id, reverse=True
            )
        ],
    }


def people(world: World) -> list[Json]:
    return [shapes.user(person) for person in world.people.values()]
