"""`topicwire doctor --conformance`: what the command line starts."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from rich.console import Console

from topicwire.doctor import printing, progress
from topicwire.doctor.bot_api import NoAnswer, speaking
from topicwire.doctor.replay import Summary, replay
from topicwire.errors import MisconfiguredError, RefusedError
from topicwire.settings import Rate, Settings, is_loopback

ENDING = (signal.SIGINT, signal.SIGTERM)
MOST = Rate(20, 60)  # what Telegram itself allows a group, whatever the settings say


async def conformance(known: Settings, chat_id: int, *, patient: bool) -> bool:
    """Print what came of each assumption; whether all that were tried held.

    Interrupted or told to end, it removes what it made, and raises `RefusedError`.
    """
    if known.telegram_bot_token is None:
        raise MisconfiguredError("TELEGRAM_BOT_TOKEN: needed to try what is assumed about Telegram")
    out = printing.console()
    try:
        with _ending_gently():
            summary = await _replayed(known, known.telegram_bot_token, chat_id, out, patient=patient)
    except asyncio.CancelledError:
        raise RefusedError("interrupted", "interrupted before everything was tried") from None
    progress.print_summary(out, summary)
    return summary.is_good


@contextmanager
def _ending_gently() -> Iterator[None]:
    """A signal cancels the task inside, which then cleans up; a second one stops that, too."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101 - in a coroutine there always is one
    for number in ENDING:
        loop.add_signal_handler(number, task.cancel)
    try:
        yield
    finally:
        for number in ENDING:
            loop.remove_signal_handler(number)


async def _replayed(known: Settings, token: str, chat_id: int, out: Console, *, patient: bool) -> Summary:
    with progress.replaying(out) as report:
        async with speaking(known.telegram_api_url, token) as api:
            try:
                return await replay(api, chat_id, report, rate=pace(known), patient=patient)
            except NoAnswer as error:
                raise MisconfiguredError(
                    f"TELEGRAM_API_URL: {known.telegram_api_url} does not answer: {error}"
                ) from None


def pace(known: Settings) -> Rate | None:
    """What `TELEGRAM_GROUP_RATE` allows, but away from this machine never more than Telegram does."""
    if is_loopback(urlsplit(known.telegram_api_url).hostname or ""):
        return known.group_rate
    rate = known.group_rate
    return rate if rate is not None and rate.seconds / rate.calls > MOST.seconds / MOST.calls else MOST
