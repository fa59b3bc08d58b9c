"""One Bot API call under way: its arguments and the checks that many methods share, in the server's order."""

import asyncio
from dataclasses import dataclass
from enum import Enum
from typing import Any

from topicwire.sandbox import shapes
from topicwire.sandbox.accounts import Account
from topicwire.sandbox.answers import (
    RefusedError,
    bad_request,
    forbidden,
    not_in_the_sandbox,
    too_many_requests,
)
from topicwire.sandbox.arguments import Arguments, to_integer
from topicwire.sandbox.backend import Backend
from topicwire.sandbox.clock import Clock
from topicwire.sandbox.files import Files
from topicwire.sandbox.flood import Admission, Cost, Limits, RefusedFloodError
from topicwire.sandbox.html_mode import parse_html
from topicwire.sandbox.markdown_mode import parse_markdown, parse_markdown_v2
from topicwire.sandbox.text import RAW_LIMIT_BYTES, Entity, check_utf8, parse_entities
from topicwire.sandbox.updates import Feed
from topicwire.sandbox.webhook import WebhookEngine
from topicwire.sandbox.world import GENERAL, Chat, Member, Message, Person, Topic, World

Json = dict[str, Any]

OWN_DELETABLE_SECONDS = 48 * 3600
_MODES = {"markdown": parse_markdown, "markdownv2": parse_markdown_v2, "html": parse_html}

# What is sent: the right that a restricted member needs for it, and how Telegram calls it
# (tdlib, `MessageContent.cpp`).
SENDING = {
    "text": ("can_send_messages", "text messages"),
    "photo": ("can_send_photos", "photos"),
    "video": ("can_send_videos", "videos"),
    "document": ("can_send_documents", "documents"),
    "audio": ("can_send_audios", "music"),
    "voice": ("can_send_voice_notes", "voice notes"),
    "video_note": ("can_send_video_notes", "video notes"),
    "sticker": ("can_send_other_messages", "stickers"),
    "animation": ("can_send_other_messages", "animations"),
}


class Access(Enum):
    """How much access to a chat a call needs."""

    READ = "read"
    MEMBERS = "members"
    EDIT = "edit"
    WRITE = "write"


@dataclass(slots=True)
class Markup:
    """A reply_markup: `inline` is the keyboard itself, `other` a keyboard that no edit accepts."""

    inline: Json | None = None
    other: bool = False


