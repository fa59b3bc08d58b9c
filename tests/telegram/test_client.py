"""Whatever a Bot API server answers, the channel returns or raises exactly one ChannelError.

A real server on loopback plays the answers; nothing of aiogram or aiohttp is replaced.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from aiogram.client.session.aiohttp import AiohttpSession
from aiohttp import web
from prometheus_client import REGISTRY

from topicwire.relay.channel import (
    Astray,
    Channel,
    ChannelError,
    ChatMoved,
    ChatRefused,
    Entity,
    GroupState,
    NotReached,
    Rejected,
    Sent,
    Text,
    TopicClosed,
    TopicGone,
    Unchanged,
    Unknown,
    Wait,
)
from topicwire.telegram.client import TelegramChannel, open_session
from topicwire.telegram.updates import decode

TOKEN = "42:SECRET-part_of_the_token"
CHAT = -1001234567890
MINIMAL = {"message_id": 5, "date": 1, "chat": {"id": CHAT, "type": "supergroup"}}
LANDED = {**MINIMAL, "message_thread_id": 77, "is_topic_message": True}

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakeBotApi:
    """Plays the given answers one after the other and keeps what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.answers: list[Answer] = []
        self.was_asked = asyncio.Event()
        self.finished = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append((request.match_info["method"], form))
        self.was_asked.set()
        return await self.answers.pop(0)(request)

    def ok(self, result: Any) -> None:
        self.raw(200, json.dumps({"ok": True, "result": result}))

    def refuse(self, status: int, description: str | None, **parameters: int) -> None:
        body: dict[str, Any] = {"ok": False, "error_code": status}
        if description is not None:
            body["description"] = description
        if parameters:
            body["parameters"] = parameters
        self.raw(status, json.dumps(body))

    def raw(self, status: int, body: str | bytes, content_type: str = "application/json") -> None:
        data = body.encode() if isinstance(body, str) else body

        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(status=status, body=data, headers={"Content-Type": content_type})

        self.answers.append(answer)

    def redirect(self, location: str) -> None:
        async def answer(_: web.Request) -> web.StreamResponse:
            raise web.HTTPFound(location)

        self.answers.append(answer)

    def reset(self) -> None:
        async def answer(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

        self.answers.append(answer)

    def break_off(self) -> None:
        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Length": "1000"})
            await response.prepare(request)
            await response.write(b'{"ok":true,"resu')
            assert request.transport is not None
            request.transport.close()
            return response

        self.answers.append(answer)

    def hang(self) -> None:
        async def answer(_: web.Request) -> web.StreamResponse:
            await self.finished.wait()
            return web.Response()

        self.answers.append(answer)

    @property
    def forms(self) -> list[dict[str, str]]:
        return [form for _, form in self.asked]


@pytest.fixture(scope="session")
async def server() -> AsyncIterator[FakeBotApi]:
    fake = FakeBotApi()
    app = web.Application()
    app.router.add_post(f"/bot{TOKEN}/{{method}}", fake.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    fake.url = f"http://{host}:{port}"
    yield fake
    await runner.cleanup()


@pytest.fixture(scope="session")
async def session(server: FakeBotApi) -> AsyncIterator[AiohttpSession]:
    session = open_session(server.url)
    yield session
    await session.close()


@pytest.fixture
def api(server: FakeBotApi) -> Iterator[FakeBotApi]:
    server.asked, server.answers = [], []
    server.was_asked, server.finished = asyncio.Event(), asyncio.Event()
    yield server
    server.finished.set()


@pytest.fixture
def make_channel(api: FakeBotApi, session: AiohttpSession) -> Callable[[float], TelegramChannel]:
    return lambda timeout: TelegramChannel(TOKEN, api.url, timeout=timeout, session=session)


@pytest.fixture
def channel(make_channel: Callable[[float], TelegramChannel]) -> TelegramChannel:
    return make_channel(12)


def test_it_is_a_channel() -> None:
    described: type[Channel] = TelegramChannel
    assert described is TelegramChannel


async def test_a_text_goes_out_as_it_is(api: FakeBotApi, channel: TelegramChannel) -> None:
    api.ok(LANDED)
    entities = (Entity("strike", 0, 2), Entity("link", 2, 1, "https://a.bc/"), Entity("quote", 3, 1))
    text = Text("<b> 😀 & _x_", (*entities, Entity("bold", 4, 1)))
    assert await channel.send(CHAT, 77, text, reply_to=70) == Sent(5)
    ((method, form),) = api.asked
    assert method == "sendMessage"
    assert json.loads(form.pop("entities")) == [
        {"type": "strikethrough", "offset": 0, "length": 2},
        {"type": "text_link", "offset": 2, "length": 1, "url": "https://a.bc/"},
        {"type": "blockquote", "offset": 3, "length": 1},
        {"type": "bold", "offset": 4, "length": 1},
    ]
    assert json.loads(form.pop("link_preview_options")) == {"is_disabled": True}
    reply = json.loads(form.pop("reply_parameters"))
    assert reply == {"message_id": 70, "allow_sending_without_reply": True}
    assert form == {"chat_id": str(CHAT), "message_thread_id": "77", "text": "<b> 😀 & _x_"}


@pytest.mark.parametrize(
    ("asked", "result"),
    [
        (77, LANDED),
        (77, {**LANDED, "entities": [{"type": "from_the_future"}], "from": "?"}),
        (None, MINIMAL),
        (None, LANDED),  # a reply without a topic goes to that of the message
    ],
)
async def test_it_landed(
    api: FakeBotApi, channel: TelegramChannel, asked: int | None, result: dict[str, Any]
) -> None:
    api.ok(result)
    assert await channel.send(CHAT, asked, Text("x")) == Sent(5)
    (form,) = api.forms
    assert form.pop("message_thread_id", None) == (None if asked is None else str(asked))
    assert form == {"chat_id": str(CHAT), "text": "x", "link_preview_options": '{"is_disabled": true}'}


@pytest.mark.parametrize(
    "result",
    [
        MINIMAL,
        {**MINIMAL, "message_thread_id": 77},  # a reply thread of the main chat
        {**LANDED, "is_topic_message": False},
        {**LANDED, "message_thread_id": 78},
    ],
)
async def test_it_landed_outside_its_topic(
    api: FakeBotApi, channel: TelegramChannel, result: dict[str, Any]
) -> None:
    api.ok(result)
    with pytest.raises(Astray) as raised:
        await channel.send(CHAT, 77, Text("x"))
    assert raised.value.message_id == 5


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        ((429, "Too Many Requests: retry after 35", {"retry_after": 35}), Wait),
        ((429, "Too Many Requests: retry after 35", {}), Wait),
        ((429, "Too Many Requests", {"retry_after": 0}), Wait),
        ((400, "Bad Request: group chat was upgraded …", {"migrate_to_chat_id": -1007}), ChatMoved),
        ((400, "Bad Request: message thread not found", {}), TopicGone),
        ((400, "Bad Request: TOPIC_CLOSED", {}), TopicClosed),
        ((400, "Bad Request: message is not modified: …", {}), Unchanged),
        ((400, "Bad Request: message is too long", {}), Rejected),
        ((400, "Bad Request: unheard of", {}), Rejected),
        ((400, None, {}), Rejected),
        ((401, "Unauthorized", {}), ChatRefused),
        ((403, "Forbidden: bot was kicked from the supergroup chat", {}), ChatRefused),
        ((403, None, {}), ChatRefused),
        ((404, "Not Found", {}), ChatRefused),
        ((409, "Conflict: terminated by other getUpdates request", {}), NotReached),
        ((413, "Request Entity Too Large", {}), Rejected),
        ((413, None, {}), Rejected),
        ((421, "Misdirected Request: unallowed token specified", {}), ChatRefused),
        ((500, "Internal Server Error: restart", {}), Unknown),
        ((500, "Internal Server Error", {}), Unknown),
        ((500, None, {}), Unknown),  # a bare TypeError in aiogram
        ((502, "Bad Gateway", {}), Unknown),
        ((200, "Bad Request: TOPIC_CLOSED", {}), TopicClosed),
        ((200, None, {}), Unknown),
    ],
)
async def test_refusals(
    api: FakeBotApi,
    channel: TelegramChannel,
    refusal: tuple[int, str | None, dict[str, int]],
    expected: type[ChannelError],
) -> None:
    status, description, parameters = refusal
    api.refuse(status, description, **parameters)
    with pytest.raises(ChannelError) as raised:
        await channel.send(CHAT, 77, Text("x"))
    assert type(raised.value) is expected
    assert not description or status == 500 or str(raised.value) == description
    assert len(api.asked) == 1


