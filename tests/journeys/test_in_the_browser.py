"""What a visitor sees: the demo shop in a real Chromium, the operators at their consoles."""

import re

from playwright.async_api import BrowserContext, Locator, Page, expect

from tests.house import Shop

QUESTION = "Is the blue vase still in stock? 👩‍👩‍👧‍👦"


class Chat:
    """The widget on a page of the shop, as a person uses it."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @classmethod
    async def visit(
        cls, profile: BrowserContext, shop: Shop, more: str = "", *, web: str | None = None
    ) -> "Chat":
        """Come to the shop and open the chat."""
        chat = cls(await profile.new_page())
        await chat.page.goto(f"{web or shop.house.url}/demo?key={shop.key}{more}")
        await chat.open()
        return chat

    async def open(self) -> None:
        """Open the panel, unless it has remembered that it was open."""
        if not await self.part("input").is_visible():
            await self.part("launcher").click()
        await expect(self.part("input")).to_be_visible()

    def part(self, name: str) -> Locator:
        """A part of the widget, inside its shadow root."""
        return self.page.locator(f"topicwire-chat [data-part={name}]")

    async def say(self, said: str) -> None:
        """Type and press Enter."""
        await self.part("input").fill(said)
        await self.part("input").press("Enter")

    def message(self, said: str) -> Locator:
        """The message with exactly this text."""
        text = self.page.locator("[data-part=text]").get_by_text(said, exact=True)
        return self.part("message").filter(has=text)

    async def delivered(self, said: str) -> None:
        """Two ticks: Telegram has it."""
        await expect(self.message(said)).to_have_attribute("data-state", "delivered", timeout=15_000)

    async def texts(self) -> list[str]:
        """Everything in the transcript, in order."""
        return await self.part("message").locator("[data-part=text]").all_inner_texts()


async def the_topic(shop: Shop) -> int:
    """The one topic of the group."""
    (topic,) = (await shop.operators.topics()).values()
    return topic


async def test_a_message_goes_each_way(profile: BrowserContext, shop: Shop) -> None:
    chat = await Chat.visit(profile, shop)
    assert await shop.operators.topics() == {}
    await chat.say(QUESTION)
    await chat.delivered(QUESTION)
    topic = await the_topic(shop)
    await shop.operators.see(QUESTION, topic=topic)
    await shop.operators.write(topic, "Yes, three are left.")
    answer = chat.message("Yes, three are left.")
    await expect(answer).to_have_attribute("data-from", "operator")
    await expect(chat.part("transcript")).to_contain_text("Mara")


async def test_a_reload_keeps_the_conversation(profile: BrowserContext, shop: Shop) -> None:
    chat = await Chat.visit(profile, shop)
    await chat.say("before the reload")
    await chat.delivered("before the reload")
    await chat.page.reload()
    await chat.open()
    await expect(chat.message("before the reload")).to_be_visible()
    await chat.say("after the reload")
    await chat.delivered("after the reload")
    assert await chat.texts() == ["before the reload", "after the reload"]
    assert len(await shop.operators.topics()) == 1


async def test_what_happened_while_away_is_there_on_return(profile: BrowserContext, shop: Shop) -> None:
    chat = await Chat.visit(profile, shop)
    await chat.say("back in a minute")
    await chat.delivered("back in a minute")
    topic = await the_topic(shop)
    early = await shop.operators.write(topic, "a first answer")
    await expect(chat.message("a first answer")).to_be_visible()
    await chat.page.close()
    await shop.operators.edit(early, "a better answer")
    await shop.operators.write(topic, "and another one")
    back = await Chat.visit(profile, shop)
    await expect(back.message("and another one")).to_be_visible()
    assert await back.texts() == ["back in a minute", "a better answer", "and another one"]


async def test_two_tabs_stay_in_step(profile: BrowserContext, shop: Shop) -> None:
    one = await Chat.visit(profile, shop)
    await one.say("from the first tab")
    await one.delivered("from the first tab")
    two = await Chat.visit(profile, shop)
    await two.say("from the second tab")
    await one.delivered("from the second tab")
    await shop.operators.write(await the_topic(shop), "to both")
    for tab in (one, two):
        await expect(tab.message("to both")).to_be_visible()
        assert await tab.texts() == ["from the first tab", "from the second tab", "to both"]


async def test_the_server_restarts_while_the_visitor_writes(profile: BrowserContext, shop: Shop) -> None:
    chat = await Chat.visit(profile, shop)
    await chat.say("one")
    await chat.delivered("one")
    await shop.house.stop_web()
    await chat.say("two")
    await chat.say("three")
    await expect(chat.message("three")).to_have_attribute("data-state", "sending")
    await shop.house.start_web()
    await chat.delivered("three")
    assert await chat.texts() == ["one", "two", "three"]
    said = await shop.operators.texts(await the_topic(shop))
    assert [text.rpartition("\n")[2] for text in said] == ["one", "two", "three"]


async def test_who_writes_too_fast_is_told_calmly_and_all_arrives(
    profile: BrowserContext, shop: Shop
) -> None:
    async with shop.house.another_web(LIMIT_CONVERSATION="3/2") as web:
        chat = await Chat.visit(profile, shop, web=web)
        words = [f"line {number}" for number in range(5)]
        for said in words:
            await chat.say(said)
        await expect(chat.part("status-line")).to_contain_text("shortly")
        await expect(chat.message("line 4")).to_have_attribute("data-state", "sending")
        await chat.delivered("line 4")
        await expect(chat.part("status-line")).to_be_hidden()
        assert await chat.texts() == words
        arrived = await shop.operators.texts(await the_topic(shop))
        assert [text.rpartition("\n")[2] for text in arrived] == words
        await chat.page.close()


async def test_the_topic_is_deleted_then_the_visitor_writes(profile: BrowserContext, shop: Shop) -> None:
    chat = await Chat.visit(profile, shop)
    await chat.say("into the first topic")
    await chat.delivered("into the first topic")
    await shop.operators.delete(await the_topic(shop))
    await chat.say("into the next one")
    await chat.delivered("into the next one")
    recap, message = await shop.operators.texts(await the_topic(shop))
    assert "into the first topic" in recap
    assert message == "into the next one"


async def test_a_closed_conversation_says_so_and_reopens(profile: BrowserContext, shop: Shop) -> None:
    chat = await Chat.visit(profile, shop)
    await chat.say("thank you")
    await chat.delivered("thank you")
    topic = await the_topic(shop)
    await shop.operators.close(topic)
    await expect(chat.part("status-line")).to_contain_text("closed")
    await chat.say("one more thing")
    await chat.delivered("one more thing")
    assert not await shop.operators.is_closed(topic)
    await expect(chat.part("status-line")).to_be_hidden()


async def test_nobodys_text_is_html(profile: BrowserContext, shop: Shop) -> None:
    chat = await Chat.visit(profile, shop)
    evil = "<img src=x onerror=\"document.title='owned'\"><b>bold?</b>"
    await chat.say(evil)
    await chat.delivered(evil)
    await shop.operators.write(await the_topic(shop), evil + "!")
    await expect(chat.message(evil + "!")).to_be_visible()
    assert await chat.page.title() != "owned"


async def test_hostile_css_does_not_reach_the_chat(profile: BrowserContext, shop: Shop) -> None:
    plain = await Chat.visit(profile, shop)
    hostile = await Chat.visit(profile, shop, "&hostile=1")
    for part in ("panel", "input", "launcher"):
        assert await hostile.part(part).bounding_box() == await plain.part(part).bounding_box()


async def test_loading_moves_nothing_and_leaks_one_name(profile: BrowserContext, shop: Shop) -> None:
    page = await profile.new_page()
    await page.add_init_script(
        "window.shifts = 0; window.before = new Set(Object.getOwnPropertyNames(window));"
        "new PerformanceObserver(list => { for (const entry of list.getEntries()) shifts += entry.value })"
        ".observe({type: 'layout-shift', buffered: true})"
    )
    await page.goto(f"{shop.house.url}/demo?key={shop.key}")
    await expect(Chat(page).part("launcher")).to_be_visible()
    assert await page.evaluate("shifts") == 0
    new = await page.evaluate("Object.getOwnPropertyNames(window).filter(name => !before.has(name))")
    assert [name for name in new if name not in ("before", "shifts")] == ["Topicwire"]


async def test_calls_before_the_script_arrives_are_kept(profile: BrowserContext, shop: Shop) -> None:
    page = await profile.new_page()
    await page.add_init_script(
        "window.Topicwire = window.Topicwire || function () {"
        " (Topicwire.q = Topicwire.q || []).push(arguments) };"
        "Topicwire('prefill', 'about the vase'); Topicwire('open')"
    )
    await page.goto(f"{shop.house.url}/demo?key={shop.key}")
    await expect(Chat(page).part("input")).to_have_value("about the vase")


async def test_the_keyboard_is_enough(page: Page, shop: Shop) -> None:
    await page.goto(f"{shop.house.url}/demo?key={shop.key}")
    chat = Chat(page)
    await chat.part("launcher").focus()
    await page.keyboard.press("Enter")
    await expect(chat.part("input")).to_be_focused()
    await page.keyboard.type("typed")
    await page.keyboard.press("Enter")
    await chat.delivered("typed")
    await page.keyboard.press("Escape")
    await expect(chat.part("input")).to_be_hidden()
    await expect(chat.part("launcher")).to_be_focused()


async def test_an_operator_answers_in_the_console(profile: BrowserContext, shop: Shop) -> None:
    chat = await Chat.visit(profile, shop)
    await chat.say("anybody there?")
    await chat.delivered("anybody there?")
    console = await profile.new_page()
    await console.goto(f"{shop.house.telegram.console}/")
    await console.get_by_text("Shop support").click()
    await console.get_by_role("menuitemradio", name=re.compile(rf"^{shop.name} Forum\b")).click()
    await console.get_by_text("anybody there?").first.click()
    await console.get_by_placeholder("Message").fill("somebody is")
    await console.keyboard.press("Enter")
    await expect(chat.message("somebody is")).to_be_visible()
    await console.keyboard.press("ArrowUp")
    await console.get_by_placeholder("Message").fill("somebody was")
    await console.keyboard.press("Enter")
    await expect(chat.message("somebody was")).to_be_visible()
    await console.get_by_role("button", name="Topic menu").click()
    await console.get_by_role("menuitem", name="Close topic").click()
    await expect(chat.part("status-line")).to_contain_text("closed")
