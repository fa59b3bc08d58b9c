"""Texts on their way to Telegram and back; pure, knows no network.

What a visitor typed is hostile until proven otherwise: Telegram turns `@name`, `/command`, `#tag`
and `$CASH` into live entities even without a parse mode, and a mention rings an operator's phone.
So a WORD JOINER, which nobody sees, goes behind each such sign. Addresses stay as they were typed,
because a joiner would break them: one that holds such a sign is covered by a link entity of ours,
which Telegram lets win over whatever it finds itself.

Lengths and offsets are UTF-16 units throughout, as in the Bot API. What Telegram would clean away
(TDLib, `clean_input_string` and `fix_formatted_text`) is cleaned here first, so that offsets hold
and the text that comes back is the text that was sent.
"""

import hashlib
import re
import unicodedata
from base64 import b32encode
from collections.abc import Iterable, Sequence
from datetime import UTC
from urllib.parse import unquote, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from topicwire.relay.channel import Entity, RecapLine, Text

TEXT_LIMIT = 4096
VISITOR_LIMIT = 4000
HEAD_ROOM = TEXT_LIMIT - VISITOR_LIMIT - 1  # beside the longest visitor's text and the newline between
NAME_LIMIT = 128
MAX_LINKS = 50  # Telegram ignores entities above the hundredth; an ignored cover would uncover a mention
MAX_URL = 2000

JOINER = "\u2060"
ELLIPSIS = "…"

_CLEANING: dict[int, str | None] = {
    **dict.fromkeys((*range(0x0A), 0x0B, 0x0C, *range(0x0E, 0x20)), " "),
    **dict.fromkeys((0x0D, *range(0x2028, 0x202F), 0x030A, 0x0333, 0x033F)),
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),  # half a character cannot be encoded
}
_REPEATED_MARKS = re.compile("[\u200e\u200f]+(?=[\u200e\u200f])")
_BIDI = re.compile("[\u061c\u200e\u200f\u2066-\u2069]")

# Letters before which Telegram surely sees no sign; where Unicode tables may differ, a joiner too
# many harms nobody and one too few rings somebody.
_WORD = "A-Za-z0-9_\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0400-\u0481\u048a-\u052f"
_SIGN = re.compile(
    rf"(?<![{_WORD}])@(?=[A-Za-z0-9_])"
    rf"|(?<![{_WORD}])#(?=[\w\u200c\u00b7\u0d80-\u0dff])(?![0-9]++(?:[\s!-/:-@\[-^`{{-~]|\Z))"
    rf"|(?<![{_WORD}$])\$(?=[A-Z]|1INCH)"
    rf"|(?<![{_WORD}/<>])/(?=[A-Za-z0-9_])(?![A-Za-z0-9_]++[/<>])"
)
_URL = r"(?i:https?)://[^\s<>\"\u00ab\u00bb\u2000-\u200b\u200e\u200f\u2016-\u206f]+"
_URL_OR_SIGN = re.compile(rf"(?P<url>{_URL})|{_SIGN.pattern}")
_PLAIN_URL = re.compile(
    r"https?://(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:[a-z]{2,63}|xn--[a-z0-9]{2,59})"
    r"(?::(?P<port>[0-9]{1,5}))?(?:[/?#].*)?",
    re.IGNORECASE | re.ASCII,
)
_NEVER_LAST = ".:;,('?!`"
_CLOSING = {")": "(", "]": "[", "}": "{"}

_NAME_SPACES = re.compile("[\\s\u180e\u2800\ufffc\U000e0000-\U000e007f]+")  # TDLib, `clean_name`
_FLAG_LETTERS = "".join(map(chr, range(0x1F1E6, 0x1F200)))  # two of them make one flag
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_LINK_SCHEMES = ("http:", "https:", "mailto:", "tel:")
_OURS = {
    "bold": "bold",
    "italic": "italic",
    "underline": "underline",
    "strikethrough": "strike",
    "code": "code",
    "pre": "pre",
    "text_link": "link",
    "url": "link",
    "email": "link",
    "spoiler": "spoiler",
    "blockquote": "quote",
    "expandable_blockquote": "quote",
}


