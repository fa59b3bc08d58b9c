"""The operators' channel on the Bot API: the one module that imports aiogram, for workers only.

Every call ends in a result or in exactly one `ChannelError`. Requests are never repeated here, with
two exceptions that Telegram has refused before and that lose nothing: a text whose entities it does
not take goes out plain, and one whose reply it does not find goes out without.
"""

import asyncio
import contextlib
import json
import time
import zlib
from typing import Any, Literal, TypeVar

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    AiogramError,
    ClientDecodeError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.methods import (
    CloseForumTopic,
    DeleteForumTopic,
    DeleteMessage,
    DeleteWebhook,
    EditForumTopic,
    ReopenForumTopic,
    SendChatAction,
    SetWebhook,
    TelegramMethod,
)
from aiogram.types import (
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    MessageEntity,
    ReplyParameters,
)
from aiohttp import ClientConnectorError, ClientTimeout, ConnectionTimeoutError, InvalidURL
from pydantic import BaseModel

from topicwire import metrics
from topicwire.relay.channel import (
    Astray,
    ChannelError,
    GroupState,
    NotReached,
    Rejected,
    Sent,
    Text,
    TopicGone,
    Unchanged,
    Unknown,
    Unreliable,
    Wait,
)
from topicwire.telegram.failures import BadFormatting, ReplyGone, meaning
from topicwire.telegram.formatting import TEXT_LIMIT, defuse, utf16_length

ALLOWED_UPDATES = ["message", "edited_message", "my_chat_member"]
CONNECTIONS = 100
WORDS = 300  # of an answer that makes no sense, kept for whoever looks into it

_THEIRS = {"strike": "strikethrough", "link": "text_link", "quote": "blockquote"}

_STATUSES: tuple[tuple[type[TelegramAPIError], int], ...] = (
    (TelegramEntityTooLarge, 413),
    (TelegramForbiddenError, 403),
    (TelegramUnauthorizedError, 401),
    (TelegramBadRequest, 400),
    (TelegramMigrateToChat, 400),
    (TelegramNotFound, 404),
    (TelegramConflictError, 409),
    (TelegramServerError, 500),
)
_NOTHING_SENT = (ClientConnectorError, ConnectionTimeoutError, InvalidURL)

_COLOURS = (0x6FB9F0, 0xFFD67E, 0xCB86DB, 0x8EEE98, 0xFF93B2, 0xFB6F5F)  # all that there are (Bot API)
_WHOSE: dict[str, Literal["ours", "theirs", "nobody's"]] = {
    "inline keyboard expected": "ours",
    "message can't be edited": "theirs",
    "message to edit not found": "nobody's",
}

T = TypeVar("T")


class _Posted(BaseModel):
    message_id: int
    message_thread_id: int | None = None
    is_topic_message: bool | None = None


class _Topic(BaseModel):
    message_thread_id: int


class _Chat(BaseModel):
    type: str = "supergroup"
    title: str | None = None
    is_forum: bool | None = None


class _Member(BaseModel):
    status: str
    can_manage_topics: bool | None = None
    can_delete_messages: bool | None = None


class _Me(BaseModel):
    id: int
    username: str | None = None


# Own method classes where aiogram's result types demand more fields than we read: a message whose
# confirmation cannot be parsed has been sent all the same.


class _SendMessage(TelegramMethod[_Posted]):
    __returning__ = _Posted
    __api_method__ = "sendMessage"

    chat_id: int
    message_thread_id: int | None
    text: str
    entities: list[MessageEntity] | None
    reply_parameters: ReplyParameters | None
    link_preview_options: LinkPreviewOptions = LinkPreviewOptions(is_disabled=True)


class _CreateForumTopic(TelegramMethod[_Topic]):
    __returning__ = _Topic
    __api_method__ = "createForumTopic"

    chat_id: int
    name: str
    icon_color: int


class _Probe(TelegramMethod[Any]):
    __returning__ = Any
    __api_method__ = "editMessageReplyMarkup"

    chat_id: int
    message_id: int
    # Never anything else: what the server takes for no keyboard would remove one.
    reply_markup: str = '{"force_reply":true}'


class _SetKeyboard(TelegramMethod[_Posted]):
    __returning__ = _Posted
    __api_method__ = "editMessageReplyMarkup"

    chat_id: int
    message_id: int
    reply_markup: InlineKeyboardMarkup | None = None


