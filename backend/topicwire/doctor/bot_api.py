"""The Bot API as bare HTTP: what was answered and nothing less, where a library would hide details."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp

PATIENCE = 30.0  # seconds; Telegram sleeps up to 8 s inside a call before it refuses one
WORDS = 120  # of an answer that makes no sense, shown to people

Via = Literal["form", "json", "query"]


class NoAnswer(Exception):
    """Nothing came back, or nothing of the Bot API's own: the call may or may not have had an effect."""


@dataclass(frozen=True)
class Upload:
    """A file to send along with a call."""

    name: str
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a call was answered; `date` is the server's clock as its header tells it."""

    status: int
    ok: bool
    result: Any = None
    description: str = ""
    retry_after: int | None = None
    date: str | None = None

    def __str__(self) -> str:
        if not self.ok:
            return f"{self.status} {self.description}"
        return json.dumps(self.result, ensure_ascii=False)


class BotApi:
    """One bot's calls. Raises `NoAnswer`, whose text never shows the token."""

    def __init__(self, http: aiohttp.ClientSession, base: str, token: str) -> None:
        self._http = http
        self._base = base
        self._token = token

    async def call(
        self, method: str, params: Mapping[str, Any], *, token: str | None = None, via: Via = "form"
    ) -> Answer:
        """Call a method; None among the parameters leaves one out. `token` takes the place of ours."""
        given = {name: value for name, value in params.items() if value is not None}
        url = f"{self._base}/bot{token or self._token}/{method}"
        if via == "query":
            return await self._exchange("GET", url, params=_fields(given))
        if via == "json":
            return await self._exchange("POST", url, json=given)
        return await self._exchange("POST", url, data=_form(given))

    async def download(self, path: str) -> Answer:
        """Fetch a file by the path that getFile gave; its content as text is the result."""
        return await self._exchange("GET", f"{self._base}/file/bot{self._token}/{path}")

    async def _exchange(self, verb: str, url: str, **request: Any) -> Answer:
        try:
            async with self._http.request(verb, url, allow_redirects=False, **request) as response:
                body = await response.read()
                is_file = response.status == 200 and "/file/bot" in url
                return _file(body) if is_file else _answer(response, body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            words = str(error) or type(error).__name__
            raise NoAnswer(words.replace(self._token, "<token>")) from None  # the cause carries the address


@asynccontextmanager
async def speaking(base: str, token: str) -> AsyncIterator[BotApi]:
    """A bot's voice for as long as the block runs."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE)) as http:
        yield BotApi(http, base, token)


def _form(given: Mapping[str, Any]) -> aiohttp.FormData | dict[str, str]:
    uploads = {name: value for name, value in given.items() if isinstance(value, Upload)}
    fields = _fields({name: value for name, value in given.items() if name not in uploads})
    if not uploads:
        return fields
    form = aiohttp.FormData(fields)
    for name, upload in uploads.items():
        form.add_field(name, upload.content, filename=upload.name)
    return form


def _fields(given: Mapping[str, Any]) -> dict[str, str]:
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}


def _file(body: bytes) -> Answer:
    return Answer(status=200, ok=True, result=body.decode(errors="replace"))


def _answer(response: aiohttp.ClientResponse, body: bytes) -> Answer:
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    if not isinstance(told, dict) or "ok" not in told or response.status >= 500:
        raise NoAnswer(f"HTTP {response.status}: {body[:WORDS].decode(errors='replace')!r}")
    parameters = told.get("parameters") or {}
    return Answer(
        status=response.status,
        ok=told["ok"] is True,
        result=told.get("result"),
        description=str(told.get("description", "")),
        retry_after=parameters.get("retry_after"),
        date=response.headers.get("Date"),
    )
