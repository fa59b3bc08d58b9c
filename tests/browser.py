"""The Chromium that the browser tests drive: found on this machine, else fetched.

`python tests/browser.py` says in one line which one it is, or fails; tests ask `executable()`.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")


def executable() -> str | None:
    """Where a Chromium is: named by CHROMIUM, on the path, in its place on macOS, or Playwright's own."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or (str(MAC) if MAC.exists() else _playwrights())


def _playwrights() -> str | None:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where nothing else is found

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def _fetch() -> None:
    """By the system's packages where we may, else by Playwright's installer."""
    apt = shutil.which("apt-get")
    if apt and os.geteuid() == 0:
        _say("There is no Chromium here; installing Debian's")
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        _run(apt, "update", "-qq")
        _run(apt, "install", "-y", "-qq", "--no-install-recommends", "chromium")
    if executable() is None:
        _say("There is no Chromium here; fetching Playwright's")
        _run(sys.executable, "-m", "playwright", "install", "chromium")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - this module is a command, too


def _run(*command: str) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, check=False)  # noqa: S603 - whether it helped is looked at


if __name__ == "__main__":
    if executable() is None:
        _fetch()
    browser = executable()
    if browser is None:
        sys.exit("No Chromium was found, nor could be fetched: install one, or name it in CHROMIUM.")
    _say(f"Browser tests use {browser}")
