"""What Telegram's backend does: every change of the world, told to the bot and to the console in one place.

The Bot API's methods and the operators' controls both end here. Rules about who may do what are theirs;
here is only what happens once it does.
"""

from typing import Any

from topicwire.sandbox import shapes, views
from topicwire.sandbox.clock import Clock
from topicwire.sandbox.live import Live
from topicwire.sandbox.snapshot import Keeper
from topicwire.sandbox.updates import Feed, is_meant_for
from topicwire.sandbox.world import ICON_COLORS, Chat, Member, Message, Topic, World

Json = dict[str, Any]


class Backend:
    """Changes the world; whoever must know of a change is told before the method returns."""

    def __init__(self, world: World, feed: Feed, live: Live, keeper: Keeper, clock: Clock) -> None:
        self.world = world
        self._feed = feed
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
    ) -> Message:
        """A new message; the bot hears of others' messages and of its own service messages."""
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
        )
        chat.put(said)
        self._count_unread(chat, said)
        self._tell_bot("message", chat, said)
        self._tell_console("message", chat, said)
        return said

    def edit(self, chat: Chat, message: Message, content: Json, *, markup: Json | None = None) -> None:
        """New content for a message; the bot hears of it unless the message is its own."""
        message.content = content
        message.markup = markup
        message.edit_date = int(self._clock.now())
        self._tell_bot("edited_message", chat, message)
        self._tell_console("edited", chat, message)

    def set_markup(self, chat: Chat, message: Message, markup: Json | None) -> None:
        message.markup = markup
        self._tell_console("edited", chat, message)

    def delete(self, chat: Chat, message: Message) -> None:
        """Nobody tells a bot that a message was deleted."""
        chat.remove(message)
        self._tell_console("deleted", chat, message)

    def react(self, chat: Chat, message: Message, author: int, reactions: list[Json]) -> None:
        """Replaces the author's reactions; a bot's own are not reported to it."""
        before = message.reactions.pop(author, [])
        message.reactions = {**message.reactions, author: reactions} if reactions else message.reactions
        if author != self.world.bot.id and chat.member(self.world.bot.id).is_admin():
            self._feed.put(
                "message_reaction", self._reaction(chat, message, author, before), chat.id, self._clock.now()
            )
        self._tell_console("edited", chat, message)

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
        topic.closed = True
        self._announce(chat, actor, topic, {"forum_topic_closed": {}})

    def reopen_topic(self, chat: Chat, actor: int, topic: Topic) -> None:
        topic.closed = False
        self._announce(chat, actor, topic, {"forum_topic_reopened": {}})

    def delete_topic(self, chat: Chat, topic: Topic) -> None:
        """Leaves no message and no update: the bot learns of it from its next call that fails."""
        chat.remove_topic(topic)
        self._changed({"type": "topic_deleted", "chat": chat.id, "thread": topic.id})

    def read_topic(self, chat: Chat, topic: Topic) -> None:
        topic.unread = 0
        self._changed({"type": "read", "chat": chat.id, "thread": topic.id})

    def set_member(self, chat: Chat, person_id: int, role: Member, *, actor: int) -> None:
        """A new role in the group; the bot hears of its own, even of its last."""
        before, chat.members[person_id] = chat.member(person_id), role
        person = self.world.people[person_id]
        is_bot = person_id == self.world.bot.id
        if is_bot or chat.member(self.world.bot.id).is_admin():
            content = {
                "chat": shapes.chat(chat),
                "from": shapes.user(self.world.people[actor]),
                "date": int(self._clock.now()),
                "old_chat_member": shapes.member(person, before),
                "new_chat_member": shapes.member(person, role),
            }
            self._feed.put("my_chat_member" if is_bot else "chat_member", content, chat.id, self._clock.now())
        self.changed_chat(chat)

    def set_forum(self, chat: Chat, *, is_forum: bool) -> None:
        """Turns topics on or off; the topics themselves stay and are back when they are on again."""
        chat.is_forum = is_forum
        self.changed_chat(chat)

    def changed_chat(self, chat: Chat) -> None:
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

    def _count_unread(self, chat: Chat, said: Message) -> None:
        topic = chat.topic(said.thread)
        if topic is not None and said.author == self.world.bot.id and not said.service:
            topic.unread += 1

    def _tell_bot(self, kind: str, chat: Chat, message: Message) -> None:
        if self._is_shown_to_bot(chat, message):
            shape = shapes.message(self.world, chat, message)
            self._feed.put(kind, shape, chat.id, message.edit_date or message.date)

    def _is_shown_to_bot(self, chat: Chat, message: Message) -> bool:
        bot = self.world.bot
        role = chat.member(bot.id)
        if not role.is_in() or (message.author == bot.id and not message.service):
            return False
        if role.is_admin() or message.service:
            return True
        # Privacy mode, which binds a bot that is no administrator.
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

    def _reaction(self, chat: Chat, message: Message, author: int, before: list[Json]) -> Json:
        return {
            "chat": shapes.chat(chat),
            "message_id": message.id,
            "user": shapes.user(self.world.people[author]),
            "date": int(self._clock.now()),
            "old_reaction": before,
            "new_reaction": message.reactions.get(author, []),
        }
