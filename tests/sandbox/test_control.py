"""What people do, through the control API."""
# ruff: noqa: E501 - a row of a table stays a row

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from topicwire.sandbox.world import ANONYMOUS, JONAS, LENA, MARA

if TYPE_CHECKING:
    from tests.sandbox.conftest import Running, Telegram


async def topics(telegram: Telegram) -> dict[int, Any]:
    state = await telegram.look("/state")
    chat = next(each for each in state["chats"] if each["id"] == telegram.chat)
    return {topic["id"]: topic for topic in chat["topics"]}


async def test_topics_with_the_liveliest_first(telegram: Telegram) -> None:
    anna, bo = await telegram.topic("Anna"), await telegram.topic("Bo")
    await telegram.say("hello", message_thread_id=anna)
    await telegram.say("anybody?", message_thread_id=anna)
    listed = await topics(telegram)
    assert list(listed) == [anna, bo, 1]
    assert (listed[anna]["unread"], listed[anna]["last"]["text"]) == (2, "anybody?")
    await telegram.act(f"topics/{anna}/read")
    assert (await topics(telegram))[anna]["unread"] == 0


async def test_the_budget_is_shown(strict: Telegram) -> None:
    await strict.topic()
    state = await strict.look("/state")
    assert state["chats"][0]["budget"] == {
        "left": 19,
        "calls": 20,
        "seconds": 60,
        "frees": [strict.clock.now() + 60],
    }


async def test_the_last_calls_and_an_announced_wait(strict: Telegram) -> None:
    for n in range(20):
        await strict.say(str(n))
    assert (await strict.refused("sendMessage", text="too many"))[0] == 429
    calls = (await strict.look("/calls?last=2"))["calls"]
    assert [call["params"]["text"] for call in calls] == ["19", "too many"]
    budget = (await strict.look("/state"))["chats"][0]["budget"]
    assert (budget["left"], budget["until"]) == (0, strict.clock.now() + 60)
    strict.clock.advance(60)
    budget = (await strict.look("/state"))["chats"][0]["budget"]
    assert budget == {"left": 20, "calls": 20, "seconds": 60, "frees": []}


async def test_a_topic_names_what_is_pinned(telegram: Telegram) -> None:
    thread = await telegram.topic()
    said = await telegram.say("Read this", message_thread_id=thread)
    await telegram.act(f"messages/{said['message_id']}/pin")
    assert [each["text"] for each in (await topics(telegram))[thread]["pinned"]] == ["Read this"]
    await telegram.act(f"messages/{said['message_id']}/pin", on=False)
    assert "pinned" not in (await topics(telegram))[thread]


async def test_writing_with_entities_and_replies(telegram: Telegram) -> None:
    bold = [{"type": "bold", "offset": 0, "length": 5}]
    said = await telegram.act("messages", text=" Hello", entities=bold)
    assert (said["text"], said["entities"][0]["type"]) == (" Hello", "bold")  # a formatted blank stays
    answer = await telegram.act("messages", text="Hi", reply_to=said["message_id"], as_=JONAS)
    assert answer["from"]["first_name"] == "Jonas"
    assert answer["reply_to_message"]["message_id"] == said["message_id"]


async def test_pages_of_messages(telegram: Telegram) -> None:
    for n in range(5):
        await telegram.act("messages", text=str(n))
    newest = await telegram.look("topics/1/messages?limit=2")
    assert ([each["text"] for each in newest["messages"]], newest["more"]) == (["3", "4"], True)
    before = newest["messages"][0]["message_id"]
    older = await telegram.look(f"topics/1/messages?limit=9&before={before}")
    assert ([each["text"] for each in older["messages"]], older["more"]) == (["0", "1", "2"], False)


