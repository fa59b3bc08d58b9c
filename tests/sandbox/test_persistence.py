"""The world across restarts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from topicwire.sandbox.snapshot import State

if TYPE_CHECKING:
    from tests.sandbox.conftest import Running


def kept(state_file: Path) -> State:
    return msgspec.json.decode(state_file.read_bytes(), type=State)


def crash(state_file: Path) -> None:
    """Makes the file look as if the sandbox had been killed."""
    state = kept(state_file)
    state.clean = False
    state_file.write_bytes(msgspec.json.encode(state))


def is_private(file: Path) -> bool:
    return file.stat().st_mode & 0o077 == 0


async def test_everything_is_there_after_a_restart(sandbox: Running, state_file: Path) -> None:
    async with sandbox(state_file=state_file) as telegram:
        thread = await telegram.topic("Anna")
        said = await telegram.say("hello @mara_l", message_thread_id=thread)
        await telegram.act("messages", thread=thread, text="Hello Anna")
        group = await telegram.group(title="Second")
        await telegram.ok("setWebhook", url="http://127.0.0.1:9/hook", secret_token="abc")
        pending = (await telegram.ok("getWebhookInfo"))["pending_update_count"]

    async with sandbox(state_file=state_file) as telegram:
        shown = await telegram.look(f"topics/{thread}/messages")
        assert [each.get("text") for each in shown["messages"]] == [None, "hello @mara_l", "Hello Anna"]
        assert (await telegram.ok("getChat", chat_id=group.chat))["title"] == "Second"
        info = await telegram.ok("getWebhookInfo")
        assert (info["url"], info["pending_update_count"]) == ("http://127.0.0.1:9/hook", pending)
        await telegram.ok("deleteWebhook")
        assert len(await telegram.updates()) == pending
        later = await telegram.say("again", message_thread_id=thread)
        assert later["message_id"] == said["message_id"] + 2


async def test_ids_jump_after_a_stop_that_was_not_clean(sandbox: Running, state_file: Path) -> None:
    async with sandbox(state_file=state_file) as telegram:
        said = await telegram.say("hello")
        await telegram.act("messages", text="hello")
        first = (await telegram.updates())[0]["update_id"]
    assert kept(state_file).clean is True
    crash(state_file)

    async with sandbox(state_file=state_file) as telegram:
        assert (await telegram.say("hello"))["message_id"] == said["message_id"] + 2 + 1000
        await telegram.act("messages", text="hello")
        assert (await telegram.updates())[-1]["update_id"] == first + 1 + 1000


async def test_a_running_sandbox_is_marked_as_not_stopped(sandbox: Running, state_file: Path) -> None:
    for _ in range(2):
        async with sandbox(state_file=state_file):
            assert kept(state_file).clean is False


async def test_only_the_owner_may_read_the_file(sandbox: Running, state_file: Path) -> None:
    async with sandbox(state_file=state_file):
        assert is_private(state_file)


async def test_without_a_file_nothing_is_kept(sandbox: Running) -> None:
    for _ in range(2):
        async with sandbox() as telegram:
            assert await telegram.topic() == 2


async def test_bots_and_files_outlive_a_restart(sandbox: Running, state_file: Path) -> None:
    async with sandbox(state_file=state_file) as telegram:
        bot = await telegram.act("/bots", first_name="Second")
        url = f"{telegram.console}/api/chats/{telegram.chat}/upload?kind=document&name=a.txt"
        async with telegram.http.post(url, data=b"hello") as response:
            said = await response.json()
        group = await telegram.group(type="group")
        successor = (await group.act("migrate"))["id"]

    async with sandbox(state_file=state_file) as telegram:
        async with telegram.http.get(f"{telegram.base}/bot{bot['token']}/getMe") as response:
            assert (await response.json())["result"]["id"] == bot["id"]
        file = await telegram.ok("getFile", file_id=said["document"]["file_id"])
        async with telegram.http.get(f"{telegram.base}/file/bot4200:secret/{file['file_path']}") as response:
            assert await response.read() == b"hello"
        status, answer = await telegram.call("sendMessage", chat_id=group.chat, text="x")
        assert (status, answer["parameters"]) == (400, {"migrate_to_chat_id": successor})
        again = await telegram.act("/bots", first_name="Third")
        assert again["id"] != bot["id"]
