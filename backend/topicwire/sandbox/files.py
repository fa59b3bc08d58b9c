"""Files: their bytes, and the links that getFile gives out.

Bytes are kept in memory, and beside the state file if there is one. A link is good for an hour from the
last getFile (Bot API: "at least 1 hour").
"""

import asyncio
import contextlib
import mimetypes
from pathlib import Path
from typing import Any

from topicwire.sandbox.clock import Clock
from topicwire.sandbox.samples import sample_bytes
from topicwire.sandbox.shapes import file_id, unique_of
from topicwire.sandbox.world import StoredFile, World

LINK_SECONDS = 3600
LONGEST_DOWNLOAD = 20 << 20

_OPAQUE = "application/octet-stream"
_FOLDERS = {
    "photo": "photos", "video": "videos", "voice": "voice", "audio": "music", "animation": "animations",
    "sticker": "stickers", "video_note": "video_notes", "document": "documents",
}  # fmt: skip
_ENDINGS = {
    "photo": ".jpg", "video": ".mp4", "voice": ".oga", "audio": ".mp3", "animation": ".mp4",
    "sticker": ".webp", "video_note": ".mp4",
}  # fmt: skip


class Files:
    """Every file that was sent, by what identifies it for all bots."""

    def __init__(self, world: World, clock: Clock, folder: Path | None) -> None:
        self._world = world
        self._clock = clock
        self._folder = folder
        self._kept: dict[str, bytes] = {}
        self._links: dict[tuple[int, str], tuple[str, float]] = {}

    async def keep(self, kind: str, content: bytes, *, name: str = "", mime: str = "") -> StoredFile:
        """A new file with these bytes."""
        stored = self.register(kind, len(content), name=name, mime=mime)
        self._kept[stored.unique] = content
        if self._folder is not None:
            await asyncio.to_thread(_write, self._folder / stored.unique, content)
        return stored

    def register(
        self, kind: str, size: int, *, name: str = "", mime: str = "", same_as: str = ""
    ) -> StoredFile:
        """A new file whose bytes are a sample's, or those of another file."""
        number = self._world.next_file
        self._world.next_file += 1
        unique = f"AgAD{number:08x}"
        guessed = mime or mimetypes.guess_type(name)[0] or ""
        stored = StoredFile(unique, kind, size, name, guessed, same_as)
        self._world.files[unique] = stored
        return stored

    def find(self, bot_id: int, asked: str) -> StoredFile | None:
        """The file that a file_id of this bot means; another bot's id means none."""
        stored = self._world.files.get(unique_of(asked))
        return stored if stored is not None and file_id(bot_id, stored.unique) == asked else None

    async def content(self, stored: StoredFile) -> bytes | None:
        """A file's bytes, None if they are lost."""
        if stored.same_as.startswith("sample:"):
            return sample_bytes(stored.same_as.removeprefix("sample:"))
        unique = stored.same_as or stored.unique
        if unique not in self._kept and self._folder is not None:
            with contextlib.suppress(OSError):
                self._kept[unique] = await asyncio.to_thread((self._folder / unique).read_bytes)
        return self._kept.get(unique)

    def link(self, bot_id: int, stored: StoredFile) -> str:
        """A path to download the file by, good for an hour from now."""
        ending = _ENDINGS.get(stored.kind) or Path(stored.name).suffix
        path = f"{_FOLDERS[stored.kind]}/file_{int(stored.unique[4:], 16)}{ending}"
        self._links[bot_id, path] = (stored.unique, self._clock.now() + LINK_SECONDS)
        return path

    async def download(self, bot_id: int, path: str) -> bytes | None:
        """The bytes behind a link, None once it is too old."""
        unique, until = self._links.get((bot_id, path), ("", 0.0))
        stored = self._world.files.get(unique)
        return await self.content(stored) if stored is not None and self._clock.now() <= until else None

    def shape(self, stored: StoredFile) -> dict[str, Any]:
        """What every kind of file tells of itself, without the file_id."""
        shape: dict[str, Any] = {"file_unique_id": stored.unique, "file_size": stored.size}
        if stored.kind not in ("photo", "voice", "sticker", "video_note") and stored.name:
            shape["file_name"] = stored.name
        if stored.kind not in ("photo", "sticker", "video_note") and stored.mime:
            shape["mime_type"] = stored.mime
        return shape


def shown_type(mime: str) -> str:
    """What a browser may take a file for: somebody's page or script is a download."""
    return mime if mime.startswith(("image/", "audio/", "video/")) and "svg" not in mime else _OPAQUE


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_bytes(content)
