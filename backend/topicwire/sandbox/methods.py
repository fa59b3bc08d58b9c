"""The Bot API's methods about the bot, chats and messages: one small function each."""

import math
from typing import Any

from topicwire.sandbox import shapes
from topicwire.sandbox.answers import bad_request, too_many_requests
from topicwire.sandbox.flood import Cost
from topicwire.sandbox.query import Access, Query
from topicwire.sandbox.sending import Content, send, text_content
from topicwire.sandbox.world import ANONYMOUS, Member

Json = dict[str, Any]

NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same"
    " as a current content and reply markup of the message"
)
_ACTIONS_WORDS = """
typing upload_photo record_video upload_video record_voice upload_voice upload_document
choose_sticker find_location pick_up_location record_video_note upload_video_note record_audio
upload_audio cancel
"""
ACTIONS = frozenset(_ACTIONS_WORDS.split())
_EMOJI_REACTIONS_WORDS = """
👍 👎 ❤ 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤‍🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐
🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻 👨‍💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾
🤷‍♂ 🤷 🤷‍♀ 😡
"""
EMOJI_REACTIONS = frozenset(_EMOJI_REACTIONS_WORDS.split())
CALLBACK_GONE = "query is too old and response timeout expired or query ID is invalid"
YOUNG_SECONDS = 600


async def get_me(query: Query) -> Json:
    return shapes.me(query.account.person)


async def get_chat(query: Query) -> Json:
    return shapes.full_chat(query.world, await query.chat(access=Access.READ), query.bot_id)


async def get_chat_member(query: Query) -> Json:
    user_id = query.arguments.integer("user_id")
    if user_id <= 0:
        raise bad_request("invalid user_id specified")
    chat = await query.chat(access=Access.READ if user_id == query.bot_id else Access.MEMBERS)
    person = query.world.people.get(user_id)
    if person is None:
        raise bad_request("user not found")
    return shapes.member(person, chat.member(user_id))


async def get_chat_administrators(query: Query) -> list[Json]:
    """People only, and the bot itself: other bots are left out."""
    chat = await query.chat(access=Access.MEMBERS)
    people = query.world.people
    return [
        shapes.member(people[person_id], role)
        for person_id, role in chat.members.items()
        if role.is_admin() and (person_id == query.bot_id or not people[person_id].is_bot)
    ]


async def leave_chat(query: Query) -> bool:
    chat = await query.chat()
    query.backend.set_member(chat, query.bot_id, Member("left"), actor=query.bot_id)
    return True


async def set_my_commands(query: Query) -> bool:
    commands = query.arguments.structure("commands", "bot commands") or []
    if not isinstance(commands, list) or not all(isinstance(command, dict) for command in commands):
        raise bad_request("expected an Array of BotCommand")
    query.account.commands = commands
    return True


async def send_message(query: Query) -> Json:
    """The text is read before anything else; what is left of it is checked after the chat."""
    raw = query.text()

    async def make() -> Content:
        return "text", text_content(raw)

    return await send(query, make)


async def edit_message_text(query: Query) -> Json:
    raw = query.text()
    markup = query.markup()
    chat = await query.chat(Cost.EDIT, access=Access.EDIT)
    message = query.own_message(chat)
    if "text" not in message.content:
        raise bad_request("there is no text in the message to edit")
    content = text_content(raw, too_long="MESSAGE_TOO_LONG")
    query.check_inline(markup)
    if content == message.content and markup.inline == message.markup:
        raise bad_request(NOT_MODIFIED)
    query.backend.edit(chat, message, content, markup=markup.inline)
    return shapes.message(query.world, chat, message, query.bot_id)


async def edit_message_reply_markup(query: Query) -> Json:
    """Refuses a keyboard of the wrong kind last of all, so that asking for one changes nothing."""
    markup = query.markup()
    chat = await query.chat(Cost.EDIT, access=Access.EDIT)
    message = query.own_message(chat)
    query.check_inline(markup)
    if markup.inline == message.markup:
        raise bad_request(NOT_MODIFIED)
    query.backend.set_markup(chat, message, markup.inline)
    return shapes.message(query.world, chat, message, query.bot_id)


