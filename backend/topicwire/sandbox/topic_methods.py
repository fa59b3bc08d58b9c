"""The Bot API's methods about forum topics: one small function each."""

from typing import Any

from topicwire.sandbox import shapes
from topicwire.sandbox.answers import bad_request
from topicwire.sandbox.query import Query
from topicwire.sandbox.text import topic_name
from topicwire.sandbox.world import ICON_COLORS, Chat, Topic

NOT_EDITABLE = "not enough rights to edit the topic"
NOT_CLOSABLE = "not enough rights to close or open the topic"
NOT_DELETABLE = "not enough rights to delete the topic"


async def create_forum_topic(query: Query) -> dict[str, Any]:
    """Creating a topic is sending a message about it: it costs as much and takes a message id."""
    arguments = query.arguments
    chat = await query.forum()
    if not query.role(chat).may("can_manage_topics"):
        raise bad_request("not enough rights to create a topic")
    name = _name(arguments.text("name"))
    color = arguments.integer("icon_color")
    if color and color not in ICON_COLORS:
        raise bad_request("invalid icon color specified")
    icon = arguments.text("icon_custom_emoji_id")
    topic = query.backend.create_topic(chat, query.bot_id, name, color=color, icon=icon)
    topic.seen[query.bot_id] = query.clock.now()
    return shapes.forum_topic(topic)


async def edit_forum_topic(query: Query) -> bool:
    """Neither name nor icon given: True, and nothing happens."""
    arguments = query.arguments
    chat = await query.forum()
    thread = query.thread_id()
    has_icon = "icon_custom_emoji_id" in arguments
    raw_name = arguments.text("name")
    topic = _topic_to_edit(query, chat, thread, idle=not raw_name and not has_icon)
    if topic is None:
        return True
    name = _name(raw_name) if raw_name else topic.name
    icon = arguments.text("icon_custom_emoji_id").strip() if has_icon else None
    if name == topic.name and icon in (None, topic.icon):
        raise bad_request("TOPIC_NOT_MODIFIED")
    query.backend.edit_topic(chat, query.bot_id, topic, name=name, icon=icon)
    return True


async def close_forum_topic(query: Query) -> bool:
    chat, topic = await _topic_to_close(query)
    if topic.closed:
        raise bad_request("TOPIC_NOT_MODIFIED")
    query.backend.close_topic(chat, query.bot_id, topic)
    return True


async def reopen_forum_topic(query: Query) -> bool:
    chat, topic = await _topic_to_close(query)
    if not topic.closed:
        raise bad_request("TOPIC_NOT_MODIFIED")
    query.backend.reopen_topic(chat, query.bot_id, topic)
    return True


async def delete_forum_topic(query: Query) -> bool:
    chat = await query.forum()
    topic = query.known_topic(chat, query.thread_id(), "can_delete_messages", NOT_DELETABLE)
    if topic is chat.general():
        raise bad_request("TOPIC_ID_INVALID")
    query.backend.delete_topic(chat, topic)
    topic.seen.clear()  # the server forgets at once what it deleted itself
    return True


async def _topic_to_close(query: Query) -> tuple[Chat, Topic]:
    chat = await query.forum()
    return chat, query.known_topic(chat, query.thread_id(), "can_manage_topics", NOT_CLOSABLE)


def _topic_to_edit(query: Query, chat: Chat, thread: int, *, idle: bool) -> Topic | None:
    """None if there is nothing to do: an idle edit is answered without asking whether the topic exists."""
    if idle and thread > 0 and chat.topic(thread) is None:
        return None
    topic = query.known_topic(chat, thread, "can_manage_topics", NOT_EDITABLE)
    return None if idle else topic


def _name(raw: str) -> str:
    name = topic_name(raw)
    if not name:
        raise bad_request("name must be non-empty")
    return name