@dataclass(slots=True)
class Query:
    """What a method needs: the arguments, the world, and the bot that calls."""

    account: Account
    arguments: Arguments
    backend: Backend
    files: Files
    clock: Clock

    @property
    def world(self) -> World:
        return self.backend.world

    @property
    def bot_id(self) -> int:
        return self.account.person.id

    @property
    def feed(self) -> Feed:
        return self.account.feed

    @property
    def webhook(self) -> WebhookEngine:
        return self.account.webhook

    async def chat(
        self, cost: Cost = Cost.FREE, *, access: Access = Access.WRITE, name: str = "chat_id", places: int = 1
    ) -> Chat:
        """The group that chat_id names, once the call has its places and the bot has access."""
        raw = self.arguments.text(name)
        if not raw:
            raise bad_request(f"{name} is empty")
        chat = self._find_chat(raw, access)
        if cost is not Cost.FREE:
            await self._pass_flood(cost, chat.id, places)
        _check_access(chat, chat.member(self.bot_id), access)
        return chat

    async def forum(self, cost: Cost = Cost.TOPIC) -> Chat:
        """The same for methods that need topics."""
        chat = await self.chat(cost)
        if not chat.is_forum:
            raise bad_request("the chat is not a forum")
        return chat

    def role(self, chat: Chat) -> Member:
        """What the bot is in that group."""
        return chat.member(self.bot_id)

    def thread_id(self) -> int:
        """message_thread_id; garbage and negative numbers are 0."""
        return max(0, self.arguments.integer("message_thread_id"))

    def check_topic(self, chat: Chat, thread: int, right: str, refusal: str) -> None:
        """What the server refuses by itself: no identifier, and no right over a topic that it knows."""
        if thread <= 0:
            raise bad_request("invalid forum topic identifier specified")
        topic = chat.topics.get(thread)
        is_known = topic is not None and self.bot_id in topic.seen
        if is_known and not self._may_manage(chat, topic, right):
            raise bad_request(refusal)

    def managed_topic(self, chat: Chat, thread: int, right: str, refusal: str, *, own: bool = True) -> Topic:
        """The topic that a topic method is about, provided that the bot may manage it.

        The missing right is told in a sentence if the server knows the topic, else by the backend's own word.
        With `own` the bot's own topics need no right.
        """
        self.check_topic(chat, thread, right, refusal)
        topic = chat.topic(thread)
        if not self._may_manage(chat, topic if own else None, right):
            raise bad_request("CHAT_ADMIN_REQUIRED")
        if topic is None:
            raise bad_request("TOPIC_ID_INVALID")
        return topic

    def thread_to_write(self, chat: Chat) -> int | None:
        """The topic that a message goes to: message_thread_id looked up as the server does; None is General.

        Where there are no topics the thread is silently ignored.
        """
        thread = self.thread_id()
        if thread == 0 or not chat.is_forum:
            return None
        topic = chat.topics.get(thread)
        if thread == GENERAL or topic is None:
            raise bad_request("message thread not found")
        now = self.clock.now()
        if topic.is_cached(self.bot_id, now):
            return thread
        if topic.deleted:
            raise bad_request("message thread not found")
        topic.seen[self.bot_id] = now
        return thread

    def check_may_write(self, chat: Chat, thread: int | None, kind: str = "text") -> None:
        """What the backend refuses at last: restricted bots, vanished and closed topics."""
        right, words = SENDING[kind]
        if not self.role(chat).may_send(right):
            raise bad_request(f"not enough rights to send {words} to the chat")
        topic = chat.topic(thread)
        if topic is None:
            raise bad_request("TOPIC_DELETED")  # it was still in the server's cache
        if not chat.may_write(self.bot_id, topic):
            raise bad_request("TOPIC_CLOSED")

    def readable_chat(self, asked: str) -> Chat:
        """Another chat that the bot can read, by what a caller calls it."""
        chat = self._find_chat(asked, Access.READ)
        _check_access(chat, chat.member(self.bot_id), Access.READ)
        return chat

    def check_may_pin(self, chat: Chat) -> None:
        """Pinning needs the right (tdlib, `DialogManager::can_pin_messages`)."""
        if not self.role(chat).may("can_pin_messages"):
            raise bad_request("not enough rights to manage pinned messages in the chat")

    def check_deletable(self, chat: Chat, message: Message) -> None:
        """One's own for two days, others' with the right; a topic's first goes only with the topic."""
        if "forum_topic_created" in message.content:
            raise bad_request("message can't be deleted")
        if self.role(chat).may("can_delete_messages"):
            return
        if message.author != self.bot_id:
            raise bad_request("message can't be deleted for everyone")
        if message.service or self.clock.now() - message.date > OWN_DELETABLE_SECONDS:
            raise bad_request("message can't be deleted")

    def check_inline(self, markup: "Markup") -> None:
        """A message that is edited takes inline keyboards only; this is looked at last of all."""
        if markup.other:
            raise bad_request("inline keyboard expected")

    def message(self, chat: Chat, purpose: str, name: str = "message_id") -> Message:
        """The message that message_id names; `purpose` as in "message to edit"."""
        message = chat.messages.get(self.arguments.integer(name))
        if message is None:
            raise bad_request(f"{purpose} not found")
        return message

    def own_message(self, chat: Chat) -> Message:
        """The message to edit: the bot's own, no service message and no forward."""
        message = self.message(chat, "message to edit")
        if message.author != self.bot_id or message.service or message.forwarded:
            raise bad_request("message can't be edited")
        return message

    def text(self) -> tuple[str, list[Entity]]:
        """text and entities as far as they are checked before anything else."""
        text = self.arguments.text("text")
        if not text:
            raise bad_request("message text is empty")
        return self.formatted(text, self.arguments.text("parse_mode"), "entities", self.arguments)

    def caption(self) -> tuple[str, list[Entity]]:
        """caption and its entities, likewise; nothing is a caption, too."""
        arguments = self.arguments
        return self.formatted(
            arguments.text("caption"), arguments.text("parse_mode"), "caption_entities", arguments
        )

    def formatted(self, text: str, mode: str, name: str, arguments: Arguments) -> tuple[str, list[Entity]]:
        """A text by its parse_mode, or with the entities that the argument of that name holds.

        The server looks at entities only where there is no parse_mode (`Client::get_formatted_text`).
        """
        check_utf8(text)
        if len(text) * 4 > RAW_LIMIT_BYTES and len(text.encode()) > RAW_LIMIT_BYTES:
            raise bad_request("text is too long")
        if not text or mode.lower() in ("", "none"):
            return text, shapes.with_people(self.world, parse_entities(arguments.lenient_structure(name)))
        parse = _MODES.get(mode.lower())
        if parse is None:
            raise bad_request("unsupported parse_mode")
        parsed, entities = parse(text)
        return parsed, shapes.with_people(self.world, entities)

    def markup(self) -> Markup:
        """reply_markup by its kind; one without content counts as none."""
        if not self.arguments.text("reply_markup"):
            return Markup()
        raw = self.arguments.structure("reply_markup", "reply keyboard markup")
        if not isinstance(raw, dict):
            raise bad_request("object expected as reply markup")
        if raw.get("keyboard"):
            return Markup(other=True)
        if raw.get("inline_keyboard"):
            return Markup(inline={"inline_keyboard": _check_rows(raw["inline_keyboard"])})
        return Markup(other=bool(raw.get("remove_keyboard") or raw.get("force_reply")))

    def _may_manage(self, chat: Chat, topic: Topic | None, right: str) -> bool:
        is_own = topic is not None and topic.creator == self.bot_id
        return is_own or self.role(chat).may(right)

    def _find_chat(self, asked: str, access: Access) -> Chat:
        chat_id = 0 if asked.startswith("@") else to_integer(asked)
        person = self.world.people.get(chat_id)
        if person is not None and access is not Access.WRITE:
            raise not_in_the_sandbox("a private chat")
        if person is not None:
            raise forbidden(_why_unreachable(person, self.bot_id))
        chat = self.world.chats.get(chat_id)
        if chat is None or self.bot_id not in chat.members:
            raise bad_request("chat not found")
        return chat

    async def _pass_flood(self, cost: Cost, chat_id: int, places: int) -> None:
        """Returns once the call has its places, after a wait if it is a short one."""
        limits = self.account.limits
        try:
            call = limits.admit(cost, chat_id, self.clock.now(), places)
            if call.wait:
                await self._hold(limits, call)
        except RefusedFloodError as refused:
            raise too_many_requests(refused.seconds) from None

    async def _hold(self, limits: Limits, call: Admission) -> None:
        # Telegram sleeps inside for short waits: what the caller sees is latency.
        refusal: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        call.on_refused = refusal.set_result
        try:
            while left := limits.go_on(call, self.clock.now()):
                await self._sleep(left, refusal)
        finally:
            limits.settle(call)

    async def _sleep(self, seconds: float, refusal: asyncio.Future[int]) -> None:
        waiting = asyncio.ensure_future(self.clock.sleep(seconds))
        try:
            futures: set[asyncio.Future[Any]] = {waiting, refusal}
            await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if refusal.done():
            raise RefusedFloodError(refusal.result())


