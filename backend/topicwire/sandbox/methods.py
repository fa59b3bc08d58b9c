"""The Bot API's methods about the bot, chats and messages: one small function each."""

from typing import Any

from topicwire.sandbox import shapes
from topicwire.sandbox.answers import bad_request
from topicwire.sandbox.flood import Cost
from topicwire.sandbox.query import Access, Query
from topicwire.sandbox.text import TEXT_LIMIT, Entity, clean
from topicwire.sandbox.world import Chat, Member, Message

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
OWN_DELETABLE_SECONDS = 48 * 3600


async def get_me(query: Query) -> Json:
    return shapes.me(query.account.person)


async def get_chat(query: Query) -> Json:
    return shapes.full_chat(query.world, await query.chat(access=Access.READ), query.bot_id)


async def get_chat_member(query: Query) -> Json:
    user_id = query.arguments.integer("user_id")
    if user_id <= 0:
        raise bad_request("invalid user_id specified")
    chat = await query.chat(access=Access.READ)
    person = query.world.people.get(user_id)
    if person is None:
        raise bad_request("user not found")
    return shapes.member(person, chat.member(user_id))


async def get_chat_administrators(query: Query) -> list[Json]:
    """People only, and the bot itself: other bots are left out."""
    chat = await query.chat(access=Access.READ)
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
    query.account.commands = [command for command in commands if isinstance(command, dict)]
    return True


async def send_message(query: Query) -> Json:
    raw = query.text()
    markup = query.markup()
    chat = await query.chat(Cost.MESSAGE)
    thread = query.thread_to_write(chat)
    reply_to = _answered(query, chat)
    text, entities = _cleaned(raw, too_long="message is too long")
    if thread is None and reply_to is not None:
        thread = chat.messages[reply_to].thread if chat.is_forum else None  # it follows what it answers
    query.check_may_write(chat, thread)
    said = query.backend.say(
        chat,
        query.bot_id,
        _text_content(text, entities),
        thread=thread,
        reply_to=reply_to,
        markup=markup.inline,
        protected=query.arguments.boolean("protect_content"),
    )
    return shapes.message(query.world, chat, said, query.bot_id)


async def edit_message_text(query: Query) -> Json:
    raw = query.text()
    markup = query.markup()
    chat = await query.chat(Cost.EDIT, access=Access.EDIT)
    message = query.own_message(chat)
    if "text" not in message.content:
        raise bad_request("there is no text in the message to edit")
    text, entities = _cleaned(raw, too_long="MESSAGE_TOO_LONG")
    if markup.other:
        raise bad_request("inline keyboard expected")
    content = _text_content(text, entities)
    if content == message.content and markup.inline == message.markup:
        raise bad_request(NOT_MODIFIED)
    query.backend.edit(chat, message, content, markup=markup.inline)
    return shapes.message(query.world, chat, message, query.bot_id)


async def edit_message_reply_markup(query: Query) -> Json:
    """Refuses a keyboard of the wrong kind last of all, so that asking for one changes nothing."""
    markup = query.markup()
    chat = await query.chat(Cost.EDIT, access=Access.EDIT)
    message = query.own_message(chat)
    if markup.other:
        raise bad_request("inline keyboard expected")
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
    if "forum_topic_created" in message.content:
        raise bad_request("message can't be deleted")
    if not query.role(chat).may("can_delete_messages"):
        _check_deletable(query, message)
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


def _answered(query: Query, chat: Chat) -> int | None:
    """The id of the message that is replied to, None for none."""
    raw = query.arguments.structure("reply_parameters", "reply parameters") or {}
    if not isinstance(raw, dict):
        raise bad_request("object expected as reply parameters")
    message_id = raw.get("message_id") or query.arguments.integer("reply_to_message_id")
    lenient = raw.get("allow_sending_without_reply") or query.arguments.boolean("allow_sending_without_reply")
    if not message_id:
        return None
    if isinstance(message_id, int) and message_id in chat.messages:
        return message_id
    if lenient:
        return None
    raise bad_request("message to be replied not found")


def _cleaned(raw: tuple[str, list[Entity]], *, too_long: str) -> tuple[str, list[Entity]]:
    text, entities = clean(*raw)
    if len(text) > TEXT_LIMIT:
        raise bad_request(too_long)
    return text, entities


def _text_content(text: str, entities: list[Entity]) -> Json:
    return {"text": text, "entities": entities} if entities else {"text": text}


def _check_deletable(query: Query, message: Message) -> None:
    if message.author != query.bot_id:
        raise bad_request("message can't be deleted for everyone")
    if message.service or query.clock.now() - message.date > OWN_DELETABLE_SECONDS:
        raise bad_request("message can't be deleted")


def _reaction(item: Any) -> Json:
    if not isinstance(item, dict) or item.get("type") not in ("emoji", "custom_emoji", "paid"):
        raise bad_request("can't parse ReactionType: invalid reaction type specified")
    if item["type"] == "emoji" and item.get("emoji") in EMOJI_REACTIONS:
        return {"type": "emoji", "emoji": item["emoji"]}
    raise bad_request("REACTION_INVALID")