async def test_waits_are_telegrams_own(api: FakeBotApi, channel: TelegramChannel) -> None:
    for parameters, seconds in (({"retry_after": 35}, 35), ({}, 5)):
        api.refuse(429, "Too Many Requests: retry after 35", **parameters)
        with pytest.raises(Wait) as raised:
            await channel.send(CHAT, 77, Text("x"))
        assert raised.value.seconds == seconds


async def test_calls_are_counted_whatever_came_of_them(api: FakeBotApi, channel: TelegramChannel) -> None:
    def counted() -> list[float]:
        names = ("topicwire_call_seconds_count", "topicwire_calls_limited_total")
        found = [REGISTRY.get_sample_value(name, {"method": "closeForumTopic"}) for name in names]
        return [value or 0 for value in found]

    calls, limited = counted()
    api.ok(True)
    await channel.close_topic(CHAT, 77)
    api.refuse(429, "Too Many Requests: retry after 35", retry_after=35)
    api.reset()
    for error in (Wait, Unknown):
        with pytest.raises(error):
            await channel.close_topic(CHAT, 77)
    assert counted() == [calls + 3, limited + 1]


async def test_a_moved_group_brings_its_new_id(api: FakeBotApi, channel: TelegramChannel) -> None:
    api.refuse(400, "Bad Request: group chat was upgraded …", migrate_to_chat_id=-1007)
    with pytest.raises(ChatMoved) as raised:
        await channel.send(CHAT, 77, Text("x"))
    assert raised.value.chat_id == -1007


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (502, "<html><h1>502 Bad Gateway</h1></html>"),
        (403, "<html>blocked by the firewall</html>"),
        (413, "<html>too large</html>"),
        (504, ""),
        (200, ""),
        (200, "<html>log in to the hotel</html>"),
        (200, b"\xff\xfe\xff"),
        (200, "[]"),
        (200, "{}"),
        (200, '{"ok":true}'),
        (200, '{"ok":true,"result":null}'),
        (200, '{"ok":true,"result":true}'),
        (200, '{"ok":true,"result":{"message_id":"x"}}'),
    ],
)
async def test_answers_that_make_no_sense(
    api: FakeBotApi, channel: TelegramChannel, status: int, body: str | bytes
) -> None:
    api.raw(status, body)
    with pytest.raises(Unknown):
        await channel.send(CHAT, 77, Text("x"))