def _why_unreachable(person: Person, bot_id: int) -> str:
    if person.is_bot:
        return "the bot can't send messages to the bot"
    if person.is_deleted:
        return "user is deactivated"
    if bot_id in person.blocked:
        return "bot was blocked by the user"
    return "bot can't initiate conversation with a user"


def _check_access(chat: Chat, role: Member, access: Access) -> None:
    """As `Client.cpp` of the Bot API server: a basic group can be read long after it was left."""
    if chat.type == "group":
        _check_group(chat, role, access)
    elif role.status == "kicked":
        raise forbidden("bot was kicked from the supergroup chat")
    elif chat.deleted:
        raise bad_request("chat not found")
    elif not role.is_in():
        raise forbidden("bot is not a member of the supergroup chat")


def _check_group(chat: Chat, role: Member, access: Access) -> None:
    access = Access.WRITE if access is Access.MEMBERS else access  # whose members nobody can list any more
    if access is Access.WRITE and chat.migrated_to is not None:
        text = "Bad Request: group chat was upgraded to a supergroup chat"
        raise RefusedError(400, text, migrate_to_chat_id=chat.migrated_to)
    if access is Access.WRITE and chat.deleted:
        raise forbidden("the group chat was deleted")
    if access is not Access.READ and not role.is_in():
        why = "bot was kicked from" if role.status == "kicked" else "bot is not a member of"
        raise forbidden(f"{why} the group chat")


def _check_rows(rows: Any) -> list[list[Json]]:
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad_request('field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays')
    for button in (button for row in rows for button in row):
        if not isinstance(button, dict) or not isinstance(button.get("text"), str):
            raise bad_request("can't parse inline keyboard button: Can't find field \"text\"")
    return rows
