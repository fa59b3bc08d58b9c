"""The Bot API's methods about receiving updates: the webhook's settings and long polling."""

import asyncio
import contextlib
import ipaddress
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from topicwire.sandbox.answers import bad_request, conflict, too_many_requests
from topicwire.sandbox.arguments import Arguments
from topicwire.sandbox.clock import within
from topicwire.sandbox.hosts import is_loopback
from topicwire.sandbox.query import Query
from topicwire.sandbox.updates import Update
from topicwire.sandbox.webhook import CONFLICT_SECONDS, WebhookSettings

Json = dict[str, Any]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PORTS = (443, 80, 88, 8443)
LONGEST_POLL_SECONDS = 50
SECRET_LIMIT = 256
CERTIFICATE_LIMIT = 3 << 20

_SECRET = re.compile(r"[A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Described:
    """A result that is sent with a description, as the webhook methods do."""

    result: bool
    description: str


async def set_webhook(query: Query) -> Described:
    """A change closes the old webhook first, so a refused change leaves the bot without any."""
    arguments = query.arguments
    url = arguments.text("url")
    if not url:
        return await delete_webhook(query)
    if not query.webhook.take_turn(query.clock.now()):
        raise too_many_requests(1)
    settings = _settings(arguments)
    allowed = arguments.lenient_structure("allowed_updates")
    if settings.same_as(query.webhook.settings) and not arguments.boolean("drop_pending_updates"):
        query.feed.allow(allowed)
        query.backend.touched()
        return Described(True, "Webhook is already set")
    query.webhook.poller.replace("terminated by setWebhook request")
    await _remove(query)
    target = _split(url)
    _check_secret(settings.secret)
    _check_certificate(arguments)
    query.feed.allow(allowed)
    await _check_target(target, settings.ip_address)
    query.webhook.set(settings)
    query.backend.touched()
    return Described(True, "Webhook was set")


async def delete_webhook(query: Query) -> Described:
    """Pending updates stay unless drop_pending_updates."""
    was_set = bool(query.webhook.settings.url)
    await _remove(query)
    return Described(True, "Webhook was deleted" if was_set else "Webhook is already deleted")


async def get_webhook_info(query: Query) -> Json:
    settings = query.webhook.settings
    info: Json = {
        "url": settings.url,
        "has_custom_certificate": settings.has_certificate,
        "pending_update_count": len(query.feed.state.pending),
    }
    if settings.url:
        info["max_connections"] = settings.max_connections
        info |= settings.trouble()
    if settings.ip_address:
        info["ip_address"] = settings.ip_address
    if query.feed.state.allowed is not None:
        info["allowed_updates"] = query.feed.state.allowed
    return info


async def get_updates(query: Query) -> list[Any]:
    """Waits up to `timeout` seconds for the first update; a second call ends the first with 409."""
    if query.webhook.settings.url:
        raise conflict(
            "can't use getUpdates method while webhook is active;"
            " use deleteWebhook to delete the webhook first"
        )
    arguments = query.arguments
    offset = arguments.integer("offset")
    limit = min(max(arguments.integer("limit", 100), 1), 100)
    timeout = min(max(arguments.integer("timeout"), 0), LONGEST_POLL_SECONDS)
    query.feed.allow(arguments.lenient_structure("allowed_updates"))
    turn = query.webhook.poller.replace(
        "terminated by other getUpdates request; make sure that only one bot instance is running"
    )
    timeout, limit = query.webhook.poller.throttle(query.clock.now(), offset, timeout, limit)
    waiting = query.feed.waiting(offset, limit)
    if not waiting and timeout:
        waiting = await _poll(query, turn, limit, timeout)
    query.backend.touched()
    return [update.body for update in waiting]


async def _poll(query: Query, turn: int, limit: int, seconds: float) -> list[Update]:
    try:
        return await within(query.clock, seconds, _next_updates(query, turn, limit))
    except TimeoutError:
        return []


async def _next_updates(query: Query, turn: int, limit: int) -> list[Update]:
    poller = query.webhook.poller
    while not (waiting := query.feed.waiting(0, limit)) and not poller.closed:
        await query.feed.bell.wait()
        if poller.turn != turn:
            return await _give_up(query, poller.reason)
    return waiting


async def _give_up(query: Query, reason: str) -> list[Update]:
    """Conflicts that come thick and fast are answered late."""
    if not reason:
        return []
    if not query.webhook.poller.may_conflict(query.clock.now()):
        await query.clock.sleep(CONFLICT_SECONDS)
    raise conflict(reason)


async def _remove(query: Query) -> None:
    await query.webhook.remove()
    if query.arguments.boolean("drop_pending_updates"):
        query.feed.drop_all()
    query.backend.touched()


def _settings(arguments: Arguments) -> WebhookSettings:
    return WebhookSettings(
        url=arguments.text("url"),
        secret=arguments.text("secret_token"),
        max_connections=min(max(arguments.integer("max_connections", 40), 1), 100),
        ip_address=arguments.text("ip_address"),
        has_certificate="certificate" in arguments.files,
    )


def _check_secret(secret: str) -> None:
    if len(secret) > SECRET_LIMIT:
        raise bad_request("secret token is too long")
    if not _SECRET.fullmatch(secret):
        raise bad_request("secret token contains unallowed characters")


def _check_certificate(arguments: Arguments) -> None:
    certificate = arguments.files.get("certificate")
    if certificate is not None and len(certificate.content) > CERTIFICATE_LIMIT:
        raise bad_request(f"certificate size is too big ({len(certificate.content)} bytes)")


async def _check_target(parts: SplitResult, pinned: str) -> None:
    """https on one of four ports and a public address; on loopback anything, as a local server allows."""
    host = parts.hostname or ""
    is_local = is_loopback(host)
    if not is_local and parts.scheme != "https":
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    if not is_local and (parts.port or 443) not in PORTS:
        raise bad_request("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
    if pinned or not is_local:
        _check_address(_pinned(pinned) if pinned else await _resolve(host))


def _check_address(address: Address) -> None:
    if address.is_loopback:
        return
    if address.version != 4:
        raise bad_request("bad webhook: IPv6-only addresses are not allowed")
    if not address.is_global:
        raise bad_request(f"bad webhook: IP address {address} is reserved")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url if "://" in url else f"https://{url}")
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        raise bad_request("invalid webhook URL specified") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_valid or " " in url:
        raise bad_request("invalid webhook URL specified")
    return parts


def _pinned(raw: str) -> Address:
    try:
        return ipaddress.ip_address(raw)
    except ValueError:
        raise bad_request("bad webhook: Invalid IP address specified") from None


async def _resolve(host: str) -> Address:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, 443)
    except OSError:
        raise bad_request("bad webhook: Failed to resolve host: Name or service not known") from None
    return ipaddress.ip_address(found[0][4][0])