async def test_a_long_page_of_nonsense_is_kept_short(api: FakeBotApi, channel: TelegramChannel) -> None:
    api.raw(502, "<html>" + "x" * 100_000)
    with pytest.raises(Unknown) as raised:
        await channel.send(CHAT, 77, Text("x"))
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize("trouble", ["reset", "break_off"])
async def test_a_lost_connection_is_unknown(api: FakeBotApi, channel: TelegramChannel, trouble: str) -> None:
    getattr(api, trouble)()
    with pytest.raises(Unknown):
        await channel.send(CHAT, 77, Text("x"))
    assert len(api.asked) == 1


async def test_an_answer_that_takes_too_long_is_unknown(
    api: FakeBotApi, make_channel: Callable[[float], TelegramChannel]
) -> None:
    channel = make_channel(0.2)
    api.hang()
    with pytest.raises(Unknown):
        await channel.send(CHAT, 77, Text("x"))
    api.hang()
    with pytest.raises(Unknown):
        await channel.close_topic(CHAT, 77)


async def test_a_second_attempt_has_no_more_time_than_the_first_left(
    api: FakeBotApi, make_channel: Callable[[float], TelegramChannel]
) -> None:
    channel = make_channel(0.4)

    async def slowly(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.3)
        return web.json_response({"ok": False, "description": "Bad Request: ENTITY_X"}, status=400)

    api.answers.append(slowly)
    api.hang()
    began = asyncio.get_running_loop().time()
    with pytest.raises(Unknown):
        await channel.send(CHAT, 77, Text("x", (Entity("bold", 0, 1),)))
    assert asyncio.get_running_loop().time() - began < 0.6


