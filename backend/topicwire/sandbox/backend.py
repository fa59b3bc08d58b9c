"""What Telegram's backend does: every change of the world, told to the bots and to the console in one place.

The Bot API's methods and the operators' controls both end here. Rules about who may do what are theirs;
here is only what happens once it does.
"""

from collections.abc import Mapping
from typing import Any

from topicwire.sandbox import shapes, views
from topicwire.sandbox.accounts import Account
from topicwire.sandbox.clock import Clock
from topicwire.sandbox.live import Live
from topicwire.sandbox.snapshot import Keeper
from topicwire.sandbox.updates import is_meant_for
from topicwire.sandbox.world import ICON_COLORS, Chat, Member, Message, Person, Topic, World

Json = dict[str, Any]

CALLBACK_ANSWER_SECONDS = 900


class Backend:
    """Changes the world; whoever must know of a change is told before the method returns."""

    def __init__(
        self, world: World, accounts: Mapping[int, Account], live: Live, keeper: Keeper, clock: Clock
    ) -> None:
        self.world = world
        self._accounts = accounts
        self._live = live
        self._keeper = keeper
        self._clock = clock

    def say(
        self,
        chat: Chat,
        author: int,
        content: Json,
        *,
        thread: int | None = None,
        service: bool = False,
        reply_to: int | None = None,
        markup: Json | None = None,
        protected: bool = False,
        forwarded: bool = False,
    ) -> Message:
        """A new message; bots hear of others' messages and of their own service messages."""
        said = Message(
            id=chat.take_message_id(),
            date=int(self._clock.now()),
            author=author,
            content=content,
            thread=thread,
            service=service,
            reply_to=reply_to,
            markup=markup,
            protected=protected,
            forwarded=forwarded,
        )
        chat.put(said)
        self._count_unread(chat, said)
        self._tell_bots("message", chat, said)
        self._tell_console("message", chat, said)
        return said

    def edit(self, chat: Chat, message: Message, content: Json, *, markup: Json | None = None) -> None:
        """New content for a message; bots hear of it unless the message is their own."""
        message.content = content
        message.markup = markup
        message.edit_date = int(self._clock.now())
        self._tell_bots("edited_message", chat, message)
        self._tell_console("edited", chat, message)

    def set_markup(self, chat: Chat, message: Message, markup: Json | None) -> None:
        """Another keyboard; no update tells of it."""
        message.markup = markup
        self._tell_console("edited", chat, message)

    def delete(self, chat: Chat, message: Message) -> None:
        """Nobody tells a bot that a message was deleted."""
        chat.remove(message)
        self._tell_console("deleted", chat, message)

    def react(self, chat: Chat, message: Message, author: int, reactions: list[Json]) -> None:
        """Replaces the author's reactions; bots hear of people's, as administrators, not of other bots'."""
        before = message.reactions.pop(author, [])
        message.reactions = {**message.reactions, author: reactions} if reactions else message.reactions
        if before != reactions and not self._is_account(author):
            kind, content = self._reaction(chat, message, author, before)
            for account in self._accounts.values():
                if chat.member(account.id).is_admin():
                    account.feed.put(kind, content, chat.id, self._clock.now())
        self._tell_console("edited", chat, message)

    def pin(self, chat: Chat, actor: int, message: Message) -> None:
        """Pins a message, with the service message that tells of it."""
        chat.pinned = [each for each in chat.pinned if each != message.id] + [message.id]
        pinned = {"pinned_message": message.id}  # becomes the message itself when it is shown
        self.say(chat, actor, pinned, thread=message.thread, service=True)

    def unpin(self, chat: Chat, message_ids: list[int]) -> None:
        """Nobody is told of it."""
        chat.pinned = [each for each in chat.pinned if each not in message_ids]
        self.changed_chat(chat)

    def press(self, chat: Chat, message: Message, person: Person, data: str, query_id: str) -> None:
        """Somebody presses a button; its owner gets a callback query."""
        account = self._accounts.get(message.author)
        if account is None:
            return
        content = {
            "id": query_id,
            "from": shapes.user(person),
            "message": shapes.message(self.world, chat, message, account.id),
            "chat_instance": str(-chat.id),
            "data": data,
        }
        account.pressed[query_id] = self._clock.now() + CALLBACK_ANSWER_SECONDS
        account.feed.put("callback_query", content, chat.id, self._clock.now(), queue_of=person.id)

    def create_topic(self, chat: Chat, creator: int, name: str, *, color: int = 0, icon: str = "") -> Topic:
        """The topic takes the id of the service message that announces it."""
        topic = Topic(chat.next_message_id, name, color or ICON_COLORS[0], icon, creator)
        chat.topics[topic.id] = topic
        created: Json = {"name": name, "icon_color": topic.color}
        if icon:
            created["icon_custom_emoji_id"] = icon
        self._announce(chat, creator, topic, {"forum_topic_created": created})
        return topic

    def edit_topic(self, chat: Chat, actor: int, topic: Topic, *, name: str, icon: str | None = None) -> None:
        """An icon of None stays as it is, an empty one is removed."""
        changed: Json = {}
        if name != topic.name:
            topic.name = changed["name"] = name
        if icon is not None and icon != topic.icon:
            topic.icon = changed["icon_custom_emoji_id"] = icon
        self._announce(chat, actor, topic, {"forum_topic_edited": changed})

    def close_topic(self, chat: Chat, actor: int, topic: Topic) -> None:
        """Only its creator and who manages topics may write into it from now on."""
        topic.closed = True
        self._announce(chat, actor, topic, {"forum_topic_closed": {}})

    def reopen_topic(self, chat: Chat, actor: int, topic: Topic) -> None:
        """Everybody may write into it again."""
        topic.closed = False
        self._announce(chat, actor, topic, {"forum_topic_reopened": {}})

    def hide_general(self, chat: Chat, actor: int, *, hidden: bool) -> None:
        """General out of the list of topics, and closed, or back in it."""
        general = chat.general()
        general.hidden = hidden
        general.closed = hidden or general.closed
        kind = "general_forum_topic_hidden" if hidden else "general_forum_topic_unhidden"
        self._announce(chat, actor, general, {kind: {}})

    def delete_topic(self, chat: Chat, topic: Topic) -> None:
        """Leaves no message and no update: a bot learns of it from its next call that fails."""
        gone = set(topic.messages)
        chat.pinned = [each for each in chat.pinned if each not in gone]
        chat.remove_topic(topic)
        self._changed({"type": "topic_deleted", "chat": chat.id, "thread": topic.id})

    def read_topic(self, chat: Chat, topic: Topic) -> None:
        """Nothing in it is unread any more."""
        topic.unread = 0
        self._changed({"type": "read", "chat": chat.id, "thread": topic.id})

    def set_member(self, chat: Chat, person_id: int, role: Member, *, actor: int) -> None:
        """A new role in the group; a bot hears of its own, even of its last, and of others' as an admin."""
        before, chat.members[person_id] = chat.member(person_id), role
        person = self.world.people[person_id]
        content = {
            "chat": shapes.chat(chat),
            "from": shapes.user(self.world.people[actor]),
            "date": int(self._clock.now()),
            "old_chat_member": shapes.member(person, before),
            "new_chat_member": shapes.member(person, role),
        }
        for account in self._accounts.values():
            if account.id == person_id:
                account.feed.put("my_chat_member", content, chat.id, self._clock.now())
            elif chat.member(account.id).is_admin():
                account.feed.put("chat_member", content, chat.id, self._clock.now(), queue_of=person_id)
        self.changed_chat(chat)

    def rename_chat(self, chat: Chat, actor: int, title: str) -> None:
        """Another title, with the service message that tells of it."""
        chat.title = title
        self.say(chat, actor, {"new_chat_title": title}, service=True)
        self.changed_chat(chat)

    def migrate(self, chat: Chat, successor: Chat, actor: int) -> None:
        """A basic group becomes a supergroup: another id, message ids from 1, both told of it."""
        chat.migrated_to, successor.migrated_from = successor.id, chat.id
        self.world.chats[successor.id] = successor
        self.say(chat, actor, {"migrate_to_chat_id": successor.id}, service=True)
        self.say(successor, actor, {"migrate_from_chat_id": chat.id}, service=True)
        self.changed_chat(successor)

    def set_forum(self, chat: Chat, *, is_forum: bool) -> None:
        """Turns topics on or off; the topics themselves stay and are back when they are on again."""
        chat.is_forum = is_forum
        self.changed_chat(chat)

    def changed_chat(self, chat: Chat) -> None:
        """The console reads the group anew."""
        self._changed({"type": "chat", "chat": chat.id})

    def typing(self, chat: Chat, thread: int | None, action: str) -> None:
        """Shown in the console only; nothing is kept."""
        if self._live.heard:
            self._live.tell({"type": "typing", "chat": chat.id, "thread": thread or 1, "action": action})

    def touched(self) -> None:
        """Something was changed that only the file must learn."""
        self._keeper.changed()

    def _announce(self, chat: Chat, actor: int, topic: Topic, content: Json) -> None:
        thread = None if topic is chat.general() else topic.id
        self.say(chat, actor, content, thread=thread, service=True)

    def _is_account(self, person_id: int) -> bool:
        return person_id in self._accounts

    def _count_unread(self, chat: Chat, said: Message) -> None:
        topic = chat.topic(said.thread)
        if topic is not None and self._is_account(said.author) and not said.service:
            topic.unread += 1

    def _tell_bots(self, kind: str, chat: Chat, message: Message) -> None:
        for account in self._accounts.values():
            if self._is_shown_to(account.person, chat, message):
                shape = shapes.message(self.world, chat, message, account.id)
                account.feed.put(kind, shape, chat.id, message.edit_date or message.date)

    def _is_shown_to(self, bot: Person, chat: Chat, message: Message) -> bool:
        """Bots see only each other's service messages; those without rights what privacy mode lets by."""
        if self._is_account(message.author) and not message.service:
            return False
        role = chat.member(bot.id)
        if not role.is_in():
            return False
        if role.is_admin() or message.service:
            return True
        answered = chat.messages.get(message.reply_to or 0)
        replied = answered is not None and answered.author == bot.id
        return replied or is_meant_for(bot.username or "", message.content.get("text", ""))

    def _tell_console(self, kind: str, chat: Chat, message: Message) -> None:
        self._keeper.changed()
        if not self._live.heard:
            return
        event: Json = {"type": kind, "chat": chat.id, "thread": message.thread or 1}
        topic = chat.topic(message.thread)
        if topic is not None:
            event["topic"] = views.topic(self.world, chat, topic)
        event["message"] = views.message(self.world, chat, message)
        self._live.tell(event)

    def _changed(self, event: Json) -> None:
        self._keeper.changed()
        if self._live.heard:
            self._live.tell(event)

    def _reaction(self, chat: Chat, message: Message, author: int, before: list[Json]) -> tuple[str, Json]:
        content: Json = {
            "chat": shapes.chat(chat),
            "message_id": message.id,
            "date": int(self._clock.now()),
            "old_reaction": before,
            "new_reaction": message.reactions.get(author, []),
        }
        person = self.world.people[author]
        who = (
            {"actor_chat": shapes.chat(chat)}
            if shapes.is_anonymous(person)
            else {"user": shapes.user(person)}
        )
        return "message_reaction", content | who
