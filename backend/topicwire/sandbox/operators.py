"""What people do in their Telegram: the operators' side of the sandbox, with the rules that bind people."""

import itertools
from typing import Any, TypeVar

from topicwire.sandbox import media, shapes
from topicwire.sandbox.answers import bad_request
from topicwire.sandbox.arguments import Upload
from topicwire.sandbox.backend import Backend
from topicwire.sandbox.files import Files
from topicwire.sandbox.media_methods import ALBUM_LIMIT
from topicwire.sandbox.samples import SAMPLES
from topicwire.sandbox.sending import caption_content, text_content, without_caption
from topicwire.sandbox.text import parse_entities, topic_name
from topicwire.sandbox.world import (
    ADMIN_RIGHTS,
    ANONYMOUS,
    GENERAL,
    ICON_COLORS,
    MARA,
    MEMBER_RIGHTS,
    Chat,
    Member,
    Message,
    Person,
    Topic,
    new_chat,
)

Json = dict[str, Any]
T = TypeVar("T")

STATUSES = ("creator", "administrator", "member", "restricted", "left", "kicked")


class Operators:
    """Acts of people, checked as their apps and Telegram check them; refusals say what is wrong."""

    def __init__(self, backend: Backend, files: Files) -> None:
        self._backend = backend
        self._files = files
        self._presses = itertools.count(4_382_010_000_000_000_001)
        self._world = backend.world

    def chat(self, chat_id: int) -> Chat:
        return _found(self._world.chats.get(chat_id), f"there is no chat {chat_id}")

    def topic(self, chat: Chat, thread: int) -> Topic:
        return _found(chat.topic(thread), f"there is no topic {thread}")

    def message(self, chat: Chat, message_id: int) -> Message:
        return _found(chat.messages.get(message_id), f"there is no message {message_id}")

    def post(
        self, chat: Chat, person_id: int, thread: int | None, content: Json, reply_to: int | None = None
    ) -> Message:
        """A message by somebody in the group; General where there are no topics."""
        role = self._member(chat, person_id)
        if chat.migrated_to is not None or chat.deleted:
            raise bad_request("nobody can write into this chat any more")
        thread = None if thread == GENERAL or not chat.is_forum else thread
        topic = self.topic(chat, thread or GENERAL)
        if not chat.may_write(person_id, topic):
            raise bad_request("TOPIC_CLOSED")
        if not role.may_send():
            raise bad_request("this person may not send messages here")
        if reply_to is not None:
            self.message(chat, reply_to)
        return self._backend.say(chat, person_id, content, thread=thread, reply_to=reply_to)

    def text(self, text: str, entities: Any) -> Json:
        """A text's content, cleaned, with Telegram's own entities added."""
        return text_content((text, shapes.with_people(self._world, parse_entities(entities))))

    def media(self, kind: str, caption: str) -> Json:
        """A sample's content."""
        content = _found(media.sample(self._files, kind), f"there is no sample of kind {kind!r}")
        return content if kind in ("sticker", "location") else content | caption_content((caption, []))

    async def upload(self, kind: str, upload: Upload, caption: str) -> Json:
        """The content of a message with somebody's own file."""
        if kind not in SAMPLES:
            raise bad_request(f"there is no kind {kind!r}")
        made = await media.uploaded(self._files, kind, upload, lambda _: 0)
        return made | caption_content((caption, []))

    def album(self, chat: Chat, person_id: int, thread: int | None, contents: list[Json]) -> list[Message]:
        """Several files as one; a caption is on the first only."""
        if not 2 <= len(contents) <= ALBUM_LIMIT:
            raise bad_request(f"an album has from 2 to {ALBUM_LIMIT} items")
        group = self._world.take_album()
        return [self.post(chat, person_id, thread, content | group) for content in contents]

    def pin(self, chat: Chat, person_id: int, message_id: int, *, on: bool) -> None:
        """Pins a message, or takes it down."""
        if not self._member(chat, person_id).may("can_pin_messages"):
            raise bad_request("this person may not pin messages")
        message = self.message(chat, message_id)
        if on:
            self._backend.pin(chat, person_id, message)
        else:
            self._backend.unpin(chat, [message.id])

    def press(self, chat: Chat, person_id: int, message_id: int, data: str) -> None:
        """Presses a button under a bot's message."""
        self._member(chat, person_id)
        message = self.message(chat, message_id)
        rows = (message.markup or {}).get("inline_keyboard", [])
        if data not in [button.get("callback_data") for row in rows for button in row]:
            raise bad_request("there is no such button")
        query_id = str(next(self._presses))
        self._backend.press(chat, message, self._world.people[person_id], data, query_id)

    def edit(self, chat: Chat, person_id: int, message_id: int, text: str, entities: Any) -> Message:
        """Only one's own text or caption; what stays the same is no edit."""
        message = self.message(chat, message_id)
        if message.author != person_id or message.service:
            raise bad_request("only one's own messages can be edited")
        content = self._edited(message, self.text(text, entities))
        if content != message.content:
            self._backend.edit(chat, message, content)
        return message

    def delete(self, chat: Chat, person_id: int, message_id: int) -> None:
        message = self.message(chat, message_id)
        if message.author != person_id and not chat.member(person_id).may("can_delete_messages"):
            raise bad_request("this person may not delete others' messages")
        if "forum_topic_created" in message.content:
            raise bad_request("a topic's first message goes only with the topic")
        self._backend.delete(chat, message)

    def react(self, chat: Chat, person_id: int, message_id: int, emoji: str) -> Message:
        """An empty emoji takes the reaction back."""
        self._member(chat, person_id)
        message = self.message(chat, message_id)
        reactions = [{"type": "emoji", "emoji": emoji}] if emoji else []
        self._backend.react(chat, message, person_id, reactions)
        return message

    def create_topic(self, chat: Chat, person_id: int, name: str, color: int) -> Topic:
        self._managing(chat, person_id)
        if not chat.is_forum:
            raise bad_request("the chat is not a forum")
        if color and color not in ICON_COLORS:
            raise bad_request("invalid icon color specified")
        return self._backend.create_topic(chat, person_id, topic_name(name), color=color)

    def rename(self, chat: Chat, person_id: int, thread: int, name: str) -> Topic:
        topic = self._manageable(chat, person_id, thread)
        cleaned = topic_name(name)
        if cleaned != topic.name:
            self._backend.edit_topic(chat, person_id, topic, name=cleaned)
        return topic

    def close(self, chat: Chat, person_id: int, thread: int) -> Topic:
        topic = self._manageable(chat, person_id, thread)
        if not topic.closed:
            self._backend.close_topic(chat, person_id, topic)
        return topic

    def reopen(self, chat: Chat, person_id: int, thread: int) -> Topic:
        topic = self._manageable(chat, person_id, thread)
        if topic.closed:
            self._backend.reopen_topic(chat, person_id, topic)
        return topic

    def delete_topic(self, chat: Chat, person_id: int, thread: int) -> Topic:
        topic = self.topic(chat, thread)
        if thread == GENERAL:
            raise bad_request("General cannot be deleted")
        if not chat.member(person_id).may("can_delete_messages"):
            raise bad_request("this person may not delete topics")
        self._backend.delete_topic(chat, topic)
        return topic

    def read(self, chat: Chat, thread: int) -> None:
        topic = self.topic(chat, thread)
        if topic.unread:
            self._backend.read_topic(chat, topic)

    def create_chat(self, title: str, kind: str, *, is_forum: bool, bot: str) -> Chat:
        """A new group; `bot` is the bot's status in it, `none` for not there at all."""
        if kind not in ("supergroup", "group"):
            raise bad_request("type must be supergroup or group")
        if is_forum and kind == "group":
            raise bad_request("only a supergroup can be a forum")
        chat_id = self._new_chat_id(kind)
        chat = new_chat(chat_id, title or "Group", kind=kind, is_forum=is_forum)
        self._world.chats[chat_id] = chat
        if bot == "none":
            self._backend.changed_chat(chat)
        else:
            self._set_role(chat, self._world.bot.id, bot, None, actor=MARA)
        return chat

    def set_bot(
        self, chat: Chat, status: str, rights: list[str] | None, *, actor: int, bot_id: int | None = None
    ) -> Member:
        """A bot's role; rights of None are all that the status can have."""
        return self.set_member(chat, bot_id or self._world.bot.id, status, rights, actor=actor)

    def set_title(self, chat: Chat, person_id: int, title: str) -> None:
        """Renames the group."""
        if not self._member(chat, person_id).may("can_change_info"):
            raise bad_request("this person may not change the group")
        if not title.strip():
            raise bad_request("title must be non-empty")
        if title != chat.title:
            self._backend.rename_chat(chat, person_id, title)

    def migrate(self, chat: Chat, *, is_forum: bool = False) -> Chat:
        """Makes a basic group a supergroup, which is another chat."""
        if chat.type != "group" or chat.migrated_to is not None:
            raise bad_request("only a basic group becomes a supergroup")
        successor = new_chat(self._new_chat_id("supergroup"), chat.title, is_forum=is_forum)
        successor.members = dict(chat.members)
        successor.next_message_id = 1
        self._backend.migrate(chat, successor, MARA)
        return successor

    def destroy(self, chat: Chat) -> None:
        """Deletes the group for everybody."""
        chat.deleted = True
        self._backend.changed_chat(chat)

    def set_person(self, person_id: int, *, is_deleted: bool | None, blocked: list[int] | None) -> Person:
        """Somebody deletes their account, or blocks bots."""
        person = _found(self._world.people.get(person_id), f"there is no person {person_id}")
        if is_deleted is not None:
            person.is_deleted = is_deleted
        if blocked is not None:
            person.blocked = blocked
        self._backend.touched()
        return person

    def set_member(
        self, chat: Chat, person_id: int, status: str, rights: list[str] | None, *, actor: int
    ) -> Member:
        """Somebody's role; who comes or goes by that is told of in the group."""
        was_in = chat.member(person_id).is_in()
        role = self._set_role(chat, person_id, status, rights, actor=actor)
        if role.is_in() != was_in:
            self._tell_of_member(chat, person_id, actor, joined=role.is_in())
        return role

    def set_forum(self, chat: Chat, *, is_forum: bool) -> Chat:
        """Topics on or off; a basic group becomes a supergroup by that, which is another chat."""
        if is_forum and chat.type != "supergroup":
            return self.migrate(chat, is_forum=True)
        self._backend.set_forum(chat, is_forum=is_forum)
        return chat

    def add_person(self, chat: Chat, first_name: str, username: str, status: str) -> Person:
        """Somebody new in the group."""
        if not first_name:
            raise bad_request("first_name is empty")
        person = Person(5210050000 + self._world.next_person, first_name, username=username or None)
        self._world.next_person += 1
        self._world.people[person.id] = person
        self.set_member(chat, person.id, status, None, actor=MARA)
        return person

    def create_bot(self, first_name: str, username: str) -> Person:
        """One more bot; its username ends in "bot", as BotFather asks."""
        name = username or f"sandbox_{self._world.next_person}_bot"
        if not name.lower().endswith("bot"):
            raise bad_request("a bot's username must end in bot")
        person = Person(4300 + self._world.next_person, first_name or name, username=name, is_bot=True)
        self._world.next_person += 1
        self._world.people[person.id] = person
        return person

    def _set_role(
        self, chat: Chat, person_id: int, status: str, rights: list[str] | None, *, actor: int
    ) -> Member:
        possible = {"administrator": ADMIN_RIGHTS, "restricted": MEMBER_RIGHTS}.get(status, ())
        if person_id not in self._world.people:
            raise bad_request(f"there is no person {person_id}")
        if status not in STATUSES:
            raise bad_request(f"status must be one of {', '.join(STATUSES)}")
        unknown = [right for right in rights or [] if right not in possible]
        if unknown:
            raise bad_request(f"{status} has no right called {unknown[0]}")
        everything = list(possible) if status == "administrator" else []
        role = Member(status, everything if rights is None else list(rights))
        self._backend.set_member(chat, person_id, role, actor=actor)
        return role

    def _new_chat_id(self, kind: str) -> int:
        number = self._world.next_chat
        self._world.next_chat += 1
        return (-1002008002000 if kind == "supergroup" else -2008002000) - number

    def _tell_of_member(self, chat: Chat, person_id: int, actor: int, *, joined: bool) -> None:
        shape = shapes.user(self._world.people[person_id])
        told = {"new_chat_members": [shape]} if joined else {"left_chat_member": shape}
        adds_itself = joined and not self._world.people[person_id].is_bot
        self._backend.say(chat, person_id if adds_itself else actor, told, service=True)

    def _member(self, chat: Chat, person_id: int) -> Member:
        person = self._world.people.get(person_id)
        if person is None or (person.is_bot and person_id != ANONYMOUS):
            raise bad_request(f"there is no person {person_id}")
        role = chat.member(person_id)
        if not role.is_in():
            raise bad_request(f"{person.first_name} is not in this chat")
        return role

    def _managing(self, chat: Chat, person_id: int) -> None:
        if not self._member(chat, person_id).may("can_manage_topics"):
            raise bad_request("this person may not manage topics")

    def _manageable(self, chat: Chat, person_id: int, thread: int) -> Topic:
        topic = self.topic(chat, thread)
        if topic.creator != person_id:
            self._managing(chat, person_id)
        return topic

    def _edited(self, message: Message, fresh: Json) -> Json:
        if "text" in message.content:
            return fresh
        return without_caption(message.content) | {
            f"caption{'_entities' if name == 'entities' else ''}": value for name, value in fresh.items()
        }


def _found(thing: T | None, otherwise: str) -> T:
    if thing is None:
        raise bad_request(otherwise)
    return thing
