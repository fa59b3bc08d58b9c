"""parse_mode HTML, as tdlib's `parse_html` (`MessageEntity.cpp`): its tags, refusals and offsets. Pure."""

import re
from dataclasses import dataclass

from topicwire.sandbox.scanning import SPACES, Entity, Scanner, unparsable

_KINDS = {
    "i": "italic", "em": "italic", "b": "bold", "strong": "bold", "s": "strikethrough",
    "strike": "strikethrough", "del": "strikethrough", "u": "underline", "ins": "underline",
    "tg-spoiler": "spoiler", "span": "spoiler",
}  # fmt: skip
_OTHER_TAGS = {"a", "tg-emoji", "tg-time", "pre", "code", "blockquote"}
_NAMED = {b"lt": "<", b"gt": ">", b"amp": "&", b"quot": '"'}
_REFERENCE = re.compile(rb"&(?:#x(?P<hex>[0-9a-fA-F]*)|#(?P<dec>[0-9]*)|(?P<name>[A-Za-z]+));?")
_TOKEN = re.compile(rb"[A-Za-z0-9.-]*")
_LONGEST_NUMBER = 10  # bytes of a numeric reference


@dataclass
class _Tag:
    name: str
    offset: int
    begin: int  # in the kept bytes
    argument: str = ""
    date: int = 0


def parse_html(text: str) -> tuple[str, list[Entity]]:
    """The text without its tags, and the entities that they stood for. RefusedError for what is no HTML."""
    return _Html(text).parse()


