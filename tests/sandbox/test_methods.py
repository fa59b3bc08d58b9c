"""The Bot API's methods about chats and messages."""
# ruff: noqa: E501 - Telegram's sentences are as long as they are

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from topicwire.sandbox.world import ADMIN_RIGHTS, ANONYMOUS, JONAS, LENA, MARA

if TYPE_CHECKING:
    from tests.sandbox.conftest import Telegram

NOT_MODIFIED = (
    "Bad Request: message is not modified: specified new message content and reply markup are exactly the same"
    " as a current content and reply markup of the message"
)
FORCE_REPLY = {"force_reply": True}


async def raw(telegram: Telegram, path: str, **options: Any) -> tuple[int, Any]:
    async with telegram.http.request(
        options.pop("verb", "POST"), telegram.base + path, **options
    ) as response:
        return response.status, await response.json()


@pytest.mark.parametrize(
    ("path", "status", "description"),
    [
        ("/bot4200:wrong/getMe", 401, "Unauthorized"),
        ("/bot4200/getMe", 401, "Unauthorized: invalid token specified"),
        ("/bot4200:secret/getNothing", 404, "Not Found: method not found"),
        ("/bot4200:secret/sendPoll", 501, "Not Implemented: sendPoll is not in the sandbox"),
        ("/bot4200:secret/a/b", 404, "Not Found"),
        ("/", 404, "Not Found"),
        ("/guess/", 404, "Not Found"),
    ],
)
async def test_addresses(telegram: Telegram, path: str, status: int, description: str) -> None:
    assert await raw(telegram, path) == (
        status,
        {"ok": False, "error_code": status, "description": description},
    )


@pytest.mark.parametrize(
    "options",
    [
        {"verb": "GET", "params": {"chat_id": "{chat}", "text": "hi", "protect_content": "True"}},
        {"data": {"chat_id": "{chat}", "text": "hi", "protect_content": "yes"}},
        {"json": {"chat_id": "{chat}", "text": "hi", "protect_content": True}},
        {"params": {"chat_id": "{chat}"}, "data": {"text": "hi", "protect_content": "1"}},
    ],
)
async def test_arguments_come_in_every_way(telegram: Telegram, options: dict[str, Any]) -> None:
    filled = json.loads(json.dumps(options).replace("{chat}", str(telegram.chat)))
    status, answer = await raw(telegram, "/bot4200:secret/SENDmessage", **filled)
    assert status == 200
    assert answer["result"]["text"] == "hi"
    assert answer["result"]["has_protected_content"] is True


async def test_multipart_arguments(telegram: Telegram) -> None:
    form = aiohttp.MultipartWriter("form-data")
    for name, value in (("chat_id", str(telegram.chat)), ("text", "grüße\r\n--x")):
        part = form.append(value.encode())
        part.set_content_disposition("form-data", name=name)
    status, answer = await raw(telegram, "/bot4200:secret/sendMessage", data=form)
    assert (status, answer["result"]["text"]) == (200, "grüße\n--x")


JSON = {"Content-Type": "application/json"}
EMPTY = "Bad Request: message text is empty"


