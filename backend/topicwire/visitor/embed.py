"""The widget's files, as other people's pages load them, and the demo page.

`/widget.js` is small and asked for often; it names the version of the modules, so that those may
be kept for ever.
"""

import hashlib
import mimetypes
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

WIDGET = Path(__file__).parents[3] / "widget"
FOR_EVER = "public, max-age=31536000, immutable"
FIVE_MINUTES = "public, max-age=300"
ANY_ORIGIN = {"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff"}


class Files:
    """The widget's files, read once: a few dozen kilobytes."""

    def __init__(self, folder: Path = WIDGET) -> None:
        served = sorted(path for path in folder.iterdir() if path.suffix in (".js", ".css"))
        self._files = {path.name: path.read_bytes() for path in served}
        self._demo = {path.name: path.read_bytes() for path in sorted((folder / "demo").iterdir())}
        content = b"".join(name.encode() + data for name, data in self._files.items())
        self.version = hashlib.sha256(content).hexdigest()[:16]
        self._embed = self._files["embed.js"].replace(
            b'const VERSION = "dev";', f'const VERSION = "{self.version}";'.encode()
        )
        self._embed_tag = f'"{hashlib.sha256(self._embed).hexdigest()[:16]}"'

    def routes(self) -> list[Route]:
        """The widget, for pages of any origin."""
        return [Route("/widget.js", self._script), Route("/widget/{version}/{name}", self._module)]

    def demo_routes(self, first_key: Callable[[Request], Awaitable[str | None]]) -> list[Route]:
        """The demo shop, which writes to the project of `?key=`, else to the one that `first_key` names."""

        async def shop(request: Request) -> Response:
            if "key" not in request.query_params and (key := await first_key(request)):
                return RedirectResponse(request.url.include_query_params(key=key))
            return await self._page(request)

        return [Route("/demo", shop), Route("/demo/{name}", self._page)]

    async def _script(self, request: Request) -> Response:
        headers = {**ANY_ORIGIN, "Cache-Control": FIVE_MINUTES, "ETag": self._embed_tag}
        if request.headers.get("if-none-match") == self._embed_tag:
            return Response(status_code=304, headers=headers)
        return Response(self._embed, media_type="text/javascript", headers=headers)

    async def _module(self, request: Request) -> Response:
        found = self._files.get(request.path_params["name"])
        if found is None:
            return Response("There is no such file.", 404, media_type="text/plain", headers=ANY_ORIGIN)
        # A page that holds an old embed.js still works, but must not keep new files under an old name.
        current = request.path_params["version"] == self.version
        headers = {**ANY_ORIGIN, "Cache-Control": FOR_EVER if current else "no-cache"}
        return Response(found, media_type=_type(request.path_params["name"]), headers=headers)

    async def _page(self, request: Request) -> Response:
        name = request.path_params.get("name", "index.html")
        found = self._demo.get(name)
        if found is None:
            return Response("There is no such page.", 404, media_type="text/plain")
        return Response(found, media_type=_type(name), headers={"Cache-Control": "no-cache"})


def _type(name: str) -> str:
    return {".js": "text/javascript"}.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "text/plain"