class TelegramEntity(Struct, frozen=True):
    """The part that we read of the Bot API's MessageEntity."""

    type: str
    offset: int
    length: int
    url: str | None = None


def utf16_length(text: str) -> int:
    """Count UTF-16 units, which is how the Bot API and the visitor's protocol count."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def to_telegram(text: str, *, head: Text | None = None) -> Text:
    """Make a visitor's text safe to send, below `head` where there is one; at most 4096 units.

    Where signs or a long head leave too little room, the head is cut to at most 95 units; where that
    is not enough, the text goes out as one `pre`, inside which Telegram finds nothing. Only the head
    is ever cut: 95 units of it always fit above the 4000 that a visitor may type. Raises ValueError
    for a text that has more than 4096 units by itself.
    """
    cleaned = clean(text)
    body, plain = _protected(cleaned), _preformatted(cleaned)
    head = head or Text("")
    short = _cut_at_space(head, min(HEAD_ROOM, TEXT_LIMIT - 1 - utf16_length(cleaned)))
    for result in (stacked(head, body), stacked(short, body), stacked(short, plain)):
        if utf16_length(result.text) <= TEXT_LIMIT:
            return result
    raise ValueError(f"a text of {utf16_length(cleaned)} units does not fit into one message")


def joined(above: Text, text: str) -> Text | None:
    """Put a visitor's further text below others; None where that is too much for one message."""
    below = to_telegram(text)
    whole = stacked(above, below)
    links = sum(1 for entity in whole.entities if entity.type == "link")
    return None if utf16_length(whole.text) > TEXT_LIMIT or links > MAX_LINKS else whole


def repeated() -> Text:
    """Say that what follows may have been said before."""
    return Text("(possibly repeated)", (Entity("italic", 0, 19),))


def undelivered(text: str, error: str, letter: int) -> str:
    """Tell of a visitor's message that Telegram refused for good; `letter` is what it can be sent again by.

    What the visitor wrote is cut to its beginning, on one line, and as harmless as elsewhere.
    """
    why = shorten(_one_line(error.removeprefix("Bad Request: ")), 200)
    return defuse(
        f"Telegram refused a message of this visitor and will not take it: {why}\n"
        f"It begins: “{shorten(_one_line(text), 160)}”\n"
        "The visitor sees that it was not delivered and can try again. You can ask them to put it in another"
        f" way, or have it sent once more: topicwire dead-letters requeue {letter}"
    )


def clean(text: str) -> str:
    """Give the text that Telegram would make of this one, in NFC where that still fits.

    Composing first keeps the ring of a decomposed å, which Telegram removes. A few characters grow
    by it (Unicode's composition exclusions), so a text that no longer fits stays as it was typed.
    """
    composed = unicodedata.normalize("NFC", text)
    if utf16_length(composed) > max(VISITOR_LIMIT, utf16_length(text)):
        composed = text
    cleaned = composed.translate(_CLEANING)
    return _REPEATED_MARKS.sub(lambda marks: "\u200c" * len(marks[0]), cleaned).strip(" \n")


def defuse(text: str) -> str:
    """Put a joiner behind every sign, in addresses too: safe without any entity."""
    return _SIGN.sub(lambda sign: sign[0] + JOINER, text)


def stacked(above: Text, below: Text) -> Text:
    """Put one text above the other, on a line of its own; an empty one leaves no line."""
    if not above.text or not below.text:
        return below if below.text else above
    by = utf16_length(above.text) + 1
    moved = tuple(replace(entity, offset=entity.offset + by) for entity in below.entities)
    return Text(f"{above.text}\n{below.text}", above.entities + moved)


def visitor_line(
    *,
    email: str | None,
    name: str | None,
    page_url: str | None,
    locale: str | None,
    verified: bool = False,
    limit: int = 200,
) -> Text:
    """Say in one italic line of at most `limit` units who writes from where; empty if unknown.

    All of it is the visitor's word, except an e-mail that a signed identity carries (`verified`).
    """
    share = limit // 3
    mark = "" if verified else " (unverified)"
    address = _part(email, min(60, share))
    parts = (
        _part(name, min(40, share)),
        address and address + mark,
        _part(_page(page_url), min(60, share)),
        _part(locale, 12),
    )
    line = defuse(" · ".join(part for part in parts if part))
    return _cut_at_space(_styled("italic", line), limit)


