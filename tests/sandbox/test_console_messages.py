"""Topics and messages in the console, as people have them in their hands; checked at the bot's end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import FilePayload, Page, expect

from topicwire.sandbox.samples import sample_bytes
from topicwire.sandbox.world import JONAS, MARA

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.sandbox.conftest import Running, Telegram

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


@pytest.fixture
async def telegram(sandbox: Running) -> AsyncIterator[Telegram]:
    async with sandbox(group_rate="off", bot_rate="off") as running:
        await running.ok("getUpdates", chat_id=None, allowed_updates=["message", "message_reaction"])
        yield running


async def messages(telegram: Telegram) -> list[dict[str, Any]]:
    """What the bot was told of since the last time."""
    updates = await telegram.updates()
    if updates:
        await telegram.ok("getUpdates", offset=updates[-1]["update_id"] + 1)
    return [update["message"] for update in updates if "message" in update]


async def choose(page: Page, *path: str) -> None:
    """A button that opens a menu, and what is chosen there."""
    *button, item = path
    for name in button:
        await page.get_by_role("button", name=name).click()
    await page.get_by_role("menuitem", name=item, exact=True).click()


SLOW_STREAM = """
  const listen = EventSource.prototype.addEventListener;
  EventSource.prototype.addEventListener = function (type, tell) {
    listen.call(this, type, type === "message" ? (event) => setTimeout(tell, 400, event) : tell);
  };