async def test_editing_a_caption(telegram: Telegram) -> None:
    said = await telegram.act("messages", kind="photo", caption="old")
    edited = await telegram.act(f"messages/{said['message_id']}/edit", text="new #1a")
    assert edited["caption"] == "new #1a"
    assert edited["caption_entities"][0]["type"] == "hashtag"
    assert edited["photo"] == said["photo"]


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("messages", {"text": ""}, "text must be non-empty"),
        ("messages", {"text": 7}, "text must be text"),
        ("messages", {"text": "x", "thread": 99}, "there is no topic 99"),
        ("messages", {"text": "x", "thread": "2"}, "thread must be a whole number"),
        ("messages", {"text": "x", "as": 4200}, "there is no person 4200"),
        ("messages", {"text": "x", "reply_to": 99}, "there is no message 99"),
        ("messages", {"kind": "hologram"}, "there is no sample of kind 'hologram'"),
        ("messages/99/edit", {"text": "x"}, "there is no message 99"),
        ("topics", {"name": ""}, "name must be non-empty"),
        ("topics", {"name": "x", "as": LENA}, "this person may not manage topics"),
        ("topics/1/delete", {}, "General cannot be deleted"),
        ("bot", {"status": "king"}, "status must be one of creator, administrator, member, restricted, left, kicked"),
        ("bot", {"status": "administrator", "rights": ["can_fly"]}, "administrator has no right called can_fly"),
        ("bot", {"status": "administrator", "rights": "all"}, "rights must be a list of names such as can_manage_topics"),
    ],
)  # fmt: skip
async def test_refusals_say_what_is_wrong(
    telegram: Telegram, path: str, body: dict[str, Any], error: str
) -> None:
    assert await telegram.forbidden(path, **body) == error


async def test_people_are_bound_by_their_rights(telegram: Telegram) -> None:
    said = await telegram.say("hello")
    thread = await telegram.topic()
    await telegram.act(f"topics/{thread}/close")
    assert await telegram.forbidden("messages", text="x", thread=thread, as_=LENA) == "TOPIC_CLOSED"
    await telegram.act("messages", text="x", thread=thread, as_=ANONYMOUS)
    mine = await telegram.act("messages", text="mine")
    edit = f"messages/{mine['message_id']}/edit"
    assert await telegram.forbidden(edit, text="x", as_=JONAS) == "only one's own messages can be edited"
    async with telegram.http.delete(
        f"{telegram.console}/api/chats/{telegram.chat}/messages/{said['message_id']}?as={LENA}"
    ) as response:
        assert (await response.json())["error"] == "this person may not delete others' messages"


async def test_new_people(telegram: Telegram) -> None:
    person = await telegram.act("people", first_name="Ida", status="administrator")
    said = await telegram.act("messages", text="x", as_=person["id"])
    assert said["from"] == {"id": person["id"], "is_bot": False, "first_name": "Ida"}
    await telegram.act(f"people/{person['id']}", status="left")
    assert await telegram.forbidden("messages", text="x", as_=person["id"]) == "Ida is not in this chat"


async def test_every_call_is_recorded(telegram: Telegram) -> None:
    before = (await telegram.look("/calls?after=999999999"))["last"]
    await telegram.say("hello")
    await telegram.refused("SENDMESSAGE", text="")
    calls = (await telegram.look(f"/calls?after={before}"))["calls"]
    assert [(each["method"], each["status"]) for each in calls] == [
        ("sendMessage", 200),
        ("sendMessage", 400),
    ]
    assert calls[0]["params"] == {"chat_id": str(telegram.chat), "text": "hello"}
    assert calls[0]["answer"]["result"]["text"] == "hello"
    assert calls[0]["at"] == telegram.clock.now()


async def test_waiting_for_a_call(sandbox: Running) -> None:
    async with sandbox() as telegram:
        waiting = asyncio.create_task(telegram.look("/calls?after=0&wait=30"))
        await telegram.asleep()
        await telegram.ok("getMe")
        assert [each["method"] for each in (await waiting)["calls"]] == ["getMe"]
        in_vain = asyncio.create_task(telegram.look("/calls?after=5&wait=30"))
        await telegram.asleep()
        telegram.clock.advance(30)
        assert (await in_vain)["calls"] == []


async def test_events_are_streamed(telegram: Telegram) -> None:
    async with telegram.http.get(f"{telegram.console}/api/events") as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        assert await stream.content.readline() == b"retry: 1000\n"
        await telegram.say("hello")
        lines = [line async for line in _first(stream.content, 3)]
        assert any(b'"type":"message"' in line and b'"text":"hello"' in line for line in lines)


async def _first(content: Any, count: int) -> Any:
    for _ in range(count):
        yield await content.readline()


async def test_mara_owns_the_groups(telegram: Telegram) -> None:
    state = await telegram.look("/state")
    chat = next(each for each in state["chats"] if each["id"] == telegram.chat)
    assert {"id": MARA, "status": "creator", "rights": []} in chat["members"]
