"""Fixtures of a real browser, for whoever wants to see what a person sees."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests import browser


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Where Chromium is. `make test` sees to it that there is one."""
    path = browser.executable()
    if path is None:
        pytest.fail("no Chromium: run `python tests/browser.py` to fetch one, or name it in CHROMIUM")
    return path


@pytest.fixture(scope="session")
async def chromium(chromium_path: str) -> AsyncIterator[Browser]:
    """One Chromium for the whole run; every test gets a profile of its own."""
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=chromium_path, args=list(browser.FLAGS))
        yield running
        await running.close()


@pytest.fixture
async def profile(chromium: Browser) -> AsyncIterator[BrowserContext]:
    """A browser profile that knows nothing yet. An error in a page's script fails the test."""
    # Without motion nothing is measured on its way.
    context = await chromium.new_context(reduced_motion="reduce")
    errors: list[str] = []
    context.on("weberror", lambda broken: errors.append(str(broken.error)))
    yield context
    await context.close()
    assert errors == []


@pytest.fixture
async def page(profile: BrowserContext) -> AsyncIterator[Page]:
    """A page on which nothing may complain, not even to the console."""
    opened = await profile.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    yield opened
    assert said == []


__all__: list[Any] = ["chromium", "chromium_path", "page", "profile"]
