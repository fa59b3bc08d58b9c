"""Text as Telegram keeps it: cleaned, measured, its entities checked and the obvious ones found. Pure.

Follows the open part of the server (tdlib, `MessageEntity.cpp` and `misc.cpp`). Offsets and lengths are
UTF-16 units; the limit of 4096 counts code points.
"""

import re
from typing import Any

from topicwire.sandbox.answers import bad_request
from topicwire.sandbox.links import BadLinkError, checked_link, find_links, linked_user

Entity = dict[str, Any]

TEXT_LIMIT = 4096
CAPTION_LIMIT = 1024
RAW_LIMIT_BYTES = 1 << 15
KEPT_LIMIT_BYTES = 35_000
ENTITIES_LIMIT = 100  # Bot API: the others are ignored

_REMOVED = ["\r", *map(chr, range(0x2028, 0x202F)), "\u030a", "\u0333", "\u033f"]
_CLEANING = {code: " " for code in range(32) if code not in (10, 13)} | {ord(c): "" for c in _REMOVED}
_DIRECTION_MARKS = re.compile("[\u200e\u200f]{2,}")
_WIDE_BLANKS = re.compile("[\u1680\u180e\u2000-\u200a\u202f\u205f\u2800\u3000\ufffc\U000e0000-\U000e007f]")
_UNSEEN = " \n\u200b\u200c\u200d\u200e\u200f\u202e\ufeff\u00a0"
_BLANKS = re.compile("[ \n\u00a0]+")

_PLAIN = {
    "bold",
    "italic",
    "underline",
    "strikethrough",
    "spoiler",
    "blockquote",
    "expandable_blockquote",
    "code",
}
_FOUND_BY_TELEGRAM = {
    "mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number", "bank_card_number",
}  # fmt: skip
# Inside these nothing is looked for: they already say what their text is.
_JOINED = {"bold", "italic", "underline", "strikethrough", "spoiler"}
_OPAQUE = {"code", "pre", "text_link", "text_mention", "custom_emoji"}

_SHORT_USERNAMES = {"gif", "nft", "pic", "ufc", "vid"}
_MENTION = re.compile(r"(?<!\w)@([A-Za-z0-9_]{2,32})(?![\w])")
_COMMAND = re.compile(r"(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/<>@])")
_CASHTAG = re.compile(r"(?<![\w$])\$(?:1INCH|[A-Z]{3,8})(?:@[A-Za-z0-9_]{3,32})?(?![\w$])")
# Only numbers with a country's code: what Telegram takes for one without is not known.
_PHONE = re.compile(r"(?<![\w+])\+[1-9](?:[ -]?\(?\d\)?){7,14}(?!\d)")
_HASHTAG = re.compile(r"(?<![\w\u200c\u00b7])#[\w\u200c\u00b7]{1,256}(?:@[A-Za-z0-9_]{3,32})?(?![#])")


