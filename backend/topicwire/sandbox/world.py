"""The sandbox's world: people, groups, topics and messages, and the rules that read it. No input or output.

Everything here is plain data that can be written to a file as it stands. A message's content is kept in
the shape of the Bot API, so that a new kind of message needs no new field.
"""

import bisect
from typing import Any

import msgspec

SANDBOX_CHAT_ID = -1002008001000
GENERAL = 1  # the topic that is there without being created; message 1 is the group's own creation
CACHE_SECONDS = 60  # for how long the server believes that a topic it has looked up is still there
ICON_COLORS = (7322096, 16766590, 13338331, 9367192, 16749490, 16478047)

ANONYMOUS = 1087968824  # GroupAnonymousBot: who an anonymous administrator appears to be
MARA, JONAS, LENA = 5210043001, 5210043002, 5210043003  # beyond 32 bits, as real ids are by now

ADMIN_RIGHTS = (
    "can_manage_chat", "can_delete_messages", "can_manage_video_chats", "can_restrict_members",
    "can_promote_members", "can_change_info", "can_invite_users", "can_post_stories", "can_edit_stories",
    "can_delete_stories", "can_send_welcome_messages", "can_pin_messages", "can_manage_topics",
    "can_manage_tags",
)  # fmt: skip
MEMBER_RIGHTS = (
    "can_send_messages", "can_send_audios", "can_send_documents", "can_send_photos", "can_send_videos",
    "can_send_video_notes", "can_send_voice_notes", "can_send_polls", "can_send_other_messages",
    "can_add_web_page_previews", "can_react_to_messages", "can_edit_tag", "can_change_info",
    "can_invite_users", "can_pin_messages", "can_manage_topics",
)  # fmt: skip


class Person(msgspec.Struct, omit_defaults=True):
    """A user of Telegram, human or bot."""

    id: int
    first_name: str
    last_name: str | None = None
    username: str | None = None
    is_bot: bool = False
    is_deleted: bool = False
    blocked: list[int] = []  # bots that this person has blocked


class Member(msgspec.Struct):
    """What somebody is in a group: creator, administrator, member, restricted, left or kicked."""

    status: str
    rights: list[str] = []

    def is_in(self) -> bool:
        return self.status not in ("left", "kicked")

    def is_admin(self) -> bool:
        return self.status in ("creator", "administrator")

    def may(self, right: str) -> bool:
        """Whether an administrator's right is held."""
        return self.status == "creator" or (self.status == "administrator" and right in self.rights)

    def may_send(self, right: str = "can_send_messages") -> bool:
        """Whether a kind of message may be sent, by the right that the kind needs."""
        return self.status != "restricted" or right in self.rights


class Message(msgspec.Struct, omit_defaults=True):
    """One message of a group; `thread` is None in General and where there are no topics.

    Files in `content` go without their `file_id`: it is another one for each bot.
    """

    id: int
    date: int
    author: int
    content: dict[str, Any]
    thread: int | None = None
    service: bool = False
    reply_to: int | None = None
    edit_date: int | None = None
    markup: dict[str, Any] | None = None
    protected: bool = False
    forwarded: bool = False
    reactions: dict[int, list[dict[str, Any]]] = {}


class Topic(msgspec.Struct, omit_defaults=True):
    """A forum topic; its id is the id of the service message that created it."""

    id: int
    name: str
    color: int = ICON_COLORS[0]
    icon: str = ""
    creator: int = 0
    closed: bool = False
    deleted: bool = False
    hidden: bool = False  # General only
    seen: dict[int, float] = {}  # by bot: when the server last asked for it on the bot's behalf
    messages: list[int] = []
    unread: int = 0

    def is_cached(self, bot_id: int, now: float) -> bool:
        """Whether the server still believes in it for this bot (tdlib, `ForumTopicManager.cpp`)."""
        looked_up = self.seen.get(bot_id)
        return looked_up is not None and now < looked_up + CACHE_SECONDS


