"""The Bot API's door: token, method, arguments, the method itself, and the answer as Telegram writes it."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from topicwire.sandbox import methods, topic_methods, update_methods
from topicwire.sandbox.answers import RefusedError, not_found, not_in_the_sandbox
from topicwire.sandbox.arguments import Arguments, read_arguments
from topicwire.sandbox.calls import CallLog
from topicwire.sandbox.method_names import METHOD_NAMES
from topicwire.sandbox.query import Query
from topicwire.sandbox.update_methods import Described

Method = Callable[[Query], Awaitable[Any]]

METHODS: dict[str, Method] = {
    "getMe": methods.get_me,
    "getChat": methods.get_chat,
    "getChatMember": methods.get_chat_member,
    "getChatAdministrators": methods.get_chat_administrators,
    "leaveChat": methods.leave_chat,
    "setMyCommands": methods.set_my_commands,
    "sendMessage": methods.send_message,
    "editMessageText": methods.edit_message_text,
    "editMessageReplyMarkup": methods.edit_message_reply_markup,
    "deleteMessage": methods.delete_message,
    "setMessageReaction": methods.set_message_reaction,
    "sendChatAction": methods.send_chat_action,
    "createForumTopic": topic_methods.create_forum_topic,
    "editForumTopic": topic_methods.edit_forum_topic,
    "closeForumTopic": topic_methods.close_forum_topic,
    "reopenForumTopic": topic_methods.reopen_forum_topic,
    "deleteForumTopic": topic_methods.delete_forum_topic,
    "setWebhook": update_methods.set_webhook,
    "deleteWebhook": update_methods.delete_webhook,
    "getWebhookInfo": update_methods.get_webhook_info,
    "getUpdates": update_methods.get_updates,
}

_encoder = msgspec.json.Encoder()


class BotApi:
    """An ASGI application for `/bot<token>/<method>`."""

    def __init__(self, token: str, new_query: Callable[[Arguments], Query], calls: CallLog) -> None:
        self._token = token
        self._new_query = new_query
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked: dict[str, str] = scope["path_params"]
        try:
            self._check_token(asked["token"])
            name, method = _find(asked["method"])
        except RefusedError as refused:
            return await _answer(send, refused.status, _encoder.encode(refused.body()), refused)
        return await self._call(name, method, scope, receive, send)

    async def _call(self, name: str, method: Method, scope: Scope, receive: Receive, send: Send) -> None:
        arguments = Arguments({})
        refused: RefusedError | None = None
        arrived = self._now()
        try:
            arguments = await read_arguments(scope, receive)
            answer = _success(await method(self._new_query(arguments)))
        except RefusedError as error:
            refused, answer = error, error.body()
        status = refused.status if refused else 200
        body = _encoder.encode(answer)
        self._calls.record(name, arguments.values, arrived, status, body)
        await _answer(send, status, body, refused)

    def _now(self) -> float:
        return self._calls.clock.now()

    def _check_token(self, token: str) -> None:
        if token == self._token:
            return
        bot_id, colon, secret = token.partition(":")
        is_well_formed = colon and bot_id.isdecimal() and secret
        raise RefusedError(401, "Unauthorized" if is_well_formed else "Unauthorized: invalid token specified")


def _find(asked: str) -> tuple[str, Method]:
    """The method's proper name and what does it; names are case-insensitive."""
    name = METHOD_NAMES.get(asked.lower())
    if name is None:
        raise RefusedError(404, "Not Found: method not found")
    return name, METHODS.get(name) or _missing(name)


def _missing(name: str) -> Method:
    async def refuse(_: Query) -> None:
        raise not_in_the_sandbox(name)

    return refuse


def _success(result: Any) -> dict[str, Any]:
    if isinstance(result, Described):
        return {"ok": True, "result": result.result, "description": result.description}
    return {"ok": True, "result": result}


async def _answer(send: Send, status: int, body: bytes, refused: RefusedError | None) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if refused is not None and "retry_after" in refused.parameters:
        headers.append((b"retry-after", b"%d" % refused.parameters["retry_after"]))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def unknown_path(_: Scope, __: Receive, send: Send) -> None:
    """Telegram's answer to any address that is none of its own."""
    await _answer(send, 404, _encoder.encode(not_found().body()), None)
