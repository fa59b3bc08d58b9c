"""The web process: routes, lifespan, and how uvicorn runs it."""

import asyncio
import contextlib
import hmac
from collections.abc import AsyncIterator

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from topicwire import logs, wiring
from topicwire.domain import projects
from topicwire.errors import UnavailableError
from topicwire.settings import Settings, is_loopback
from topicwire.visitor import socket
from topicwire.visitor.embed import Files

LARGEST_MESSAGE = 128 * 1024  # bytes; beyond, the WebSocket library itself closes with 1009
GRACE = 10  # seconds for what is under way when the process is told to stop


def create(settings: Settings) -> Starlette:
    """The whole web application."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with wiring.web(settings) as parts:
            app.state.parts = parts
            yield

    files = Files()
    routes = [
        WebSocketRoute("/v1/widget/ws", _visitor),
        Route("/telegram/{bot_id}", _telegram, methods=["POST"]),
        Route("/healthz", _healthz),
        Route("/readyz", _readyz),
        Route("/metrics", _metrics),
        *files.routes(),
    ]
    if settings.local:  # the demo shop is nobody else's business
        routes += files.demo_routes(_first_key)
    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.settings = settings
    return app


def _parts(connection: Request | WebSocket) -> wiring.Web:
    parts: wiring.Web = connection.app.state.parts
    return parts


async def _visitor(websocket: WebSocket) -> None:
    await socket.serve(_parts(websocket).desk, websocket)


async def _telegram(request: Request) -> Response:
    return await _parts(request).webhook.receive(request)


async def _first_key(request: Request) -> str | None:
    async with _parts(request).services.db.statement() as db:
        oldest = await projects.every(db)
    return str(oldest[0]["key"]) if oldest else None


async def _healthz(request: Request) -> Response:
    """The process is alive."""
    return JSONResponse({"status": "ok"})


async def _metrics(request: Request) -> Response:
    """The figures of all processes, for this machine or who has `METRICS_TOKEN`."""
    if not _may_look_inside(request):
        return Response(status_code=404)
    return Response(await _parts(request).exposition.show(), media_type=CONTENT_TYPE_LATEST)


def _may_look_inside(request: Request) -> bool:
    settings: Settings = request.app.state.settings
    if request.client is not None and is_loopback(request.client.host):
        return True
    given = request.headers.get("authorization", "").encode()
    token = settings.metrics_token
    return token is not None and hmac.compare_digest(given, f"Bearer {token}".encode())


async def _readyz(request: Request) -> Response:
    """Database, Redis, and a worker seen lately; 503 otherwise, to those who may see it with names."""
    services = _parts(request).services
    failing = []
    try:
        async with asyncio.timeout(3), services.db.statement() as db:
            await db.execute(text("SELECT 1"))
    except (UnavailableError, TimeoutError):
        failing.append("database")
    failing += await services.jobs.failing()
    answer: dict[str, object] = {"status": "failing" if failing else "ok"}
    if _may_look_inside(request):
        answer["failing"] = failing
    return JSONResponse(answer, 503 if failing else 200)


def serve(settings: Settings) -> None:
    """Run one web process until SIGTERM or SIGINT."""
    logs.configure(settings.log_level, settings.log_format)
    config = uvicorn.Config(
        create(settings),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=LARGEST_MESSAGE,
        ws_per_message_deflate=False,  # on, it costs 2.4 times the memory of an idle socket
        ws_ping_interval=20,
        ws_ping_timeout=20,
        timeout_graceful_shutdown=GRACE,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
    )
    uvicorn.Server(config).run()
