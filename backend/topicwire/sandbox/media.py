"""A file as the content of a message: checked as tdlib checks it, and in the shape of the Bot API."""

import mimetypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

from topicwire.sandbox.answers import bad_request
from topicwire.sandbox.arguments import Upload
from topicwire.sandbox.files import Files
from topicwire.sandbox.images import image_size
from topicwire.sandbox.samples import PHOTO_SIZE, STICKER_EMOJI, sample_bytes
from topicwire.sandbox.world import StoredFile

Json = dict[str, Any]
Number = Callable[[str], int]  # an argument of the call such as duration

LARGEST_PHOTO = 10 << 20
LARGEST_UPLOAD = 50 << 20
LARGEST_SUM = 10_000
LARGEST_RATIO = 20

_PHOTO_ENDINGS = (".jpg", ".jpeg", ".gif", ".png", ".tif", ".bmp")
_PHOTO_BOXES = (90, 320, 800, 1280)  # the longer side of the sizes that Telegram keeps
_TYPES = {  # tdlib's names, which are in its refusals
    "photo": "Photo", "video": "Video", "voice": "VoiceNote", "audio": "Audio", "document": "Document",
    "animation": "Animation", "sticker": "Sticker", "video_note": "VideoNote",
}  # fmt: skip
_MIMES = {
    "video": "video/mp4", "voice": "audio/ogg", "audio": "audio/mpeg", "animation": "video/mp4",
    "document": "application/octet-stream",
}  # fmt: skip
_SAMPLE_FIELDS: dict[str, dict[str, int]] = {
    "video": {"width": 1280, "height": 720, "duration": 14},
    "animation": {"width": 480, "height": 270, "duration": 4},
    "voice": {"duration": 8},
    "audio": {"duration": 182},
    "video_note": {"length": 384, "duration": 6},
}
_SAMPLE_NAMES = {
    "document": ("invoice-2041.pdf", "application/pdf"), "audio": ("waiting-music.mp3", "audio/mpeg"),
    "voice": ("", "audio/ogg"), "video": ("shop-tour.mp4", "video/mp4"),
    "animation": ("wave.mp4", "video/mp4"),
}  # fmt: skip


async def uploaded(files: Files, kind: str, upload: Upload, number: Number) -> Json:
    """The content of a message with a new file. RefusedError for what Telegram does not take."""
    name, mime, content = upload
    if not content:
        raise bad_request("file must be non-empty")
    if kind == "photo":
        return await _photo(files, name, content)
    if kind == "document" and (mime == "image/gif" or Path(name).suffix.lower() in (".gif", ".mp4")):
        kind = "animation"
    is_told = "/" in mime and mime != _MIMES["document"]  # else it is told by the name
    stored = await files.keep(kind, content, name=name, mime=mime if is_told else "")
    stored.mime = stored.mime or _MIMES.get(kind, "")
    return content_of(files, stored, number)


def content_of(files: Files, stored: StoredFile, number: Number) -> Json:
    """The content of a message with a file that is there; `number` gives durations and the like."""
    shape = files.shape(stored) | _fields(stored.kind, number)
    stored.content = {stored.kind: shape}
    if stored.kind == "animation":
        plain = {name: value for name, value in shape.items() if name not in ("width", "height", "duration")}
        stored.content["document"] = plain  # as older clients know it
    return dict(stored.content)


def content_again(kind: str, stored: StoredFile) -> Json:
    """The content of a message with a file that was sent before. RefusedError for a file of another type."""
    if stored.kind != kind and (kind, stored.kind) != ("document", "animation"):
        raise bad_request(f"can't use file of type {_TYPES[stored.kind]} as {_TYPES[kind]}")
    return dict(stored.content)


def sample(files: Files, kind: str) -> Json | None:
    """The content of a sample message; None for a kind that there is no sample of."""
    if kind == "location":
        return {"location": {"latitude": 52.520008, "longitude": 13.404954}}
    try:
        size = len(sample_bytes(kind))
    except KeyError:
        return None
    if kind == "photo":
        return _sizes(files, *PHOTO_SIZE, size, f"sample:{kind}")
    name, mime = _SAMPLE_NAMES.get(kind, ("", ""))
    stored = files.register(kind, size, name=name, mime=mime, same_as=f"sample:{kind}")
    return content_of(files, stored, lambda field: _SAMPLE_FIELDS.get(kind, {}).get(field, 0))


def _fields(kind: str, number: Number) -> Json:
    if kind == "sticker":
        looks = {"type": "regular", "width": 512, "height": 512, "is_animated": False, "is_video": False}
        return looks | {"emoji": STICKER_EMOJI, "set_name": "HelloShop"}
    return {field: max(0, number(field)) for field in _SAMPLE_FIELDS.get(kind, {})}


async def _photo(files: Files, name: str, content: bytes) -> Json:
    # A name that says nothing, such as clients make up, is no obstacle.
    is_named = mimetypes.guess_type(name)[0] is not None
    if is_named and Path(name).suffix.lower() not in _PHOTO_ENDINGS:
        raise bad_request("photo has unsupported extension. Use one of .jpg, .jpeg, .gif, .png, .tif or .bmp")
    if len(content) > LARGEST_PHOTO:
        words = "is too big for a photo; the maximum size is"
        raise bad_request(f"file of size {len(content)} bytes {words} {LARGEST_PHOTO} bytes")
    size = image_size(content)
    if size is None or 0 in size:
        raise bad_request("IMAGE_PROCESS_FAILED")
    if sum(size) > LARGEST_SUM or max(size) > LARGEST_RATIO * min(size):
        raise bad_request("PHOTO_INVALID_DIMENSIONS")
    stored = await files.keep("photo", content, name=name)
    return _sizes(files, *size, len(content), stored.unique)


def _sizes(files: Files, width: int, height: int, size: int, same_as: str) -> Json:
    """The sizes that Telegram makes of a photo, smallest first; here they share the bytes of the original."""
    longer = max(width, height)
    shapes: list[Json] = []
    for box in [box for box in _PHOTO_BOXES if box < longer] + [min(longer, _PHOTO_BOXES[-1])]:
        scaled = {"width": max(1, width * box // longer), "height": max(1, height * box // longer)}
        stored = files.register("photo", size, same_as=same_as)
        stored.content = {"photo": shapes}
        shapes.append(files.shape(stored) | scaled)
    return {"photo": shapes}