async def test_nobody_listening_is_not_reached(api: FakeBotApi) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but not listening: refused
        channel = TelegramChannel(TOKEN, f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(NotReached):
            await channel.send(CHAT, 77, Text("x"))
        await channel.close()


async def test_an_unknown_host_is_not_reached() -> None:
    channel = TelegramChannel(TOKEN, "http://nowhere.invalid")
    with pytest.raises(NotReached):
        await channel.send(CHAT, 77, Text("x"))
    await channel.close()


async def test_waiting_for_a_connection_is_not_reached(api: FakeBotApi) -> None:
    session = open_session(api.url)
    session._connector_init["limit"] = 1  # one connection, and somebody holds it
    patient, hasty = (TelegramChannel(TOKEN, api.url, timeout=t, session=session) for t in (5, 0.3))
    api.hang()
    holding = asyncio.create_task(patient.send(CHAT, 77, Text("first")))
    await api.was_asked.wait()
    with pytest.raises(NotReached):
        await hasty.send(CHAT, 77, Text("second"))
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    await session.close()


async def test_the_token_appears_in_no_error(api: FakeBotApi, channel: TelegramChannel) -> None:
    for _ in range(11):
        api.redirect(f"{api.url}/bot{TOKEN}/sendMessage")
    api.raw(502, f"<html>no such page: /bot{TOKEN}/sendMessage")
    api.redirect("ftp://x/" + TOKEN)
    for _ in range(3):
        with pytest.raises(Unknown) as raised:
            await channel.send(CHAT, 77, Text("x"))
        assert TOKEN not in str(raised.value)
        assert raised.value.__suppress_context__


async def test_refused_formatting_is_sent_once_more_plain(api: FakeBotApi, channel: TelegramChannel) -> None:
    api.refuse(400, "Bad Request: ENTITY_BOUNDS_INVALID")
    api.ok(LANDED)
    text = Text("https://x.com/@joe", (Entity("link", 0, 18, "https://x.com/@joe"),))
    assert await channel.send(CHAT, 77, text, reply_to=70) == Sent(5)
    assert api.forms[1]["text"] == "https://x.com/@\u2060joe"  # the link covered a mention
    assert "entities" not in api.forms[1]
    assert "reply_parameters" in api.forms[1]


async def test_refused_formatting_without_any_is_rejected(api: FakeBotApi, channel: TelegramChannel) -> None:
    too_long_if_plain = Text("@ab " * 1000, (Entity("pre", 0, 4000),))
    for text in (Text("x"), too_long_if_plain):
        api.refuse(400, "Bad Request: can't parse entities: oh")
        with pytest.raises(Rejected) as raised:
            await channel.send(CHAT, 77, text)
        assert type(raised.value) is Rejected  # the relay looks for exactly these types
    api.refuse(400, "Bad Request: message to be replied not found")
    with pytest.raises(Rejected) as raised:
        await channel.create_topic(CHAT, "x")
    assert type(raised.value) is Rejected
    assert len(api.asked) == 3


async def test_a_vanished_reply_never_loses_the_message(api: FakeBotApi, channel: TelegramChannel) -> None:
    api.refuse(400, "Bad Request: message to be replied not found")
    api.refuse(400, "Bad Request: ENTITY_BOUNDS_INVALID")
    api.ok(LANDED)
    text = Text("x", (Entity("bold", 0, 1),))
    assert await channel.send(CHAT, 77, text, reply_to=70) == Sent(5)
    assert [sorted({"entities", "reply_parameters"} & form.keys()) for form in api.forms] == [
        ["entities", "reply_parameters"],
        ["entities"],
        [],
    ]


async def test_creating_a_topic(api: FakeBotApi, channel: TelegramChannel) -> None:
    api.ok({"message_thread_id": 77})
    assert await channel.create_topic(CHAT, "Jo") == 77
    assert api.asked == [
        ("createForumTopic", {"chat_id": str(CHAT), "name": "Jo", "icon_color": str(0xFB6F5F)})
    ]


async def test_calls_about_a_topic(api: FakeBotApi, channel: TelegramChannel) -> None:
    calls: tuple[tuple[str, Callable[[], Awaitable[None]], dict[str, str]], ...] = (
        ("editForumTopic", lambda: channel.rename_topic(CHAT, 77, "Jo"), {"name": "Jo"}),
        ("reopenForumTopic", lambda: channel.reopen_topic(CHAT, 77), {}),
        ("closeForumTopic", lambda: channel.close_topic(CHAT, 77), {}),
        ("deleteForumTopic", lambda: channel.delete_topic(CHAT, 77), {}),
        ("sendChatAction", lambda: channel.show_typing(CHAT, 77), {"action": "typing"}),
    )
    for method, call, more in calls:
        api.ok(True)
        await call()
        assert api.asked[-1] == (method, {"chat_id": str(CHAT), "message_thread_id": "77", **more})
    api.refuse(400, "Bad Request: TOPIC_NOT_MODIFIED")
    with pytest.raises(Unchanged):
        await channel.close_topic(CHAT, 77)


@pytest.mark.parametrize(
    ("description", "there"),
    [(None, True), ("Bad Request: TOPIC_NOT_MODIFIED", True), ("Bad Request: TOPIC_ID_INVALID", False)],
)
async def test_whether_a_topic_exists(
    api: FakeBotApi, channel: TelegramChannel, description: str | None, there: bool
) -> None:
    if description:
        api.refuse(400, description)
    else:
        api.ok(True)
    assert await channel.topic_exists(CHAT, 77, "Jo") is there
    assert api.forms == [{"chat_id": str(CHAT), "message_thread_id": "77", "name": "Jo"}]


async def test_what_is_no_answer_about_a_topic_is_raised(api: FakeBotApi, channel: TelegramChannel) -> None:
    api.refuse(400, "Bad Request: not enough rights to edit the topic")
    with pytest.raises(ChatRefused):
        await channel.topic_exists(CHAT, 77, "Jo")
    with pytest.raises(Rejected):  # Telegram would say True and do nothing
        await channel.topic_exists(CHAT, 77, "")


FORUM = {"id": CHAT, "type": "supergroup", "title": "Support", "is_forum": True}
ADMIN = {
    "status": "administrator",
    "user": {"id": 42},
    "can_manage_topics": True,
    "can_delete_messages": True,
}


@pytest.mark.parametrize(
    ("chat", "member", "missing"),
    [
        (FORUM, ADMIN, []),
        (FORUM, {"status": "creator"}, []),
        (FORUM, {**ADMIN, "can_manage_topics": False}, ["the right to manage topics"]),
        (FORUM, {**ADMIN, "can_delete_messages": False}, ["the right to delete messages"]),
        (FORUM, {"status": "administrator"}, ["the right to manage topics", "the right to delete messages"]),
        (FORUM, {"status": "member"}, ["administrator rights"]),
        ({"id": CHAT, "title": "Support", "type": "group"}, {"status": "left"}, ["forum", "administrator"]),
        ({"id": CHAT, "title": "Support", "type": "channel"}, None, ["a group: this is a channel chat"]),
    ],
)
async def test_checking_a_group(
    api: FakeBotApi,
    channel: TelegramChannel,
    chat: dict[str, Any],
    member: dict[str, Any] | None,
    missing: list[str],
) -> None:
    api.ok(chat)
    api.ok(member)
    state = await channel.check_group(CHAT)
    assert state.title == "Support"
    assert len(state.missing) == len(missing)
    assert all(said.startswith(word) for said, word in zip(state.missing, missing, strict=True))
    if member:
        assert api.asked[1] == ("getChatMember", {"chat_id": str(CHAT), "user_id": "42"})


async def test_a_group_without_a_title(api: FakeBotApi, channel: TelegramChannel) -> None:
    api.ok({"id": CHAT, "type": "supergroup", "is_forum": True})
    api.ok(ADMIN)
    assert await channel.check_group(CHAT) == GroupState("")


@pytest.mark.parametrize(
    ("status", "admin"),
    [("creator", True), ("administrator", True), ("member", False), ("restricted", False), ("left", False)],
)
async def test_who_is_an_administrator(
    api: FakeBotApi, channel: TelegramChannel, status: str, admin: bool
) -> None:
    api.ok({"status": status})
    assert await channel.is_admin(CHAT, 555) is admin


async def test_a_stranger_is_no_administrator(api: FakeBotApi, channel: TelegramChannel) -> None:
    api.refuse(400, "Bad Request: PARTICIPANT_ID_INVALID")
    assert await channel.is_admin(CHAT, 555) is False
    api.refuse(400, "Bad Request: chat not found")
    with pytest.raises(ChatRefused):
        await channel.is_admin(CHAT, 555)


async def test_who_we_are(api: FakeBotApi, channel: TelegramChannel) -> None:
    api.ok({"id": 42, "is_bot": True, "first_name": "Relay", "username": "relay_bot"})
    api.ok({"id": 42})
    assert await channel.get_me() == (42, "relay_bot")
    assert await channel.get_me() == (42, "")


async def test_webhooks(api: FakeBotApi, channel: TelegramChannel) -> None:
    api.ok(True)
    api.ok(True)
    await channel.set_webhook("https://chat.example.com/telegram/42", "s3cret")
    await channel.delete_webhook()
    (method, form), last = api.asked
    assert method == "setWebhook"
    assert json.loads(form.pop("allowed_updates")) == ["message", "edited_message", "my_chat_member"]
    assert form == {"url": "https://chat.example.com/telegram/42", "secret_token": "s3cret"}
    assert last == ("deleteWebhook", {})


async def test_updates_come_untouched(api: FakeBotApi, channel: TelegramChannel) -> None:
    odd = {"update_id": 7, "message": {"from_the_future": [1.5, None, "\ud83d"], "date": "?"}}
    api.ok([odd, {"update_id": 8}])
    updates = await channel.get_updates(7, 0)
    assert json.loads(updates[0]) == odd
    assert [decode(update, bot_id=42).update_id for update in updates] == [7, 8]
    assert api.asked[0][0] == "getUpdates"
    assert {**api.forms[0], "allowed_updates": None} == {
        "offset": "7",
        "timeout": "0",
        "allowed_updates": None,
    }


async def test_waiting_for_updates_may_take_longer_than_a_call(
    api: FakeBotApi, make_channel: Callable[[float], TelegramChannel]
) -> None:
    channel = make_channel(0.2)

    async def slowly(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.4)
        return web.json_response({"ok": True, "result": []})

    api.answers.append(slowly)
    assert await channel.get_updates(0, 1) == []


async def test_bots_share_a_session_that_outlives_them(api: FakeBotApi) -> None:
    session = open_session(api.url)
    for _ in range(2):
        api.ok({"id": 42})
        channel = TelegramChannel(TOKEN, api.url, session=session)
        await channel.get_me()
        await channel.close()
    await session.close()


async def test_a_message_that_was_changed_tells_its_topic(api: FakeBotApi, channel: TelegramChannel) -> None:
    api.ok({"message_id": 7, "message_thread_id": 3, "is_topic_message": True})
    api.refuse(400, "Bad Request: message is not modified")  # it has the button already
    await channel.show_button(CHAT, 7)
    await channel.show_button(CHAT, 7)
    api.ok({"message_id": 7, "message_thread_id": 3, "is_topic_message": True})
    api.ok({"message_id": 8, "message_thread_id": 5})  # a thread of replies, as groups without topics have
    assert await channel.hide_button(CHAT, 7) == 3
    assert await channel.hide_button(CHAT, 8) is None
    shown, _, hidden, _ = api.forms[-4:]
    assert "callback_data" in shown["reply_markup"]
    assert "reply_markup" not in hidden
