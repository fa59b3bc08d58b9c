"""A call's arguments: read from query, form, multipart or JSON, and understood as leniently as Telegram does.

The Bot API's server sees every scalar as a string; structured values are JSON in a string.
"""

import re
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec
from starlette.types import Receive, Scope

from topicwire.sandbox.answers import RefusedError, bad_request

BODY_LIMIT_BYTES = 1 << 20
UPLOAD_LIMIT_BYTES = (50 << 20) + BODY_LIMIT_BYTES
FILES_LIMIT = 50

_NUMBER = re.compile(r"-?[0-9]+")
_DISPOSITION = re.compile(rb"content-disposition:\s*form-data;(.*)", re.IGNORECASE)
_DISPOSED = re.compile(rb'\s*([^=;]*?)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))\s*(?:;|$)')
_TYPE = re.compile(rb"content-type:\s*([^\s;]+)", re.IGNORECASE)

_MULTIPART = b"multipart/form-data"


class Upload(NamedTuple):
    """A file of a multipart body."""

    name: str
    mime: str
    content: bytes


Parsed = tuple[dict[str, Any], dict[str, Upload]]


class Arguments:
    """Named values; what is missing is empty, zero or false. Files are apart."""

    def __init__(self, values: dict[str, Any], files: dict[str, Upload] | None = None) -> None:
        self.values = values
        self.files = files or {}

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str) -> str:
        value = self.values.get(name)
        if isinstance(value, str):
            return value
        if value is None:
            return ""
        return msgspec.json.encode(value).decode()

    def integer(self, name: str, default: int = 0) -> int:
        """The leading digits; 0 for anything that is no number, the default for nothing at all."""
        text = self.text(name)
        return to_integer(text) if text else default

    def boolean(self, name: str) -> bool:
        return self.text(name).lower() in ("true", "yes", "1")

    def structure(self, name: str, what: str) -> Any:
        """The decoded JSON, None if absent; `what` names it in the refusal of broken JSON."""
        value = self.values.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeEncodeError):
            raise bad_request(f"can't parse {what} JSON object") from None

    def lenient_structure(self, name: str) -> Any:
        """The decoded JSON; broken JSON counts as absent, as it does for entities and allowed_updates."""
        try:
            return self.structure(name, name)
        except RefusedError:
            return None


def to_integer(text: str) -> int:
    """As the server reads numbers everywhere (tdlib, `to_integer`): a blank in front makes it none."""
    match = _NUMBER.match(text)
    return int(match[0]) if match else 0


async def read_arguments(scope: Scope, receive: Receive) -> Arguments:
    """Every argument of a request, whatever way it came; refuses what is too large or cannot be read."""
    query: bytes = scope["query_string"]
    values: dict[str, Any] = _parse_form(query) if query else {}
    files: dict[str, Upload] = {}
    if scope["method"] == "POST":
        kind = _content_type(scope)
        is_multipart = _MULTIPART in kind.lower()
        body = await _read_body(receive, UPLOAD_LIMIT_BYTES if is_multipart else BODY_LIMIT_BYTES)
        given, files = _parse_body(kind, body)
        values.update(given)
    return Arguments(values, files)


def read_answer(content_type: bytes, body: bytes) -> dict[str, Any]:
    """The arguments of a method that is called in a webhook's answer; nothing if it calls none."""
    try:
        return _parse_body(content_type, body)[0]
    except RefusedError:
        return {}


def _content_type(scope: Scope) -> bytes:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    return next((value for name, value in headers if name == b"content-type"), b"")


async def _read_body(receive: Receive, limit: int) -> bytes:
    event = await receive()
    body: bytes = event.get("body", b"")
    if not event.get("more_body") and len(body) <= limit:
        return body
    chunks, size = [body], len(body)
    while True:
        if size > limit:
            raise RefusedError(413, "Request Entity Too Large")
        if not event.get("more_body"):
            return b"".join(chunks)
        event = await receive()
        chunk = event.get("body", b"")
        size += len(chunk)
        chunks.append(chunk)


def _parse_body(content_type: bytes, body: bytes) -> Parsed:
    """What the type says it is; a body of any other type holds no arguments (tdlib, `HttpReader.cpp`)."""
    kind = content_type.lower()
    if _MULTIPART in kind:
        return _parse_multipart(content_type, body)
    if b"application/x-www-form-urlencoded" in kind:
        return _parse_form(body), {}
    return (_parse_json(body) if b"application/json" in kind else {}), {}


def _parse_form(body: bytes) -> dict[str, Any]:
    # By hand: urllib's `parse_qsl` takes longer than everything else that a call needs.
    values = {}
    for pair in body.decode(errors="surrogateescape").split("&"):
        name, _, value = pair.partition("=")
        if name:
            values[_unquote(name)] = _unquote(value)
    return values


def _unquote(text: str) -> str:
    spaced = text.replace("+", " ")
    return unquote(spaced, errors="surrogateescape") if "%" in spaced else spaced


def _parse_json(body: bytes) -> dict[str, Any]:
    """Broken JSON is no refusal but no arguments; a null is the word, as any scalar is its text."""
    try:
        values = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    if not isinstance(values, dict):
        return {}
    return {name: "null" if value is None else value for name, value in values.items()}


def _parse_multipart(content_type: bytes, body: bytes) -> Parsed:
    boundary = content_type.partition(b"boundary=")[2].partition(b";")[0].strip().strip(b'"')
    if not boundary:
        raise bad_request("boundary not found")
    values: dict[str, Any] = {}
    files: dict[str, Upload] = {}
    for part in body.split(b"--" + boundary)[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        _take_part(head, content.removesuffix(b"\r\n"), values, files)
    parameters = sum(len(value) for value in values.values() if isinstance(value, str))
    if len(files) > FILES_LIMIT or parameters > BODY_LIMIT_BYTES:
        raise RefusedError(413, "Request Entity Too Large")
    return values, files


def _take_part(head: bytes, content: bytes, values: dict[str, Any], files: dict[str, Upload]) -> None:
    disposition = _DISPOSITION.search(head)
    told = _disposed(disposition[1]) if disposition else {}
    field = told.get("name")
    if not field:
        raise bad_request("field name in multipart/form-data not found")
    if "filename" not in told:
        values[field] = content.decode(errors="surrogateescape")
        return
    kind = _TYPE.search(head)
    mime = kind[1].decode(errors="replace") if kind else ""
    files[field] = Upload(told["filename"], mime, content)
    values[field] = {"file_name": files[field].name, "size": len(content)}  # for whoever reads the calls


def _disposed(parameters: bytes) -> dict[str, str]:
    """What a Content-Disposition tells, quoted or not; percent signs are decoded, as the server does."""
    return {
        found[1].decode(errors="replace"): unquote(
            (re.sub(rb"\\(.)", rb"\1", found[2]) if found[2] is not None else found[3].strip()).decode(
                errors="replace"
            )
        )
        for found in _DISPOSED.finditer(parameters)
    }
