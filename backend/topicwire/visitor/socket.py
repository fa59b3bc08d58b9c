"""The visitors' socket: from the handshake to the first `hello`.

    accept ─▶ project and origin ─▶ hello ─▶ join the hub ─▶ welcome ─▶ the tab reads frames

Codes of refusal are sent as close codes, after accepting: a browser cannot see anything else.
"""

import asyncio

from starlette.websockets import WebSocket, WebSocketDisconnect

from topicwire import metrics
from topicwire.db import twice
from topicwire.domain import conversations, projects
from topicwire.domain.projects import Project
from topicwire.errors import UnavailableError
from topicwire.visitor import protocol
from topicwire.visitor.desk import Desk
from topicwire.visitor.protocol import FrameRefused
from topicwire.visitor.tab import RESTARTING, Closed, Tab, close, decode, receive, refusal, send
from topicwire.visitor.tokens import Grip


async def serve(desk: Desk, websocket: WebSocket) -> None:
    """Serve one visitor's socket until it is closed."""
    offered = websocket.scope["subprotocols"]
    await websocket.accept(protocol.SUBPROTOCOL if protocol.SUBPROTOCOL in offered else None)
    try:
        project = await _project(desk, websocket)
        await _open(desk, websocket, project, await _hello(websocket))
    except Closed as closed:
        metrics.sockets_closed.labels(str(closed.code)).inc()
        await close(websocket, closed.code)
    except WebSocketDisconnect:
        pass


async def _project(desk: Desk, websocket: WebSocket) -> Project:
    try:
        project = await twice(lambda: _find(desk, websocket.query_params.get("key", "")))
    except UnavailableError as error:
        raise Closed(RESTARTING) from error
    if project is None:
        raise Closed(protocol.NO_PROJECT)
    if not projects.origin_allowed(websocket.headers.get("origin"), project.allowed_origins):
        raise Closed(protocol.BAD_ORIGIN)
    return project


async def _find(desk: Desk, key: str) -> Project | None:
    if "\0" in key:  # PostgreSQL has no such text
        return None
    async with desk.services.db.statement() as db:
        return await projects.by_key(db, key)


async def _open(desk: Desk, websocket: WebSocket, project: Project, hello: protocol.Hello) -> None:
    tab = Tab(websocket, desk, project, _grip(desk, project, hello))
    if not desk.hub.join(tab):
        raise Closed(protocol.TOO_MANY)
    try:
        await tab.welcome(hello)
        await tab.read()
    finally:
        desk.hub.leave(tab)
        await tab.finish()


def _grip(desk: Desk, project: Project, hello: protocol.Hello) -> Grip:
    if hello.token is None:
        return Grip(conversations.new_id(), conversations.new_id(), desk.epoch)
    grip = desk.tokens.read(project.id, hello.token)
    if grip is None:
        raise Closed(protocol.BAD_TOKEN)
    return grip


async def _hello(websocket: WebSocket) -> protocol.Hello:
    """The first frame; a `hello` that is not understood may be said again, in time."""
    try:
        async with asyncio.timeout(protocol.HELLO_WITHIN):
            while True:
                try:
                    frame = decode(await receive(websocket))
                except FrameRefused as refused:
                    if not refused.of_hello:
                        raise Closed(protocol.NO_HELLO) from refused
                    await send(websocket, refusal(refused))
                    continue
                if not isinstance(frame, protocol.Hello):
                    raise Closed(protocol.NO_HELLO)
                return frame
    except TimeoutError as error:
        raise Closed(protocol.HELLO_TIMEOUT) from error