def utf16_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def check_utf8(text: str) -> None:
    """Refuses lone surrogates and bytes that were no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise bad_request("strings must be encoded in UTF-8") from None


def parse_entities(raw: Any) -> list[Entity]:
    """The caller's entities in Telegram's terms; those of kinds that only Telegram finds are dropped."""
    parsed = [_parse_entity(item) for item in raw] if isinstance(raw, list) else []
    return [entity for entity in parsed if entity is not None]


def clean(text: str, entities: list[Entity], *, may_be_empty: bool = False) -> tuple[str, list[Entity]]:
    """The text as it will be kept, with the given entities moved along and Telegram's own added.

    Refuses text of which nothing can be seen, unless that is allowed and makes an empty one, and entities
    that leave the text or cut a character in two.
    """
    check_utf8(text)
    kept = entities and [_checked(entity) for entity in entities if entity["length"] > 0]
    cleaned = _clean_characters(text)
    if kept:
        _move(kept, text)
    trimmed, kept = _trim(cleaned, kept)
    if _visible(trimmed):
        return trimmed, _merge(kept, find_entities(trimmed))
    if not may_be_empty:
        raise bad_request("text must be non-empty")
    return "", []


def find_entities(text: str) -> list[Entity]:
    """What Telegram makes active by itself: links, addresses, mentions, hashtags and commands."""
    if not any(sign in text for sign in "@#/.$+"):
        return []
    taken: list[tuple[int, int]] = []
    found: list[tuple[int, int, str]] = []
    for kind, start, end in [*_found_by_pattern(text), *find_links(text)]:
        if all(end <= begin or start >= stop for begin, stop in taken):
            taken.append((start, end))
            found.append((start, end, kind))
    return [
        {"offset": utf16_length(text[:start]), "length": utf16_length(text[start:end]), "type": kind}
        for start, end, kind in sorted(found)
    ]


def topic_name(text: str) -> str:
    """A topic's name as Telegram keeps it: on one line, single spaces, at most 128 characters.

    It is cut before runs of blanks are drawn together (tdlib, `clean_name`). Refuses one that cannot be seen.
    """
    check_utf8(text)
    name = _BLANKS.sub(" ", _visible(_clean_characters(text), 128)).strip()
    if not name:
        raise bad_request("name must be non-empty")
    return name


def _visible(text: str, longest: int | None = None) -> str:
    """The text with plain blanks around and in it, "" if nothing can be seen (`strip_empty_characters`)."""
    trimmed = _WIDE_BLANKS.sub(" ", text).strip(" \n")[:longest].strip(" \n")
    return trimmed if trimmed.strip(_UNSEEN) else ""


def _parse_entity(item: Any) -> Entity | None:
    if not isinstance(item, dict):
        raise _bad_entity("expected an Object")
    kind = item.get("type")
    place = {name: _place(item, name) for name in ("offset", "length")}
    if not isinstance(kind, str) or not kind:
        raise _bad_entity("Type is not specified" if kind == "" else 'Can\'t find field "type"')
    if kind in _FOUND_BY_TELEGRAM:
        return None
    return place | _entity_fields(kind, item)


def _entity_fields(kind: str, item: Entity) -> Entity:
    """The kind, and what belongs to it."""
    if kind == "text_link":
        url = _field(item, "url", str, "String")
        user = linked_user(url)
        return {"type": kind, "url": url} if user is None else {"type": "text_mention", "user": {"id": user}}
    if kind == "text_mention":
        return {"type": kind, "user": {"id": _number(_field(item, "user", dict, "Object"), "id")}}
    if kind == "custom_emoji":
        return {"type": kind, "custom_emoji_id": str(_number(item, "custom_emoji_id"))}
    if kind == "pre":
        language = _field(item, "language", str, "String") if "language" in item else ""
        return {"type": kind, "language": language} if language else {"type": kind}
    if kind not in _PLAIN:
        raise _bad_entity("Unsupported type specified")
    return {"type": kind}


def _field(item: Entity, name: str, kind: type, called: str) -> Any:
    if name not in item:
        raise _bad_entity(f'Can\'t find field "{name}"')
    if not isinstance(item[name], kind):
        raise _bad_entity(f'Field "{name}" must be of type {called}')
    return item[name]


def _number(item: Entity, name: str) -> int:
    """A whole number, or one in a string."""
    value = item.get(name)
    if value is None:
        raise _bad_entity(f'Can\'t find field "{name}"')
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise _bad_entity(f'Field "{name}" must be a Number')
    try:
        return int(value)
    except ValueError:
        raise _bad_entity(f'Field "{name}" must be a valid Number') from None


def _place(item: Entity, name: str) -> int:
    number = _number(item, name)
    if not 0 <= number <= 1_000_000:
        raise bad_request(f"receive an entity with incorrect {name} {number}")
    return number


def _bad_entity(why: str) -> Exception:
    return bad_request(f"can't parse MessageEntity: {why}")


def _checked(entity: Entity) -> Entity:
    """A copy, with its address as Telegram writes it."""
    if entity["type"] != "text_link":
        return dict(entity)
    check_utf8(entity["url"])
    try:
        return entity | {"url": checked_link(entity["url"])}
    except BadLinkError as why:
        raise bad_request(f"entity URL '{entity['url']}' is invalid: {why}") from None


def _clean_characters(text: str) -> str:
    cleaned = text.translate(_CLEANING)
    if "\u200e" in cleaned or "\u200f" in cleaned:
        cleaned = _DIRECTION_MARKS.sub(lambda run: "\u200c" * (len(run[0]) - 1) + run[0][-1], cleaned)
    if len(cleaned) * 4 > KEPT_LIMIT_BYTES:
        cleaned = cleaned.encode()[:KEPT_LIMIT_BYTES].decode(errors="ignore")
    return cleaned


def _move(entities: list[Entity], text: str) -> None:
    """Checks that entities begin and end between characters, and moves them to where cleaning leaves them."""
    places, kept, total = _places(text)
    for entity in entities:
        start, end = entity["offset"], entity["offset"] + entity["length"]
        if start >= total:
            raise bad_request(f"entity begins after the end of the text at UTF-16 offset {start}")
        if start not in places:
            raise bad_request(
                f"entity begins in a middle of a UTF-16 symbol at byte offset {_byte(text, start)}"
            )
        if end > total:
            raise bad_request(
                f"entity beginning at UTF-16 offset {start} ends after the end of the text"
                f" at UTF-16 offset {end}"
            )
        if end not in places:
            raise bad_request(
                f"entity beginning at UTF-16 offset {start} ends in a middle of a UTF-16 symbol"
                f" at byte offset {_byte(text, end)}"
            )
        entity["offset"] = kept[places[start]]
        entity["length"] = kept[places[end]] - kept[places[start]]


def _places(text: str) -> tuple[dict[int, int], list[int], int]:
    """UTF-16 offset to index of the character; UTF-16 offset after cleaning by index; total length."""
    places, kept = {}, []
    offset = left = 0
    for index, character in enumerate(text):
        places[offset] = index
        kept.append(left)
        units = 2 if ord(character) > 0xFFFF else 1
        offset += units
        left += 0 if _CLEANING.get(ord(character)) == "" else units
    places[offset] = len(text)
    kept.append(left)
    return places, kept, offset


def _byte(text: str, offset: int) -> int:
    """The byte offset just behind the character that the UTF-16 offset falls into."""
    units = text.encode("utf-16-le")[: 2 * (offset + 1)]
    return len(units.decode("utf-16-le").encode())


def _trim(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    text = text.rstrip(" \n")
    length = utf16_length(text)
    for entity in entities:
        entity["length"] = min(entity["length"], length - entity["offset"])
    entities = [entity for entity in entities if entity["length"] > 0]
    # A leading blank that somebody formatted stays, as it does on Telegram.
    blanks = len(text) - len(text.lstrip(" \n"))
    blanks = min([blanks, *(entity["offset"] for entity in entities)])
    for entity in entities:
        entity["offset"] -= blanks
    return text[blanks:], entities


def _merge(given: list[Entity], found: list[Entity]) -> list[Entity]:
    if not given:
        return found
    given = _joined(given)[:ENTITIES_LIMIT]
    opaque = [entity for entity in given if entity["type"] in _OPAQUE]
    free = [entity for entity in found if not any(_touch(entity, other) for other in opaque)]
    return sorted(given + free, key=lambda entity: (entity["offset"], -entity["length"]))


def _joined(given: list[Entity]) -> list[Entity]:
    """Marks of one kind that overlap or follow each other are one (tdlib, `fix_entities`)."""
    joined: list[Entity] = []
    last: dict[str, Entity] = {}
    for entity in sorted(given, key=lambda each: (each["offset"], -each["length"])):
        before = last.get(entity["type"])
        if before is not None and entity["offset"] <= before["offset"] + before["length"]:
            end = max(before["offset"] + before["length"], entity["offset"] + entity["length"])
            before["length"] = end - before["offset"]
            continue
        joined.append(entity)
        if entity["type"] in _JOINED:
            last[entity["type"]] = entity
    return joined


def _touch(one: Entity, other: Entity) -> bool:
    return bool(
        one["offset"] < other["offset"] + other["length"] and other["offset"] < one["offset"] + one["length"]
    )


def _found_by_pattern(text: str) -> list[tuple[str, int, int]]:
    return [
        *(("mention", *match.span()) for match in _MENTION.finditer(text) if _is_username(match[1])),
        *(("bot_command", *match.span()) for match in _COMMAND.finditer(text)),
        *(("cashtag", *match.span()) for match in _CASHTAG.finditer(text)),
        *(("phone_number", *match.span()) for match in _PHONE.finditer(text)),
        *(("hashtag", *match.span()) for match in _HASHTAG.finditer(text) if _has_letter(match[0])),
    ]


def _is_username(name: str) -> bool:
    return len(name) >= 4 or name.lower() in _SHORT_USERNAMES


def _has_letter(hashtag: str) -> bool:
    return any(character.isalpha() for character in hashtag.partition("@")[0])