@pytest.mark.parametrize(
    ("options", "status", "description"),
    [
        ({"data": b"chat_id={chat}&text=x", "headers": {"Content-Type": "text/plain"}}, 400, EMPTY),
        ({"data": b'{"chat_id":{chat},"text":', "headers": JSON}, 400, EMPTY),
        ({"data": b'["text"]', "headers": JSON}, 400, EMPTY),
        ({"data": b'{"chat_id":{chat},"text":"x","reply_markup":null}', "headers": JSON}, 400, "Bad Request: object expected as reply markup"),
        ({"data": b'{"chat_id":{chat},"text":"x","reply_parameters":null}', "headers": JSON}, 400, "Bad Request: object expected as reply parameters"),
        ({"data": {"chat_id": " {chat}", "text": "x"}}, 400, "Bad Request: chat not found"),
        ({"data": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "Bad Request: boundary not found"),
        ({"data": b"--B\r\nContent-Disposition: form-data\r\n\r\nx\r\n--B--", "headers": {"Content-Type": "multipart/form-data; boundary=B"}}, 400, "Bad Request: field name in multipart/form-data not found"),
        ({"verb": "PUT", "data": {"chat_id": "{chat}", "text": "x"}}, 501, "Not Implemented"),
    ],
)  # fmt: skip
async def test_arguments_that_cannot_be_read(
    telegram: Telegram, options: dict[str, Any], status: int, description: str
) -> None:
    chat = str(telegram.chat)
    data = options["data"]
    if isinstance(data, bytes):
        filled: Any = data.replace(b"{chat}", chat.encode())
    else:
        filled = {name: value.replace("{chat}", chat) for name, value in data.items()}
    answer = await raw(telegram, "/bot4200:secret/sendMessage", **options | {"data": filled})
    assert (answer[0], answer[1]["description"]) == (status, description)


async def test_a_null_in_json_is_the_word(telegram: Telegram) -> None:
    body = {"chat_id": telegram.chat, "text": None, "message_thread_id": None}
    status, answer = await raw(telegram, "/bot4200:secret/sendMessage", json=body)
    assert (status, answer["result"]["text"]) == (200, "null")


@pytest.mark.parametrize("name", ['"a \\"b\\".txt"', '"a%20%22b%22.txt"', "a%20%22b%22.txt"])
async def test_names_in_multipart(telegram: Telegram, name: str) -> None:
    parts = {"name=chat_id": str(telegram.chat), f'filename={name}; name="document"': "hi"}
    body = "".join(
        f"--B\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n"
        for head, content in parts.items()
    )
    status, answer = await raw(
        telegram,
        "/bot4200:secret/sendDocument",
        data=f"{body}--B--\r\n".encode(),
        headers={"Content-Type": "multipart/form-data; boundary=B"},
    )
    assert (status, answer["result"]["document"]["file_name"]) == (200, 'a "b".txt')


async def test_a_call_of_no_method_is_written_down(telegram: Telegram) -> None:
    before = (await telegram.look("/calls"))["last"]
    assert await telegram.refused("getNothing") == (404, "Not Found: method not found")
    call = (await telegram.look(f"/calls?after={before}"))["calls"][0]
    assert (call["method"], call["status"], call["accepted"]) == ("getNothing", 404, False)


@pytest.mark.parametrize("flag", ["false", 1, "yes"])
async def test_flags_inside_json_are_booleans(telegram: Telegram, flag: object) -> None:
    reply = {"message_id": 999, "allow_sending_without_reply": flag}
    assert await telegram.refused("sendMessage", text="x", reply_parameters=reply) == (
        400,
        'Bad Request: field "allow_sending_without_reply" must be of type Boolean',
    )


async def test_a_body_beyond_a_megabyte_is_too_large(telegram: Telegram) -> None:
    status, answer = await raw(telegram, "/bot4200:secret/sendMessage", data=io.BytesIO(b"x" * 1_100_000))
    assert (status, answer["description"]) == (413, "Request Entity Too Large")


async def test_get_me(telegram: Telegram) -> None:
    me = await telegram.ok("getMe")
    assert me["is_bot"] is True
    assert me["id"] == 4200
    assert me["username"].endswith("bot")


async def test_get_chat(telegram: Telegram) -> None:
    chat = await telegram.ok("getChat")
    assert chat["type"] == "supergroup"
    assert chat["is_forum"] is True
    plain = await telegram.group(title="Plain", is_forum=False)
    assert "is_forum" not in await plain.ok("getChat")


async def test_members(telegram: Telegram) -> None:
    admins = await telegram.ok("getChatAdministrators")
    assert [each["user"]["id"] for each in admins] == [MARA, JONAS, 4200]
    assert [each["status"] for each in admins] == ["creator", "administrator", "administrator"]
    bot = await telegram.ok("getChatMember", user_id=4200)
    assert all(bot[right] is True for right in ADMIN_RIGHTS)
    assert (await telegram.ok("getChatMember", user_id=LENA))["status"] == "member"
    assert await telegram.refused("getChatMember", user_id=99) == (400, "Bad Request: user not found")
    assert await telegram.refused("getChatMember") == (400, "Bad Request: invalid user_id specified")


@pytest.mark.parametrize(
    ("params", "status", "description"),
    [
        ({"chat_id": ""}, 400, "Bad Request: chat_id is empty"),
        ({"chat_id": "-1"}, 400, "Bad Request: chat not found"),
        ({"chat_id": "@nobody"}, 400, "Bad Request: chat not found"),
        ({"chat_id": str(MARA)}, 403, "Forbidden: bot can't initiate conversation with a user"),
        ({"chat_id": "4200"}, 403, "Forbidden: the bot can't send messages to the bot"),
    ],
)
async def test_chats_that_cannot_be_reached(
    telegram: Telegram, params: dict[str, str], status: int, description: str
) -> None:
    assert await telegram.refused("sendMessage", text="x", **params) == (status, description)


@pytest.mark.parametrize(
    ("kind", "role", "status", "description"),
    [
        ("supergroup", "kicked", 403, "Forbidden: bot was kicked from the supergroup chat"),
        ("group", "kicked", 403, "Forbidden: bot was kicked from the group chat"),
        ("supergroup", "left", 403, "Forbidden: bot is not a member of the supergroup chat"),
        ("supergroup", "none", 400, "Bad Request: chat not found"),
        ("supergroup", "restricted", 400, "Bad Request: not enough rights to send text messages to the chat"),
    ],
)
async def test_groups_that_the_bot_may_not_write_to(
    shared: Telegram, kind: str, role: str, status: int, description: str
) -> None:
    group = await shared.group(type=kind, bot=role)
    assert await group.refused("sendMessage", text="x") == (status, description)


async def test_leaving(telegram: Telegram) -> None:
    assert await telegram.ok("leaveChat") is True
    assert (await telegram.refused("getChat"))[0] == 403


async def test_a_message_in_a_topic(telegram: Telegram) -> None:
    thread = await telegram.topic("Anna")
    said = await telegram.say("  hello\t@mara_l ", message_thread_id=thread)
    assert said["text"] == "hello @mara_l"
    assert said["entities"] == [{"offset": 6, "length": 7, "type": "mention"}]
    assert (said["message_thread_id"], said["is_topic_message"]) == (thread, True)
    assert said["date"] == int(telegram.clock.now())
    root = said["reply_to_message"]
    assert (root["message_id"], root["forum_topic_created"]["name"]) == (thread, "Anna")
    assert not {"edit_date", "reply_markup", "sender_chat", "has_protected_content"} & said.keys()


@pytest.mark.parametrize("thread", ["", "0", "-5", "garbage"])
async def test_no_topic_is_general(telegram: Telegram, thread: str) -> None:
    said = await telegram.say("hello", message_thread_id=thread)
    assert not {"message_thread_id", "is_topic_message", "reply_to_message", "entities"} & said.keys()


@pytest.mark.parametrize("thread", [1, 99999])
async def test_topics_that_are_none(telegram: Telegram, thread: int) -> None:
    refusal = await telegram.refused("sendMessage", text="x", message_thread_id=thread)
    assert refusal == (400, "Bad Request: message thread not found")


@pytest.mark.parametrize(
    ("params", "description"),
    [
        ({}, "message text is empty"),
        ({"text": ""}, "message text is empty"),
        ({"text": " \n\t"}, "text must be non-empty"),
        ({"text": "x" * 4097}, "message is too long"),
        ({"text": "😀" * 4097}, "message is too long"),
        ({"text": "x" * 32769}, "text is too long"),
        ({"text": "x", "parse_mode": "BBCode"}, "unsupported parse_mode"),
        ({"text": "x", "entities": [{"type": "huge", "offset": 0, "length": 1}]}, "can't parse MessageEntity: Unsupported type specified"),
        ({"text": "x", "reply_markup": "["}, "can't parse reply keyboard markup JSON object"),
        ({"text": "x", "reply_markup": "7"}, "object expected as reply markup"),
        ({"text": "x", "reply_parameters": {"message_id": 999}}, "message to be replied not found"),
    ],
)  # fmt: skip
async def test_messages_that_are_refused(
    telegram: Telegram, params: dict[str, Any], description: str
) -> None:
    assert await telegram.refused("sendMessage", **params) == (400, f"Bad Request: {description}")


async def test_texts_at_the_limit(telegram: Telegram) -> None:
    assert len((await telegram.say("😀" * 4096))["text"]) == 4096


async def test_bytes_that_are_no_text(telegram: Telegram) -> None:
    body = f"chat_id={telegram.chat}&text=%ff%fe".encode()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    status, answer = await raw(telegram, "/bot4200:secret/sendMessage", data=body, headers=form)
    assert (status, answer["description"]) == (400, "Bad Request: strings must be encoded in UTF-8")


async def test_parse_modes(telegram: Telegram) -> None:
    said = await telegram.say("<b>x</b> a@b.example", parse_mode="HTML")
    assert said["text"] == "x a@b.example"
    assert [each["type"] for each in said["entities"]] == ["bold", "email"]
    known = await telegram.say(f"[m](tg://user?id={MARA}) [n](tg://user?id=99)", parse_mode="MarkdownV2")
    assert [each["user"]["first_name"] for each in known["entities"]] == ["Mara"]


async def test_text_is_checked_before_the_chat(telegram: Telegram) -> None:
    refusal = await telegram.refused("sendMessage", chat_id=-1, text="")
    assert refusal == (400, "Bad Request: message text is empty")


async def test_a_parse_mode_goes_before_entities(telegram: Telegram) -> None:
    bold = [{"type": "bold", "offset": 0, "length": 1}]
    assert "entities" not in await telegram.say("x", entities=bold, parse_mode="HTML")
    assert (await telegram.say("x", entities=bold, parse_mode="None"))["entities"] == bold
    assert "entities" not in await telegram.say("x", entities="{[")


async def test_replies(telegram: Telegram) -> None:
    thread = await telegram.topic()
    question = await telegram.act("messages", thread=thread, text="How are you?")
    answer = await telegram.say("Fine", reply_parameters={"message_id": question["message_id"]})
    assert answer["message_thread_id"] == thread  # it follows what it answers
    assert answer["reply_to_message"]["text"] == "How are you?"
    assert "reply_to_message" not in answer["reply_to_message"]
    lenient = {"message_id": 999, "allow_sending_without_reply": True}
    assert "reply_to_message" not in await telegram.say("Fine", reply_parameters=lenient)


async def test_closed_topics(telegram: Telegram) -> None:
    own = await telegram.topic("own")
    others = (await telegram.act("topics", name="others"))["id"]
    for thread in (own, others):
        await telegram.act(f"topics/{thread}/close")
    await telegram.say("an administrator may", message_thread_id=others)
    await telegram.act("bot", status="administrator", rights=["can_delete_messages"])
    await telegram.say("the creator may", message_thread_id=own)
    refusal = await telegram.refused("sendMessage", text="x", message_thread_id=others)
    assert refusal == (400, "Bad Request: TOPIC_CLOSED")
    await telegram.act("topics/1/close")
    assert await telegram.refused("sendMessage", text="x") == (400, "Bad Request: TOPIC_CLOSED")


async def test_deleted_topics_are_believed_in_for_a_minute(telegram: Telegram) -> None:
    thread = await telegram.topic()
    await telegram.act(f"topics/{thread}/delete")
    write = {"text": "x", "message_thread_id": thread}
    assert await telegram.refused("sendMessage", **write) == (400, "Bad Request: TOPIC_DELETED")
    telegram.clock.advance(60)
    assert await telegram.refused("sendMessage", **write) == (400, "Bad Request: message thread not found")


async def test_without_topics_the_thread_is_ignored(telegram: Telegram) -> None:
    thread = await telegram.topic()
    await telegram.act("forum", on=False)
    said = await telegram.say("x", message_thread_id=thread)
    assert not {"message_thread_id", "is_topic_message"} & said.keys()
    assert "is_forum" not in said["chat"]


async def test_editing(telegram: Telegram) -> None:
    said = await telegram.say("before")
    telegram.clock.advance(5)
    edited = await telegram.ok("editMessageText", message_id=said["message_id"], text="after @mara_l")
    assert (edited["text"], edited["edit_date"]) == ("after @mara_l", said["date"] + 5)
    assert edited["entities"][0]["type"] == "mention"


async def test_edits_that_are_refused(telegram: Telegram) -> None:
    own = (await telegram.say("same"))["message_id"]
    theirs = (await telegram.act("messages", text="mine"))["message_id"]
    service = await telegram.topic()
    edit = telegram.refused
    assert await edit("editMessageText", message_id=own, text=" same ") == (400, NOT_MODIFIED)
    assert await edit("editMessageText", message_id=own, text="x" * 4097) == (
        400,
        "Bad Request: MESSAGE_TOO_LONG",
    )
    assert await edit("editMessageText", message_id=own, text="y", reply_markup=FORCE_REPLY) == (
        400,
        "Bad Request: inline keyboard expected",
    )
    for message_id in (theirs, service):
        assert await edit("editMessageText", message_id=message_id, text="x") == (
            400,
            "Bad Request: message can't be edited",
        )
    assert await edit("editMessageText", message_id=999, text="x") == (
        400,
        "Bad Request: message to edit not found",
    )


async def test_the_probe_tells_whose_a_message_is_and_changes_nothing(telegram: Telegram) -> None:
    own = (await telegram.say("mine"))["message_id"]
    theirs = (await telegram.act("messages", text="theirs"))["message_id"]
    service = await telegram.topic()
    deleted = (await telegram.say("gone"))["message_id"]
    await telegram.ok("deleteMessage", message_id=deleted)
    expected = {
        own: "Bad Request: inline keyboard expected",
        theirs: "Bad Request: message can't be edited",
        service: "Bad Request: message can't be edited",
        deleted: "Bad Request: message to edit not found",
        2147483647: "Bad Request: message to edit not found",
    }
    for message_id, description in expected.items():
        probe = {"message_id": message_id, "reply_markup": '{"force_reply":true}'}
        assert await telegram.refused("editMessageReplyMarkup", **probe) == (400, description)
    listed = await telegram.look("topics/1/messages")
    assert all("edit_date" not in message for message in listed["messages"])


async def test_keyboards(telegram: Telegram) -> None:
    keyboard = {"inline_keyboard": [[{"text": "Open", "url": "https://a.example"}]]}
    said = await telegram.say("x", reply_markup=keyboard)
    assert said["reply_markup"] == keyboard
    same = {"message_id": said["message_id"], "reply_markup": keyboard}
    assert await telegram.refused("editMessageReplyMarkup", **same) == (400, NOT_MODIFIED)
    empties: list[dict[str, Any]] = [{}, {"force_reply": False}, {"inline_keyboard": []}]
    for nothing in empties:
        removed = await telegram.call(
            "editMessageReplyMarkup", message_id=said["message_id"], reply_markup=nothing
        )
        assert removed[0] in (200, 400)
    assert await telegram.refused("editMessageReplyMarkup", message_id=said["message_id"]) == (
        400,
        NOT_MODIFIED,
    )


async def test_deleting(telegram: Telegram) -> None:
    own = (await telegram.say("own"))["message_id"]
    theirs = (await telegram.act("messages", text="theirs"))["message_id"]
    root = await telegram.topic()
    assert await telegram.ok("deleteMessage", message_id=theirs) is True
    assert await telegram.refused("deleteMessage", message_id=theirs) == (
        400,
        "Bad Request: message to delete not found",
    )
    assert await telegram.refused("deleteMessage", message_id=root) == (
        400,
        "Bad Request: message can't be deleted",
    )
    assert await telegram.refused("deleteMessage") == (
        400,
        "Bad Request: message identifier is not specified",
    )
    await telegram.act("bot", status="administrator", rights=["can_manage_topics"])
    kept = (await telegram.act("messages", text="theirs"))["message_id"]
    assert await telegram.refused("deleteMessage", message_id=kept) == (
        400,
        "Bad Request: message can't be deleted for everyone",
    )
    telegram.clock.advance(49 * 3600)
    assert await telegram.refused("deleteMessage", message_id=own) == (
        400,
        "Bad Request: message can't be deleted",
    )


async def test_reactions(telegram: Telegram) -> None:
    theirs = (await telegram.act("messages", text="theirs"))["message_id"]
    react = {"message_id": theirs, "reaction": [{"type": "emoji", "emoji": "👍"}]}
    assert await telegram.ok("setMessageReaction", **react) is True
    shown = await telegram.look("topics/1/messages")
    assert shown["messages"][-1]["reactions"] == [{"user": 4200, "emoji": "👍"}]
    assert await telegram.ok("setMessageReaction", message_id=theirs) is True
    wrong = [{"type": "emoji", "emoji": "x"}]
    assert await telegram.refused("setMessageReaction", message_id=theirs, reaction=wrong) == (
        400,
        "Bad Request: REACTION_INVALID",
    )
    assert (await telegram.refused("setMessageReaction", message_id=999))[
        1
    ] == "Bad Request: message to react not found"


async def test_chat_actions(telegram: Telegram) -> None:
    assert await telegram.ok("sendChatAction", action="typing", message_thread_id=99999) is True
    assert await telegram.ok("sendChatAction", action="cancel") is True
    assert await telegram.refused("sendChatAction", action="dancing") == (
        400,
        "Bad Request: wrong parameter action in request",
    )


async def test_ids_only_grow_and_are_shared_by_everything_in_a_group(telegram: Telegram) -> None:
    first = (await telegram.say("a"))["message_id"]
    topic = await telegram.topic()
    await telegram.ok("deleteMessage", message_id=first)
    theirs = (await telegram.act("messages", thread=topic, text="b"))["message_id"]
    assert [first, topic, theirs] == [2, 3, 4]


async def test_an_anonymous_administrator_is_the_group(telegram: Telegram) -> None:
    said = await telegram.act("messages", text="x", as_=ANONYMOUS)
    assert said["from"]["username"] == "GroupAnonymousBot"
    assert said["from"]["is_bot"] is True
    assert said["sender_chat"]["id"] == telegram.chat


async def test_mentions_of_somebody_unknown_are_left_out(telegram: Telegram) -> None:
    people = (MARA, 99)
    mentions = [
        {"type": "text_mention", "offset": n, "length": 1, "user": {"id": person}}
        for n, person in enumerate(people)
    ]
    said = await telegram.say("ab", entities=mentions)
    assert [(each["offset"], each["user"]["first_name"]) for each in said["entities"]] == [(0, "Mara")]


async def test_set_my_commands(telegram: Telegram) -> None:
    assert await telegram.refused("setMyCommands", commands=5) == (
        400,
        "Bad Request: expected an Array of BotCommand",
    )
    assert (
        await telegram.ok("setMyCommands", commands=[{"command": "connect", "description": "Link"}]) is True
    )
