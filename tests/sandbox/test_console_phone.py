"""The console on a phone: one thing at a time, by touch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import Browser, Page, expect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.sandbox.conftest import Running, Telegram


@pytest.fixture
async def telegram(sandbox: Running) -> AsyncIterator[Telegram]:
    async with sandbox(group_rate="off", bot_rate="off") as running:
        yield running


@pytest.fixture
async def phone(chromium: Browser) -> AsyncIterator[Page]:
    """A phone's screen under a finger."""
    context = await chromium.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, reduced_motion="reduce"
    )
    errors: list[str] = []
    context.on("weberror", lambda broken: errors.append(str(broken.error)))
    yield await context.new_page()
    await context.close()
    assert errors == []


async def press_long(page: Page, selector: str) -> None:
    box = await page.locator(selector).bounding_box()
    assert box is not None
    touch = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    session = await page.context.new_cdp_session(page)
    await session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [touch]})
    await expect(page.get_by_role("menu")).to_be_visible()
    await session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


async def test_the_list_or_the_thread(telegram: Telegram, phone: Page) -> None:
    thread = await telegram.topic("Anna")
    await telegram.say("word" * 200, message_thread_id=thread)
    await phone.goto(f"{telegram.console}/")
    await phone.locator(f"[data-topic='{thread}']").tap()
    await expect(phone.get_by_role("navigation", name="Topics")).to_be_hidden()
    await phone.reload()
    await expect(phone.get_by_role("heading", name="Anna")).to_be_visible()
    assert await phone.evaluate("document.documentElement.scrollWidth") == 390
    await phone.get_by_role("button", name="Back to topics").tap()
    await expect(phone.get_by_role("navigation", name="Topics")).to_be_visible()
    await phone.go_back()
    await expect(phone.get_by_role("heading", name="Anna")).to_be_visible()

    # A topic that vanishes leaves the list, not an empty page.
    await telegram.act(f"topics/{thread}/delete")
    await expect(phone.get_by_role("navigation", name="Topics")).to_be_visible()
    await expect(phone.get_by_role("status").last).to_have_text("“Anna” was deleted.")


async def test_a_long_press_answers(telegram: Telegram, phone: Page) -> None:
    thread = await telegram.topic("Anna")
    question = await telegram.say("Open?", message_thread_id=thread)
    await phone.goto(f"{telegram.console}/#{telegram.chat}/{thread}")
    await press_long(phone, f"[data-message='{question['message_id']}'] .bubble")
    await phone.get_by_role("menuitem", name="Reply").tap()
    await phone.get_by_role("textbox", name="Message").fill("Until six")
    await phone.get_by_role("button", name="Send", exact=True).tap()
    await expect(phone.locator(".row.own .quoted")).to_have_text("Open?")
    said = (await telegram.updates())[-1]["message"]
    assert (said["text"], said["reply_to_message"]["message_id"]) == ("Until six", question["message_id"])


async def test_calls_can_be_seen_inside_a_topic(telegram: Telegram, phone: Page) -> None:
    thread = await telegram.topic("Anna")
    await phone.goto(f"{telegram.console}/#{telegram.chat}/{thread}")
    await expect(phone.get_by_role("heading", name="Anna")).to_be_visible()
    opener = phone.get_by_role("button", name="Bot API calls and faults")
    await opener.tap()
    await expect(phone.locator(".call", has_text="createForumTopic")).to_be_in_viewport()
    await phone.get_by_role("button", name="Close the drawer").press("Enter")
    await expect(phone.get_by_role("heading", name="Anna")).to_be_in_viewport()
    await expect(opener).to_be_focused()
    assert await phone.evaluate("document.documentElement.scrollWidth") == 390


async def test_the_panels_cover_and_close(telegram: Telegram, phone: Page) -> None:
    thread = await telegram.topic("Anna")
    await phone.goto(f"{telegram.console}/")
    await phone.get_by_role("button", name="Bot API calls and faults").tap()
    await expect(phone.locator(".call", has_text="createForumTopic")).to_be_in_viewport()
    await phone.get_by_role("button", name="Close the drawer").tap()
    await phone.get_by_role("button", name="Group, people and bots").tap()
    bot = phone.locator(".member", has_text="@topicwire_sandbox_bot")
    await bot.locator("summary").first.tap()
    await bot.get_by_role("combobox").select_option("kicked")
    await expect(bot.locator("summary small").first).to_contain_text("banned")
    assert await phone.evaluate("document.documentElement.scrollWidth") == 390
    await phone.get_by_role("complementary", name="Group").get_by_role("button", name="Close").tap()
    await expect(phone.locator(f"[data-topic='{thread}']")).to_be_in_viewport()
    await telegram.refused("sendMessage", text="x")
