"""The drawer: calls and their answers as they come, the window second by second, faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import Page, expect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.sandbox.conftest import Running, Telegram


@pytest.fixture
async def telegram(sandbox: Running) -> AsyncIterator[Telegram]:
    async with sandbox() as running:
        yield running


async def open_drawer(page: Page, telegram: Telegram) -> None:
    await page.goto(f"{telegram.console}/")
    await page.get_by_role("button", name="Bot API calls and faults").click()


async def test_calls_with_their_answers(telegram: Telegram, page: Page) -> None:
    before = await telegram.topic("Anna")
    await open_drawer(page, telegram)
    calls = page.locator(".call")
    await expect(calls).to_contain_text(["createForumTopic"])
    await telegram.say("Hello\nthere", message_thread_id=before)
    await telegram.refused("sendMessage", text="")
    await expect(calls).to_contain_text(["message text is empty", "Anna · Hello there", "createForumTopic"])
    await calls.nth(1).locator("summary").click()
    await expect(calls.nth(1).locator("pre").first).to_contain_text('"text": "Hello\\nthere"')
    await expect(calls.nth(1).locator("pre").last).to_contain_text('"message_id": 3')

    # An opened call stays open while others come in; the filter finds what is in them.
    await telegram.say("More", message_thread_id=before)
    await expect(calls).to_have_count(4)
    await expect(calls.nth(2).locator("pre").first).to_be_visible()
    await page.get_by_role("searchbox", name="Filter calls").fill("hello")
    await expect(calls).to_have_count(1)
    await page.get_by_role("searchbox", name="Filter calls").fill("")
    await page.get_by_label("Refused only").check()
    await expect(calls).to_have_count(1)


async def test_the_window_empties_and_fills(telegram: Telegram, page: Page) -> None:
    await telegram.topic("Anna")
    await open_drawer(page, telegram)
    budget = page.locator(".budget")
    await expect(budget).to_contain_text("19 of 20 left")
    await expect(budget).to_contain_text("next free in 60 s")
    await page.get_by_role("button", name="+10 s", exact=True).click()
    await expect(budget).to_contain_text("next free in 50 s")
    for n in range(19):
        await telegram.say(str(n))
    await expect(budget).to_contain_text("0 of 20 left")
    assert (await telegram.refused("sendMessage", text="too many"))[0] == 429
    await expect(budget).to_contain_text("refused for 50 s")
    await page.get_by_role("button", name="+60 s").click()
    await expect(budget).to_contain_text("20 of 20 left")
    await telegram.say("again")


async def test_it_says_whose_limit_is_lifted(sandbox: Running, page: Page) -> None:
    async with sandbox(group_rate="off") as telegram:
        await open_drawer(page, telegram)
        await expect(page.locator(".budget")).to_contain_text("Calls into this group")
        await expect(page.locator(".budget")).to_contain_text("No limit")


async def test_the_groups_name_keeps_its_place_beside_the_drawer(telegram: Telegram, page: Page) -> None:
    thread = await telegram.topic("Anna")
    await telegram.act("title", title="Tidewater Pottery help")
    await page.set_viewport_size({"width": 1280, "height": 800})
    await open_drawer(page, telegram)
    await page.locator(f"[data-topic='{thread}']").click()
    await page.reload()
    button = page.get_by_role("button", name="Bot API calls and faults")
    await expect(button).to_have_attribute("aria-pressed", "true")
    name = page.locator(".group-name strong")
    await expect(name).to_have_text("Tidewater Pottery help")
    assert await name.evaluate("element => element.scrollWidth <= element.clientWidth")
    await button.click()
    await expect(page.get_by_role("complementary", name="Bot API calls and faults")).to_be_hidden()


async def test_faults_count_down(telegram: Telegram, page: Page) -> None:
    other = await telegram.group(title="Another group")
    await open_drawer(page, telegram)
    await page.get_by_text("Let something go wrong").click()
    fault = page.get_by_role("combobox", name="Fault")
    await fault.select_option("refusal")
    await page.get_by_label("Refusal").fill("403 Forbidden: bot was kicked from the supergroup chat")
    await page.get_by_label("Which ones").select_option("sendMessage")
    await page.get_by_label("Where").select_option("here")
    await page.get_by_label("How often").select_option("3")
    await page.get_by_role("button", name="Switch on").click()
    active = page.locator(".fault")
    await expect(active).to_contain_text("3 left · sendMessage · in Shop support")
    await other.say("not met here")
    assert await telegram.refused("sendMessage", text="x") == (
        403,
        "Forbidden: bot was kicked from the supergroup chat",
    )
    await expect(active).to_contain_text("2 left · 1 met")
    await expect(page.locator(".call").first.locator("em")).to_have_text("refusal")

    await fault.select_option("flood")
    await page.get_by_label("Seconds", exact=True).fill("7")
    await page.get_by_label("How often").select_option("1")
    await page.get_by_role("button", name="Switch on").click()
    assert await telegram.refused("createForumTopic", name="x") == (429, "Too Many Requests: retry after 7")
    await expect(active).to_have_count(1)

    # One of an update: the bot gets it twice.
    await fault.select_option("update_duplicate")
    await page.get_by_label("Which ones").select_option("message")
    await page.get_by_role("button", name="Switch on").click()
    await expect(active).to_have_count(2)
    await telegram.act("messages", text="once")
    await expect(active).to_have_count(1)
    await page.get_by_role("button", name="Clear Refused in words").click()
    await expect(active).to_have_count(0)
    await telegram.say("no fault any more")
