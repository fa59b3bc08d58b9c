"""The group's panel: people, bots, rights, forum mode, migration; checked at the bot's end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import Locator, Page, expect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.sandbox.conftest import Running, Telegram


@pytest.fixture
async def telegram(sandbox: Running) -> AsyncIterator[Telegram]:
    async with sandbox(group_rate="off", bot_rate="off") as running:
        yield running


async def open_panel(page: Page, telegram: Telegram, thread: int) -> None:
    await page.goto(f"{telegram.console}/#{telegram.chat}/{thread}")
    await page.get_by_role("button", name="Group, people and bots").click()
    await expect(page.get_by_role("complementary", name="Group")).to_be_visible()


async def unfold(page: Page, name: str) -> Locator:
    member = page.locator(".member", has_text=name)
    await member.locator("summary").first.click()
    return member


async def memberships(telegram: Telegram) -> list[Any]:
    return [each["my_chat_member"] for each in await telegram.updates() if "my_chat_member" in each]


async def test_rights_and_kicks(telegram: Telegram, page: Page) -> None:
    thread = await telegram.topic("Anna")
    await open_panel(page, telegram, thread)
    bot = await unfold(page, "@topicwire_sandbox_bot")
    await bot.get_by_role("switch", name="Manage topics").uncheck()
    await expect(bot.get_by_role("switch", name="Pin messages")).to_be_checked()
    assert (await telegram.refused("createForumTopic", name="x"))[0] == 400

    # A change of something else leaves the hand where it is.
    choice = bot.get_by_role("combobox", name="Status of Topicwire")
    await choice.focus()
    await telegram.act("title", title="Renamed elsewhere")
    await expect(page.locator(".group-head")).to_contain_text("Renamed elsewhere")
    await expect(choice).to_be_focused()
    await choice.select_option("kicked")
    await expect(bot.locator("summary small").first).to_contain_text("banned")
    assert await telegram.refused("sendMessage", text="x") == (
        403,
        "Forbidden: bot was kicked from the supergroup chat",
    )
    await choice.select_option("administrator")
    await expect(bot.get_by_role("switch", name="Manage topics")).to_be_checked()
    await telegram.say("back again", message_thread_id=thread)
    told = [each["new_chat_member"]["status"] for each in await memberships(telegram)]
    assert told == ["administrator", "kicked", "administrator"]


async def test_people_come_write_and_go(telegram: Telegram, page: Page) -> None:
    thread = await telegram.topic("Anna")
    await open_panel(page, telegram, thread)
    await page.get_by_role("button", name="Add a person").click()
    await page.get_by_placeholder("First name").fill("Olga")
    await page.get_by_role("button", name="Add", exact=True).click()
    olga = await unfold(page, "Olga")
    await page.get_by_role("button", name="Writing as Mara").click()
    await page.get_by_role("menuitemradio", name="Olga").click()
    box = page.get_by_role("textbox", name="Message")
    await box.fill("Hello, I am new")
    await box.press("Enter")
    await expect(page.locator(".row.own .text")).to_have_text("Hello, I am new")
    said = [update["message"] for update in await telegram.updates() if "message" in update]
    assert (said[-1]["from"]["first_name"], said[-1]["text"]) == ("Olga", "Hello, I am new")

    # Who is no longer in the group is no longer written as.
    await olga.get_by_role("combobox").select_option("left")
    await expect(page.get_by_role("button", name="Writing as Mara")).to_be_visible()
    await page.get_by_role("button", name="Writing as Mara").click()
    await page.get_by_role("menuitemradio", name="Anonymous admin").click()
    await box.fill("From the group")
    await box.press("Enter")
    await expect(page.locator(".row.own .text")).to_have_text("From the group")
    updates = await telegram.updates()
    assert updates[-1]["message"]["sender_chat"]["id"] == telegram.chat


async def test_forum_mode_off_and_on(telegram: Telegram, page: Page) -> None:
    thread = await telegram.topic("Anna")
    await open_panel(page, telegram, thread)
    topics = page.get_by_role("switch", name="Topics")
    await topics.uncheck()
    await expect(page.locator(".topic")).to_have_count(1)
    await expect(page.get_by_role("heading", name="Anna")).to_have_count(0)
    assert await telegram.refused("createForumTopic", name="x") == (
        400,
        "Bad Request: the chat is not a forum",
    )
    await topics.check()
    await expect(page.locator(f"[data-topic='{thread}']")).to_be_visible()
    await telegram.topic("Bo")


async def test_a_group_that_moves_takes_its_draft_along(telegram: Telegram, page: Page) -> None:
    basic = await telegram.group(title="Small shop", type="group")
    await open_panel(page, basic, 1)
    box = page.get_by_role("textbox", name="Message")
    await box.fill("Half a sentence")
    await page.get_by_role("button", name="Make it a supergroup").click()
    await expect(page.locator(".group-head")).to_contain_text("Supergroup")
    await expect(page.locator(".pill.service")).to_contain_text("was a basic group until now")
    await expect(box).to_have_value("Half a sentence")
    _, answer = await basic.call("sendMessage", text="x")
    successor = answer["parameters"]["migrate_to_chat_id"]
    await box.press("Enter")
    await expect(page.locator(".row.own .text")).to_have_text("Half a sentence")
    said = (await telegram.updates())[-1]["message"]
    assert (said["chat"]["id"], said["text"]) == (successor, "Half a sentence")


async def test_several_groups_and_bots(telegram: Telegram, page: Page) -> None:
    await telegram.say("unread here")
    await page.goto(f"{telegram.console}/")
    await expect(page.locator(".group-title")).to_contain_text("Shop support")
    await page.locator(".group-title").click()
    await page.get_by_role("menuitem", name="New forum").click()
    await page.get_by_placeholder("Group name").fill("Second shop")
    await page.get_by_role("button", name="Create").click()
    await expect(page.locator(".group-title")).to_contain_text("Second shop")
    await expect(page.locator(".group-title .badge")).to_have_text("1")  # in the other group

    await page.get_by_role("button", name="Group, people and bots").click()
    await page.get_by_role("button", name="Add a bot").click()
    await page.get_by_placeholder("Its name").fill("Helper")
    await page.get_by_role("button", name="Create").click()
    helper = await unfold(page, "Helper")
    await helper.get_by_text("Token").click()
    token = await helper.locator(".token").text_content()
    second = (await telegram.look("/state"))["chats"][-1]["id"]
    body = {"chat_id": second, "name": "Made by the helper"}
    async with telegram.http.post(f"{telegram.base}/bot{token}/createForumTopic", json=body) as response:
        assert response.status == 200
    await expect(page.locator(".topic", has_text="Made by the helper")).to_be_visible()

    # A group that is deleted is left for one that is still there.
    await page.get_by_role("button", name="Delete group").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(page.locator(".group-title")).to_contain_text("Shop support")
    await telegram.refused("sendMessage", chat_id=second, text="x")