def topic_name(email: str | None, conversation_id: str) -> str:
    """Name a visitor's topic: the e-mail, or `Anon_` and six characters that the id always gives.

    At most 128 units, spaced as Telegram would space it (TDLib, `clean_name`), so that the name of
    a topic in an update can be compared with the one that was asked for.
    """
    name = shorten(_one_line(email or ""), NAME_LIMIT)
    if any(character.isalnum() for character in name):
        return name
    digest = hashlib.sha256(conversation_id.encode()).digest()
    return f"Anon_{b32encode(digest).decode()[:6]}"


def recap(lines: Sequence[RecapLine], *, limit: int = 2000) -> Text:
    """Tell the newest of `lines` (oldest first) that fit into `limit` units, under a bold header.

    Times are UTC; the first line and every first one of a day carry the date.
    """
    header = _styled("bold", "Earlier in this conversation")
    room = limit - utf16_length(header.text)
    kept: list[str] = []
    for index in range(len(lines) - 1, -1, -1):
        told = _told(lines[index], dated=_starts_day(lines, index))
        dated = _told(lines[index], dated=True)  # what it would be if it became the first
        if utf16_length(dated) + 1 > room:
            break
        room -= utf16_length(told) + 1
        kept.append(told)
    if kept:
        kept[-1] = _told(lines[-len(kept)], dated=True)
    return stacked(header, Text("\n".join(reversed(kept))))


def from_telegram(text: str, entities: Iterable[TelegramEntity]) -> Text:
    """Translate an operator's text; entities of other kinds, or outside the text, are dropped.

    Links lead to http, https, mailto or tel only: the text ends up in a stranger's browser.
    """
    text = text.replace("\0", "\ufffd")  # PostgreSQL cannot keep it
    units = text.encode("utf-16-le", "surrogatepass")
    return Text(text, tuple(ours for entity in entities if (ours := _translated(entity, units))))


def shorten(text: str, limit: int) -> str:
    """Cut a text to `limit` units between what a reader sees as characters, and say so by `…`."""
    if utf16_length(text) <= limit:
        return text
    end, used = 0, 0
    for index, character in enumerate(text):
        if used > limit - 1:
            break
        if not _continues(text, index):
            end = index
        used += 2 if character > "\uffff" else 1
    return text[:end].rstrip() + ELLIPSIS


def _continues(text: str, index: int) -> bool:
    """Whether the character here belongs to the one before it (most of Unicode's UAX 29)."""
    character, before = text[index], text[index - 1 : index]
    if before == "\u200d" or character in "\u200c\u200d":
        return True
    if unicodedata.category(character) in ("Mn", "Mc", "Me"):
        return True
    if character in _FLAG_LETTERS:
        before_it = text[:index]
        return (index - len(before_it.rstrip(_FLAG_LETTERS))) % 2 == 1
    return (
        "\U0001f3fb" <= character <= "\U0001f3ff"
        or "\U000e0020" <= character <= "\U000e007f"
        or "\u1160" <= character <= "\u11ff"
        or "\ud7b0" <= character <= "\ud7fb"
    )


def _protected(text: str) -> Text:
    """Join the signs, cover the addresses that hold one."""
    pieces: list[str] = []
    links: list[Entity] = []
    done = offset = 0
    while found := _URL_OR_SIGN.search(text, done):
        end = _url_end(found["url"]) + found.start() if found["url"] else found.end()
        token = text[found.start() : end]
        between = text[done : found.start()]
        offset += utf16_length(between)
        if not found["url"]:
            token += JOINER
        elif _SIGN.search(token):
            if len(links) < MAX_LINKS and _is_plain(token):
                links.append(Entity("link", offset, utf16_length(token), token))
            else:
                token = defuse(token)
        offset += utf16_length(token)
        pieces += (between, token)
        done = end
    return Text("".join((*pieces, text[done:])), tuple(links))


