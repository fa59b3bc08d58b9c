"""A bare Starlette under the settings of uvicorn that ours runs with: `python -m bench.bare`.

It accepts sockets and listens to them, which is the floor of an idle one.
"""

import contextlib
import os

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect


async def healthz(_: Request) -> Response:
    """It is alive."""
    return Response(status_code=200)


async def hold(websocket: WebSocket) -> None:
    """A bare socket: accepted, and listened to."""
    await websocket.accept()
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            await websocket.receive_text()


def serve(app: Starlette) -> None:
    """Serve as topicwire.app.serve does."""
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=128 * 1024,
        ws_per_message_deflate=False,
        ws_ping_interval=20,
        ws_ping_timeout=20,
        timeout_graceful_shutdown=10,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
    )


def main() -> None:
    """Run until told to stop."""
    serve(Starlette(routes=[WebSocketRoute("/ws", hold), Route("/healthz", healthz)]))


if __name__ == "__main__":
    main()
