"""Delivery by webhook."""
# ruff: noqa: E501 - a row of a table stays a row

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from topicwire.sandbox.webhook import Backoff

if TYPE_CHECKING:
    from tests.sandbox.conftest import Running, Telegram


@dataclass
class Receiver:
    """Answers with the statuses it was given, then with 200; can be told to hold its answers."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    response: web.Response | None = None

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        self.bodies.append(await request.read())
        self.updates.append(await request.json())
        await self.open.wait()
        if self.response is not None:
            response, self.response = self.response, None
            return response
        status = self.answers.pop(0) if self.answers else 200
        return web.Response(status=status, headers=self.headers)

    @property
    def texts(self) -> list[str]:
        return [update["message"]["text"] for update in self.updates]


@pytest.fixture
async def telegram(sandbox: Running) -> AsyncIterator[Telegram]:
    async with sandbox(group_rate="off", bot_rate="off") as running:
        yield running


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiving = Receiver()
    receiving.open.set()
    app = web.Application()
    app.router.add_post("/hook", receiving.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiving.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook?a=%2Fb"
    yield receiving
    receiving.open.set()
    await runner.cleanup()


async def test_the_request(telegram: Telegram, receiver: Receiver) -> None:
    await telegram.ok("setWebhook", url=receiver.url, secret_token="s3cret_-")
    await telegram.act("messages", text="grüße")
    await telegram.until(lambda: receiver.updates)
    request = receiver.requests[0]
    assert request.raw_path == "/hook?a=%2Fb"
    assert request.headers["X-Telegram-Bot-Api-Secret-Token"] == "s3cret_-"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Accept-Encoding"] == "gzip, deflate"
    assert request.headers["Connection"] == "keep-alive"
    assert int(request.headers["Content-Length"]) == len(receiver.bodies[0])
    assert not {"User-Agent", "Accept", "Transfer-Encoding"} & set(request.headers)
    assert receiver.bodies[0].startswith(b'{"update_id":%d,\n"message":{' % receiver.updates[0]["update_id"])
    assert receiver.texts == ["grüße"]


async def test_no_secret_no_header(telegram: Telegram, receiver: Receiver) -> None:
    await telegram.ok("setWebhook", url=receiver.url)
    await telegram.act("messages", text="x")
    await telegram.until(lambda: receiver.updates)
    assert "X-Telegram-Bot-Api-Secret-Token" not in receiver.requests[0].headers


async def test_a_group_has_one_update_in_flight(telegram: Telegram, receiver: Receiver) -> None:
    other = await telegram.group()
    receiver.open.clear()
    await telegram.ok("setWebhook", url=receiver.url, drop_pending_updates=True)
    for text in ("a", "b", "c"):
        await telegram.act("messages", text=text)
    await other.act("messages", text="elsewhere")
    await telegram.until(lambda: len(receiver.updates) == 2)
    assert receiver.texts == ["a", "elsewhere"]
    receiver.open.set()
    await telegram.until(lambda: len(receiver.updates) == 4)
    assert receiver.texts == ["a", "elsewhere", "b", "c"]


async def test_other_queues_of_a_group_may_overtake(telegram: Telegram, receiver: Receiver) -> None:
    receiver.open.clear()
    await telegram.ok("setWebhook", url=receiver.url)
    await telegram.act("messages", text="a")
    await telegram.act("bot", status="administrator", rights=[])
    await telegram.until(lambda: len(receiver.updates) == 2)
    assert "my_chat_member" in receiver.updates[1]


async def test_no_more_connections_than_asked_for(telegram: Telegram, receiver: Receiver) -> None:
    other = await telegram.group()
    receiver.open.clear()
    await telegram.ok("setWebhook", url=receiver.url, max_connections=1, drop_pending_updates=True)
    await telegram.act("messages", text="a")
    await other.act("messages", text="b")
    await telegram.until(lambda: receiver.updates)
    assert (await telegram.ok("getWebhookInfo"))["pending_update_count"] == 2
    assert receiver.texts == ["a"]
    receiver.open.set()
    await telegram.until(lambda: len(receiver.updates) == 2)


@pytest.mark.parametrize("status", [500, 403, 404, 401, 302])
async def test_anything_but_2xx_is_tried_again_in_order(
    telegram: Telegram, receiver: Receiver, status: int
) -> None:
    receiver.answers = [status, status, status]
    await telegram.ok("setWebhook", url=receiver.url)
    await telegram.act("messages", text="a")
    await telegram.act("messages", text="b")
    await telegram.until(lambda: len(receiver.updates) == 2)  # the first repetition is immediate
    for pause in (2, 4):
        await telegram.asleep(pause)
        telegram.clock.advance(pause)
    await telegram.until(lambda: len(receiver.updates) == 5)
    assert receiver.texts == ["a", "a", "a", "a", "b"]
    while (info := await telegram.ok("getWebhookInfo"))["pending_update_count"]:
        pass
    assert info["last_error_message"].startswith(f"Wrong response from the webhook: {status} ")


async def test_retry_after_goes_first(telegram: Telegram, receiver: Receiver) -> None:
    receiver.answers, receiver.headers = [503], {"Retry-After": "7"}
    await telegram.ok("setWebhook", url=receiver.url)
    await telegram.act("messages", text="a")
    await telegram.asleep(7)
    telegram.clock.advance(7)
    await telegram.until(lambda: len(receiver.updates) == 2)


def test_pauses_double_up_to_minutes() -> None:
    backoff = Backoff()
    pauses = [backoff.pause(0) for _ in range(9)]
    assert pauses[:7] == [0, 2, 4, 8, 16, 32, pauses[6]]
    assert all(60 <= pause <= 120 for pause in pauses[6:])
    assert backoff.pause(9999) == 3600


async def test_an_answer_that_does_not_come_within_a_minute_is_a_failure(
    telegram: Telegram, receiver: Receiver
) -> None:
    receiver.open.clear()
    await telegram.ok("setWebhook", url=receiver.url)
    await telegram.act("messages", text="a")
    await telegram.until(lambda: receiver.updates)
    await telegram.asleep(60)
    telegram.clock.advance(60)
    await telegram.until(lambda: len(receiver.updates) == 2)
    assert (await telegram.ok("getWebhookInfo"))["last_error_message"] == "Read timeout expired"


async def test_an_update_is_given_up_after_a_day(telegram: Telegram, receiver: Receiver) -> None:
    receiver.answers, receiver.headers = [500] * 40, {"Retry-After": "3600"}
    await telegram.ok("setWebhook", url=receiver.url)
    await telegram.act("messages", text="a")
    for _ in range(24):
        await telegram.asleep(3600)
        telegram.clock.advance(3600)
    receiver.answers, receiver.headers = [], {}
    await telegram.act("messages", text="b")
    await telegram.until(lambda: "b" in receiver.texts)
    assert receiver.texts.count("a") == 25


async def test_gone_for_23_hours_removes_the_webhook(telegram: Telegram, receiver: Receiver) -> None:
    receiver.answers, receiver.headers = [410] * 40, {"Retry-After": "3600"}
    await telegram.ok("setWebhook", url=receiver.url)
    await telegram.act("messages", text="a")
    for _ in range(24):
        await telegram.asleep(3600)
        telegram.clock.advance(3600)
    async with asyncio.timeout(10):
        while (await telegram.ok("getWebhookInfo"))["url"]:
            pass


async def test_nobody_there_is_tried_again(telegram: Telegram) -> None:
    await telegram.ok("setWebhook", url="http://127.0.0.1:9/hook")
    await telegram.act("messages", text="a")
    await telegram.asleep(2)
    info = await telegram.ok("getWebhookInfo")
    assert (info["last_error_message"], info["pending_update_count"]) == ("Connection refused", 1)


async def test_pending_updates_outlive_a_change_of_webhook(telegram: Telegram, receiver: Receiver) -> None:
    await telegram.act("messages", text="early")
    await telegram.ok("setWebhook", url=receiver.url)
    while (await telegram.ok("getWebhookInfo"))["pending_update_count"]:
        pass  # an answer that was not read yet would be asked for again
    assert await telegram.ok("deleteWebhook") is True
    await telegram.act("messages", text="between")
    telegram.clock.advance(1)
    await telegram.ok("setWebhook", url=receiver.url)
    await telegram.until(lambda: receiver.texts == ["early", "between"])


async def test_pending_updates_can_be_dropped(telegram: Telegram, receiver: Receiver) -> None:
    await telegram.act("messages", text="early")
    await telegram.ok("setWebhook", url=receiver.url, drop_pending_updates=True)
    await telegram.act("messages", text="late")
    await telegram.until(lambda: receiver.texts == ["late"])


async def test_what_the_setters_say(telegram: Telegram, receiver: Receiver) -> None:
    said = []
    for method, url in (
        ("setWebhook", receiver.url),
        ("setWebhook", receiver.url),
        ("deleteWebhook", None),
        ("deleteWebhook", None),
    ):
        telegram.clock.advance(1)
        said.append((await telegram.call(method, url=url))[1])
    assert [each["description"] for each in said] == [
        "Webhook was set",
        "Webhook is already set",
        "Webhook was deleted",
        "Webhook is already deleted",
    ]
    assert all(each["result"] is True for each in said)


async def test_setting_twice_a_second_is_too_often(telegram: Telegram, receiver: Receiver) -> None:
    await telegram.ok("setWebhook", url=receiver.url)
    assert await telegram.refused("setWebhook", url=receiver.url) == (429, "Too Many Requests: retry after 1")


@pytest.mark.parametrize(
    ("params", "description"),
    [
        ({"url": "http://shop.example/hook"}, "bad webhook: An HTTPS URL must be provided for webhook"),
        ({"url": "https://shop.example:444/hook"}, "bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443"),
        ({"url": "https://10.1.2.3/hook"}, "bad webhook: IP address 10.1.2.3 is reserved"),
        ({"url": "https://"}, "invalid webhook URL specified"),
        ({"url": "ftp://127.0.0.1/hook"}, "invalid webhook URL specified"),
        ({"url": "http://127.0.0.1:99999/hook"}, "invalid webhook URL specified"),
        ({"url": "https://[2606:4700::1111]/hook"}, "bad webhook: IPv6-only addresses are not allowed"),
        ({"url": "https://shop.example/hook", "ip_address": "nonsense"}, "bad webhook: Invalid IP address specified"),
        ({"url": "https://shop.example/hook", "ip_address": "192.168.1.5"}, "bad webhook: IP address 192.168.1.5 is reserved"),
        ({"url": "https://shop.example/hook", "ip_address": "::2"}, "bad webhook: IPv6-only addresses are not allowed"),
        ({"secret_token": "ä"}, "secret token contains unallowed characters"),
        ({"secret_token": "x" * 257}, "secret token is too long"),
    ],
)  # fmt: skip
async def test_a_refused_change_leaves_no_webhook(
    telegram: Telegram, receiver: Receiver, params: dict[str, str], description: str
) -> None:
    await telegram.ok("setWebhook", url=receiver.url)
    telegram.clock.advance(1)
    refusal = await telegram.refused("setWebhook", **{"url": receiver.url} | params)
    assert refusal == (400, f"Bad Request: {description}")
    assert (await telegram.ok("getWebhookInfo"))["url"] == ""


async def test_an_address_may_be_pinned(telegram: Telegram, receiver: Receiver) -> None:
    port = receiver.url.partition("127.0.0.1:")[2]
    url = f"http://hook.localhost:{port}"
    await telegram.ok("setWebhook", url=url, ip_address="127.0.0.1")
    assert (await telegram.ok("getWebhookInfo"))["ip_address"] == "127.0.0.1"
    await telegram.act("messages", text="a")
    await telegram.until(lambda: receiver.updates)
    assert receiver.requests[0].headers["Host"].startswith("hook.localhost")


async def test_a_receiver_without_tls(telegram: Telegram, receiver: Receiver) -> None:
    await telegram.ok("setWebhook", url=receiver.url.replace("http://", "https://"))
    await telegram.act("messages", text="a")
    await telegram.asleep(2)
    info = await telegram.ok("getWebhookInfo")
    assert info["last_error_message"].startswith("SSL error {")
    assert info["pending_update_count"] == 1


async def test_a_certificate_is_taken_anew(telegram: Telegram, receiver: Receiver) -> None:
    said = []
    for certificate in (b"cert", b"cert", None):
        telegram.clock.advance(1)
        form = aiohttp.FormData({"url": receiver.url})
        if certificate:
            form.add_field("certificate", certificate, filename="cert.pem")
        async with telegram.http.post(f"{telegram.base}/bot4200:secret/setWebhook", data=form) as response:
            said.append((await response.json())["description"])
    assert said == ["Webhook was set"] * 3
    assert (await telegram.ok("getWebhookInfo"))["has_custom_certificate"] is False


async def test_a_method_in_an_answer_holds_nothing_up(sandbox: Running, receiver: Receiver) -> None:
    async with sandbox(group_rate="1/6", bot_rate="off") as telegram:
        await telegram.say("takes the only place")
        called = f'{{"method":"sendMessage","chat_id":{telegram.chat},"text":"from the answer"}}'
        receiver.response = calling(called)
        await telegram.ok("setWebhook", url=receiver.url)
        await telegram.act("messages", text="a")
        await telegram.asleep(6)
        await telegram.act("messages", text="b")
        await telegram.until(lambda: receiver.texts == ["a", "b"])
        telegram.clock.advance(6)
        async with asyncio.timeout(10):
            while (shown := await telegram.look("topics/1/messages"))["messages"][-1]["text"] == "b":
                pass
        assert shown["messages"][-1]["text"] == "from the answer"


async def test_a_refused_webhook_ends_polling_too(telegram: Telegram) -> None:
    polling = asyncio.create_task(telegram.refused("getUpdates", timeout=50))
    await telegram.asleep(50)
    await telegram.refused("setWebhook", url="https://10.1.2.3/hook")
    assert await polling == (409, "Conflict: terminated by setWebhook request")


async def test_info(telegram: Telegram, receiver: Receiver) -> None:
    empty = await telegram.ok("getWebhookInfo")
    assert empty == {"url": "", "has_custom_certificate": False, "pending_update_count": 0}
    kinds = ["message", "edited_message"]
    await telegram.ok("setWebhook", url=receiver.url, allowed_updates=kinds, max_connections=9999)
    info = await telegram.ok("getWebhookInfo")
    assert (info["url"], info["allowed_updates"], info["max_connections"]) == (receiver.url, kinds, 100)
    assert "last_error_date" not in info


def calling(body: str, kind: str = "application/json") -> web.Response:
    return web.Response(body=body.encode(), headers={"Content-Type": kind})


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", '{"method":"sendMessage","chat_id":CHAT,"text":"from the answer"}'),
        ("application/x-www-form-urlencoded", "method=SENDmessage&chat_id=CHAT&text=from+the+answer"),
    ],
)
async def test_an_answer_may_call_a_method(
    telegram: Telegram, receiver: Receiver, kind: str, body: str
) -> None:
    receiver.response = calling(body.replace("CHAT", str(telegram.chat)), kind)
    await telegram.ok("setWebhook", url=receiver.url)
    await telegram.act("messages", text="a")
    while len((shown := await telegram.look("topics/1/messages"))["messages"]) < 2:
        pass
    assert shown["messages"][-1]["text"] == "from the answer"


@pytest.mark.parametrize("method", ["getMe", "deleteWebhook", "close", "logOut", "setWebhook"])
async def test_some_methods_are_not_called_from_answers(
    telegram: Telegram, receiver: Receiver, method: str
) -> None:
    receiver.response = calling(f'{{"method":"{method}"}}')
    await telegram.ok("setWebhook", url=receiver.url)
    await telegram.act("messages", text="a")
    while (await telegram.ok("getWebhookInfo"))["pending_update_count"]:
        pass
    calls = (await telegram.look("/calls"))["calls"]
    assert {call["method"] for call in calls} == {"setWebhook", "getWebhookInfo"}


async def test_in_trouble_there_is_one_connection(telegram: Telegram, receiver: Receiver) -> None:
    others = [await telegram.group() for _ in range(3)]
    await telegram.ok("setWebhook", url=receiver.url, drop_pending_updates=True)
    receiver.answers = [500, 500]
    await telegram.act("messages", text="a")
    await telegram.asleep(2)
    receiver.open.clear()
    for number, other in enumerate(others):
        await other.act("messages", text=str(number))
    await telegram.until(lambda: len(receiver.updates) == 3)
    assert receiver.texts == ["a", "a", "0"]
    receiver.open.set()
    await telegram.until(lambda: sorted(receiver.texts[2:]) == ["0", "1", "2"])


async def test_an_update_that_was_taken_may_come_again(telegram: Telegram, receiver: Receiver) -> None:
    await telegram.ok("setWebhook", url=receiver.url)
    await telegram.act("/faults", kind="update_duplicate")
    await telegram.act("messages", text="a")
    await telegram.act("messages", text="b")
    await telegram.until(lambda: receiver.texts == ["a", "a", "b"])
    assert receiver.updates[0] == receiver.updates[1]


async def test_queues_may_overtake_each_other_on_demand(telegram: Telegram, receiver: Receiver) -> None:
    other = await telegram.group()
    await telegram.ok("setWebhook", url=receiver.url, drop_pending_updates=True)
    await telegram.act("/faults", kind="update_reordered")
    await telegram.act("messages", text="a")
    await other.act("messages", text="b")
    await telegram.until(lambda: receiver.texts == ["b", "a"])
    assert receiver.updates[0]["update_id"] == receiver.updates[1]["update_id"] + 1


async def test_a_name_and_password_in_the_address(telegram: Telegram, receiver: Receiver) -> None:
    await telegram.ok("setWebhook", url=receiver.url.replace("http://", "http://anna:secret@"))
    await telegram.act("messages", text="a")
    await telegram.until(lambda: receiver.requests)
    assert receiver.requests[0].headers["Authorization"] == "Basic YW5uYTpzZWNyZXQ="


async def test_who_polls_the_same_at_once_is_held(telegram: Telegram) -> None:
    for text in ("a", "b"):
        await telegram.act("messages", text=text)
    assert len(await telegram.ok("getUpdates")) == 2
    assert len(await telegram.ok("getUpdates")) == 1
    waiting = asyncio.create_task(telegram.ok("getUpdates", offset=-99))
    assert len(await waiting) == 2


async def test_conflicts_that_come_fast_are_told_late(telegram: Telegram) -> None:
    async def poll(offset: int) -> Any:
        return await telegram.call("getUpdates", timeout=50, offset=offset)

    polls = [asyncio.create_task(poll(1))]
    await telegram.asleep(50)
    polls.append(asyncio.create_task(poll(2)))
    assert (await polls[0])[0] == 409
    polls.append(asyncio.create_task(poll(3)))
    await telegram.asleep(3, 50, 50)
    telegram.clock.advance(3)
    assert (await polls[1])[0] == 409
    telegram.clock.advance(50)
    assert (await polls[2])[0] == 200
