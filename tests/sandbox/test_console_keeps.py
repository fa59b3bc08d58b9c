"""What somebody types into the console is not lost, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.sandbox.conftest import Running, Telegram


@pytest.fixture
async def telegram(sandbox: Running) -> AsyncIterator[Telegram]:
    async with sandbox(group_rate="off", bot_rate="off") as running:
        yield running


@pytest.fixture
async def erring(profile: BrowserContext) -> Page:
    """A page to which the browser may complain of answers that are refusals."""
    return await profile.new_page()


async def open_thread(page: Page, telegram: Telegram, thread: int) -> None:
    await page.goto(f"{telegram.console}/#{telegram.chat}/{thread}")
    await expect(page.locator(".pill.service").first).to_be_visible()


def said_by_people(updates: list[dict[str, object]]) -> list[object]:
    messages = [update.get("message") for update in updates]
    return [each["text"] for each in messages if isinstance(each, dict) and "text" in each]


async def test_a_draft_stays_in_its_topic(telegram: Telegram, page: Page) -> None:
    anna, bo = await telegram.topic("Anna"), await telegram.topic("Bo")
    question = await telegram.say("Open?", message_thread_id=anna)
    await open_thread(page, telegram, anna)
    box = page.get_by_role("textbox", name="Message")
    await page.locator(f"[data-message='{question['message_id']}']").dblclick()
    await box.fill("Half a sen")

    # What happens meanwhile neither clears it nor takes the focus.
    await telegram.say("Hello?", message_thread_id=anna)
    await telegram.act("title", title="Another name")
    await expect(page.locator(".group-name strong")).to_have_text("Another name")
    await expect(page.locator(".row", has_text="Hello?")).to_be_visible()
    await expect(box).to_be_focused()
    await expect(box).to_have_value("Half a sen")

    await page.locator(f"[data-topic='{bo}']").click()
    await expect(box).to_have_value("")
    await expect(page.locator(f"[data-topic='{anna}']")).to_contain_text("Draft: Half a sen")
    await page.reload()
    await page.locator(f"[data-topic='{anna}']").click()
    await expect(box).to_have_value("Half a sen")
    await expect(page.locator(".context")).to_contain_text("Reply to Topicwire")

    # An edit leaves it alone, too.
    await telegram.act("messages", thread=anna, text="Yes")
    await page.locator(".row.own").click(button="right")
    await page.get_by_role("menuitem", name="Edit").click()
    await expect(box).to_have_value("Yes")
    await box.press("Escape")
    await expect(box).to_have_value("Half a sen")
    await box.press("Enter")
    await expect(page.locator(".row.own .quoted")).to_have_text("Open?")


async def test_what_is_refused_comes_back(telegram: Telegram, erring: Page) -> None:
    page = erring
    anna, bo = await telegram.topic("Anna"), await telegram.topic("Bo")
    await open_thread(page, telegram, anna)
    await telegram.act(f"topics/{anna}/close")
    await expect(page.locator(".closed-note")).to_be_visible()
    await page.get_by_role("button", name="Writing as Mara").click()
    await page.get_by_role("menuitemradio", name="Lena").click()
    box = page.get_by_role("textbox", name="Message")
    await box.fill("Am I let in?")
    await box.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text(
        "This topic is closed: only administrators can write here."
    )
    await expect(box).to_have_value("Am I let in?")

    # By the time of the refusal another topic is open: the text comes back where it was typed.
    held = asyncio.Event()

    async def hold(route: Route) -> None:
        await held.wait()
        await route.continue_()

    await page.route("**/messages", hold)
    async with page.expect_request("**/messages"):
        await box.press("Enter")
    await page.locator(f"[data-topic='{bo}']").click()
    await expect(page.get_by_role("heading", name="Bo")).to_be_visible()
    async with page.expect_response("**/messages"):
        held.set()
    await expect(page.locator(f"[data-topic='{anna}']")).to_contain_text("Draft: Am I let in?")
    await expect(box).to_have_value("")
    assert said_by_people(await telegram.updates()) == []


async def test_quick_messages_keep_their_order(telegram: Telegram, page: Page) -> None:
    anna = await telegram.topic("Anna")
    await open_thread(page, telegram, anna)
    first = asyncio.Event()

    async def hold(route: Route) -> None:
        if "one" in (route.request.post_data or ""):
            await first.wait()
        await route.continue_()

    await page.route("**/messages", hold)
    box = page.get_by_role("textbox", name="Message")
    for word in ("one", "two", "three"):
        await box.fill(word)
        await box.press("Enter")
    first.set()
    await expect(page.locator(".row.own .text")).to_have_text(["one", "two", "three"])
    assert said_by_people(await telegram.updates()) == ["one", "two", "three"]


async def test_nothing_falls_between_reading_and_listening(telegram: Telegram, page: Page) -> None:
    anna = await telegram.topic("Anna")
    await page.goto(f"{telegram.console}/")
    read, go_on = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        response = await route.fetch()
        read.set()
        await go_on.wait()
        await route.fulfill(response=response)

    await page.route("**/topics/*/messages*", hold)
    await page.locator(f"[data-topic='{anna}']").click()
    await read.wait()
    await telegram.say("in between", message_thread_id=anna)
    await expect(page.locator(f"[data-topic='{anna}']")).to_contain_text("in between")
    go_on.set()
    await expect(page.locator(".row .text")).to_have_text(["in between"])

    # Nor does what somebody says whom the console does not know yet.
    person = await telegram.act("people", first_name="Olga", status="administrator")
    await telegram.act("messages", thread=anna, text="I am new", as_=person["id"])
    await expect(page.locator(".row .text")).to_have_text(["in between", "I am new"])


async def test_a_restart_of_the_sandbox(sandbox: Running, state_file: Path, erring: Page) -> None:
    page = erring
    quiet = {"group_rate": "off", "bot_rate": "off", "state_file": state_file}
    async with sandbox(**quiet) as before:
        anna = await before.topic("Anna")
        await before.say("Before", message_thread_id=anna)
        await open_thread(page, before, anna)
        box = page.get_by_role("textbox", name="Message")
        await box.fill("Typed before")
        port = int(before.base.rpartition(":")[2])
    await expect(page.locator(".thread-words small")).to_have_text("connecting…")
    await box.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("The sandbox does not answer.")
    await expect(box).to_have_value("Typed before")
    await expect(page.locator(".row .text")).to_have_text(["Before"])
    async with sandbox(**quiet, listen_on=port) as after:
        await expect(page.locator(".thread-words small")).to_contain_text("messages")
        await box.press("Enter")
        await expect(page.locator(".row .text")).to_have_text(["Before", "Typed before"])
        assert "Typed before" in said_by_people(await after.updates())


async def test_a_long_thread_stays_where_it_is_read(telegram: Telegram, page: Page) -> None:
    count = 220
    anna = await telegram.topic("Anna")
    await asyncio.gather(*(telegram.topic(f"Visitor {n}") for n in range(60)))
    for n in range(count):
        await telegram.say(f"message {n}", message_thread_id=anna)
    await page.goto(f"{telegram.console}/#{telegram.chat}/{anna}")
    await expect(page.locator(".row", has_text=f"message {count - 1}")).to_be_in_viewport()
    scroller = page.locator(".scroller")
    await scroller.evaluate("(it) => { it.scrollTop = 0; }")
    await expect(page.locator(".row")).to_have_count(200)
    seen = page.locator(".row", has_text=f"message {count - 100}")
    await expect(seen).to_be_in_viewport()

    await scroller.evaluate("(it) => { it.scrollTop = 2000; }")
    top = await scroller.evaluate("(it) => it.scrollTop")
    await telegram.say("the newest", message_thread_id=anna)
    await expect(page.locator(".to-bottom .badge")).to_have_text("1")
    assert await scroller.evaluate("(it) => it.scrollTop") == top
    await page.get_by_role("button", name="Newest messages").click()
    await expect(page.get_by_text("the newest").last).to_be_in_viewport()
