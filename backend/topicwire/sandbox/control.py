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
    POST   chats/{chat}/upload                      ?kind=&name=&caption=&as=&thread=&reply_to=
                                                    and a file's bytes
    POST   chats/{chat}/album                       {thread?, as?, kinds, caption?} -> {messages}
    POST   chats/{chat}/messages/{id}/pin           {as?, on?}
    POST   chats/{chat}/messages/{id}/press         {as?, data} of a button under it
    POST   chats/{chat}/bot                         {status, rights?, as?, bot?} -> chat
    POST   chats/{chat}/title                       {title, as?} -> chat
    POST   chats/{chat}/forum                       {on} -> chat; another one if it was a basic group
    POST   chats/{chat}/migrate                     -> the supergroup that it became
    POST   chats/{chat}/destroy                     the group is deleted -> chat
    POST   people/{person}                          {is_deleted?, blocked?: [bots]} -> person
    GET    files/{unique id}                        a file's bytes
    POST   chats/{chat}/people                      {first_name, username?, status?} -> person
    POST   chats/{chat}/people/{person}             {status, rights?, as?} -> chat
    GET    calls                                    ?after=N&last=N&wait=seconds&method=name
                                                    -> {last, calls}
    GET    events                                   server-sent {type, chat, thread?, topic?, message?};
                                                    message edited deleted topic_deleted read chat typing
                                                    call faults clock