class _GetChat(TelegramMethod[_Chat]):
    __returning__ = _Chat
    __api_method__ = "getChat"

    chat_id: int


class _GetChatMember(TelegramMethod[_Member]):
    __returning__ = _Member
    __api_method__ = "getChatMember"

    chat_id: int
    user_id: int


class _GetMe(TelegramMethod[_Me]):
    __returning__ = _Me
    __api_method__ = "getMe"


class _GetUpdates(TelegramMethod[list[dict[str, Any]]]):
    __returning__ = list[dict[str, Any]]
    __api_method__ = "getUpdates"

    offset: int
    timeout: int
    allowed_updates: list[str] = ALLOWED_UPDATES


def open_session(api_url: str) -> AiohttpSession:
    """Open connections to a Bot API server that all bots of a process may share."""
    return AiohttpSession(api=TelegramAPIServer.from_base(api_url), limit=CONNECTIONS)


class TelegramChannel:
    """One bot's voice: `Channel` over a Bot API server.

    A call takes `timeout` seconds at most, of which half for getting a connection. A session that
    is passed in must have been opened for the same `api_url`, and outlives `close`. A token without
    the shape of one raises aiogram's TokenValidationError.
    """

    def __init__(
        self, token: str, api_url: str, *, timeout: float = 12.0, session: AiohttpSession | None = None
    ) -> None:
        self._timeout = timeout
        self._own_session = None if session else open_session(api_url)
        self._bot = Bot(token, session=session or self._own_session)

    async def close(self) -> None:
        """Close the connections, unless they were passed in."""
        if self._own_session is not None:
            await self._own_session.close()

    async def send(
        self, chat_id: int, topic_id: int | None, text: Text, *, reply_to: int | None = None
    ) -> Sent:
        """Send a text; without its formatting, or without the reply, where Telegram refuses those."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._send(chat_id, topic_id, text, reply_to)
        except TimeoutError:
            raise Unknown("no answer in time") from None
        except (BadFormatting, ReplyGone) as error:
            raise Rejected(str(error)) from None

    async def _send(self, chat_id: int, topic_id: int | None, text: Text, reply_to: int | None) -> Sent:
        try:
            posted = await self._exchange(_message(chat_id, topic_id, text, reply_to))
        except BadFormatting:
            plain = Text(defuse(text.text))  # a link entity may have covered a mention
            if not text.entities or utf16_length(plain.text) > TEXT_LIMIT:
                raise
            return await self._send(chat_id, topic_id, plain, reply_to)
        except ReplyGone:
            if reply_to is None:
                raise
            return await self._send(chat_id, topic_id, text, None)
        landed = posted.message_thread_id if posted.is_topic_message else None
        if topic_id is not None and landed != topic_id:  # with forum mode off the topic is ignored
            raise Astray(
                f"sent to topic {topic_id}, landed in {landed or 'the main thread'}", posted.message_id
            )
        return Sent(posted.message_id)

    async def create_topic(self, chat_id: int, name: str) -> int:
        """Create a topic and give its id."""
        return (
            await self._call(_CreateForumTopic(chat_id=chat_id, name=name, icon_color=_colour(name)))
        ).message_thread_id

    async def rename_topic(self, chat_id: int, topic_id: int, name: str) -> None:
        """Give a topic another name; an empty one is Rejected.

        Without a name the Bot API would answer True and do nothing, which is no proof of a topic.
        """
        if not name:
            raise Rejected("a topic needs a name")
        await self._call(EditForumTopic(chat_id=chat_id, message_thread_id=topic_id, name=name))

    async def topic_exists(self, chat_id: int, topic_id: int, name: str) -> bool:
        """Whether a topic is there; sets its name to `name`, which is its present one.

        A send that finds no topic is no proof: it masks every failure of the look-up (TDLib).
        """
        try:
            await self.rename_topic(chat_id, topic_id, name)
        except Unchanged:
            return True
        except TopicGone:
            return False
        return True

    async def reopen_topic(self, chat_id: int, topic_id: int) -> None:
        """Reopen a closed topic; raises Unchanged where it is open."""
        await self._call(ReopenForumTopic(chat_id=chat_id, message_thread_id=topic_id))

    async def close_topic(self, chat_id: int, topic_id: int) -> None:
        """Close a topic; raises Unchanged where it is closed."""
        await self._call(CloseForumTopic(chat_id=chat_id, message_thread_id=topic_id))

    async def delete_topic(self, chat_id: int, topic_id: int) -> None:
        """Delete a topic with all its messages."""
        await self._call(DeleteForumTopic(chat_id=chat_id, message_thread_id=topic_id))

    async def delete_message(self, chat_id: int, message_id: int) -> None:
        """Delete a message of ours; one that is gone already, or too old, is Rejected."""
        await self._call(DeleteMessage(chat_id=chat_id, message_id=message_id))

    async def whose(self, chat_id: int, message_id: int) -> Literal["ours", "theirs", "nobody's"]:
        """Whose message has this id: the refusal of an edit that is never carried out tells.

        A keyboard of the wrong kind is refused after the server has looked whose the message is and
        before anything is changed (Bot API server, TDLib). Should it be accepted, or taken for no
        keyboard at all, that raises Unreliable.
        """
        try:
            await self._call(_Probe(chat_id=chat_id, message_id=message_id))
        except Unchanged as error:
            raise Unreliable(str(error)) from None
        except Rejected as error:
            for words, whose in _WHOSE.items():
                if words in str(error).casefold():
                    return whose
            raise Unreliable(str(error)) from None
        raise Unreliable("a keyboard of the wrong kind was accepted")

    async def show_button(self, chat_id: int, message_id: int) -> None:
        """Put a button below a message of ours, which people do not see as an edit; for `hide_button`."""
        button = InlineKeyboardButton(text="…", callback_data="-")
        with contextlib.suppress(Unchanged):  # it was left there by a process that died
            await self._call(
                _SetKeyboard(
                    chat_id=chat_id,
                    message_id=message_id,
                    reply_markup=InlineKeyboardMarkup(inline_keyboard=[[button]]),
                )
            )

    async def hide_button(self, chat_id: int, message_id: int) -> int | None:
        """Take the button away again. Gives the message's topic, None outside of any.

        Only an edit that changes something is answered with the message.
        """
        shown = await self._call(_SetKeyboard(chat_id=chat_id, message_id=message_id))
        return shown.message_thread_id if shown.is_topic_message else None

    async def show_typing(self, chat_id: int, topic_id: int) -> None:
        """Show for about five seconds that somebody types; says nothing about the topic (Bot API)."""
        await self._call(SendChatAction(chat_id=chat_id, message_thread_id=topic_id, action="typing"))

    async def check_group(self, chat_id: int) -> GroupState:
        """Look at a group and at our rights in it; `missing` is in words for its operators."""
        chat = await self._call(_GetChat(chat_id=chat_id))
        title = chat.title or ""
        if chat.type not in ("group", "supergroup"):
            return GroupState(title, (f"a group: this is a {chat.type} chat",), "not_a_forum")
        us = await self._call(_GetChatMember(chat_id=chat_id, user_id=self._bot.id))
        missing, trouble = [], []
        if not chat.is_forum:
            missing.append("forum mode: turn on Topics in the group's settings")
            trouble.append("not_a_forum")
        if us.status not in ("administrator", "creator"):
            missing.append(
                "administrator rights: make the bot an administrator of the group, who may manage topics and"
                " delete messages"
            )
            trouble.append("kicked" if us.status in ("left", "kicked") else "rights")
        if us.status == "administrator" and not us.can_manage_topics:
            missing.append("the right to manage topics: turn it on in the bot's administrator rights")
            trouble.append("rights")
        if us.status == "administrator" and not us.can_delete_messages:  # the relay can do without
            missing.append("the right to delete messages: turn it on in the bot's administrator rights")
        return GroupState(title, tuple(missing), next(iter(trouble), None))

    async def is_admin(self, chat_id: int, user_id: int) -> bool:
        """Whether a person is the creator or an administrator of the group."""
        try:
            member = await self._call(_GetChatMember(chat_id=chat_id, user_id=user_id))
        except Rejected:  # a stranger: Telegram refuses to look up who was never there
            return False
        return member.status in ("administrator", "creator")

    async def username(self) -> str:
        """The bot's name without the @, in lower case."""
        return (await self.get_me())[1].casefold()

    async def get_me(self) -> tuple[int, str]:
        """Give the bot's id and its username without the @."""
        me = await self._call(_GetMe())
        return me.id, me.username or ""

    async def set_webhook(self, url: str, secret: str) -> None:
        """Have updates delivered to `url`, each with `secret` in its header.

        After a failure the bot may be without any webhook (Bot API server): set it again.
        """
        await self._call(SetWebhook(url=url, secret_token=secret, allowed_updates=ALLOWED_UPDATES))

    async def delete_webhook(self) -> None:
        """Have updates kept for `get_updates`; those not delivered yet stay."""
        await self._call(DeleteWebhook())

    async def get_updates(self, offset: int, timeout: int) -> list[bytes]:
        """Wait up to `timeout` seconds for updates from `offset` on, which confirms those before it.

        Each is JSON for `updates.decode`: aiogram's models neither see nor judge them.
        """
        method = _GetUpdates(offset=offset, timeout=timeout)
        return [json.dumps(update).encode() for update in await self._call(method, waits=timeout)]

    async def _call(self, method: TelegramMethod[T], *, waits: int = 0) -> T:
        try:
            return await self._exchange(method, waits=waits)
        except (BadFormatting, ReplyGone) as error:  # only a send knows what to do about them
            raise Rejected(str(error)) from None

    async def _exchange(self, method: TelegramMethod[T], *, waits: int = 0) -> T:
        total = self._timeout + waits
        limits = ClientTimeout(total, connect=self._timeout / 2, ceil_threshold=total)
        began = time.perf_counter()
        try:
            # aiogram hands it to aiohttp as it is; its annotation knows whole seconds only.
            result: T | None = await self._bot(method, request_timeout=limits)  # type: ignore[arg-type]
        except AiogramError as error:
            refusal = _refusal(error)
        except (TypeError, ValueError) as error:
            # aiogram on a server error without a description, aiohttp on bytes that are no text
            refusal = Unknown(f"an answer that makes no sense: {error}")
        else:
            if result is not None:
                return result
            refusal = Unknown("an answer without a result")
        finally:
            metrics.call_seconds.labels(method.__api_method__).observe(time.perf_counter() - began)
        if isinstance(refusal, Wait):
            metrics.calls_limited.labels(method.__api_method__).inc()
        refusal.args = (str(refusal).replace(self._bot.token, "<token>"),)
        raise refusal from None  # the cause carries the address, and that the token