class Chat(msgspec.Struct, omit_defaults=True):
    """A group. `type` is supergroup or group; only a supergroup can be a forum."""

    id: int
    title: str
    type: str = "supergroup"
    is_forum: bool = True
    next_message_id: int = 2
    members: dict[int, Member] = {}
    messages: dict[int, Message] = {}
    topics: dict[int, Topic] = {}
    pinned: list[int] = []  # the newest last
    migrated_to: int | None = None
    migrated_from: int | None = None
    deleted: bool = False

    def take_message_id(self) -> int:
        """Ids only ever grow, shared by all topics and service messages."""
        taken = self.next_message_id
        self.next_message_id += 1
        return taken

    def member(self, person_id: int) -> Member:
        return self.members.get(person_id) or Member("left")

    def topic(self, thread: int | None) -> Topic | None:
        """The living topic of that id; General for None."""
        topic = self.topics.get(thread or GENERAL)
        return None if topic is None or topic.deleted else topic

    def general(self) -> Topic:
        return self.topics[GENERAL]

    def put(self, message: Message) -> None:
        self.messages[message.id] = message
        (self.topic(message.thread) or self.general()).messages.append(message.id)

    def remove(self, message: Message) -> None:
        del self.messages[message.id]
        self.pinned = [each for each in self.pinned if each != message.id]
        listed = (self.topic(message.thread) or self.general()).messages
        index = bisect.bisect_left(listed, message.id)
        if index < len(listed) and listed[index] == message.id:
            del listed[index]

    def remove_topic(self, topic: Topic) -> None:
        """The topic's messages go with it; its id is remembered, because it is never given out again."""
        for message_id in topic.messages:
            self.messages.pop(message_id, None)
        topic.messages = []
        topic.deleted, topic.unread = True, 0

    def may_write(self, person_id: int, topic: Topic) -> bool:
        """A closed topic takes messages from its creator and from those who manage topics.

        Where topics are off nothing is closed.
        """
        if not (self.is_forum and topic.closed):
            return True
        return topic.creator == person_id or self.member(person_id).may("can_manage_topics")


class StoredFile(msgspec.Struct, omit_defaults=True):
    """A file that Telegram knows; its bytes are elsewhere."""

    unique: str
    kind: str
    size: int
    name: str = ""
    mime: str = ""
    same_as: str = ""  # whose bytes it has: another file's, or "sample:<kind>"
    content: dict[str, Any] = {}  # of the message that it came with


class World(msgspec.Struct):
    """Everything that there is. `bot` is the one that the sandbox was started for; others join later."""

    bot: Person
    people: dict[int, Person]
    chats: dict[int, Chat]
    next_chat: int = 1
    next_person: int = 1
    next_file: int = 1
    next_album: int = 1
    files: dict[str, StoredFile] = {}

    def take_album(self) -> dict[str, str]:
        """What the messages of a new album have in common."""
        taken = self.next_album
        self.next_album += 1
        return {"media_group_id": str(13_900_000_000 + taken)}


def new_chat(chat_id: int, title: str, *, kind: str = "supergroup", is_forum: bool = True) -> Chat:
    """A group with its operators in it and General open."""
    members = {
        MARA: Member("creator"),
        JONAS: Member("administrator", list(ADMIN_RIGHTS)),
        ANONYMOUS: Member("administrator", list(ADMIN_RIGHTS)),
        LENA: Member("member"),
    }
    general = Topic(id=GENERAL, name="General", color=0x6FB9F0, creator=MARA)
    return Chat(
        id=chat_id, title=title, type=kind, is_forum=is_forum, members=members, topics={GENERAL: general}
    )


def new_world(bot_id: int) -> World:
    """The ready-made group "Shop support", in which the bot may do everything."""
    bot = Person(bot_id, "Topicwire", username="topicwire_sandbox_bot", is_bot=True)
    people = [
        Person(MARA, "Mara", "Lindqvist", "mara_l"),
        Person(JONAS, "Jonas", "Weber", "jonas_weber"),
        Person(LENA, "Lena", "Okafor"),
        Person(ANONYMOUS, "Group", username="GroupAnonymousBot", is_bot=True),
        bot,
    ]
    chat = new_chat(SANDBOX_CHAT_ID, "Shop support")
    chat.members[bot_id] = Member("administrator", list(ADMIN_RIGHTS))
    return World(bot=bot, people={person.id: person for person in people}, chats={chat.id: chat})
