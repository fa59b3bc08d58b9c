"""The world in the shapes of the Bot API: what is absent there is absent here, never null."""

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


def full_chat(group: Chat) -> Json:
    """getChat's answer."""
    return chat(group) | {
        "accent_color_id": 3,
        "max_reaction_count": 11,
        "accepted_gift_types": dict.fromkeys(_GIFTS, False),
        "permissions": _PERMISSIONS,
        "has_visible_history": True,
    }


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


def message(world: World, group: Chat, said: Message, *, nested: bool = False) -> Json:
    """A Message; replies are not nested twice, and what is in a topic points at the topic's root."""
    shape: Json = {
        "message_id": said.id,
        "from": user(world.people[said.author]),
        "chat": chat(group),
        "date": said.date,
    }
    if said.author == ANONYMOUS:
        shape["sender_chat"] = chat(group)
    if said.thread is not None:
        shape["message_thread_id"] = said.thread
        shape["is_topic_message"] = True
    if not nested:
        _add_reply(shape, world, group, said)
    if said.edit_date is not None:
        shape["edit_date"] = said.edit_date
    if said.protected:
        shape["has_protected_content"] = True
    if said.markup is not None:
        shape["reply_markup"] = said.markup
    shape.update(said.content)
    return shape


def _add_reply(shape: Json, world: World, group: Chat, said: Message) -> None:
    answered = said.reply_to or said.thread
    if answered is None or answered == said.id:
        return
    original = group.messages.get(answered)
    if original is not None:
        shape["reply_to_message"] = message(world, group, original, nested=True)
