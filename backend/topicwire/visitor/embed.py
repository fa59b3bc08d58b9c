"""The widget's files, as other people's pages load them, and the demo page.

`/widget.js` is small and asked for often; it names the version of the modules, so that those may
be kept for ever.
"""

import gzip
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

WIDGET = Path(__file__).parents[3] / "widget"
TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".html": "text/html",
    ".svg": "image/svg+xml",
}
FOR_EVER = "public, max-age=31536000, immutable"
FIVE_MINUTES = "public, max-age=300"
ANY_ORIGIN = {"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff"}


class File:
    """One file, with what browsers need to know of it, compressed once."""

    def __init__(self, name: str, content: bytes) -> None:
        self.content = content
        self.compressed = gzip.compress(content, mtime=0)
        self.tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        self.type = TYPES.get(Path(name).suffix, "application/octet-stream")

    def answer(self, request: Request, headers: dict[str, str]) -> Response:
        """The file, compressed where that is understood; 304 where it is known."""
        headers = {**headers, "ETag": self.tag, "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == self.tag:
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(self.compressed, media_type=self.type, headers=headers)
        return Response(self.content, media_type=self.type, headers=headers)


class Files:
    """The widget's files, read once: a hundred kilobytes."""

    def __init__(self, folder: Path = WIDGET) -> None:
        sources = {path.name: path.read_bytes() for path in _files(folder, ".js", ".css")}
        content = b"".join(name.encode() + data for name, data in sources.items())
        self.version = hashlib.sha256(content).hexdigest()[:16]
        script = sources["embed.js"].replace(
            b'const VERSION = "dev";', f'const VERSION = "{self.version}";'.encode()
        )
        self._script = File("embed.js", script)
        self._modules = {name: File(name, data) for name, data in sources.items()}
        self._demo = {
            path.name: File(path.name, path.read_bytes()) for path in _files(folder / "demo", *TYPES)
        }

    def routes(self) -> list[Route]:
        """The widget, for pages of any origin."""
        return [Route("/widget.js", self._embed), Route("/widget/{version}/{name}", self._module)]

    def demo_routes(self, first_key: Callable[[Request], Awaitable[str | None]]) -> list[Route]:
        """The demo shop, which writes to the project of `?key=`, else to the one that `first_key` names."""

        async def shop(request: Request) -> Response:
            if "key" not in request.query_params and (key := await first_key(request)):
                return RedirectResponse(request.url.include_query_params(key=key))
            return await self._page(request)

        return [Route("/demo", shop), Route("/demo/{name}", self._page)]

    async def _embed(self, request: Request) -> Response:
        return self._script.answer(request, {**ANY_ORIGIN, "Cache-Control": FIVE_MINUTES})

    async def _module(self, request: Request) -> Response:
        found = self._modules.get(request.path_params["name"])
        if found is None:
            return Response("There is no such file.", 404, media_type="text/plain", headers=ANY_ORIGIN)
        # A page that holds an old embed.js still works, but must not keep new files under an old name.
        current = request.path_params["version"] == self.version
        return found.answer(request, {**ANY_ORIGIN, "Cache-Control": FOR_EVER if current else "no-cache"})

    async def _page(self, request: Request) -> Response:
        found = self._demo.get(request.path_params.get("name", "index.html"))
        if found is None:
            return Response("There is no such page.", 404, media_type="text/plain")
        return found.answer(request, {"Cache-Control": "no-cache"})


def _files(folder: Path, *endings: str) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in endings)