Faults, bots and the clock: see `switches.py`. `rights` is a list of names such as `can_manage_topics`;
absent it means all that the status can have.
"""

from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from topicwire.sandbox import shapes, views
from topicwire.sandbox.accounts import Account
from topicwire.sandbox.arguments import Upload
from topicwire.sandbox.budget import budget
from topicwire.sandbox.calls import CallLog
from topicwire.sandbox.clock import Clock, ManualClock
from topicwire.sandbox.faults import Faults
from topicwire.sandbox.files import Files, shown_type
from topicwire.sandbox.live import Live
from topicwire.sandbox.operators import Operators
from topicwire.sandbox.requests import author, delete, get, number, optional_id, post, rights, text_of
from topicwire.sandbox.switches import Switches, bot_view
from topicwire.sandbox.world import ANONYMOUS, MARA, Chat, Topic, World

Json = dict[str, Any]

LONGEST_WAIT_SECONDS = 60
PAGE = 100


class Control:
    """The routes of the control API."""

    def __init__(
        self,
        world: World,
        operators: Operators,
        *,
        accounts: Mapping[int, Account],
        add_bot: Callable[[str, str], Account],
        calls: CallLog,
        faults: Faults,
        files: Files,
        live: Live,
        clock: Clock,
    ) -> None:
        self._world = world
        self._files = files
        self._operators = operators
        self._accounts = accounts
        self._calls = calls
        self._faults = faults
        self._live = live
        self._clock = clock
        self._switches = Switches(faults, accounts, add_bot, live, clock)

    def routes(self) -> list[Route]:
        topic = "/chats/{chat:signed}/topics/{thread:signed}"
        message = "/chats/{chat:signed}/messages/{message:signed}"
        return [
            get("/state", self.state),
            get("/calls", self.calls),
            Route("/events", self.events, methods=["GET"]),
            get(f"{topic}/messages", self.messages),
            post("/chats", self.create_chat),
            post("/chats/{chat:signed}/messages", self.post),
            post(f"{message}/edit", self.edit),
            post(f"{message}/reaction", self.react),
            delete(message, self.delete),
            post("/chats/{chat:signed}/topics", self.create_topic),
            post(f"{topic}/rename", self.rename),
            post(f"{topic}/close", self.close),
            post(f"{topic}/reopen", self.reopen),
            post(f"{topic}/delete", self.delete_topic),
            post(f"{topic}/read", self.read),
            post("/chats/{chat:signed}/bot", self.set_bot),
            post("/chats/{chat:signed}/forum", self.set_forum),
            post("/chats/{chat:signed}/people", self.add_person),
            post("/chats/{chat:signed}/people/{person:signed}", self.set_person),
            post("/chats/{chat:signed}/upload", self.upload, with_body=False),
            post("/chats/{chat:signed}/album", self.album),
            post(f"{message}/pin", self.pin),
            post(f"{message}/press", self.press),
            post("/chats/{chat:signed}/title", self.set_title),
            post("/chats/{chat:signed}/migrate", self.migrate),
            post("/chats/{chat:signed}/destroy", self.destroy),
            post("/people/{person:int}", self.change_person),
            Route("/files/{unique}", self.file, methods=["GET"]),
            *self._switches.routes(),
        ]

    async def state(self, _: Request, __: Json) -> Json:
        return {
            "bot": shapes.user(self._world.bot),
            "people": views.people(self._world),
            "anonymous": ANONYMOUS,
            "chats": [self._chat_view(chat) for chat in self._world.chats.values()],
            "bots": [bot_view(account) for account in self._accounts.values()],
            "webhook": bot_view(self._accounts[self._world.bot.id])["webhook"],
            "faults": self._faults.active,
            "now": self._clock.now(),
            "driven": isinstance(self._clock, ManualClock),
        }

    async def calls(self, request: Request, _: Json) -> Json:
        last = number(request.query_params.get("last", "0"), "last")
        since = max(self._calls.count - last, 0) if last else 0
        after = max(number(request.query_params.get("after", "0"), "after"), since)
        wait = min(number(request.query_params.get("wait", "0"), "wait"), LONGEST_WAIT_SECONDS)
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
        before = number(request.query_params.get("before", "0"), "before")
        limit = min(max(number(request.query_params.get("limit", str(PAGE)), "limit"), 1), 1000)
        ids = [each for each in topic.messages if each < before] if before else topic.messages
        return {
            "messages": [views.message(self._world, chat, chat.messages[each]) for each in ids[-limit:]],
            "more": len(ids) > limit,
        }

    async def create_chat(self, _: Request, body: Json) -> Json:
        kind = text_of(body, "type", "supergroup")
        is_forum = bool(body.get("is_forum", kind == "supergroup"))
        bot = text_of(body, "bot", "administrator")
        return self._chat_view(
            self._operators.create_chat(text_of(body, "title", "Group"), kind, is_forum=is_forum, bot=bot)
        )

    async def post(self, request: Request, body: Json) -> Json:
        chat = self._chat(request)
        if "kind" in body:
            content = self._operators.media(text_of(body, "kind"), text_of(body, "caption"))
        else:
            content = self._operators.text(text_of(body, "text"), body.get("entities"))
        thread, reply_to = optional_id(body, "thread"), optional_id(body, "reply_to")
        said = self._operators.post(chat, author(body), thread, content, reply_to)
        return views.message(self._world, chat, said)

    async def edit(self, request: Request, body: Json) -> Json:
        chat = self._chat(request)
        message_id = request.path_params["message"]
        text, entities = text_of(body, "text"), body.get("entities")
        return views.message(
            self._world, chat, self._operators.edit(chat, author(body), message_id, text, entities)
        )

    async def react(self, request: Request, body: Json) -> Json:
        chat = self._chat(request)
        message_id = request.path_params["message"]
        said = self._operators.react(chat, author(body), message_id, text_of(body, "emoji"))
        return views.message(self._world, chat, said)

    async def delete(self, request: Request, _: Json) -> Json:
        who = number(request.query_params.get("as", str(MARA)), "as")
        self._operators.delete(self._chat(request), who, request.path_params["message"])
        return {}

    async def create_topic(self, request: Request, body: Json) -> Json:
        chat = self._chat(request)
        color = optional_id(body, "icon_color") or 0
        topic = self._operators.create_topic(chat, author(body), text_of(body, "name"), color)
        return views.topic(self._world, chat, topic)

    async def rename(self, request: Request, body: Json) -> Json:
        chat = self._chat(request)
        thread = request.path_params["thread"]
        return self._topic_view(
            chat, self._operators.rename(chat, author(body), thread, text_of(body, "name"))
        )

    async def close(self, request: Request, body: Json) -> Json:
        chat = self._chat(request)
        return self._topic_view(
            chat, self._operators.close(chat, author(body), request.path_params["thread"])
        )

    async def reopen(self, request: Request, body: Json) -> Json:
        chat = self._chat(request)
        return self._topic_view(
            chat, self._operators.reopen(chat, author(body), request.path_params["thread"])
        )

    async def delete_topic(self, request: Request, body: Json) -> Json:
        chat = self._chat(request)
        self._operators.delete_topic(chat, author(body), request.path_params["thread"])
        return {}

    async def read(self, request: Request, _: Json) -> Json:
        self._operators.read(self._chat(request), request.path_params["thread"])
        return {}

    async def set_bot(self, request: Request, body: Json) -> Json:
        chat = self._chat(request)
        bot_id = optional_id(body, "bot")
        status = text_of(body, "status")
        self._operators.set_bot(chat, status, rights(body), actor=author(body), bot_id=bot_id)
        return self._chat_view(chat)

    async def set_forum(self, request: Request, body: Json) -> Json:
        chat = self._chat(request)
        return self._chat_view(self._operators.set_forum(chat, is_forum=bool(body.get("on"))))

    async def upload(self, request: Request, _: Json) -> Json:
        chat, asked = self._chat(request), request.query_params
        mime = request.headers.get("content-type", "")
        upload = Upload(asked.get("name", ""), mime, await request.body())
        kind, caption = asked.get("kind", "document"), asked.get("caption", "")
        content = await self._operators.upload(kind, upload, caption)
        who, thread = number(asked.get("as", str(MARA)), "as"), number(asked.get("thread", "1"), "thread")
        reply_to = number(asked["reply_to"], "reply_to") if "reply_to" in asked else None
        return views.message(self._world, chat, self._operators.post(chat, who, thread, content, reply_to))

    async def album(self, request: Request, body: Json) -> Json:
        chat, kinds = self._chat(request), body.get("kinds") or []
        contents = [self._operators.media(str(kind), "") for kind in kinds]
        if contents and text_of(body, "caption"):
            contents[0] = self._operators.media(str(kinds[0]), text_of(body, "caption"))
        said = self._operators.album(chat, author(body), optional_id(body, "thread"), contents)
        return {"messages": [views.message(self._world, chat, each) for each in said]}

    async def pin(self, request: Request, body: Json) -> Json:
        message_id, on = request.path_params["message"], bool(body.get("on", True))
        self._operators.pin(self._chat(request), author(body), message_id, on=on)
        return {}

    async def press(self, request: Request, body: Json) -> Json:
        message_id = request.path_params["message"]
        self._operators.press(self._chat(request), author(body), message_id, text_of(body, "data"))
        return {}

    async def set_title(self, request: Request, body: Json) -> Json:
        chat = self._chat(request)
        self._operators.set_title(chat, author(body), text_of(body, "title"))
        return self._chat_view(chat)

    async def migrate(self, request: Request, _: Json) -> Json:
        return self._chat_view(self._operators.migrate(self._chat(request)))

    async def destroy(self, request: Request, _: Json) -> Json:
        chat = self._chat(request)
        self._operators.destroy(chat)
        return self._chat_view(chat)

    async def change_person(self, request: Request, body: Json) -> Json:
        blocked, is_deleted = body.get("blocked"), body.get("is_deleted")
        person = self._operators.set_person(
            request.path_params["person"],
            is_deleted=None if is_deleted is None else bool(is_deleted),
            blocked=None if blocked is None else [int(each) for each in blocked],
        )
        return shapes.user(person)

    async def file(self, request: Request) -> Response:
        stored = self._world.files.get(request.path_params["unique"])
        content = await self._files.content(stored) if stored else None
        if stored is None or content is None:
            return Response(status_code=404)
        kind = "image/png" if content.startswith(b"\x89PNG") else shown_type(stored.mime)
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
        return Response(content, media_type=kind, headers=headers)

    async def add_person(self, request: Request, body: Json) -> Json:
        chat = self._chat(request)
        name, username = text_of(body, "first_name"), text_of(body, "username")
        return shapes.user(
            self._operators.add_person(chat, name, username, text_of(body, "status", "member"))
        )

    async def set_person(self, request: Request, body: Json) -> Json:
        chat = self._chat(request)
        person = request.path_params["person"]
        self._operators.set_member(chat, person, text_of(body, "status"), rights(body), actor=author(body))
        return self._chat_view(chat)

    def _chat(self, request: Request) -> Chat:
        return self._operators.chat(request.path_params["chat"])

    def _topic(self, request: Request, chat: Chat) -> Topic:
        return self._operators.topic(chat, request.path_params["thread"])

    def _topic_view(self, chat: Chat, topic: Topic) -> Json:
        return views.topic(self._world, chat, topic)

    def _chat_view(self, chat: Chat) -> Json:
        shape = views.chat(self._world, chat)
        shape["bots"] = [self._bot_in(chat, account) for account in self._accounts.values()]
        return shape | self._budget(chat, self._accounts[self._world.bot.id])

    def _bot_in(self, chat: Chat, account: Account) -> Json:
        role = chat.member(account.id)
        shape = {"id": account.id, "status": role.status, "rights": role.rights}
        return shape | self._budget(chat, account)

    def _budget(self, chat: Chat, account: Account) -> Json:
        left = budget(account, chat.id, self._clock.now())
        return {"budget": left} if left else {}
