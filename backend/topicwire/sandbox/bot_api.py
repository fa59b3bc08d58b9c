"""The Bot API's door: token, method, arguments, the method itself, and the answer as Telegram writes it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from topicwire.sandbox.accounts import Account
from topicwire.sandbox.answers import RefusedError, not_found, not_in_the_sandbox
from topicwire.sandbox.arguments import Arguments, read_arguments, to_integer
from topicwire.sandbox.calls import CallLog
from topicwire.sandbox.faults import Fault, Faults
from topicwire.sandbox.files import Files
from topicwire.sandbox.method_names import METHOD_NAMES
from topicwire.sandbox.methods_by_name import METHODS
from topicwire.sandbox.playing import Outcome, Played, Player, answer, refusal
from topicwire.sandbox.query import Query
from topicwire.sandbox.update_methods import Described

Method = Callable[[Query], Awaitable[Any]]

AFTER_LOGGING_OUT = frozenset({"logout", "close"})

_encode = msgspec.json.Encoder().encode


class BotApi:
    """An ASGI application for `/bot<token>/<method>`."""

    def __init__(
        self,
        accounts: Mapping[str, Account],
        new_query: Callable[[Account, Arguments], Query],
        calls: CallLog,
        faults: Faults,
        files: Files,
    ) -> None:
        self._files = files
        self._accounts = accounts
        self._new_query = new_query
        self._calls = calls
        self._faults = faults
        self.player = Player(calls.clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["method"] not in ("GET", "POST"):
                raise RefusedError(501, "Not Implemented")
            account, name, method = self._find(scope["path"])
        except RefusedError as refused:
            return await answer(send, refusal(refused))
        call = _Call(self, account, name, method)
        try:
            call.arguments = await read_arguments(scope, receive)
        except RefusedError as refused:
            return await answer(send, call.decided(refusal(refused)))
        if self._faults.active and (fault := self._meet(call)) is not None:
            call.fault = fault
            played = Played(fault, name, call.carry_out, call.turn_down, scope, send)
            return await self.player.play(played)
        return await answer(send, await call.carry_out())

    async def carry_out(self, account: Account, method: str, values: dict[str, Any]) -> None:
        """A call that came another way than by a request of its own, such as in a webhook's answer."""
        call = _Call(self, account, *_named(method))
        call.arguments = Arguments(values)
        await call.carry_out()

    async def download(self, scope: Scope, _: Receive, send: Send) -> None:
        """An ASGI application for `/file/bot<token>/<path>`: what getFile gave a link to."""
        token, _slash, path = scope["path"][9:].partition("/")
        account = self._accounts.get(token)
        content = await self._files.download(account.id, path) if account is not None else None
        if account is None:
            await answer(send, refusal(RefusedError(401, "Unauthorized")))
        elif content is None:
            await answer(send, refusal(not_found()))
        else:
            await answer(send, Outcome(200, content, content_type=b"application/octet-stream"))

    def _find(self, path: str) -> tuple[Account, str, Method]:
        """Names are case-insensitive; the token is looked at before the method."""
        token, slash, asked = path[4:].partition("/")
        if not slash or "/" in asked or not asked:
            raise not_found()
        account = self._accounts.get(token)
        if account is None:
            bot_id, colon, secret = token.partition(":")
            known = bool(colon and bot_id.isdecimal() and secret)
            raise RefusedError(401, "Unauthorized" if known else "Unauthorized: invalid token specified")
        return account, *_named(asked)

    def _meet(self, call: "_Call") -> Fault | None:
        chat = to_integer(call.arguments.text("chat_id"))
        return self._faults.meet_call(call.name, call.account.id, chat)


class _Call:
    """One call on its way through the door."""

    __slots__ = ("account", "arguments", "arrived", "door", "fault", "method", "name")

    def __init__(self, door: BotApi, account: Account, name: str, method: Method) -> None:
        self.door = door
        self.account = account
        self.name = name
        self.method = method
        self.arguments = Arguments({})
        self.fault: Fault | None = None
        self.arrived = door._calls.clock.now()

    async def carry_out(self) -> Outcome:
        """The call takes effect, or is refused by the rules."""
        try:
            if self.account.logged_out and self.name.lower() not in AFTER_LOGGING_OUT:
                raise RefusedError(400, "Logged out")
            result = await self.method(self.door._new_query(self.account, self.arguments))
        except RefusedError as refused:
            return self.decided(refusal(refused))
        return self.decided(Outcome(200, _encode(_success(result))))

    def turn_down(self, outcome: Outcome) -> None:
        """The call has no effect: a fault came first."""
        self.decided(outcome)

    def decided(self, outcome: Outcome) -> Outcome:
        """Writes the call down."""
        body = outcome.body if outcome.content_type == b"application/json" else b"null"
        self.door._calls.record(
            self.name,
            self.arguments.values,
            self.arrived,
            outcome.status,
            body,
            bot=self.account.id,
            fault=self.fault.kind if self.fault else "",
        )
        return outcome


def _named(asked: str) -> tuple[str, Method]:
    """A method by its name in any case; what is none is one that refuses, so that its calls are kept too."""
    name = METHOD_NAMES.get(asked.lower())
    if name is None:
        return asked, _refusing(RefusedError(404, "Not Found: method not found"))
    return name, METHODS.get(name) or _refusing(not_in_the_sandbox(name))


def _refusing(refused: RefusedError) -> Method:
    async def refuse(_: Query) -> None:
        raise refused

    return refuse


def _success(result: Any) -> dict[str, Any]:
    if isinstance(result, Described):
        return {"ok": True, "result": result.result, "description": result.description}
    return {"ok": True, "result": result}


async def unknown_path(_: Scope, __: Receive, send: Send) -> None:
    """Telegram's answer to any address that is none of its own."""
    await answer(send, refusal(not_found()))
