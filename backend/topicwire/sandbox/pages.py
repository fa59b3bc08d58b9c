"""The console's files: a page, its scripts and its looks, with nothing from elsewhere."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_FILES = Path(__file__).parent / "console"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",  # the address is the key to the console
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def page_routes() -> list[Route]:
    """`/` and one route a file."""
    files = [path for path in _FILES.iterdir() if path.suffix in _TYPES]
    return [_route("/", _FILES / "index.html"), *(_route(f"/{path.name}", path) for path in files)]


def _route(address: str, path: Path) -> Route:
    body, kind = path.read_bytes(), _TYPES[path.suffix]

    async def serve(_: Request) -> Response:
        return Response(body, media_type=kind, headers=_HEADERS)

    return Route(address, serve, methods=["GET"])
