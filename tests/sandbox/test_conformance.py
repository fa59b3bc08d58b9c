"""The specification's tables of errors and behaviour, row by row, over bare HTTP and through aiogram.

A row is what happens first, the call, and what is answered. Section numbers are those of
`docs/telegram.md`; texts are the server's own.
"""
# ruff: noqa: E501 - a row of a table stays a row

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
import pytest
from aiogram import Bot, exceptions, methods
from aiogram.client.default import DefaultBotProperties
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.methods import TelegramMethod
from aiogram.types import BufferedInputFile, InputMediaDocument, InputMediaPhoto

from topicwire.doctor.assumptions import PROBE, REFUSALS
from topicwire.doctor.matching import Refused
from topicwire.sandbox.world import ANONYMOUS, LENA, MARA

if TYPE_CHECKING:
    from tests.sandbox.conftest import Running, Telegram

TOKEN = "4200:secret"
BAD = "Bad Request: "


def png(width: int, height: int) -> bytes:
    """The head of a picture: as much of it as Telegram's size check reads."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(head))


class Scene:
    """A fresh forum with things in it that rows are about."""

    def __init__(self, telegram: Telegram) -> None:
        self.telegram = telegram
        self.chat = telegram.chat
        self.names: dict[str, Any] = {"chat": telegram.chat}

    async def prepare(self) -> None:
        telegram = self.telegram
        own = await telegram.topic("own")
        theirs = (await telegram.act("topics", name="theirs"))["id"]
        said = await telegram.say("said", message_thread_id=own)
        question = await telegram.act("messages", text="question", thread=own)
        gone = await telegram.say("gone")
        await telegram.ok("deleteMessage", message_id=gone["message_id"])
        photo = await telegram.act("messages", kind="photo", caption="look")
        lost = await telegram.topic("lost")
        await telegram.ok("deleteForumTopic", message_thread_id=lost)
        file = (await telegram.act("messages", kind="document"))["document"]["file_id"]
        document = await telegram.ok("sendDocument", document=file)
        self.names |= {
            "own": own, "theirs": theirs, "said": said["message_id"], "question": question["message_id"],
            "gone": gone["message_id"], "photo": photo["message_id"],
            "photo_id": photo["photo"][-1]["file_id"], "me": said["from"]["id"], "name": "own", "lost": lost,
            "document": document["message_id"], "document_id": file,
        }  # fmt: skip

    def fill(self, params: dict[str, Any]) -> dict[str, Any]:
        """Names with a $ become what they stand for."""
        filled = json.loads(json.dumps(params))
        return {"chat_id": self.chat} | {name: self._value(value) for name, value in filled.items()}

    def _value(self, value: Any) -> Any:
        if isinstance(value, str) and value.startswith("$"):
            return self.names[value[1:]]
        if isinstance(value, dict):
            return {name: self._value(each) for name, each in value.items()}
        return [self._value(each) for each in value] if isinstance(value, list) else value


Step = Callable[[Scene], Awaitable[Any]]


class Row(NamedTuple):
    name: str
    method: str
    params: dict[str, Any]
    answer: tuple[int, str]
    before: tuple[Step, ...] = ()


def act(path: str, **body: Any) -> Step:
    async def step(scene: Scene) -> None:
        await scene.telegram.act(path.format(**scene.names), **scene.fill(body))

    return step


def call(method: str, **params: Any) -> Step:
    async def step(scene: Scene) -> None:
        await scene.telegram.ok(method, **scene.fill(params))

    return step


def named(name: str, method: str, **params: Any) -> Step:
    """Likewise, and the message is called so from then on."""

    async def step(scene: Scene) -> None:
        said = await scene.telegram.ok(method, **scene.fill(params))
        scene.names[name] = said["message_id"]

    return step


def later(seconds: float) -> Step:
    async def step(scene: Scene) -> None:
        scene.telegram.clock.advance(seconds)

    return step


def bot(status: str, *rights: str) -> Step:
    return act("bot", status=status, rights=list(rights))


def refused(text: str) -> tuple[int, str]:
    return 400, BAD + text


FORCE_REPLY = {"force_reply": True}
NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same"
    " as a current content and reply markup of the message"
)
PIN = "can_pin_messages"
forget = later(61)

ROWS = [
    # What the doctor tries on Telegram itself, with nothing but a bot.
    *(
        Row(
            f"{row.section} {row.name}",
            row.method,
            dict(row.params),
            (row.expected.status, row.expected.description),
        )
        for row in (*REFUSALS, *PROBE)
        if isinstance(row.expected, Refused)
    ),
    # 2.2 topic methods
    Row(
        "2.2 not a forum",
        "createForumTopic",
        {"name": "x"},
        refused("the chat is not a forum"),
        (act("forum", on=False),),
    ),
    Row(
        "2.2 not a forum, edit",
        "editForumTopic",
        {"message_thread_id": "$own", "name": "x"},
        refused("the chat is not a forum"),
        (act("forum", on=False),),
    ),
    Row(
        "2.2 create without right",
        "createForumTopic",
        {"name": "x"},
        refused("not enough rights to create a topic"),
        (bot("administrator", PIN),),
    ),
    Row(
        "2.2 edit without right",
        "editForumTopic",
        {"message_thread_id": "$theirs", "name": "x"},
        refused("not enough rights to edit the topic"),
        (call("sendMessage", text="x", message_thread_id="$theirs"), bot("administrator", PIN)),
    ),
    Row(
        "2.2 close without right",
        "closeForumTopic",
        {"message_thread_id": "$theirs"},
        refused("not enough rights to close or open the topic"),
        (call("sendMessage", text="x", message_thread_id="$theirs"), bot("administrator", PIN)),
    ),
    Row(
        "2.2 delete without right",
        "deleteForumTopic",
        {"message_thread_id": "$theirs"},
        refused("not enough rights to delete the topic"),
        (call("sendMessage", text="x", message_thread_id="$theirs"), bot("administrator", PIN)),
    ),
    Row(
        "2.2 hide without right",
        "hideGeneralForumTopic",
        {},
        refused("not enough rights to close or open the topic"),
        (bot("administrator", PIN),),
    ),
    Row(
        "2.2 pin without right",
        "pinChatMessage",
        {"message_id": "$said"},
        refused("not enough rights to manage pinned messages in the chat"),
        (bot("administrator", "can_manage_topics"),),
    ),
    Row(
        "2.2 unknown to the cache",
        "editForumTopic",
        {"message_thread_id": "$theirs", "name": "x"},
        refused("CHAT_ADMIN_REQUIRED"),
        (bot("administrator", PIN),),
    ),
    Row(
        "2.2 deleted",
        "closeForumTopic",
        {"message_thread_id": "$own"},
        refused("TOPIC_ID_INVALID"),
        (act("topics/{own}/delete"),),
    ),
    Row(
        "2.2 unpin in a deleted one",
        "unpinAllForumTopicMessages",
        {"message_thread_id": "$own"},
        refused("TOPIC_ID_INVALID"),
        (act("topics/{own}/delete"),),
    ),
    Row(
        "2.2 closed twice",
        "closeForumTopic",
        {"message_thread_id": "$own"},
        refused("TOPIC_NOT_MODIFIED"),
        (call("closeForumTopic", message_thread_id="$own"),),
    ),
    Row("2.2 General open already", "reopenGeneralForumTopic", {}, refused("TOPIC_NOT_MODIFIED")),
    Row(
        "2.2 General hidden twice",
        "hideGeneralForumTopic",
        {},
        refused("TOPIC_NOT_MODIFIED"),
        (call("hideGeneralForumTopic"),),
    ),
    Row(
        "2.2 General, same name", "editGeneralForumTopic", {"name": "General"}, refused("TOPIC_NOT_MODIFIED")
    ),
    Row("2.2 unseen name", "createForumTopic", {"name": "\u200b"}, refused("name must be non-empty")),
    # 2.3 sending into a topic
    Row(
        "2.3 deleted, cached",
        "sendMessage",
        {"text": "x", "message_thread_id": "$own"},
        refused("TOPIC_DELETED"),
        (act("topics/{own}/delete"),),
    ),
    Row(
        "2.3 deleted, forgotten",
        "sendMessage",
        {"text": "x", "message_thread_id": "$own"},
        refused("message thread not found"),
        (act("topics/{own}/delete"), forget),
    ),
    Row(
        "2.3 deleted, a photo",
        "sendPhoto",
        {"photo": "$photo_id", "message_thread_id": "$own"},
        refused("message thread not found"),
        (act("topics/{own}/delete"), forget),
    ),
    Row(
        "2.3 deleted, a copy",
        "copyMessage",
        {"from_chat_id": "$chat", "message_id": "$said", "message_thread_id": "$theirs"},
        refused("message thread not found"),
        (act("topics/{theirs}/delete"), forget),
    ),
    # 2.4 closed topics
    Row(
        "2.4 theirs, no right",
        "sendMessage",
        {"text": "x", "message_thread_id": "$theirs"},
        refused("TOPIC_CLOSED"),
        (act("topics/{theirs}/close"), bot("administrator", PIN)),
    ),
    Row(
        "2.4 General, no right",
        "sendMessage",
        {"text": "x"},
        refused("TOPIC_CLOSED"),
        (act("topics/1/close"), bot("administrator", PIN)),
    ),
    # 2.6 access
    Row(
        "2.6 kicked",
        "sendMessage",
        {"text": "x"},
        (403, "Forbidden: bot was kicked from the supergroup chat"),
        (bot("kicked"),),
    ),
    Row(
        "2.6 left",
        "createForumTopic",
        {"name": "x"},
        (403, "Forbidden: bot is not a member of the supergroup chat"),
        (bot("left"),),
    ),
    Row(
        "2.6 left, reading",
        "getChat",
        {},
        (403, "Forbidden: bot is not a member of the supergroup chat"),
        (bot("left"),),
    ),
    Row(
        "2.6 a stranger",
        "sendMessage",
        {"chat_id": MARA, "text": "x"},
        (403, "Forbidden: bot can't initiate conversation with a user"),
    ),
    Row(
        "2.6 who blocked it",
        "sendMessage",
        {"chat_id": LENA, "text": "x"},
        (403, "Forbidden: bot was blocked by the user"),
        (act(f"/people/{LENA}", blocked=[4200]),),
    ),
    *(
        Row(
            f"2.6 no right: {words}",
            method,
            params,
            refused(f"not enough rights to send {words} to the chat"),
            (bot("restricted"),),
        )
        for words, method, params in (
            ("text messages", "sendMessage", {"text": "x"}),
            ("photos", "sendPhoto", {"photo": "$photo_id"}),
        )
    ),
    Row(
        "2.6 restricted by kind",
        "sendPhoto",
        {"photo": "$photo_id", "caption": "x"},
        refused("not enough rights to send photos to the chat"),
        (bot("restricted", "can_send_messages"),),
    ),
    # 2.7 messages
    Row("2.7 nothing to be seen", "sendMessage", {"text": "\u200b\u2800"}, refused("text must be non-empty")),
    Row(
        "2.7 edited to nothing",
        "editMessageText",
        {"message_id": "$said", "text": "\u200b"},
        refused("text must be non-empty"),
    ),
    Row(
        "2.7 caption too long",
        "sendPhoto",
        {"photo": "$photo_id", "caption": "x" * 1025},
        refused("message caption is too long"),
    ),
    Row(
        "2.7 unparsable caption",
        "sendPhoto",
        {"photo": "$photo_id", "caption": "a.", "parse_mode": "MarkdownV2"},
        refused(
            "can't parse entities: Character '.' is reserved and must be escaped with the preceding '\\'"
        ),
    ),
    Row(
        "6 a link to this machine",
        "sendMessage",
        {
            "text": "x",
            "entities": [{"type": "text_link", "offset": 0, "length": 1, "url": "http://localhost/"}],
        },
        refused("entity URL 'http://localhost/' is invalid: Wrong HTTP URL"),
    ),
    Row(
        "6 an entity beyond the text",
        "sendMessage",
        {"text": "😀", "entities": [{"type": "bold", "offset": 0, "length": 3}]},
        refused("entity beginning at UTF-16 offset 0 ends after the end of the text at UTF-16 offset 3"),
    ),
    Row(
        "6 an entity in a character",
        "sendMessage",
        {"text": "😀", "entities": [{"type": "bold", "offset": 1, "length": 1}]},
        refused("entity begins in a middle of a UTF-16 symbol at byte offset 4"),
    ),
    Row(
        "2.7 edit theirs",
        "editMessageText",
        {"message_id": "$question", "text": "x"},
        refused("message can't be edited"),
    ),
    Row(
        "2.7 caption too long, edited",
        "editMessageCaption",
        {"message_id": "$mine", "caption": "x" * 1025},
        refused("MEDIA_CAPTION_TOO_LONG"),
        (named("mine", "sendPhoto", photo="$photo_id"),),
    ),
    Row(
        "2.7 same caption",
        "editMessageCaption",
        {"message_id": "$mine", "caption": "look"},
        refused(NOT_MODIFIED),
        (named("mine", "sendPhoto", photo="$photo_id", caption="look"),),
    ),
    Row(
        "2.7 same file",
        "editMessageMedia",
        {"message_id": "$mine", "media": {"type": "photo", "media": "$photo_id", "caption": "look"}},
        refused(NOT_MODIFIED),
        (named("mine", "sendPhoto", photo="$photo_id", caption="look"),),
    ),
    Row("2.7 same keyboard", "editMessageReplyMarkup", {"message_id": "$said"}, refused(NOT_MODIFIED)),
    Row(
        "2.7 edit a forward",
        "editMessageText",
        {"message_id": "$mine", "text": "x"},
        refused("message can't be edited"),
        (named("mine", "forwardMessage", from_chat_id="$chat", message_id="$said"),),
    ),
    Row(
        "2.7 delete several, one of them theirs",
        "deleteMessages",
        {"message_ids": ["$said", "$question"]},
        refused("message can't be deleted for everyone"),
        (bot("administrator", PIN),),
    ),
    Row(
        "2.7 delete none",
        "deleteMessages",
        {"message_ids": []},
        refused("message identifiers are not specified"),
    ),
    Row(
        "2.7 delete many",
        "deleteMessages",
        {"message_ids": list(range(1, 102))},
        refused("too many message identifiers specified"),
    ),
    Row(
        "2.7 delete theirs",
        "deleteMessage",
        {"message_id": "$question"},
        refused("message can't be deleted for everyone"),
        (bot("administrator", PIN),),
    ),
    Row(
        "2.7 delete after two days",
        "deleteMessage",
        {"message_id": "$said"},
        refused("message can't be deleted"),
        (bot("administrator", PIN), later(49 * 3600)),
    ),
    Row(
        "2.7 two reactions",
        "setMessageReaction",
        {
            "message_id": "$said",
            "reaction": [{"type": "emoji", "emoji": "👍"}, {"type": "emoji", "emoji": "👎"}],
        },
        refused("REACTIONS_TOO_MANY"),
    ),
    Row(
        "2.7 paid reaction",
        "setMessageReaction",
        {"message_id": "$said", "reaction": [{"type": "paid"}]},
        refused("REACTION_INVALID"),
    ),
    Row(
        "2.7 copy what is protected",
        "copyMessage",
        {"from_chat_id": "$chat", "message_id": "$mine"},
        refused("the message can't be copied"),
        (named("mine", "sendMessage", text="x", protect_content=True),),
    ),
    Row("2.7 pin nothing", "pinChatMessage", {"message_id": "$gone"}, refused("message to pin not found")),
    Row("2.7 unpin nothing", "unpinChatMessage", {}, refused("message to unpin not found")),
    Row(
        "2.7 another type",
        "sendDocument",
        {"document": "$photo_id"},
        refused("can't use file of type Photo as Document"),
    ),
    Row("2.7 which file", "getFile", {"file_id": ""}, refused("file_id not specified")),
    # 13 the probe
    Row(
        "13 theirs",
        "editMessageReplyMarkup",
        {"message_id": "$question", "reply_markup": FORCE_REPLY},
        refused("message can't be edited"),
    ),
    Row(
        "13 ours, a photo in a closed topic",
        "editMessageReplyMarkup",
        {"message_id": "$mine", "reply_markup": FORCE_REPLY},
        refused("inline keyboard expected"),
        (
            named("mine", "sendPhoto", photo="$photo_id", message_thread_id="$own"),
            act("topics/{own}/close"),
            later(72 * 3600),
        ),
    ),
    Row(
        "13 a forward of ours",
        "editMessageReplyMarkup",
        {"message_id": "$mine", "reply_markup": FORCE_REPLY},
        refused("message can't be edited"),
        (named("mine", "forwardMessage", from_chat_id="$chat", message_id="$said"),),
    ),
    Row(
        "13 in a deleted topic",
        "editMessageReplyMarkup",
        {"message_id": "$said", "reply_markup": FORCE_REPLY},
        refused("message to edit not found"),
        (act("topics/{own}/delete"),),
    ),
]

# What aiogram cannot say: it leaves empty values out and types its fields.
BARE_ONLY = {
    "2.2 no chat", "2.2 an identifier that is no number", "2.7 no text", "2.7 which file", "2.6 who blocked it", *(row.name for row in ROWS if row.name.startswith("13 ")),
}  # fmt: skip


@pytest.fixture
async def scene(telegram: Telegram) -> Scene:
    made = Scene(telegram)
    await made.prepare()
    return made


@pytest.fixture(scope="module")
async def untouched(shared: Telegram) -> Scene:
    """For rows that nothing comes before: what is refused changes nothing."""
    made = Scene(await shared.group(title="Untouched"))
    await made.prepare()
    return made


async def prepared(shared: Telegram, untouched: Scene, row: Row) -> Scene:
    if not row.before:
        return untouched
    made = Scene(await shared.group(title=row.name))
    await made.prepare()
    for step in row.before:
        await step(made)
    return made


@pytest.fixture(scope="module")
async def aiogram_bot(shared: Telegram) -> AsyncIterator[Bot]:
    async with speaking(shared) as made:
        yield made


@asynccontextmanager
async def speaking(telegram: Telegram) -> AsyncIterator[Bot]:
    session = AiohttpSession(api=TelegramAPIServer.from_base(telegram.base))
    made = Bot(TOKEN, session=session, default=DefaultBotProperties(parse_mode=None))
    try:
        yield made
    finally:
        await session.close()


def rows(chosen: list[Row]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", chosen, ids=[row.name for row in chosen])


@rows(ROWS)
async def test_over_bare_http(shared: Telegram, untouched: Scene, row: Row) -> None:
    scene = await prepared(shared, untouched, row)
    assert await scene.telegram.refused(row.method, **scene.fill(row.params)) == row.answer


@rows([row for row in ROWS if row.name not in BARE_ONLY])
async def test_through_aiogram(shared: Telegram, untouched: Scene, aiogram_bot: Bot, row: Row) -> None:
    scene = await prepared(shared, untouched, row)
    kind: type[TelegramMethod[Any]] = getattr(methods, row.method[0].upper() + row.method[1:])
    known = {name: value for name, value in scene.fill(row.params).items() if name in kind.model_fields}
    error = {400: exceptions.TelegramBadRequest, 403: exceptions.TelegramForbiddenError}[row.answer[0]]
    with pytest.raises(error) as raised:
        await aiogram_bot(kind(**known))
    assert raised.value.message == row.answer[1]


# 2.5 Silent fallbacks: accepted, but somewhere else.

Check = Callable[[dict[str, Any], Scene], bool]


def in_general(said: dict[str, Any], _: Scene) -> bool:
    return not {"message_thread_id", "is_topic_message"} & said.keys()


def in_own(said: dict[str, Any], scene: Scene) -> bool:
    return (said.get("message_thread_id"), said.get("is_topic_message")) == (scene.names["own"], True)


LENIENT = {"message_id": "$gone", "allow_sending_without_reply": True}
FALLBACKS: list[tuple[str, dict[str, Any], tuple[Step, ...], Check]] = [
    ("a forum mode off", {"message_thread_id": "$own"}, (act("forum", on=False),), in_general),
    ("b deleted, no thread", {"reply_parameters": LENIENT}, (), in_general),
    ("b deleted, thread", {"reply_parameters": LENIENT, "message_thread_id": "$own"}, (), in_own),
    ("c follows what it answers", {"reply_parameters": {"message_id": "$question"}}, (), in_own),
    ("e negative", {"message_thread_id": -5}, (), in_general),
    ("e garbage", {"message_thread_id": "abc"}, (), in_general),
    ("g zero", {"message_thread_id": 0}, (), in_general),
    ("2.4 closed, with the right", {"message_thread_id": "$theirs"}, (act("topics/{theirs}/close"),), lambda said, scene: said["message_thread_id"] == scene.names["theirs"]),
    ("2.4 closed, own, no right", {"message_thread_id": "$own"}, (call("closeForumTopic", message_thread_id="$own"), bot("administrator", PIN)), in_own),
]  # fmt: skip


@pytest.mark.parametrize(
    ("params", "before", "check"), [row[1:] for row in FALLBACKS], ids=[row[0] for row in FALLBACKS]
)
async def test_silent_fallbacks(
    scene: Scene, params: dict[str, Any], before: tuple[Step, ...], check: Check
) -> None:
    for step in before:
        await step(scene)
    assert check(await scene.telegram.ok("sendMessage", text="x", **scene.fill(params)), scene)


async def test_answers_where_topics_are_off_carry_a_thread_that_is_no_topic(scene: Scene) -> None:
    telegram = scene.telegram
    await telegram.act("forum", on=False)
    first = await telegram.say("first")
    second = await telegram.act("messages", text="second", reply_to=first["message_id"])
    third = await telegram.say("third", reply_parameters={"message_id": second["message_id"]})
    for said in (second, third):
        assert said["message_thread_id"] == first["message_id"]
        assert "is_topic_message" not in said
    await telegram.act("forum", on=True)
    again = await telegram.say("again", reply_parameters={"message_id": third["message_id"]})
    assert in_general(again, scene)


async def test_typing_in_a_deleted_topic_is_no_error(scene: Scene) -> None:
    await scene.telegram.act(f"topics/{scene.names['own']}/delete")
    scene.telegram.clock.advance(61)
    assert (
        await scene.telegram.ok("sendChatAction", action="typing", message_thread_id=scene.names["own"])
        is True
    )


async def test_a_reply_to_another_topic_shows_what_it_answers(scene: Scene) -> None:
    reply = {"message_id": scene.names["question"]}
    said = await scene.telegram.say("x", message_thread_id=scene.names["theirs"], reply_parameters=reply)
    assert said["external_reply"]["message_id"] == scene.names["question"]
    assert said["external_reply"]["origin"]["sender_user"]["id"] == MARA
    assert said["message_thread_id"] == scene.names["theirs"]


# 10.7 What is absent is absent.

PRESENT_OR_ABSENT = {
    "is_topic_message",
    "is_forum",
    "message_thread_id",
    "edit_date",
    "has_protected_content",
}


def fields(shown: Any) -> list[tuple[str, Any]]:
    """Every name with its value, however deep."""
    if isinstance(shown, list):
        return [each for item in shown for each in fields(item)]
    if isinstance(shown, dict):
        return [*shown.items(), *(each for item in shown.values() for each in fields(item))]
    return []


async def test_nothing_is_null(sandbox: Running) -> None:
    async with sandbox(group_rate="off", bot_rate="off") as telegram:
        kinds = ["message", "edited_message", "message_reaction", "my_chat_member", "chat_member"]
        await telegram.ok("getUpdates", allowed_updates=kinds)
        made = Scene(telegram)
        await made.prepare()
        own, said = made.names["own"], made.names["said"]
        await telegram.ok("editMessageText", message_id=said, text="changed")
        await telegram.ok("forwardMessage", from_chat_id=made.chat, message_id=made.names["photo"])
        await telegram.ok("pinChatMessage", message_id=said)
        await telegram.ok("closeForumTopic", message_thread_id=own)
        await telegram.ok("getChat")
        await telegram.ok("getChatAdministrators")
        await telegram.act(f"messages/{made.names['question']}/edit", text="another question")
        await telegram.act(f"messages/{said}/reaction", emoji="👍")
        person = await telegram.act("people", first_name="New")
        await telegram.act(f"people/{person['id']}", status="restricted", rights=["can_send_messages"])
        await telegram.act("album", kinds=["photo", "video"], caption="both", as_=ANONYMOUS)
        group = await telegram.group(type="group")
        await group.act("forum", on=True)
        updates = await telegram.updates()
        assert {name for update in updates for name in update} == {"update_id", *kinds}
        shown = fields([*updates, *(each["answer"] for each in (await telegram.look("/calls"))["calls"])])
        assert PRESENT_OR_ABSENT - {"has_protected_content"} <= {name for name, _ in shown}
        assert [name for name, value in shown if value is None] == []
        assert [name for name, value in shown if name in PRESENT_OR_ABSENT and not value] == []
        assert {type(value) for name, value in shown if name.endswith("date")} == {int}


# 2.6 Basic groups, migration, deletion.


async def test_a_group_that_was_upgraded(shared: Telegram, aiogram_bot: Bot) -> None:
    group = await shared.group(type="group")
    successor = (await group.act("migrate"))["id"]
    status, answer = await group.call("sendMessage", text="x")
    assert (status, answer["description"], answer["parameters"]) == (
        400,
        "Bad Request: group chat was upgraded to a supergroup chat",
        {"migrate_to_chat_id": successor},
    )
    with pytest.raises(exceptions.TelegramMigrateToChat) as raised:
        await aiogram_bot.send_message(group.chat, "x")
    assert raised.value.migrate_to_chat_id == successor
    assert (await group.ok("getChat"))["type"] == "group"  # it can be read all the same
    assert (await group.ok("getChatMember", user_id=4200))["status"] == "administrator"
    for method in ("getChatAdministrators", "getChatMember", "getChatMemberCount"):  # but for its members
        _, answer = await group.call(method, user_id=MARA)
        assert answer["parameters"] == {"migrate_to_chat_id": successor}
    said = await shared.ok("sendMessage", chat_id=successor, text="x")
    assert said["message_id"] == 2  # ids start anew


async def test_turning_topics_on_makes_a_basic_group_another_chat(sandbox: Running) -> None:
    async with sandbox(group_rate="off", bot_rate="off") as telegram:
        group = await telegram.group(type="group")
        successor = await group.act("forum", on=True)
        assert (successor["type"], successor["is_forum"]) == ("supergroup", True)
        told = [update["message"] for update in await telegram.updates() if "message" in update]
        assert [each.get("migrate_to_chat_id") for each in told] == [successor["id"], None]
        assert [each.get("migrate_from_chat_id") for each in told] == [None, group.chat]


async def test_a_basic_group_knows_no_topics(shared: Telegram) -> None:
    group = await shared.group(type="group")
    said = await group.say("x", message_thread_id=77)
    assert not {"message_thread_id", "is_topic_message"} & said.keys()
    assert "is_forum" not in said["chat"]
    assert await group.refused("createForumTopic", name="x") == refused("the chat is not a forum")


# 7 Chat actions.

ACTIONS = """
typing upload_photo record_video upload_video record_voice upload_voice upload_document choose_sticker
find_location record_video_note upload_video_note cancel record_audio upload_audio pick_up_location TYPING
"""


async def test_chat_actions(telegram: Telegram) -> None:
    for action in ACTIONS.split():
        assert await telegram.ok("sendChatAction", action=action) is True


async def test_a_group_that_was_deleted(shared: Telegram) -> None:
    group = await shared.group(type="group")
    await group.act("destroy")
    assert await group.refused("sendMessage", text="x") == (403, "Forbidden: the group chat was deleted")


@pytest.mark.parametrize(("status", "why"), [("kicked", "was kicked from"), ("left", "is not a member of")])
async def test_basic_groups_that_were_left(shared: Telegram, status: str, why: str) -> None:
    group = await shared.group(type="group", bot=status)
    assert await group.refused("sendMessage", text="x") == (403, f"Forbidden: bot {why} the group chat")
    assert (await group.ok("getChat"))["id"] == group.chat


async def test_somebody_who_deleted_their_account(shared: Telegram) -> None:
    person = await shared.act("people", first_name="Gone")
    await shared.act(f"/people/{person['id']}", is_deleted=True)
    refusal = await shared.refused("sendMessage", chat_id=person["id"], text="x")
    assert refusal == (403, "Forbidden: user is deactivated")


# 5 Files.


async def post(telegram: Telegram, method: str, form: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    data = aiohttp.FormData()
    for name, value in ({"chat_id": str(telegram.chat)} | form).items():
        if isinstance(value, tuple):
            data.add_field(name, io.BytesIO(value[1]), filename=value[0])
        else:
            data.add_field(name, value)
    async with telegram.http.post(f"{telegram.base}/bot{TOKEN}/{method}", data=data) as response:
        answer: dict[str, Any] = await response.json()
        return response.status, answer


UPLOADS = [
    ("no photo", "sendPhoto", {}, "there is no photo in the request"),
    ("no document", "sendDocument", {}, "there is no document in the request"),
    ("no voice", "sendVoice", {}, "there is no voice in the request"),
    ("nothing in it", "sendDocument", {"document": ("a.pdf", b"")}, "file must be non-empty"),
    ("no picture", "sendPhoto", {"photo": ("a.png", b"x")}, "IMAGE_PROCESS_FAILED"),
    ("too wide", "sendPhoto", {"photo": ("a.png", png(2100, 100))}, "PHOTO_INVALID_DIMENSIONS"),
    ("too large", "sendPhoto", {"photo": ("a.png", png(6000, 6000))}, "PHOTO_INVALID_DIMENSIONS"),
    ("no photo's name", "sendPhoto", {"photo": ("a.pdf", png(9, 9))}, "photo has unsupported extension. Use one of .jpg, .jpeg, .gif, .png, .tif or .bmp"),
    ("heavy", "sendPhoto", {"photo": ("a.png", png(9, 9) + bytes(10 << 20))}, "file of size 10485793 bytes is too big for a photo; the maximum size is 10485760 bytes"),
    ("no album", "sendMediaGroup", {}, 'parameter "media" is required'),
    ("broken album", "sendMediaGroup", {"media": "["}, "can't parse media JSON object"),
    ("album of nothing", "sendMediaGroup", {"media": "[]"}, "there are no messages to send"),
    ("album without a file", "sendMediaGroup", {"media": '[{"type":"photo","media":"attach://a"}]'}, "can't parse InputMedia: media not found"),
    ("album of animations", "sendMediaGroup", {"media": '[{"type":"animation","media":"x"}]'}, "can't parse InputMedia: type \"animation\" can't be used in sendMediaGroup"),
    ("mixed album", "sendMediaGroup", {"media": '[{"type":"photo","media":"attach://a"},{"type":"document","media":"attach://a"}]', "a": ("a.png", png(9, 9))}, "document can't be mixed with other media types"),
    ("a bad item", "sendMediaGroup", {"media": '[{"type":"photo","media":"attach://a"},{"type":"photo","media":"attach://b"}]', "a": ("a.png", png(9, 9)), "b": ("b.png", b"x")}, 'failed to send message #2 with the error message "IMAGE_PROCESS_FAILED"'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "form", "why"), [row[1:] for row in UPLOADS], ids=[row[0] for row in UPLOADS]
)
async def test_uploads_that_are_refused(
    telegram: Telegram, method: str, form: dict[str, Any], why: str
) -> None:
    status, answer = await post(telegram, method, form)
    assert (status, answer["description"]) == (400, BAD + why)


KINDS = [
    ("sendMessage", "text", "can_send_messages", "text messages"),
    ("sendPhoto", "photo", "can_send_photos", "photos"),
    ("sendVideo", "video", "can_send_videos", "videos"),
    ("sendDocument", "document", "can_send_documents", "documents"),
    ("sendAudio", "audio", "can_send_audios", "music"),
    ("sendVoice", "voice", "can_send_voice_notes", "voice notes"),
    ("sendVideoNote", "video_note", "can_send_video_notes", "video notes"),
    ("sendSticker", "sticker", "can_send_other_messages", "stickers"),
    ("sendAnimation", "animation", "can_send_other_messages", "animations"),
]


async def test_what_a_restricted_bot_may_send_goes_by_kind(telegram: Telegram) -> None:
    for right in sorted({row[2] for row in KINDS}):
        await telegram.act("bot", status="restricted", rights=[right])
        for method, field, needed, words in KINDS:
            content = "x" if field == "text" else ("a.png", png(9, 9))
            status, answer = await post(telegram, method, {field: content})
            if needed == right:
                assert (status, field in answer["result"]) == (200, True)
            else:
                why = f"{BAD}not enough rights to send {words} to the chat"
                assert (status, answer["description"]) == (400, why)


async def test_an_album_goes_as_a_whole_or_not_at_all(telegram: Telegram) -> None:
    await telegram.act("bot", status="restricted", rights=["can_send_photos"])
    items = [{"type": "photo", "media": "attach://a"}, {"type": "video", "media": "attach://b"}]
    files = {"a": ("a.png", png(9, 9)), "b": ("b.mp4", b"x")}
    status, answer = await post(telegram, "sendMediaGroup", {"media": json.dumps(items)} | files)
    assert (status, answer["description"]) == (400, f"{BAD}not enough rights to send videos to the chat")
    assert (await telegram.look("topics/1/messages"))["messages"] == []


async def test_what_is_too_big(telegram: Telegram, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("media.LARGEST_UPLOAD", "media_methods.LONGEST_DOWNLOAD"):
        monkeypatch.setattr(f"topicwire.sandbox.{limit}", 2000 if "UPLOAD" in limit else 1000)
    monkeypatch.setattr("topicwire.sandbox.arguments.UPLOAD_LIMIT_BYTES", 4000)
    for size in (2001, 5000):  # the file, the body
        status, answer = await post(telegram, "sendDocument", {"document": ("a.txt", bytes(size))})
        assert (status, answer["description"]) == (413, "Request Entity Too Large")
    for size, big in ((1000, False), (1001, True)):
        _, answer = await post(telegram, "sendDocument", {"document": ("a.txt", b"x" * size)})
        status, answer = await telegram.call("getFile", file_id=answer["result"]["document"]["file_id"])
        assert (answer.get("description") == f"{BAD}file is too big") is big
    status, answer = await post(telegram, "sendDocument", {f"f{n}": ("a.txt", b"x") for n in range(51)})
    assert (status, answer["description"]) == (413, "Request Entity Too Large")


@pytest.mark.parametrize("name", ["wave.gif", "wave.mp4"])
async def test_a_moving_picture_sent_as_a_document_is_an_animation_too(telegram: Telegram, name: str) -> None:
    _, answer = await post(telegram, "sendDocument", {"document": (name, b"x")})
    shown = answer["result"]
    assert shown["animation"]["file_id"] == shown["document"]["file_id"]


async def test_a_file_goes_there_and_back(shared: Telegram, aiogram_bot: Bot) -> None:
    group = await shared.group()
    content = b"%PDF-1.4 " + bytes(range(256))
    sent = await aiogram_bot.send_document(
        group.chat, BufferedInputFile(content, "bill ä.pdf"), caption="<b>see</b>", parse_mode="HTML"
    )
    assert sent.document is not None
    assert (sent.document.file_size, sent.document.mime_type) == (len(content), "application/pdf")
    assert (sent.caption, (sent.caption_entities or [])[0].type) == ("see", "bold")
    file = await aiogram_bot.get_file(sent.document.file_id)
    assert (file.file_path or "").startswith("documents/file_")
    loaded = await aiogram_bot.download_file(file.file_path or "")
    assert loaded is not None
    assert loaded.read() == content
    again = await aiogram_bot.send_document(group.chat, sent.document.file_id)
    assert again.document is not None
    assert again.document.file_unique_id == sent.document.file_unique_id
    shared.clock.advance(3601)
    with pytest.raises(aiohttp.ClientResponseError, match="404"):
        await aiogram_bot.download_file(file.file_path or "")


async def test_photos_come_in_sizes(shared: Telegram, aiogram_bot: Bot) -> None:
    group = await shared.group()
    sent = await aiogram_bot.send_photo(group.chat, BufferedInputFile(png(1000, 500), "a.png"))
    assert [(size.width, size.height) for size in sent.photo or []] == [
        (90, 45),
        (320, 160),
        (800, 400),
        (1000, 500),
    ]


async def test_what_operators_send_can_be_downloaded(shared: Telegram, aiogram_bot: Bot) -> None:
    group = await shared.group()
    for kind in ("photo", "voice", "document", "video", "audio", "animation", "sticker", "video_note"):
        said = await group.act("messages", kind=kind)
        shape = said[kind][-1] if kind == "photo" else said[kind]
        file = await aiogram_bot.get_file(shape["file_id"])
        loaded = await aiogram_bot.download_file(file.file_path or "")
        assert loaded is not None
        assert len(loaded.read()) == shape["file_size"]


async def test_another_bots_file_is_no_file(shared: Telegram) -> None:
    group = await shared.group()
    other = await shared.act("/bots", first_name="Second")
    await group.act("bot", status="administrator", bot=other["id"])
    said = await group.act("messages", kind="document")
    own = said["document"]["file_id"]
    url = f"{shared.base}/bot{other['token']}/getFile"
    async with shared.http.post(url, data={"file_id": own}) as response:
        answer = await response.json()
    assert answer["description"] == "Bad Request: wrong file_id or the file is temporarily unavailable"
    probe = {
        "chat_id": group.chat,
        "message_id": (await group.say("x"))["message_id"],
        "reply_markup": '{"force_reply":true}',
    }
    async with shared.http.post(
        f"{shared.base}/bot{other['token']}/editMessageReplyMarkup", data=probe
    ) as response:
        assert (await response.json())["description"] == "Bad Request: message can't be edited"


async def test_albums(shared: Telegram, aiogram_bot: Bot) -> None:
    group = await shared.group()
    photo = BufferedInputFile(png(30, 20), "a.png")
    sent = await aiogram_bot.send_media_group(
        group.chat, [InputMediaPhoto(media=photo, caption="two"), InputMediaPhoto(media=photo)]
    )
    assert len({each.media_group_id for each in sent}) == 1
    assert [each.caption for each in sent] == ["two", None]
    assert sent[1].message_id == sent[0].message_id + 1
    changed = await aiogram_bot.edit_message_media(
        InputMediaDocument(media=BufferedInputFile(b"x", "a.txt")),
        chat_id=group.chat,
        message_id=sent[0].message_id,
    )
    assert not isinstance(changed, bool)
    assert changed.document is not None


async def test_operators_albums_arrive_one_by_one(sandbox: Running) -> None:
    async with sandbox(group_rate="off", bot_rate="off") as telegram:
        await telegram.act("album", kinds=["photo", "video"], caption="both")
        first, second = [update["message"] for update in await telegram.updates()]
        assert first["media_group_id"] == second["media_group_id"]
        assert (first["caption"], "caption" in second) == ("both", False)


# Copies, forwards, pins, buttons.


async def test_copies_and_forwards(scene: Scene, aiogram_bot: Bot) -> None:
    chat, photo = scene.chat, scene.names["photo"]
    copy = await aiogram_bot.copy_message(
        chat, chat, photo, caption="mine", message_thread_id=scene.names["own"]
    )
    forward = await aiogram_bot.forward_message(chat, chat, photo)
    assert (forward.caption, getattr(forward.forward_origin, "type", "")) == ("look", "user")
    assert await scene.telegram.refused(
        "editMessageCaption", message_id=forward.message_id, caption="x"
    ) == refused("message can't be edited")
    edited = await aiogram_bot.edit_message_caption(chat_id=chat, message_id=copy.message_id, caption="yours")
    assert not isinstance(edited, bool)
    assert edited.caption == "yours"
    many = await aiogram_bot.copy_messages(
        chat, chat, [scene.names["said"], scene.names["gone"], photo, photo + 90]
    )
    assert len(many) == 2
    assert await aiogram_bot.delete_messages(chat, [many[0].message_id, 99999]) is True


async def test_pins(sandbox: Running) -> None:
    async with sandbox(group_rate="off", bot_rate="off") as telegram:
        said = await telegram.say("look")
        assert await telegram.ok("pinChatMessage", message_id=said["message_id"]) is True
        told = (await telegram.updates())[-1]["message"]
        assert (told["from"]["id"], told["pinned_message"]["text"]) == (4200, "look")
        assert (await telegram.ok("getChat"))["pinned_message"]["message_id"] == said["message_id"]
        assert await telegram.ok("unpinChatMessage") is True
        assert "pinned_message" not in await telegram.ok("getChat")


async def test_a_button_is_answered_once(sandbox: Running) -> None:
    async with sandbox(group_rate="off", bot_rate="off") as telegram:
        keyboard = {"inline_keyboard": [[{"text": "Done", "callback_data": "done:1"}]]}
        said = await telegram.say("x", reply_markup=keyboard)
        await telegram.act(f"messages/{said['message_id']}/press", data="done:1")
        query = (await telegram.updates())[-1]["callback_query"]
        assert (query["data"], query["from"]["id"], query["message"]["message_id"]) == (
            "done:1",
            MARA,
            said["message_id"],
        )
        assert await telegram.ok("answerCallbackQuery", callback_query_id=query["id"]) is True
        assert (await telegram.refused("answerCallbackQuery", callback_query_id=query["id"]))[0] == 400


# 4.3 Identity, 4.4 privacy, several bots.


async def test_an_anonymous_reaction_names_the_group(sandbox: Running) -> None:
    async with sandbox(group_rate="off", bot_rate="off") as telegram:
        await telegram.updates(allowed_updates=["message_reaction"])
        said = await telegram.say("x")
        await telegram.act(f"messages/{said['message_id']}/reaction", emoji="👍", as_=ANONYMOUS)
        reaction = (await telegram.updates())[0]["message_reaction"]
        assert reaction["actor_chat"]["id"] == telegram.chat
        assert "user" not in reaction


async def test_two_bots_in_a_group_have_budgets_and_updates_of_their_own(sandbox: Running) -> None:
    async with sandbox(group_rate="1/60", bot_rate="off") as telegram:
        other = await telegram.act("/bots", first_name="Second", username="second_bot")
        await telegram.act("bot", status="administrator", bot=other["id"])
        await telegram.say("mine")
        url = f"{telegram.base}/bot{other['token']}"
        async with telegram.http.post(
            f"{url}/sendMessage", data={"chat_id": telegram.chat, "text": "theirs"}
        ) as response:
            assert (await response.json())["result"]["from"]["username"] == "second_bot"
        await telegram.act("messages", text="hello both")
        for updates in (
            await telegram.updates(),
            (await (await telegram.http.get(f"{url}/getUpdates")).json())["result"],
        ):
            joined, said = [each["message"] for each in updates if "message" in each]
            assert [each["id"] for each in joined["new_chat_members"]] == [other["id"]]
            assert (joined["from"]["id"], said["text"]) == (MARA, "hello both")


async def test_a_bot_that_was_kicked_hears_of_itself_only(sandbox: Running) -> None:
    async with sandbox(group_rate="off", bot_rate="off") as telegram:
        await telegram.act("bot", status="kicked")
        await telegram.act("messages", text="now that it is gone")
        await telegram.act("bot", status="administrator")
        gone, back, joined = await telegram.updates()
        assert [each["my_chat_member"]["new_chat_member"]["status"] for each in (gone, back)] == [
            "kicked",
            "administrator",
        ]
        assert joined["message"]["new_chat_members"][0]["id"] == 4200
        shown = (await telegram.look("topics/1/messages"))["messages"]
        assert shown[0]["left_chat_member"]["id"] == 4200


async def test_a_bot_that_logged_out(sandbox: Running) -> None:
    async with sandbox() as telegram:
        assert await telegram.refused("close") == (429, "Too Many Requests: retry after 600")
        telegram.clock.advance(600)
        assert await telegram.ok("close") is True
        assert await telegram.ok("logOut") is True
        assert await telegram.refused("getMe") == (400, "Logged out")


# 0 and 8.1: what aiogram makes of trouble.

TROUBLE: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"kind": "http_502"}, exceptions.ClientDecodeError),
    ({"kind": "http_504"}, exceptions.ClientDecodeError),
    ({"kind": "http_500"}, exceptions.TelegramServerError),
    ({"kind": "restart"}, exceptions.RestartingTelegram),
    ({"kind": "flood"}, exceptions.TelegramRetryAfter),
    ({"kind": "flood_bare"}, exceptions.TelegramAPIError),
    ({"kind": "answer_lost"}, exceptions.TelegramNetworkError),
    ({"kind": "reset"}, exceptions.TelegramNetworkError),
    (
        {"kind": "refusal", "status": 413, "description": "Request Entity Too Large"},
        exceptions.TelegramEntityTooLarge,
    ),
    ({"kind": "refusal", "description": "Bad Request: CHAT_WRITE_FORBIDDEN"}, exceptions.TelegramBadRequest),
    ({"kind": "refusal", "status": 401, "description": "Unauthorized"}, exceptions.TelegramUnauthorizedError),
]


@pytest.mark.parametrize(("fault", "error"), TROUBLE, ids=[row[1].__name__ for row in TROUBLE])
async def test_trouble_through_aiogram(
    telegram: Telegram, aiogram_bot: Bot, fault: dict[str, Any], error: type[Exception]
) -> None:
    await telegram.act("/faults", method="sendMessage", chat=telegram.chat, **fault)
    with pytest.raises(error):
        await aiogram_bot.send_message(telegram.chat, "x")


ADDRESSES = [
    ("/bot4200:secret/getNothing", 404, "Not Found: method not found"),
    ("/bot4200:secret/sendPoll", 501, "Not Implemented: sendPoll is not in the sandbox"),
    ("/bot4200:wrong/getMe", 401, "Unauthorized"),
    ("/botnonsense/getMe", 401, "Unauthorized: invalid token specified"),
    (f"/bot4200:secret/getChat?chat_id={MARA}", 501, "Not Implemented: a private chat is not in the sandbox"),
    ("/file/bot4200:secret/documents/file_0.pdf", 404, "Not Found"),
    ("/file/bot4200:wrong/documents/file_0.pdf", 401, "Unauthorized"),
]


@pytest.mark.parametrize(("path", "status", "description"), ADDRESSES)
async def test_addresses(shared: Telegram, path: str, status: int, description: str) -> None:
    async with shared.http.get(shared.base + path) as response:
        assert (response.status, (await response.json())["description"]) == (status, description)


def test_every_row_has_a_name_of_its_own() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
