"""A forum bot on python-telegram-bot: a client of the Bot API that nobody here wrote, against the sandbox."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from telegram import (
    CallbackQuery,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    LinkPreviewOptions,
    Message,
    Update,
)
from telegram.constants import ChatAction, ParseMode
from telegram.error import BadRequest, ChatMigrated, Forbidden, NetworkError, RetryAfter
from telegram.ext import (
    Application,
    CallbackQueryHandler,
    CommandHandler,
    ContextTypes,
    MessageHandler,
    filters,
)

from tests.sandbox.test_conformance import png
from topicwire.sandbox.clock import SystemClock

if TYPE_CHECKING:
    from tests.sandbox.conftest import Running, Telegram

Desk = Application[Any, Any, Any, Any, Any, Any]


async def take(update: Update, _: ContextTypes.DEFAULT_TYPE) -> None:
    """An operator's word: say so with a reaction, and offer to close the topic."""
    message = update.effective_message
    assert message is not None
    await message.set_reaction("👍")
    keyboard = InlineKeyboardMarkup([[InlineKeyboardButton("Close", callback_data="close")]])
    await message.reply_text(
        f"<b>{message.text}</b>, noted", parse_mode=ParseMode.HTML, reply_markup=keyboard
    )


async def connect(update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
    """/connect opens a topic."""
    assert update.effective_chat is not None
    topic = await context.bot.create_forum_topic(update.effective_chat.id, "Visitor 7f3a", icon_color=9367192)
    await context.bot.send_message(
        update.effective_chat.id,
        "Hello",
        message_thread_id=topic.message_thread_id,
        link_preview_options=LinkPreviewOptions(is_disabled=True),
    )


async def close(update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
    """The button closes the topic that it is in."""
    query = update.callback_query
    assert isinstance(query, CallbackQuery)
    assert isinstance(query.message, Message)
    await query.answer("Closing")
    await query.edit_message_reply_markup(None)
    assert query.message.message_thread_id is not None
    await context.bot.close_forum_topic(query.message.chat_id, query.message.message_thread_id)


@asynccontextmanager
async def desk(telegram: Telegram) -> AsyncIterator[Desk]:
    """The bot, polling."""
    built = (
        Application.builder()
        .token("4200:secret")
        .base_url(f"{telegram.base}/bot")
        .base_file_url(f"{telegram.base}/file/bot")
        .build()
    )
    built.add_handler(CommandHandler("connect", connect))
    built.add_handler(CallbackQueryHandler(close))
    built.add_handler(MessageHandler(filters.TEXT & filters.ChatType.SUPERGROUP, take))
    async with built:
        yield built


@pytest.fixture
async def telegram(sandbox: Running) -> AsyncIterator[Telegram]:
    async with sandbox(group_rate="off", bot_rate="off", clock=SystemClock()) as running:
        yield running


async def seen(telegram: Telegram, thread: int, text: str) -> Any:
    async with asyncio.timeout(20):
        while True:
            for message in (await telegram.look(f"topics/{thread}/messages"))["messages"]:
                if message.get("text") == text:
                    return message
            await telegram.ok("getMe")


async def test_a_forum_bot(telegram: Telegram) -> None:
    async with desk(telegram) as running:
        assert running.updater is not None
        await running.start()
        await running.updater.start_polling(poll_interval=0, timeout=5)
        await telegram.act("messages", text="/connect")
        thread = (await seen_topic(telegram))["id"]
        await seen(telegram, thread, "Hello")
        asked = await telegram.act("messages", thread=thread, text="I am on it")
        noted = await seen(telegram, thread, "I am on it, noted")
        assert noted["entities"][0]["type"] == "bold"
        assert noted["reply_to_message"]["message_id"] == asked["message_id"]
        await telegram.act(f"messages/{noted['message_id']}/press", data="close")
        async with asyncio.timeout(20):
            while not (await seen_topic(telegram))["closed"]:
                pass
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            await running.updater.stop()
            await running.stop()


async def seen_topic(telegram: Telegram) -> Any:
    async with asyncio.timeout(20):
        while True:
            state = await telegram.look("/state")
            for topic in state["chats"][0]["topics"]:
                if topic["name"] == "Visitor 7f3a":
                    return topic


async def test_files_albums_and_pins(telegram: Telegram) -> None:
    async with desk(telegram) as running:
        bot, chat = running.bot, telegram.chat
        sent = await bot.send_document(
            chat, b"hello", filename="hello.txt", caption="*see*", parse_mode="Markdown"
        )
        assert sent.document is not None
        file = await sent.document.get_file()
        assert bytes(await file.download_as_bytearray()) == b"hello"
        album = await bot.send_media_group(chat, [InputMediaPhoto(png(9, 9)), InputMediaPhoto(png(9, 9))])
        assert len({message.media_group_id for message in album}) == 1
        assert await bot.pin_chat_message(chat, sent.message_id)
        pinned = (await bot.get_chat(chat)).pinned_message
        assert pinned is not None
        assert pinned.message_id == sent.message_id
        assert await bot.send_chat_action(chat, ChatAction.TYPING)
        administrators = await bot.get_chat_administrators(chat)
        assert bot.id in {member.user.id for member in administrators}
        assert len(await bot.get_forum_topic_icon_stickers()) > 5
        assert (await bot.copy_message(chat, chat, sent.message_id)).message_id > sent.message_id


@pytest.mark.filterwarnings("ignore:.*retry_after")  # the library's own, about a later version of it
async def test_refusals(telegram: Telegram) -> None:
    async with desk(telegram) as running:
        bot, chat = running.bot, telegram.chat
        with pytest.raises(BadRequest, match="Message thread not found"):
            await bot.send_message(chat, "x", message_thread_id=99999)
        group = await telegram.group(type="group")
        successor = (await group.act("migrate"))["id"]
        with pytest.raises(ChatMigrated) as migrated:
            await bot.send_message(group.chat, "x")
        assert migrated.value.new_chat_id == successor
        await telegram.act("/faults", kind="flood", retry_after=35)
        with pytest.raises(RetryAfter):
            await bot.send_message(chat, "x")
        await telegram.act("/faults", kind="answer_lost", method="sendMessage")
        with pytest.raises(NetworkError):
            await bot.send_message(chat, "landed")
        await seen(telegram, 1, "landed")
        await telegram.act("bot", status="kicked")
        with pytest.raises(Forbidden, match="bot was kicked from the supergroup chat"):
            await bot.send_message(chat, "x")
