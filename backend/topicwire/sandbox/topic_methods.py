"""The Bot API's methods about forum topics: one small function each."""

from typing import Any

from topicwire.sandbox import shapes
from topicwire.sandbox.answers import bad_request
from topicwire.sandbox.arguments import to_integer
from topicwire.sandbox.flood import Cost
from topicwire.sandbox.query import Query
from topicwire.sandbox.text import topic_name
from topicwire.sandbox.world import ICON_COLORS, Chat, Topic

Json = dict[str, Any]

ICONS = {
    "5434144690511290129": "📰", "5312536423851630001": "💡", "5312016608254762256": "⚡️",
    "5377544228505134960": "🎙", "5418085807791545980": "🔝", "5370870893004203704": "🗣",
    "5420216386448270341": "🆒", "5379748062124056162": "❗️", "5373251851074415873": "📝",
    "5433614043006903194": "📆", "5357315181649076022": "📁", "5309965701241379366": "🔎",
}  # fmt: skip
NOT_EDITABLE = "not enough rights to edit the topic"
NOT_CLOSABLE = "not enough rights to close or open the topic"
NOT_DELETABLE = "not enough rights to delete the topic"


async def create_forum_topic(query: Query) -> dict[str, Any]:
    """Creating a topic is sending a message about it: it costs as much and takes a message id."""
    arguments = query.arguments
    chat = await query.forum()
    if not query.role(chat).may("can_manage_topics"):
        raise bad_request("not enough rights to create a topic")
    name = topic_name(arguments.text("name"))
    color = arguments.integer("icon_color")
    if color and color not in ICON_COLORS:
        raise bad_request("invalid icon color specified")
    icon = _icon(arguments.text("icon_custom_emoji_id"))
    topic = query.backend.create_topic(chat, query.bot_id, name, color=color, icon=icon)
    topic.seen[query.bot_id] = query.clock.now()
    return shapes.forum_topic(topic)


async def edit_forum_topic(query: Query) -> bool:
    """Neither name nor icon given: True without asking the backend, whether or not there is such a topic."""
    arguments = query.arguments
    has_icon = "icon_custom_emoji_id" in arguments
    raw_name = arguments.text("name")
    is_idle = not raw_name and not has_icon
    chat = await query.forum(Cost.FREE if is_idle else Cost.TOPIC)
    thread = query.thread_id()
    query.check_topic(chat, thread, "can_manage_topics", NOT_EDITABLE)
    name = topic_name(raw_name) if raw_name else None
    if is_idle:
        return True
    topic = query.managed_topic(chat, thread, "can_manage_topics", NOT_EDITABLE)
    name = name or topic.name
    icon = _icon(arguments.text("icon_custom_emoji_id")) if has_icon else None
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
    """The server lets a topic's creator try without the right, the backend does not (Bot API)."""
    chat = await query.forum()
    topic = query.managed_topic(chat, query.thread_id(), "can_delete_messages", NOT_DELETABLE, own=False)
    if topic is chat.general():
        raise bad_request("TOPIC_ID_INVALID")
    query.backend.delete_topic(chat, topic)
    topic.seen.clear()  # the server forgets at once what it deleted itself
    return True


async def edit_general_forum_topic(query: Query) -> bool:
    chat, general = await _general(query)
    name = topic_name(query.arguments.text("name"))
    if name == general.name:
        raise bad_request("TOPIC_NOT_MODIFIED")
    query.backend.edit_topic(chat, query.bot_id, general, name=name)
    return True


async def close_general_forum_topic(query: Query) -> bool:
    chat, general = await _general(query)
    if general.closed:
        raise bad_request("TOPIC_NOT_MODIFIED")
    query.backend.close_topic(chat, query.bot_id, general)
    return True


async def reopen_general_forum_topic(query: Query) -> bool:
    """One that is hidden becomes visible (Bot API)."""
    chat, general = await _general(query)
    if not general.closed:
        raise bad_request("TOPIC_NOT_MODIFIED")
    general.hidden = False
    query.backend.reopen_topic(chat, query.bot_id, general)
    return True


async def hide_general_forum_topic(query: Query) -> bool:
    """It is closed by that (Bot API)."""
    chat, general = await _general(query)
    if general.hidden:
        raise bad_request("TOPIC_NOT_MODIFIED")
    query.backend.hide_general(chat, query.bot_id, hidden=True)
    return True


async def unhide_general_forum_topic(query: Query) -> bool:
    chat, general = await _general(query)
    if not general.hidden:
        raise bad_request("TOPIC_NOT_MODIFIED")
    query.backend.hide_general(chat, query.bot_id, hidden=False)
    return True


async def unpin_all_forum_topic_messages(query: Query) -> bool:
    """Asks whether the topic exists, but changes nothing that anybody is told of."""
    chat = await query.forum()
    thread = query.thread_id()
    if thread <= 0:
        raise bad_request("invalid forum topic identifier specified")
    query.check_may_pin(chat)
    topic = chat.topic(thread)
    if topic is None:
        raise bad_request("TOPIC_ID_INVALID")
    query.backend.unpin(chat, topic.messages)
    return True


async def unpin_all_general_forum_topic_messages(query: Query) -> bool:
    chat = await query.forum()
    query.check_may_pin(chat)
    query.backend.unpin(chat, chat.general().messages)
    return True


async def get_forum_topic_icon_stickers(query: Query) -> list[Json]:
    """The icons that a topic may have without Telegram Premium."""
    return [
        {
            "file_id": shapes.file_id(query.bot_id, f"AgAD{int(icon) % 16**8:08x}"),
            "file_unique_id": f"AgAD{int(icon) % 16**8:08x}",
            "type": "custom_emoji",
            "width": 100,
            "height": 100,
            "is_animated": True,
            "is_video": False,
            "emoji": emoji,
            "set_name": "Topics",
            "custom_emoji_id": icon,
        }
        for icon, emoji in ICONS.items()
    ]


async def _general(query: Query) -> tuple[Chat, Topic]:
    chat = await query.forum()
    if not query.role(chat).may("can_manage_topics"):
        raise bad_request(NOT_CLOSABLE)
    return chat, chat.general()


def _icon(raw: str) -> str:
    """The icon's id; what is no number is none. Only those that need no Telegram Premium are taken."""
    number = to_integer(raw)
    if number and str(number) not in ICONS:
        raise bad_request("DOCUMENT_INVALID")
    return str(number) if number else ""


async def _topic_to_close(query: Query) -> tuple[Chat, Topic]:
    chat = await query.forum()
    return chat, query.managed_topic(chat, query.thread_id(), "can_manage_topics", NOT_CLOSABLE)
