"""Every method of the Bot API that the sandbox has, by name."""

from collections.abc import Awaitable, Callable
from typing import Any

from topicwire.sandbox import methods, topic_methods, update_methods
from topicwire.sandbox.query import Query

METHODS: dict[str, Callable[[Query], Awaitable[Any]]] = {
    "getMe": methods.get_me,
    "getChat": methods.get_chat,
    "getChatMember": methods.get_chat_member,
    "getChatAdministrators": methods.get_chat_administrators,
    "leaveChat": methods.leave_chat,
    "setMyCommands": methods.set_my_commands,
    "sendMessage": methods.send_message,
    "editMessageText": methods.edit_message_text,
    "editMessageReplyMarkup": methods.edit_message_reply_markup,
    "deleteMessage": methods.delete_message,
    "setMessageReaction": methods.set_message_reaction,
    "sendChatAction": methods.send_chat_action,
    "createForumTopic": topic_methods.create_forum_topic,
    "editForumTopic": topic_methods.edit_forum_topic,
    "closeForumTopic": topic_methods.close_forum_topic,
    "reopenForumTopic": topic_methods.reopen_forum_topic,
    "deleteForumTopic": topic_methods.delete_forum_topic,
    "setWebhook": update_methods.set_webhook,
    "deleteWebhook": update_methods.delete_webhook,
    "getWebhookInfo": update_methods.get_webhook_info,
    "getUpdates": update_methods.get_updates,
}