"""


async def test_a_new_topic_is_open_even_before_the_stream_tells_of_it(telegram: Telegram, page: Page) -> None:
    await page.add_init_script(SLOW_STREAM)
    await page.goto(f"{telegram.console}/")
    await page.get_by_role("button", name="New topic").click()
    await page.get_by_placeholder("Topic name").fill("Returns")
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("heading", name="Returns")).to_be_visible()
    await expect(page.locator(".topic.current")).to_contain_text("Returns")


async def test_a_topic_from_its_making_to_its_end(telegram: Telegram, page: Page) -> None:
    await page.goto(f"{telegram.console}/")
    await page.get_by_role("button", name="New topic").click()
    await page.get_by_placeholder("Topic name").fill("Returns")
    await page.get_by_role("radio", name="Green").check()
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("heading", name="Returns")).to_be_visible()
    [created] = await messages(telegram)
    assert created["forum_topic_created"] == {"name": "Returns", "icon_color": 0x8EEE98}

    await choose(page, "Topic menu", "Rename")
    await page.get_by_role("textbox", name="Rename topic").fill("Returns & refunds")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("heading", name="Returns & refunds")).to_be_visible()
    await choose(page, "Topic menu", "Close topic")
    await expect(page.locator(".topic.current").get_by_role("img", name="Closed")).to_be_visible()
    await choose(page, "Topic menu", "Reopen topic")
    await expect(page.locator(".topic.current").get_by_role("img", name="Closed")).to_have_count(0)
    told = await messages(telegram)
    assert [next(key for key in each if key.startswith("forum_topic_")) for each in told] == [
        "forum_topic_edited",
        "forum_topic_closed",
        "forum_topic_reopened",
    ]

    await choose(page, "Topic menu", "Delete topic")
    await page.get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("heading", name="Returns & refunds")).to_have_count(0)
    thread = created["message_thread_id"]
    assert await telegram.refused("sendMessage", text="x", message_thread_id=thread) == (
        400,
        "Bad Request: message thread not found",
    )


async def test_media_of_every_kind(telegram: Telegram, page: Page) -> None:
    thread = await telegram.topic("Anna")
    await messages(telegram)
    await page.goto(f"{telegram.console}/#{telegram.chat}/{thread}")
    box = page.get_by_role("textbox", name="Message")
    await box.fill("The caption")
    await choose(page, "Attach", "Photo")
    await expect(page.locator(".framed .text")).to_have_text("The caption")
    await expect(box).to_have_value("")
    for name in ("Video", "Voice message", "File", "Sticker", "Location"):
        await choose(page, "Attach", name)
    await choose(page, "Attach", "Album of three")
    await expect(page.locator(".album img")).to_have_count(3)
    said = await messages(telegram)
    kinds = ("photo", "video", "voice", "document", "sticker", "location")
    assert [next(kind for kind in kinds if kind in each) for each in said] == [*kinds, *["photo"] * 3]
    assert (said[0]["caption"], len({each["media_group_id"] for each in said[-3:]})) == ("The caption", 1)

    await page.locator(".album img").first.click()
    await expect(page.locator(".viewer img")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator(".viewer")).to_have_count(0)

    # One of an album goes alone; a file of one's own arrives as it is.
    await page.locator(".album img").nth(1).click(button="right")
    await page.get_by_role("menuitem", name="Delete").click()
    await expect(page.locator(".album img")).to_have_count(2)
    async with page.expect_file_chooser() as chosen:
        await choose(page, "Attach", "From this computer…")
    image = FilePayload(name="own.png", mimeType="image/png", buffer=sample_bytes("photo"))
    await (await chosen.value).set_files(
        [image, FilePayload(name="a.txt", mimeType="text/plain", buffer=b"x")]
    )
    await expect(page.locator(".file", has_text="a.txt")).to_be_visible()
    photo, document = await messages(telegram)
    assert (photo["photo"][-1]["width"], document["document"]["file_name"]) == (960, "a.txt")


async def test_reactions_edits_and_deletions(telegram: Telegram, page: Page) -> None:
    thread = await telegram.topic("Anna")
    question = await telegram.say("Open?", message_thread_id=thread)
    await telegram.act(f"messages/{question['message_id']}/reaction", emoji="👍", as_=JONAS)
    await page.goto(f"{telegram.console}/#{telegram.chat}/{thread}")
    row = page.locator(f"[data-message='{question['message_id']}']")
    await row.get_by_role("button", name="👍 1").click()
    await expect(row.get_by_role("button", name="👍 2")).to_have_attribute("aria-pressed", "true")
    await row.click(button="right")
    await page.get_by_role("menuitem", name="React with 🔥").click()
    await expect(row.locator(".reaction")).to_have_text(["👍1", "🔥1"])
    updates = await telegram.updates()
    given = [each["message_reaction"] for each in updates if "message_reaction" in each]
    assert (given[-1]["user"]["id"], given[-1]["new_reaction"][0]["emoji"]) == (MARA, "🔥")

    # The bot's edit shows; nobody edits another's message; whoever may deletes it.
    await telegram.ok("editMessageText", message_id=question["message_id"], text="Are you open?")
    await expect(row.locator(".text")).to_have_text("Are you open?")
    await expect(row.locator(".stamp")).to_contain_text("edited")
    await row.click(button="right")
    await expect(page.get_by_role("menuitem", name="Edit")).to_have_count(0)
    await page.get_by_role("menuitem", name="Delete").click()
    await expect(row).to_have_count(0)
    await telegram.refused("editMessageText", message_id=question["message_id"], text="Gone?")


async def test_pins(telegram: Telegram, page: Page) -> None:
    thread = await telegram.topic("Anna")
    for n in range(150):
        await telegram.say(f"message {n}", message_thread_id=thread)
    await page.goto(f"{telegram.console}/#{telegram.chat}/{thread}")
    await telegram.ok("pinChatMessage", message_id=thread + 1)
    bar = page.locator(".pinned")
    await expect(bar).to_contain_text("message 0")
    await bar.get_by_text("message 0").click()  # reads on until it is there
    await expect(page.get_by_text("message 0", exact=True).last).to_be_in_viewport()
    await bar.get_by_role("button", name="Unpin").click()
    await expect(bar).to_be_hidden()
    assert "pinned_message" not in await telegram.ok("getChat")


async def test_what_visitors_write_is_text(telegram: Telegram, page: Page) -> None:
    thread = await telegram.topic(f"Anna {HOSTILE}")
    await telegram.say(HOSTILE, message_thread_id=thread)
    entities = [{"type": "text_link", "offset": 0, "length": 5, "url": "https://shop.example/\"onclick='x'"}]
    await telegram.say("linked", message_thread_id=thread, entities=entities)
    await telegram.say("rtl مرحبا " + "x" * 4086, message_thread_id=thread)
    elsewhere: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url))
    await page.goto(f"{telegram.console}/#{telegram.chat}/{thread}")
    await page.get_by_role("button", name="Bot API calls and faults").click()
    await expect(page.locator(".row .text").first).to_have_text(HOSTILE)
    await expect(page.locator(".call", has_text="createForumTopic")).to_contain_text("<script>")
    await expect(page).not_to_have_title("owned")
    assert await page.locator(".app img, .app script").count() == 0
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # Nothing comes from elsewhere.
    assert {url for url in elsewhere if not url.startswith(telegram.base)} == set()


async def test_the_keyboard_is_enough(telegram: Telegram, page: Page) -> None:
    anna, bo = await telegram.topic("Anna"), await telegram.topic("Bo")
    question = await telegram.say("Open?", message_thread_id=anna)
    await page.goto(f"{telegram.console}/")
    await expect(page.locator(f"[data-topic='{anna}']")).to_be_visible()
    await page.get_by_role("searchbox", name="Search topics").press("ArrowDown")
    await expect(page.locator(f"[data-topic='{anna}']")).to_be_focused()
    await page.keyboard.press("Enter")
    box = page.get_by_role("textbox", name="Message")
    await expect(box).to_be_focused()

    # From the line to write in back to the messages, and to one's menu.
    await page.get_by_role("log", name="Messages").focus()
    await page.keyboard.press("ArrowUp")
    await expect(page.locator(f"[data-message='{question['message_id']}']")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("menuitem", name="Reply")).to_be_focused()
    await page.keyboard.press("End")
    await expect(page.get_by_role("menuitem", name="Delete")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("menu")).to_have_count(0)
    await page.keyboard.press("Enter")
    await page.keyboard.press("Enter")
    await expect(page.locator(".context")).to_contain_text("Reply to Topicwire")
    await page.keyboard.press("Escape")
    await expect(page.locator(".context")).to_be_hidden()

    await page.keyboard.press("Alt+ArrowDown")
    await expect(page.locator(f"[data-topic='{bo}']")).to_have_attribute("aria-current", "page")
    await page.keyboard.press("Escape")
    await expect(page.get_by_text("Select a topic to start answering")).to_be_visible()
