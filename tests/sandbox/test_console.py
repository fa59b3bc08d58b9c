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


async def test_a_button_under_a_message(telegram: Telegram, page: Page) -> None:
    thread = await telegram.topic("Anna")
    keyboard = {"inline_keyboard": [[{"text": "Close", "callback_data": "close"}]]}
    await telegram.say("Done?", message_thread_id=thread, reply_markup=keyboard)
    await page.goto(f"{telegram.console}/#{telegram.chat}/{thread}")
    async with page.expect_response("**/press"):
        await page.get_by_role("button", name="Close", exact=True).click()
    updates = await telegram.updates()
    assert any(update.get("callback_query", {}).get("data") == "close" for update in updates)
