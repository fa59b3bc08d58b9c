"""The webhook: where Telegram delivers updates, and how it is told to.

Answers come back inline. The secret is checked, the update and its effect are committed together,
rings go out, 200. Telegram delivers a group's updates one at a time and waits for each; what
cannot be committed is 503, so that it comes again, in order. Everything else is 200: an update
that makes no sense to us would only block the group for a day.
"""

import asyncio
import hashlib
import hmac
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from starlette.requests import Request
from starlette.responses import Response

from topicwire import metrics
from topicwire.db import Database, twice
from topicwire.domain import installation
from topicwire.errors import UnavailableError
from topicwire.relay.channel import ChannelError
from topicwire.services import Services
from topicwire.telegram import updates

HEADER = "X-Telegram-Bot-Api-Secret-Token"
VERSION = 1  # of the secret's derivation; raising it changes every secret

LONGEST_ID = 20  # digits of a bot's id

log = structlog.get_logger()


def secret(key: str, bot_id: int) -> str:
    """The secret that Telegram sends back with every update of this bot."""
    return hmac.new(key.encode(), f"telegram webhook {VERSION} {bot_id}".encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """Takes updates for the bots that are ours. While keys are rotated each key's secret is right."""

    services: Services
    keys: Sequence[str]
    bot_ids: frozenset[int]

    async def receive(self, request: Request) -> Response:
        """`POST /telegram/{bot_id}`."""
        name = request.path_params["bot_id"]
        bot_id = int(name) if name.isdecimal() and len(name) <= LONGEST_ID else 0
        if not self._right(bot_id, request.headers.get(HEADER, "")):
            metrics.webhooks_refused.inc()
            return Response(status_code=404)
        try:
            update = updates.decode(await request.body(), bot_id=bot_id)
        except updates.NotAnUpdate as error:
            log.warning("not an update", bot=bot_id, error=str(error))
            return Response(status_code=200)
        try:
            await twice(lambda: take(self.services, bot_id, update))
        except UnavailableError as error:
            log.warning(
                "update not taken, Telegram will repeat it", update=update.update_id, error=str(error)
            )
            return Response(status_code=503)
        return Response(status_code=200)

    def _right(self, bot_id: int, given: str) -> bool:
        # Every secret is compared, known bot or not, so that the time taken tells nothing.
        matches = [
            hmac.compare_digest(secret(key, bot_id).encode(), given.encode("utf-8", "surrogateescape"))
            for key in self.keys
        ]
        return any(matches) and bot_id in self.bot_ids


async def take(services: Services, bot_id: int, update: updates.Update) -> None:
    """Commit to an update, whichever way it came, and ring. Raises `UnavailableError`."""
    await services.take_update(
        bot_id=bot_id, update_id=update.update_id, event=update.event, seen=update.seen
    )
    metrics.updates_taken.inc()


class Registrar(Protocol):
    """Who can tell Telegram where to deliver."""

    async def set_webhook(self, url: str, secret: str) -> None:
        """Have updates delivered to this address, with this secret."""


async def set_up(db: Database, bot: Registrar, *, bot_id: int, url: str, key: str, holder: str) -> None:
    """Tell Telegram where to deliver; tried until it works, by one process at a time."""
    delay = 1.0
    while True:
        try:
            async with db.statement() as connection:
                mine = await installation.lease(connection, f"webhook:{bot_id}", holder=holder, seconds=30)
            if mine:
                await bot.set_webhook(f"{url}/telegram/{bot_id}", secret(key, bot_id))
                log.info("webhook set", bot=bot_id)
                return
        except (ChannelError, UnavailableError) as error:
            log.warning("the webhook could not be set", bot=bot_id, error=str(error), again_in=delay)
        await asyncio.sleep(delay * random.uniform(0.5, 1))  # noqa: S311 (spreads tries, no secret)
        delay = min(60.0, delay * 2)
