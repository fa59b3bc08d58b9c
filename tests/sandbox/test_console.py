"""The console in a real browser: an operator answers a visitor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import Page, expect

if TYPE_CHECKING:
    from tests.sandbox.conftest import Running, Telegram


@pytest.fixture
async def telegram(sandbox: Running) -> AsyncIterator[Telegram]:
    async with sandbox(group_rate="off", bot_rate="off") as running:
        yield running


async def test_an_operator_answers_a_visitor(telegram: Telegram, page: Page) -> None:
    await page.goto(f"{telegram.console}/?demo=http://127.0.0.1:8000/demo")
    await expect(page.get_by_role("heading", name="No visitor has written yet.")).to_be_visible()
    await expect(page.get_by_role("link", name="Open the demo shop").first).to_have_attribute(
        "href", "http://127.0.0.1:8000/demo"
    )

    # A visitor's topic appears, unread, without a reload.
    thread = await telegram.topic("Anna")
    question = await telegram.say("<img src=x onerror=alert(1)> Is it open?", message_thread_id=thread)
    row = page.locator(f"[data-topic='{thread}']")
    await expect(row).to_contain_text("Is it open?")
    await expect(row.locator(".badge")).to_have_text("1")
    await row.click()
    await expect(page.locator(".row .text")).to_have_text("<img src=x onerror=alert(1)> Is it open?")
    await expect(row.locator(".badge")).to_have_count(0)

    # Writing, with marks and a new line; then as somebody else, in reply.
    box = page.get_by_role("textbox", name="Message")
    await box.fill("Yes, **always**")
    await box.press("Shift+Enter")
    await box.press_sequentially("Come in")
    await box.press("Enter")
    await expect(page.locator(".row.own .text b")).to_have_text("always")
    await page.get_by_role("button", name="Writing as Mara").click()
    await page.get_by_role("menuitemradio", name="Jonas").click()
    await page.locator(f"[data-message='{question['message_id']}']").click(button="right")
    await page.get_by_role("menuitem", name="Reply").click()
    await expect(page.locator(".context")).to_contain_text("Reply to Topicwire")
    await box.fill("Until six")
    await box.press("Enter")
    await expect(page.locator(".row.own .quoted")).to_have_text("<img src=x onerror=alert(1)> Is it open?")

    # The newest own message is edited with the arrow key.
    await box.press("ArrowUp")
    await expect(box).to_have_value("Until six")
    await box.press("Escape")
    await expect(box).to_have_value("")
    await box.press("ArrowUp")
    await box.fill("Until seven")
    await box.press("Enter")
    await expect(page.locator(".row.own .stamp")).to_contain_text("edited")

    updates = await telegram.updates()
    said = [next(each for name, each in update.items() if name != "update_id") for update in updates]
    assert [each.get("text") for each in said] == [None, "Yes, always\nCome in", "Until six", "Until seven"]
    assert said[1]["entities"] == [{"type": "bold", "offset": 5, "length": 6}]
    assert (said[2]["from"]["first_name"], said[2]["reply_to_message"]["message_id"]) == (
        "Jonas",
        question["message_id"],
    )

    # Closing, and a sample.
    await page.get_by_role("button", name="Topic menu").click()
    await page.get_by_role("menuitem", name="Close topic").click()
    await expect(page.locator(".closed-note")).to_be_visible()
    await page.get_by_role("button", name="Attach").click()
    await page.get_by_role("menuitem", name="File").click()
    await expect(page.locator(".file")).to_contain_text("invoice-2041.pdf")


async def test_a_phone_shows_the_list_or_the_thread(telegram: Telegram, page: Page) -> None:
    thread = await telegram.topic("Anna")
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.goto(f"{telegram.console}/")
    await page.locator(f"[data-topic='{thread}']").click()
    await expect(page.get_by_role("navigation", name="Topics")).to_be_hidden()
    await page.reload()
    await expect(page.get_by_role("heading", name="Anna")).to_be_visible()
    await page.get_by_role("button", name="Back to topics").click()
    await expect(page.get_by_role("navigation", name="Topics")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") == 390


async def test_faults_and_calls_in_the_drawer(telegram: Telegram, page: Page) -> None:
    await page.goto(f"{telegram.console}/")
    await page.get_by_role("button", name="Bot API calls and faults").click()
    await telegram.refused("sendMessage", text="", chat_id=telegram.chat)
    newest = page.locator(".call").first
    await expect(newest).to_contain_text("sendMessage")
    await newest.locator("summary").click()
    await expect(newest.locator(".call-why")).to_have_text("Bad Request: message text is empty")

    await page.get_by_text("Let something go wrong").click()
    await page.get_by_label("Fault", exact=True).select_option("restart")
    await page.get_by_label("Which ones").select_option("sendMessage")
    await page.get_by_role("button", name="Switch on").click()
    await expect(page.locator(".fault")).to_contain_text("500, restarting")
    assert await telegram.refused("sendMessage", text="x") == (500, "Internal Server Error: restart")
    await telegram.say("x")
    await page.get_by_label("How often").select_option("")
    await page.get_by_role("button", name="Switch on").click()
    await page.get_by_role("button", name="Clear 500, restarting").last.click()
    await expect(newest).to_contain_text("sendMessage")


async def test_groups_bots_and_rights(telegram: Telegram, page: Page) -> None:
    await page.goto(f"{telegram.console}/")
    await page.locator(".group-title").click()
    await page.get_by_role("menuitem", name="New basic group").click()
    await page.get_by_placeholder("Group name").fill("Second shop")
    await page.get_by_role("button", name="Create").click()
    await expect(page.locator(".group-title")).to_contain_text("Second shop")

    await page.get_by_role("button", name="Group, people and bots").click()
    await page.get_by_role("button", name="Make it a supergroup").click()
    await expect(page.locator(".group-head")).to_contain_text("Supergroup")
    state = await telegram.look("/state")
    old, new = state["chats"][-2:]
    assert (old["migrated_to"], new["title"]) == (new["id"], "Second shop")

    bot = page.locator(".member", has_text="@topicwire_sandbox_bot")
    await bot.locator("summary").first.click()
    await bot.get_by_label("Manage topics").uncheck()
    await expect(bot.get_by_label("Manage topics")).not_to_be_checked()
    assert (await telegram.refused("createForumTopic", chat_id=new["id"], name="x"))[0] == 400
    await bot.get_by_label("Status of").select_option("kicked")
    await expect(bot.get_by_label("Manage topics")).to_be_hidden()
    assert (await telegram.refused("sendMessage", chat_id=new["id"], text="x"))[0] == 403


async def test_photos_buttons_and_pins(telegram: Telegram, page: Page) -> None:
    thread = await telegram.topic("Anna")
    keyboard = {"inline_keyboard": [[{"text": "Close", "callback_data": "close"}]]}
    await telegram.say("Done?", message_thread_id=thread, reply_markup=keyboard)
    await page.goto(f"{telegram.console}/#{telegram.chat}/{thread}")
    await page.locator(".key").click()
    await page.get_by_role("button", name="Attach").click()
    await page.get_by_role("menuitem", name="Photo").click()
    photo = page.locator("img.photo")
    await expect(photo).to_be_visible()
    assert (
        await photo.evaluate("async (image) => { await image.decode(); return image.naturalWidth; }") == 960
    )
    await photo.click(button="right")
    await page.get_by_role("menuitem", name="Pin").click()
    await expect(page.locator(".pill.service").last).to_have_text("Mara Lindqvist pinned a message")
    updates = await telegram.updates()
    assert any(update.get("callback_query", {}).get("data") == "close" for update in updates)