def _colour(name: str) -> int:
    """One of the six colours of topics, always the same for a name, so that visitors can be told apart."""
    return _COLOURS[zlib.crc32(name.encode()) % len(_COLOURS)]


def _message(chat_id: int, topic_id: int | None, text: Text, reply_to: int | None) -> _SendMessage:
    entities = [
        MessageEntity(type=_THEIRS.get(e.type, e.type), offset=e.offset, length=e.length, url=e.url)
        for e in text.entities
    ]
    reply = None
    if reply_to is not None:
        reply = ReplyParameters(message_id=reply_to, allow_sending_without_reply=True)
    return _SendMessage(
        chat_id=chat_id,
        message_thread_id=topic_id,
        text=text.text,
        entities=entities or None,
        reply_parameters=reply,
    )


def _refusal(error: AiogramError) -> ChannelError:
    """Translate aiogram's exceptions back into what the Bot API said (aiogram 3.31, check_response)."""
    if isinstance(error, TelegramNetworkError) and not isinstance(error, TelegramEntityTooLarge):
        sent = not isinstance(error.__cause__, _NOTHING_SENT)
        return Unknown(error.message) if sent else NotReached(error.message)
    if not isinstance(error, TelegramAPIError):
        answer = error.data if isinstance(error, ClientDecodeError) else error
        return Unknown(f"an answer that makes no sense: {str(answer)[:WORDS]}")
    words = (error.message or "").rpartition("Original description: ")[2]
    return meaning(
        _status(error, words),
        words,
        retry_after=error.retry_after if isinstance(error, TelegramRetryAfter) else None,
        migrate_to_chat_id=error.migrate_to_chat_id if isinstance(error, TelegramMigrateToChat) else None,
    )


def _status(error: TelegramAPIError, words: str) -> int:
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return status
    # aiogram has no class of its own for these; Telegram's prefix tells them apart.
    if words.startswith("Too Many Requests"):
        return 429
    return 421 if words.startswith("Misdirected Request") else 200