class _Html(Scanner):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._open: list[_Tag] = []

    def parse(self) -> tuple[str, list[Entity]]:
        while self.at < self.size:
            byte = self.peek()
            if byte == ord("&") and self._reference():
                continue
            if byte != ord("<"):
                self.copy()
            elif self.peek(1) == ord("/"):
                self._end_tag()
            else:
                self._start_tag()
        if self._open:
            name = self._open[-1].name
            raise unparsable(f'Can\'t find end tag corresponding to start tag "{name}"')
        for entity in self.entities:
            if entity["type"] == "code":
                entity.pop("language", None)
        return self.result()

    def _reference(self) -> bool:
        """Writes the character that a reference stands for; False if it stands for none."""
        character, behind = _decoded(self.source, self.at)
        if not character:
            return False
        self.kept += character.encode(errors="replace")
        self.units += 2 if ord(character) > 0xFFFF else 1
        self.at = behind
        return True

    def _start_tag(self) -> None:
        begin = self.at
        self.at += 1
        name = self.until(SPACES + b">").lower()
        if self.at >= self.size:
            raise unparsable(f"Unclosed start tag at byte offset {begin}")
        if name not in _KINDS and name not in _OTHER_TAGS:
            raise unparsable(f'Unsupported start tag "{name}" at byte offset {begin}')
        tag = _Tag(name, self.units, len(self.kept))
        while self.peek() != ord(">"):
            self.skip_spaces()
            if self.peek() == ord(">"):
                break
            self._attribute(tag, begin)
        self.at += 1
        if name == "span" and tag.argument != "spoiler":
            raise unparsable(f'Tag "span" must have class "tg-spoiler" at byte offset {begin}')
        self._open.append(tag)

    def _attribute(self, tag: _Tag, begin: int) -> None:
        name = self.until(SPACES + b"=>/\"'")
        if not name:
            raise unparsable(f'Empty attribute name in the tag "{tag.name}" at byte offset {begin}')
        self.skip_spaces()
        if self.peek() != ord("="):
            if self.at >= self.size:
                raise unparsable(f'Unclosed start tag "{tag.name}" at byte offset {begin}')
            if (tag.name, name) == ("blockquote", "expandable"):
                tag.argument = "1"
            return
        self.at += 1
        self.skip_spaces()
        if self.at >= self.size:
            raise unparsable(f'Unclosed start tag "{tag.name}" at byte offset {begin}')
        value = self._quoted() if self.peek() in b"\"'" else self._token()
        if self.at >= self.size:
            raise unparsable(f"Unclosed start tag at byte offset {begin}")
        _note(tag, name, value)

    def _token(self) -> str:
        start = self.at
        match = _TOKEN.match(self.source, start)
        self.at = match.end() if match else start
        if self.peek() not in SPACES + b">":
            raise unparsable(f"Unexpected end of name token at byte offset {start}")
        return self.source[start : self.at].decode().lower()

    def _quoted(self) -> str:
        quote, value = self.peek(), bytearray()
        self.at += 1
        while self.at < self.size and self.peek() != quote:
            character, behind = _decoded(self.source, self.at) if self.peek() == ord("&") else ("", 0)
            if character:
                value += character.encode(errors="replace")
                self.at = behind
            else:
                value.append(self.peek())
                self.at += 1
        if self.at < self.size:
            self.at += 1
        return value.decode(errors="replace")

    def _end_tag(self) -> None:
        begin = self.at
        if not self._open:
            raise unparsable(f"Unexpected end tag at byte offset {begin}")
        self.at += 2
        name = self.until(SPACES + b">").lower()
        self.skip_spaces()
        if self.peek() != ord(">"):
            raise unparsable(f"Unclosed end tag at byte offset {begin}")
        tag = self._open.pop()
        if name not in ("", tag.name):
            expected = f'expected "</{tag.name}>", found "</{name}>"'
            raise unparsable(f"Unmatched end tag at byte offset {begin}, {expected}")
        self.at += 1
        if self.units > tag.offset:
            self._close(tag)

    def _close(self, tag: _Tag) -> None:
        if tag.name in _KINDS:
            self.mark(_KINDS[tag.name], tag.offset)
        elif tag.name == "a":
            text = self.kept[tag.begin :].decode(errors="replace")
            self.mark_link(tag.argument or text, tag.offset)
        elif tag.name == "tg-emoji":
            if not tag.argument.isdecimal() or int(tag.argument) == 0:
                raise unparsable("Invalid custom emoji identifier specified")
            self.mark("custom_emoji", tag.offset, custom_emoji_id=tag.argument)
        elif tag.name == "tg-time" and tag.date > 0:
            form = {"date_time_format": tag.argument} if tag.argument else {}
            self.mark("date_time", tag.offset, unix_time=tag.date, **form)
        elif tag.name == "blockquote":
            self.mark("expandable_blockquote" if tag.argument else "blockquote", tag.offset)
        elif tag.name in ("pre", "code"):
            self._close_code(tag)

    def _close_code(self, tag: _Tag) -> None:
        """`pre` around `code` with a language, or the other way round, is one entity."""
        last = self.entities[-1] if self.entities else {}
        around = (last.get("offset"), last.get("length")) == (tag.offset, self.units - tag.offset)
        language = last.get("language", "") if tag.name == "pre" else tag.argument
        if around and language and last["type"] in ("code", "pre") and last["type"] != tag.name:
            last |= {"type": "pre", "language": language}
        else:
            self.mark(tag.name, tag.offset, **({"language": tag.argument} if tag.argument else {}))


def _note(tag: _Tag, name: str, value: str) -> None:
    prefixes = {("code", "class"): "language-", ("span", "class"): "tg-"}
    plain = {("a", "href"), ("tg-emoji", "emoji-id"), ("tg-time", "format")}
    prefix = prefixes.get((tag.name, name))
    if prefix is not None and value.startswith(prefix):
        tag.argument = value.removeprefix(prefix)
    elif (tag.name, name) in plain:
        tag.argument = value
    elif (tag.name, name) == ("blockquote", "expandable"):
        tag.argument = "1"
    elif (tag.name, name) == ("tg-time", "unix"):
        tag.date = int(value) if value.isdecimal() else 0


def _decoded(source: bytes, at: int) -> tuple[str, int]:
    """The character of the reference at that place and what is behind it; "" if there is none."""
    match = _REFERENCE.match(source, at)
    if match is None:
        return "", at
    if match["name"] is not None:
        return _NAMED.get(match["name"], ""), match.end()
    digits, base = (match["hex"], 16) if match["hex"] is not None else (match["dec"], 10)
    code = int(digits or b"0", base)
    length = match.end() - at - match[0].endswith(b";")
    is_possible = 0 < code < 0x10FFFF and length < _LONGEST_NUMBER and not 0xD800 <= code <= 0xDFFF
    return (chr(code), match.end()) if is_possible else ("", at)
