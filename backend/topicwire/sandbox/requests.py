"""Reading and answering requests of the control API: JSON in, JSON out, refusals as 400."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from topicwire.sandbox.answers import RefusedError, bad_request
from topicwire.sandbox.world import ADMIN_RIGHTS, MARA

Json = dict[str, Any]
Act = Callable[[Request, Json], Awaitable[Any]]


def get(path: str, act: Act) -> Route:
    return Route(path, _route(act), methods=["GET"])


def post(path: str, act: Act, *, with_body: bool = True) -> Route:
    """A route; without `with_body` the body is no JSON, and the act reads it itself."""
    return Route(path, _route(act, with_body=with_body), methods=["POST"])


def delete(path: str, act: Act) -> Route:
    return Route(path, _route(act), methods=["DELETE"])


def text_of(body: Json, name: str, default: str = "") -> str:
    """A text of the body. RefusedError for anything else."""
    value = body.get(name, default)
    if not isinstance(value, str):
        raise bad_request(f"{name} must be text")
    return value


def optional_id(body: Json, name: str) -> int | None:
    """A whole number of the body, None if it is not there. RefusedError for anything else."""
    value = body.get(name)
    if value is not None and not isinstance(value, int):
        raise bad_request(f"{name} must be a whole number")
    return value


def author(body: Json) -> int:
    """Who does it: `as`, or Mara."""
    return optional_id(body, "as") or MARA


def rights(body: Json) -> list[str] | None:
    """The rights that are named, None for all that there are. RefusedError for anything else."""
    named = body.get("rights")
    if named is not None and (
        not isinstance(named, list) or not all(isinstance(each, str) for each in named)
    ):
        raise bad_request(f"rights must be a list of names such as {ADMIN_RIGHTS[-2]}")
    return named


def number(raw: str, name: str) -> int:
    """A whole number of the address. RefusedError for anything else."""
    try:
        return int(raw)
    except ValueError:
        raise bad_request(f"{name} must be a whole number") from None


def _route(act: Act, *, with_body: bool = True) -> Callable[[Request], Awaitable[Response]]:
    """A route's function: decodes the body, encodes the answer, makes refusals 400."""

    async def respond(request: Request) -> Response:
        try:
            answer = await act(request, _decode(await request.body()) if with_body else {})
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