async def delete_message(query: Query) -> bool:
    if not query.arguments.text("chat_id"):
        raise bad_request("chat identifier is not specified")
    if query.arguments.integer("message_id") == 0:
        raise bad_request("message identifier is not specified")
    chat = await query.chat()
    message = query.message(chat, "message to delete")
    query.check_deletable(chat, message)
    query.backend.delete(chat, message)
    return True


async def set_message_reaction(query: Query) -> bool:
    raw = query.arguments.structure("reaction", "reaction types") or []
    if not isinstance(raw, list):
        raise bad_request("expected an Array of ReactionType")
    reactions = [_reaction(item) for item in raw]
    chat = await query.chat(access=Access.READ)
    message = query.message(chat, "message to react")
    if len(reactions) > 1:
        raise bad_request("REACTIONS_TOO_MANY")
    query.backend.react(chat, message, query.bot_id, reactions)
    return True


async def send_chat_action(query: Query) -> bool:
    """The thread is not checked: a status in a deleted topic is shown to nobody, and that is no error."""
    action = query.arguments.text("action").lower()
    if action not in ACTIONS:
        raise bad_request("wrong parameter action in request")
    chat = await query.chat(Cost.TYPING)
    query.backend.typing(chat, query.thread_id() or None, action)
    return True


def _reaction(item: Any) -> Json:
    if not isinstance(item, dict) or item.get("type") not in ("emoji", "custom_emoji", "paid"):
        raise bad_request("can't parse ReactionType: invalid reaction type specified")
    if item["type"] == "emoji" and str(item.get("emoji")) in EMOJI_REACTIONS:
        return {"type": "emoji", "emoji": item["emoji"]}
    raise bad_request("REACTION_INVALID")


async def get_chat_member_count(query: Query) -> int:
    """Everybody who is in it, bots too."""
    chat = await query.chat(access=Access.MEMBERS)
    return sum(role.is_in() for person_id, role in chat.members.items() if person_id != ANONYMOUS)


async def get_my_commands(query: Query) -> list[Json]:
    return query.account.commands


async def delete_my_commands(query: Query) -> bool:
    query.account.commands = []
    return True


async def answer_callback_query(query: Query) -> bool:
    """Once, and within a quarter of an hour of the press."""
    until = query.account.pressed.pop(query.arguments.text("callback_query_id"), 0.0)
    if query.clock.now() > until:
        raise bad_request(CALLBACK_GONE)
    return True


async def log_out(query: Query) -> bool:
    """The bot leaves this server; its next calls are refused until the sandbox starts anew."""
    query.account.logged_out = True
    return True


async def close(query: Query) -> bool:
    """Not within ten minutes of the start, as `Client::process_close_query`."""
    age = query.clock.now() - query.account.started
    if age < YOUNG_SECONDS:
        raise too_many_requests(math.ceil(YOUNG_SECONDS - age))
    return True


async def pin_chat_message(query: Query) -> bool:
    """Tells of itself by a service message, which costs what a message costs."""
    chat = await query.chat(Cost.TOPIC)
    message = query.message(chat, "message to pin")
    query.check_may_pin(chat)
    if message.service:
        raise bad_request("message can't be pinned")
    query.backend.pin(chat, query.bot_id, message)
    return True


async def unpin_chat_message(query: Query) -> bool:
    """The newest pinned message unless message_id names one."""
    chat = await query.chat(Cost.TOPIC)
    if query.arguments.integer("message_id") == 0:
        if not chat.pinned:
            raise bad_request("message to unpin not found")
        unpinned = chat.pinned[-1]
    else:
        unpinned = query.message(chat, "message to unpin").id
    query.check_may_pin(chat)
    query.backend.unpin(chat, [unpinned])
    return True


async def unpin_all_chat_messages(query: Query) -> bool:
    chat = await query.chat(Cost.TOPIC)
    query.check_may_pin(chat)
    query.backend.unpin(chat, list(chat.pinned))
    return True
