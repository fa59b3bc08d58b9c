"""The bot: its token, and the way in which its updates arrive."""

import time
from datetime import UTC, datetime
from typing import Any

from topicwire.doctor.bot_api import Answer
from topicwire.doctor.findings import Finding, note, ok, wrong
from topicwire.relay.mending import remedy
from topicwire.settings import Settings

MANY = 100  # updates that wait: more than a busy moment's
RECENT = 600  # seconds for which a delivery's failure counts as the present state

# What Telegram says about a delivery -> what to look at; the first that fits.
_CAUSES = (
    ("404", "another installation answers there, or the bot changed: restart the worker"),
    ("50", "the web process fails: look at its log and at its database"),
    ("ssl", "the certificate: Telegram needs a valid chain, including the intermediate ones"),
    ("resolve", "the name of PUBLIC_URL is not known in DNS"),
)
_UNREACHABLE = "make PUBLIC_URL reachable from the internet (firewall, proxy, DNS), or poll"


def token(me: Answer) -> Finding:
    """Whose token it is, by what getMe answered."""
    if not me.ok:
        return wrong(
            "token",
            f"Telegram refuses TELEGRAM_BOT_TOKEN: {me.description}",
            remedy("token").mend,
        )
    if me.result.get("can_join_groups") is False:
        return wrong(
            "token", f"{_name(me.result)} cannot be added to groups", "@BotFather: /setjoingroups, Enable"
        )
    return ok("token", f"{_name(me.result)}, id {me.result['id']}")


def privacy(me: Answer) -> Finding:
    """Whether it hears the group without being its administrator."""
    if me.result.get("can_read_all_group_messages"):
        return ok("privacy", "off: the bot hears every message of its groups")
    return note("privacy", "on: the bot hears operators only where it is administrator, which it has to be")


def updates(known: Settings, info: Answer, now: float | None = None) -> list[Finding]:
    """How updates arrive, by what getWebhookInfo answered."""
    if not info.ok:
        return [wrong("updates", f"getWebhookInfo: {info.description}", "see the token above")]
    url = str(info.result.get("url", ""))
    waiting = int(info.result.get("pending_update_count", 0))
    if known.telegram_updates == "polling":
        return [_polling(url, waiting)]
    expected = f"{known.public_url}/telegram/{known.bot_id}"
    if url != expected:
        return [_astray(url, expected)]
    trouble = _trouble(info.result, waiting, time.time() if now is None else now)
    return [trouble or ok("webhook", f"{url}, {waiting} updates waiting")]


def _polling(url: str, waiting: int) -> Finding:
    if url:
        return wrong(
            "polling",
            f"a webhook is set to {url}, so polling is refused",
            "start a worker, which takes it away; if it comes back, another program uses this token",
        )
    if waiting > MANY:
        return wrong("polling", f"{waiting} updates wait for somebody", "start a worker")
    return ok("polling", f"no webhook is in the way, {waiting} updates waiting")


def _astray(url: str, expected: str) -> Finding:
    if not url:
        return wrong("webhook", "none is set", f"start a worker, which sets it to {expected}")
    return wrong(
        "webhook",
        f"Telegram delivers to {url}, not to {expected}",
        "start a worker, which sets it; if it changes again, another program uses this token",
    )


def _trouble(info: dict[str, Any], waiting: int, now: float) -> Finding | None:
    at = info.get("last_error_date")
    if at is None:
        late = f"{waiting} updates wait, without an error"
        return wrong("webhook", late, "the web process is slow: look at its log") if waiting > MANY else None
    words = str(info.get("last_error_message", ""))
    when = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    text = f"last failed at {when}: {words}; {waiting} updates waiting"
    if not waiting and now - at > RECENT:
        return note("webhook", text)
    causes = (mend for sign, mend in _CAUSES if sign in words.lower())
    return wrong("webhook", text, next(causes, _UNREACHABLE))


def _name(me: dict[str, Any]) -> str:
    return f"@{me['username']}" if me.get("username") else str(me.get("first_name", "a bot"))
