"""The world in the shapes of the Bot API: what is absent there is absent here, never null."""

import base64
from typing import Any

from topicwire.sandbox.world import (
    ADMIN_RIGHTS,
    ANONYMOUS,
    MEMBER_RIGHTS,
    Chat,
    Member,
    Message,
    Person,
    Topic,
    World,
)

Json = dict[str, Any]

_PERMISSIONS = {
    right: True for right in MEMBER_RIGHTS if right not in ("can_change_info", "can_pin_messages")
}
MEDIA = frozenset(("photo", "video", "voice", "audio", "document", "animation", "sticker", "video_note"))
_GIFTS = (
    "unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels",
)  # fmt: skip


def user(person: Person) -> Json:
    shape: Json = {"id": person.id, "is_bot": person.is_bot, "first_name": person.first_name}
    if person.last_name:
        shape["last_name"] = person.last_name
    if person.username:
        shape["username"] = person.username
    return shape


def me(bot: Person) -> Json:
    """getMe's answer."""
    return user(bot) | {
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
        "has_topics_enabled": False,
    }


def chat(group: Chat) -> Json:
    shape: Json = {"id": group.id, "title": group.title, "type": group.type}
    if group.is_forum:
        shape["is_forum"] = True
    return shape


def full_chat(world: World, group: Chat, bot_id: int) -> Json:
    """getChat's answer."""
    shape = chat(group) | {
        "accent_color_id": 3,
        "max_reaction_count": 11,
        "accepted_gift_types": dict.fromkeys(_GIFTS, False),
        "permissions": _PERMISSIONS,
        "has_visible_history": True,
    }
    if group.pinned:
        shape["pinned_message"] = message(world, group, group.messages[group.pinned[-1]], bot_id, nested=True)
    return shape


def member(person: Person, role: Member) -> Json:
    """A ChatMember of the kind that the status asks for."""
    shape: Json = {"user": user(person), "status": role.status}
    if role.is_admin():
        shape["is_anonymous"] = person.id == ANONYMOUS
    if role.status == "administrator":
        shape["can_be_edited"] = False
        shape |= {right: right in role.rights for right in ADMIN_RIGHTS}
    if role.status == "restricted":
        shape |= {"is_member": True, "until_date": 0} | {
            right: right in role.rights for right in MEMBER_RIGHTS
        }
    if role.status == "kicked":
        shape["until_date"] = 0
    return shape


def forum_topic(topic: Topic) -> Json:
    shape: Json = {"message_thread_id": topic.id, "name": topic.name, "icon_color": topic.color}
    if topic.icon:
        shape["icon_custom_emoji_id"] = topic.icon
    return shape


def is_anonymous(person: Person) -> bool:
    """Whether this is what anonymous administrators of every group appear to be."""
    return person.id == ANONYMOUS


def with_people(world: World, entities: list[Json]) -> list[Json]:
    """Mentions with the whole person in them; those of somebody who is not there are left out."""
    people = world.people
    return [
        entity | {"user": user(people[entity["user"]["id"]])} if entity["type"] == "text_mention" else entity
        for entity in entities
        if entity["type"] != "text_mention" or entity["user"]["id"] in people
    ]


def file_id(bot_id: int, unique: str) -> str:
    """The id of a file as one bot knows it: no other bot can use it."""
    owner = base64.urlsafe_b64encode(bot_id.to_bytes(8, "big")).decode().rstrip("=")
    return f"BQACAgIAAxkB{owner}{unique}NgQ"


def unique_of(asked: str) -> str:
    """What a file_id says the file is, for all bots."""
    return asked.removesuffix("NgQ")[-12:]


def message(world: World, group: Chat, said: Message, bot_id: int, *, nested: bool = False) -> Json:
    """A Message as one bot sees it.

    Replies are not nested twice, and what is in a topic points at the topic's root.
    """
    shape: Json = {
        "message_id": said.id,
        "from": user(world.people[said.author]),
        "chat": chat(group),
        "date": said.date,
    }
    if said.author == ANONYMOUS:
        shape["sender_chat"] = shape["chat"]
    if said.thread is not None:
        shape["message_thread_id"] = said.thread
        shape["is_topic_message"] = True
    elif said.reply_to is not None and group.type == "supergroup" and not group.is_forum:
        shape["message_thread_id"] = _reply_thread(group, said)  # which is no topic
    if not nested:
        _add_reply(shape, world, group, said, bot_id)
    if said.edit_date is not None:
        shape["edit_date"] = said.edit_date
    if said.protected:
        shape["has_protected_content"] = True
    if said.markup is not None:
        shape["reply_markup"] = said.markup
    shape.update(said.content)
    if "text" not in said.content:
        _finish_content(shape, world, group, bot_id, nested=nested)
    return shape


def with_file_ids(content: Json, bot_id: int) -> Json:
    """Content with the ids that its files have for a bot."""
    named = dict(content)
    for name in MEDIA & content.keys():
        value = content[name]
        if name == "photo":
            named[name] = [_named(size, bot_id) for size in value]
        else:
            named[name] = _named(value, bot_id)
    return named


def _named(stored: Json, bot_id: int) -> Json:
    return {"file_id": file_id(bot_id, stored["file_unique_id"])} | {
        name: _named(value, bot_id) if name == "thumbnail" else value
        for name, value in stored.items()
        if name != "file_id"
    }


def _finish_content(shape: Json, world: World, group: Chat, bot_id: int, *, nested: bool) -> None:
    if not MEDIA.isdisjoint(shape):
        shape.update(with_file_ids(shape, bot_id))
    pinned = shape.get("pinned_message")
    if isinstance(pinned, int):
        original = group.messages.get(pinned)
        if original is None or nested:
            gone = {"message_id": pinned, "date": 0, "chat": chat(group)}  # InaccessibleMessage
            shape["pinned_message"] = gone
        else:
            shape["pinned_message"] = message(world, group, original, bot_id, nested=True)


def _reply_thread(group: Chat, said: Message) -> int:
    """The message that a chain of answers began with."""
    answered = said
    while answered.reply_to is not None and answered.reply_to in group.messages:
        answered = group.messages[answered.reply_to]
    return answered.id if answered.reply_to is None else answered.reply_to


def _add_reply(shape: Json, world: World, group: Chat, said: Message, bot_id: int) -> None:
    answered = said.reply_to or said.thread
    if answered is None or answered == said.id:
        return
    original = group.messages.get(answered)
    if original is not None:
        shape["reply_to_message"] = message(world, group, original, bot_id, nested=True)
