"""The control API's other half: what goes wrong on demand, which bots there are, what time it is.

    GET    faults               -> {faults, kinds}
    POST   faults               {kind, method?, update?, bot?, chat?, skip?, count?, accepted?, delay?,
                                retry_after?, status?, description?, parameters?} -> fault
    DELETE faults               all of them; faults/{id}: this one
    POST   faults/clear         all of them
    GET    bots                 -> {bots: [{id, username, token, webhook ...}]}
    POST   bots                 {first_name?, username?} -> bot; join it with POST chats/{chat}/people/{id}
    POST   clock                {advance} -> {now}; only on a clock that is driven by hand

`faults.py` explains the kinds. A `count` of null lasts until it is cleared; it is 1 unless given.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.routing import Route

from topicwire.sandbox import shapes
from topicwire.sandbox.accounts import Account
from topicwire.sandbox.answers import bad_request
from topicwire.sandbox.clock import Clock, ManualClock
from topicwire.sandbox.faults import CALL_KINDS, UPDATE_KINDS, Fault, Faults, UnknownFaultError
from topicwire.sandbox.live import Live
from topicwire.sandbox.requests import delete, get, post, text_of

Json = dict[str, Any]


class Switches:
    """The routes for faults, bots and the clock."""

    def __init__(
        self,
        faults: Faults,
        accounts: Mapping[int, Account],
        add_bot: Callable[[str, str], Account],
        live: Live,
        clock: Clock,
    ) -> None:
        self._faults = faults
        self._accounts = accounts
        self._add_bot = add_bot
        self._live = live
        self._clock = clock

    def routes(self) -> list[Route]:
        return [
            get("/faults", self.faults),
            post("/faults", self.add_fault),
            post("/faults/clear", self.clear),
            delete("/faults", self.clear),
            delete("/faults/{fault:int}", self.clear),
            get("/bots", self.bots),
            post("/bots", self.add_bot),
            post("/clock", self.advance),
        ]

    async def faults(self, _: Request, __: Json) -> Json:
        return {"faults": self._faults.active, "kinds": [*CALL_KINDS, *sorted(UPDATE_KINDS)]}

    async def add_fault(self, _: Request, body: Json) -> Fault:
        try:
            fault = self._faults.add(msgspec.convert(body, Fault))
        except (msgspec.ValidationError, UnknownFaultError) as error:
            raise bad_request(str(error)) from None
        return fault

    async def clear(self, request: Request, _: Json) -> Json:
        self._faults.clear(request.path_params.get("fault"))
        return {}

    async def bots(self, _: Request, __: Json) -> Json:
        return {"bots": [bot_view(account) for account in self._accounts.values()]}

    async def add_bot(self, _: Request, body: Json) -> Json:
        return bot_view(self._add_bot(text_of(body, "first_name"), text_of(body, "username")))

    async def advance(self, _: Request, body: Json) -> Json:
        seconds = body.get("advance", 0)
        if not isinstance(self._clock, ManualClock):
            raise bad_request("this sandbox runs on the machine's time")
        if not isinstance(seconds, (int, float)) or seconds < 0:
            raise bad_request("advance must be a number of seconds")
        self._clock.advance(seconds)
        now = self._clock.now()
        if self._live.heard:
            self._live.tell({"type": "clock", "now": now})
        return {"now": now}


def bot_view(account: Account) -> Json:
    """A bot with its token and how its updates are delivered."""
    settings = account.webhook.settings
    delivery = {"url": settings.url, "pending": len(account.feed.state.pending), **settings.trouble()}
    return shapes.user(account.person) | {"token": account.state.token, "webhook": delivery}
