"""The control API: what people do in their Telegram, for the console and for tests.

Everything is JSON under `/<secret path>/api/`. `{chat}` is a chat's id, `{thread}` a topic's id (1 is
General), `as` a person's id (default: Mara). Messages are Bot API Messages, as the bot would see them,
with `reactions` added. A refusal is 400 `{"error": "..."}`, in Telegram's words where it has some.

    GET    state                                    bot, people, chats with topics, budget, webhook
    GET    chats/{chat}/topics/{thread}/messages    ?before=id&limit=100 -> {messages, more}, oldest first
    POST   chats/{chat}/messages                    {thread?, as?, text, entities?, reply_to?} -> message
                                                    {thread?, as?, kind, caption?, reply_to?} -> message;
                                                    kind: photo voice document video sticker location
    POST   chats/{chat}/messages/{id}/edit          {as?, text, entities?} -> message
    POST   chats/{chat}/messages/{id}/reaction      {as?, emoji} -> message ("" takes it back)
    DELETE chats/{chat}/messages/{id}               ?as=
    POST   chats/{chat}/topics                      {as?, name, icon_color?} -> topic
    POST   chats/{chat}/topics/{thread}/rename      {as?, name} -> topic
    POST   chats/{chat}/topics/{thread}/close       {as?} -> topic; likewise reopen, delete
    POST   chats/{chat}/topics/{thread}/read        nothing is unread any more
    POST   chats                                    {title?, type?, is_forum?, bot?} -> chat;
                                                    type: supergroup group; bot: a status or none
    POST   chats/{chat}/bot                         {status, rights?, as?} -> chat
    POST   chats/{chat}/forum                       {on} -> chat
    POST   chats/{chat}/people                      {first_name, username?, status?} -> person
    POST   chats/{chat}/people/{person}             {status, rights?, as?} -> chat
    GET    calls                                    ?after=N&wait=seconds&method=name -> {last, calls}
    GET    events                                   server-sent {type, chat, thread?, topic?, message?};
                                                    message edited deleted topic_deleted read chat typing

`rights` is a list of names such as `can_manage_topics`; absent it means all that the status can have.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from topicwire.sandbox import shapes, views
from topicwire.sandbox.answers import RefusedError, bad_request
from topicwire.sandbox.calls import CallLog
from topicwire.sandbox.clock import Clock
from topicwire.sandbox.flood import Limits
from topicwire.sandbox.live import Live
from topicwire.sandbox.operators import Operators
from topicwire.sandbox.updates import Feed
from topicwire.sandbox.webhook import WebhookEngine
from topicwire.sandbox.world import ADMIN_RIGHTS, ANONYMOUS, MARA, Chat, Topic, World

Json = dict[str, Any]
Act = Callable[[Request, Json], Awaitable[Any]]

LONGEST_WAIT_SECONDS = 60
PAGE = 100


class Control:
    """The routes of the control API."""

    def __init__(
        self,
        world: World,
        operators: Operators,
        *,
        calls: CallLog,
        live: Live,
        feed: Feed,
        limits: Limits,
        webhook: WebhookEngine,
        clock: Clock,
    ) -> None:
        self._world = world
        self._operators = operators
        self._calls = calls
        self._live = live
        self._feed = feed
        self._limits = limits
        self._webhook = webhook
        self._clock = clock

    def routes(self) -> list[Route]:
        topic = "/chats/{chat:signed}/topics/{thread:signed}"
        message = "/chats/{chat:signed}/messages/{message:signed}"
        return [
            _get("/state", self.state),
            _get("/calls", self.calls),
            Route("/events", self.events, methods=["GET"]),
            _get(f"{topic}/messages", self.messages),
            _post("/chats", self.create_chat),
            _post("/chats/{chat:signed}/messages", self.post),
            _post(f"{message}/edit", self.edit),
            _post(f"{message}/reaction", self.react),
            Route(message, _act(self.delete), methods=["DELETE"]),
            _post("/chats/{chat:signed}/topics", self.create_topic),
            _post(f"{topic}/rename", self.rename),
            _post(f"{topic}/close", self.close),
            _post(f"{topic}/reopen", self.reopen),
            _post(f"{topic}/delete", self.delete_topic),
            _post(f"{topic}/read", self.read),
            _post("/chats/{chat:signed}/bot", self.set_bot),
            _post("/chats/{chat:signed}/forum", self.set_forum),
            _post("/chats/{chat:signed}/people", self.add_person),
            _post("/chats/{chat:signed}/people/{person:signed}", self.set_person),
        ]

    async def state(self, _: Request, __: Json) -> Json:
        return {
            "bot": shapes.user(self._world.bot),
            "people": views.people(self._world),
            "anonymous": ANONYMOUS,
            "chats": [self._chat_view(chat) for chat in self._world.chats.values()],
            "webhook": {
                "url": self._webhook.settings.url,
                "pending": len(self._feed.state.pending),
                **self._webhook.settings.trouble(),
            },
            "now": self._clock.now(),
        }

    async def calls(self, request: Request, _: Json) -> Json:
        after = _number(request.query_params.get("after", "0"), "after")
        wait = min(_number(request.query_params.get("wait", "0"), "wait"), LONGEST_WAIT_SECONDS)
        method = request.query_params.get("method", "").lower()
        calls = await self._calls.wait_after(after, wait) if wait else self._calls.after(after)
        return {
            "last": self._calls.count,
            "calls": [call for call in calls if not method or call.method.lower() == method],
        }

    async def events(self, _: Request) -> Response:
        return StreamingResponse(
            self._live.stream(), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    async def messages(self, request: Request, _: Json) -> Json:
        chat = self._chat(request)
        topic = self._topic(request, chat)
        before = _number(request.query_params.get("before", "0"), "before")
        limit = min(max(_number(request.query_params.get("limit", str(PAGE)), "limit"), 1), 1000)
        ids = [each for each in topic.messages if each < before] if before else topic.messages
        return {
            "messages": [views.message(self._world, chat, chat.messages[each]) for each in ids[-limit:]],
            "more": len(ids) > limit,
        }

    async def create_chat(self, _: Request, body: Json) -> Json:
        kind = _text(body, "type", "supergroup")
        is_forum = bool(body.get("is_forum", kind == "supergroup"))
        bot = _text(body, "bot", "administrator")
        return self._chat_view(
            self._operators.create_chat(_text(body, "title", "Group"), kind, is_forum=is_forum, bot=bot)
        )

    async def post(self, request: Request, body: Json) -> Json:
        chat = self._chat(request)
        if "kind" in body:
            content = self._operators.media(_text(body, "kind"), _text(body, "caption"))
        else:
            content = self._operators.text(_text(body, "text"), body.get("entities"))
        thread, reply_to = _optional_id(body, "thread"), _optional_id(body, "reply_to")
        said = self._operators.post(chat, _author(body), thread, content, reply_to)
        return views.message(self._world, chat, said)

    async def edit(self, request: Request, body: Json) -> Json:
        chat = self._chat(request)
        message_id = request.path_params["message"]
        text, entities = _text(body, "text"), body.get("entities")
        return views.message(
            self._world, chat, self._operators.edit(chat, _author(body), message_id, text, entities)
        )

    async def react(self, request: Request, body: Json) -> Json:
        chat = self._chat(request)
        message_id = request.path_params["message"]
        said = self._operators.react(chat, _author(body), message_id, _text(body, "emoji"))
        return views.message(self._world, chat, said)

    async def delete(self, request: Request, _: Json) -> Json:
        who = _number(request.query_params.get("as", str(MARA)), "as")
        self._operators.delete(self._chat(request), who, request.path_params["message"])
        return {}

    async def create_topic(self, request: Request, body: Json) -> Json:
        chat = self._chat(request)
        color = _optional_id(body, "icon_color") or 0
        topic = self._operators.create_topic(chat, _author(body), _text(body, "name"), color)
        return views.topic(self._world, chat, topic)

    async def rename(self, request: Request, body: Json) -> Json:
        chat = self._chat(request)
        thread = request.path_params["thread"]
        return self._topic_view(
            chat, self._operators.rename(chat, _author(body), thread, _text(body, "name"))
        )

    async def close(self, request: Request, body: Json) -> Json:
        chat = self._chat(request)
        return self._topic_view(
            chat, self._operators.close(chat, _author(body), request.path_params["thread"])
        )

    async def reopen(self, request: Request, body: Json) -> Json:
        chat = self._chat(request)
        return self._topic_view(
            chat, self._operators.reopen(chat, _author(body), request.path_params["thread"])
        )

    async def delete_topic(self, request: Request, body: Json) -> Json:
        chat = self._chat(request)
        self._operators.delete_topic(chat, _author(body), request.path_params["thread"])
        return {}

    async def read(self, request: Request, _: Json) -> Json:
        self._operators.read(self._chat(request), request.path_params["thread"])
        return {}

    async def set_bot(self, request: Request, body: Json) -> Json:
        chat = self._chat(request)
        self._operators.set_bot(chat, _text(body, "status"), _rights(body), actor=_author(body))
        return self._chat_view(chat)

    async def set_forum(self, request: Request, body: Json) -> Json:
        chat = self._chat(request)
        self._operators.set_forum(chat, is_forum=bool(body.get("on")))
        return self._chat_view(chat)

    async def add_person(self, request: Request, body: Json) -> Json:
        chat = self._chat(request)
        name, username = _text(body, "first_name"), _text(body, "username")
        return shapes.user(self._operators.add_person(chat, name, username, _text(body, "status", "member")))

    async def set_person(self, request: Request, body: Json) -> Json:
        chat = self._chat(request)
        person = request.path_params["person"]
        self._operators.set_member(chat, person, _text(body, "status"), _rights(body), actor=_author(body))
        return self._chat_view(chat)

    def _chat(self, request: Request) -> Chat:
        return self._operators.chat(request.path_params["chat"])

    def _topic(self, request: Request, chat: Chat) -> Topic:
        return self._operators.topic(chat, request.path_params["thread"])

    def _topic_view(self, chat: Chat, topic: Topic) -> Json:
        return views.topic(self._world, chat, topic)

    def _chat_view(self, chat: Chat) -> Json:
        rate = self._limits.group
        shape = views.chat(self._world, chat)
        if rate is not None:
            left = self._limits.left(chat.id, self._clock.now())
            shape["budget"] = {"left": left, "calls": rate.calls, "seconds": rate.seconds}
        return shape


def _get(path: str, act: Act) -> Route:
    return Route(path, _act(act), methods=["GET"])


def _post(path: str, act: Act) -> Route:
    return Route(path, _act(act), methods=["POST"])


def _act(act: Act) -> Callable[[Request], Awaitable[Response]]:
    """A route's function: decodes the body, encodes the answer, makes refusals 400."""

    async def respond(request: Request) -> Response:
        try:
            answer = await act(request, _decode(await request.body()))
        except RefusedError as refused:
            error = refused.description.removeprefix("Bad Request: ")
            return _json({"error": error}, status=400)
        return _json(answer)

    return respond


def _json(answer: Any, status: int = 200) -> Response:
    return Response(
        msgspec.json.encode(answer),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def _decode(body: bytes) -> Json:
    if not body:
        return {}
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise bad_request(f"the body must be a JSON object: {error}") from None


def _text(body: Json, name: str, default: str = "") -> str:
    value = body.get(name, default)
    if not isinstance(value, str):
        raise bad_request(f"{name} must be text")
    return value


def _optional_id(body: Json, name: str) -> int | None:
    value = body.get(name)
    if value is not None and not isinstance(value, int):
        raise bad_request(f"{name} must be a whole number")
    return value


def _author(body: Json) -> int:
    return _optional_id(body, "as") or MARA


def _rights(body: Json) -> list[str] | None:
    rights = body.get("rights")
    if rights is not None and (
        not isinstance(rights, list) or not all(isinstance(each, str) for each in rights)
    ):
        raise bad_request(f"rights must be a list of names such as {ADMIN_RIGHTS[-2]}")
    return rights


def _number(raw: str, name: str) -> int:
    try:
        return int(raw)
    except ValueError:
        raise bad_request(f"{name} must be a whole number") from None
