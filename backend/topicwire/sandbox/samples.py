"""Media messages for trying things out: realistic in shape, with file ids but no bytes behind them."""

import base64
from collections.abc import Callable
from typing import Any

from topicwire.sandbox.text import CAPTION_LIMIT, Entity
from topicwire.sandbox.world import World

Json = dict[str, Any]


def sample(world: World, kind: str, caption: str, entities: list[Entity]) -> Json | None:
    """The content of a media message of that kind; None for a kind there is no sample of."""
    make = _KINDS.get(kind)
    if make is None:
        return None
    content = make(world)
    if caption and kind not in _WITHOUT_CAPTION:
        content["caption"] = caption[:CAPTION_LIMIT]
        if entities:
            content["caption_entities"] = entities
    return content


def _file(world: World, size: int) -> Json:
    number = world.next_file
    world.next_file += 1
    unique = base64.urlsafe_b64encode(b"\x01\x00" + number.to_bytes(9, "big")).decode().rstrip("=")
    return {"file_id": f"BQACAgIAAxkBAAI{unique}NgQ", "file_unique_id": f"AgAD{unique}", "file_size": size}


def _photo(world: World) -> Json:
    sizes = ((90, 60, 1_402), (320, 213, 18_730), (800, 533, 74_911), (1280, 853, 141_256))
    return {
        "photo": [_file(world, size) | {"width": width, "height": height} for width, height, size in sizes]
    }


def _voice(world: World) -> Json:
    return {"voice": _file(world, 31_872) | {"duration": 8, "mime_type": "audio/ogg"}}


def _document(world: World) -> Json:
    return {
        "document": _file(world, 84_213) | {"file_name": "invoice-2041.pdf", "mime_type": "application/pdf"}
    }


def _video(world: World) -> Json:
    size = {"width": 1280, "height": 720, "duration": 14, "mime_type": "video/mp4"}
    return {"video": _file(world, 2_410_233) | size}


def _sticker(world: World) -> Json:
    looks = {"type": "regular", "width": 512, "height": 512, "is_animated": False, "is_video": False}
    return {"sticker": _file(world, 23_406) | looks | {"emoji": "👋", "set_name": "HelloShop"}}


def _location(_: World) -> Json:
    return {"location": {"latitude": 52.520008, "longitude": 13.404954}}


_KINDS: dict[str, Callable[[World], Json]] = {
    "photo": _photo,
    "voice": _voice,
    "document": _document,
    "video": _video,
    "sticker": _sticker,
    "location": _location,
}
_WITHOUT_CAPTION = {"sticker", "location"}