def _url_end(url: str) -> int:
    """Where an address ends: before a bracket that it did not open, and before punctuation (TDLib)."""
    end = len(url)
    opened = dict.fromkeys(_CLOSING.values(), 0)
    for index, character in enumerate(url):
        if character in opened:
            opened[character] += 1
        elif bracket := _CLOSING.get(character):
            opened[bracket] -= 1
            if opened[bracket] < 0:
                end = index
                break
    return len(url[:end].rstrip(_NEVER_LAST))


def _is_plain(url: str) -> bool:
    """Whether Telegram surely accepts it as a link: it refuses the whole message for a bad one."""
    match = _PLAIN_URL.fullmatch(url)
    return match is not None and len(url) <= MAX_URL and 0 < int(match["port"] or 443) < 65536


def _preformatted(text: str) -> Text:
    return _styled("pre", text)


def _styled(kind: str, text: str) -> Text:
    return Text(text, (Entity(kind, 0, utf16_length(text)),) if text else ())


def _cut_at_space(text: Text, limit: int) -> Text:
    """Cut a safe text at a space: cut inside a word, `/a/b` would become the command `/a`."""
    if utf16_length(text.text) <= limit:
        return text
    room, end, used = limit - 2, 0, 0
    for index, character in enumerate(text.text):
        if used > room:
            break
        if character in " \n":
            end = index
        used += 2 if character > "\uffff" else 1
    if not end:
        return Text("")
    kept = f"{text.text[:end]} {ELLIPSIS}"
    length = utf16_length(kept)
    entities = (replace(e, length=min(e.length, length - e.offset)) for e in text.entities)
    return Text(kept, tuple(entity for entity in entities if entity.length > 0))


def _one_line(text: str) -> str:
    """Make a visitor's word one line that cannot turn the direction of its neighbours."""
    return _NAME_SPACES.sub(" ", _BIDI.sub("", clean(text))).strip()


def _part(text: str | None, limit: int) -> str:
    return shorten(_one_line(text or "").replace(" · ", " - "), limit)


def _page(url: str | None) -> str | None:
    """Host and path of a page; a long path keeps its last step. Query and fragment stay private."""
    try:
        parts = urlsplit(url or "")
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    path = unquote(parts.path).rstrip("/")
    if len(path) > 40:
        path = f"/{ELLIPSIS}/{path.rsplit('/', 1)[1]}"
    return parts.hostname + port + path


def _starts_day(lines: Sequence[RecapLine], index: int) -> bool:
    return index == 0 or _day(lines[index]) != _day(lines[index - 1])


def _day(line: RecapLine) -> str:
    return line.at.astimezone(UTC).strftime("%Y-%m-%d")


def _told(line: RecapLine, *, dated: bool) -> str:
    time = line.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M" if dated else "%H:%M")
    who = "Visitor" if line.who is None else shorten(_one_line(line.who), 40) or "Operator"
    return defuse(f"{time} {who}: {shorten(_one_line(line.text), 160)}".rstrip())


def _translated(entity: TelegramEntity, units: bytes) -> Entity | None:
    kind = _OURS.get(entity.type)
    end = entity.offset + entity.length
    if kind is None or entity.offset < 0 or entity.length <= 0 or 2 * end > len(units):
        return None
    if kind != "link":
        return Entity(kind, entity.offset, entity.length)
    shown = units[2 * entity.offset : 2 * end].decode("utf-16-le", "replace")
    url = _target(entity, shown)
    return Entity("link", entity.offset, entity.length, url) if url else None


def _target(entity: TelegramEntity, shown: str) -> str | None:
    if entity.type == "email":
        return f"mailto:{shown}"
    if entity.type == "text_link":
        url = entity.url or ""
    else:
        url = shown if re.match(r"[A-Za-z][A-Za-z0-9+-]*://", shown) else f"https://{shown}"
    scheme = _SCHEME.match(url)
    return url if scheme and scheme[0].lower() in _LINK_SCHEMES else None
