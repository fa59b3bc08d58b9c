"""parse_mode MarkdownV2 and Markdown, as tdlib's `parse_markdown_v2` and `parse_markdown`. Pure."""

from dataclasses import dataclass

from topicwire.sandbox.scanning import SPACES, Entity, Scanner, unparsable

_RESERVED = b"_*[]()~`>#+-=|{}.!\n"
_NAMES = {  # tdlib's own, which are in its refusals
    "bold": "Bold", "italic": "Italic", "underline": "Underline", "strikethrough": "Strikethrough",
    "spoiler": "Spoiler", "code": "Code", "pre": "Pre", "pre_code": "PreCode", "text_link": "TextUrl",
    "custom_emoji": "CustomEmoji", "blockquote": "BlockQuote",
}  # fmt: skip
_SIGNS = {
    b"__": "underline", b"||": "spoiler", b"```": "pre", b"![": "custom_emoji", b"*": "bold", b"_": "italic",
    b"~": "strikethrough", b"`": "code", b"[": "text_link",
}  # fmt: skip
_ENDS = {
    "bold": b"*", "underline": b"__", "strikethrough": b"~", "spoiler": b"||", "code": b"`",
    "pre": b"```", "pre_code": b"```", "text_link": b"]", "custom_emoji": b"]",
}  # fmt: skip


@dataclass
class _Open:
    kind: str
    offset: int
    byte: int  # in the source, for refusals
    begin: int  # in the kept bytes
    language: str = ""


def parse_markdown_v2(text: str) -> tuple[str, list[Entity]]:
    """The text without its marks, and their entities. RefusedError for reserved characters and open ends."""
    return _MarkdownV2(text).parse()


def parse_markdown(text: str) -> tuple[str, list[Entity]]:
    """The older Markdown, without nesting. RefusedError for open ends."""
    return _Markdown(text).parse()


class _WithCode(Scanner):
    """What both have in common: the head of a block of code, and escaped addresses."""

    def language(self) -> str:
        """Reads what stands behind three backticks up to the code itself."""
        start = self.at
        name = self.until(SPACES + b"`")
        if self.at >= self.size or self.peek() == ord("`"):
            name, self.at = "", start
        if self.peek() in b"\r\n":
            other = self.peek(1) in b"\r\n" and self.peek(1) != self.peek()
            self.at += 2 if other else 1
        return name


class _MarkdownV2(_WithCode):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._open: list[_Open] = []
        self._in_quote = False
        self._may_quote = True

    def parse(self) -> tuple[str, list[Entity]]:
        while self.at < self.size:
            if self.peek() == ord("\\") and 0 < self.peek(1) <= 126:
                self.at += 1
                self._write()
            elif self.peek() not in self._reserved():
                self._write()
            elif self._ends():
                self._end()
            else:
                self._begin()
        self._end_quote_at_end()
        if self._open:
            raise self._open_end(self._open[-1])
        return self.result()

    def _write(self) -> None:
        byte = self.peek()
        self.copy()
        if byte != ord("\r"):
            self._may_quote = byte == ord("\n")

    def _reserved(self) -> bytes:
        is_code = self._open and self._open[-1].kind in ("code", "pre", "pre_code")
        return b"`" if is_code else _RESERVED

    def _ends(self) -> bool:
        if not self._open:
            return False
        if self._in_quote and self.starts(b"\n") and self.peek(1) != ord(">"):
            return True
        kind = self._open[-1].kind
        if kind == "italic":
            return self.starts(b"_") and self.peek(1) != ord("_")
        return kind in _ENDS and self.starts(_ENDS[kind])

    def _begin(self) -> None:
        byte = self.at
        if self.starts(b"\n"):
            self._write()
            return
        if self.starts(b">") and self._may_quote:
            self.at += 1
            if not self._in_quote:
                self._in_quote = True
                self._open.append(_Open("blockquote", self.units, byte, len(self.kept)))
            return
        sign = next((sign for sign in _SIGNS if self.starts(sign)), None)
        if sign is None:
            character = chr(self.peek())
            raise unparsable(
                f"Character '{character}' is reserved and must be escaped with the preceding '\\'"
            )
        self.at += len(sign)
        kind, language = _SIGNS[sign], ""
        if kind == "pre" and (language := self.language()):
            kind = "pre_code"
        self._open.append(_Open(kind, self.units, byte, len(self.kept), language))

    def _end(self) -> None:
        if self.starts(b"\n"):
            self._end_quote()
            return
        opened = self._open.pop()
        self.at += len(_ENDS.get(opened.kind, b"_"))
        if opened.kind == "text_link":
            text = self.kept[opened.begin :].decode(errors="replace")
            self.mark_link(self._address() if self.starts(b"(") else text, opened.offset)
        elif opened.kind == "custom_emoji":
            self._emoji(opened)
        elif opened.kind == "pre_code":
            self.mark("pre", opened.offset, language=opened.language)
        else:
            self.mark(opened.kind, opened.offset)

    def _end_quote(self) -> None:
        """A line that does not go on with > ends the quote; || just before makes it expandable."""
        opened = self._open.pop()
        kind = "blockquote"
        if opened.kind == "spoiler" and opened.byte in (self.at - 2, self.at - 3) and self._open:
            opened, kind = self._open.pop(), "expandable_blockquote"
        if opened.kind != "blockquote":
            raise self._open_end(opened)
        self._write()
        self._in_quote = False
        self.mark(kind, opened.offset)

    def _end_quote_at_end(self) -> None:
        if not self._in_quote or not self._open:
            return
        kind, last = "blockquote", self._open[-1]
        if last.kind == "spoiler" and last.byte == self.size - 2:
            self._open.pop()
            kind = "expandable_blockquote"
        if self._open and self._open[-1].kind == "blockquote":
            self.mark(kind, self._open.pop().offset)

    def _emoji(self, opened: _Open) -> None:
        if not self.starts(b"("):
            raise unparsable("The entity must contain a tg://emoji or tg://time URL")
        protocol, _, number = self._address().partition("?id=")
        if protocol not in ("tg://emoji", "tg:emoji") or not number.isdecimal():
            raise unparsable("Invalid tg://emoji or tg://time URL specified")
        self.mark("custom_emoji", opened.offset, custom_emoji_id=number)

    def _address(self) -> str:
        self.at += 1
        start, address = self.at, bytearray()
        while self.at < self.size and self.peek() != ord(")"):
            if self.peek() == ord("\\") and 0 < self.peek(1) <= 126:
                self.at += 1
            address.append(self.peek())
            self.at += 1
        if self.peek() != ord(")"):
            raise unparsable(f"Can't find end of a URL at byte offset {start}")
        self.at += 1
        return address.decode(errors="replace")

    def _open_end(self, opened: _Open) -> Exception:
        return unparsable(f"Can't find end of {_NAMES[opened.kind]} entity at byte offset {opened.byte}")


class _Markdown(_WithCode):
    def parse(self) -> tuple[str, list[Entity]]:
        while self.at < self.size:
            if self.peek() == ord("\\") and self.peek(1) in b"_*`[":
                self.at += 1
                self.copy()
            elif self.peek() in b"_*`[":
                self._entity()
            else:
                self.copy()
        return self.result()

    def _entity(self) -> None:
        begin, sign = self.at, self.peek()
        is_pre = self.starts(b"```")
        self.at += 3 if is_pre else 1
        language = self.language() if is_pre else ""
        end = b"```" if is_pre else b"]" if sign == ord("[") else bytes([sign])
        offset, kept = self.units, len(self.kept)
        while self.at < self.size and not self.starts(end):
            self.copy()
        if self.at >= self.size:
            raise unparsable(f"Can't find end of the entity starting at byte offset {begin}")
        self.at += len(end)
        if sign == ord("["):
            text = self.kept[kept:].decode(errors="replace")
            self.mark_link(self._address() if self.starts(b"(") else text, offset)
        elif is_pre:
            self.mark("pre", offset, **({"language": language} if language else {}))
        else:
            self.mark({"_": "italic", "*": "bold", "`": "code"}[chr(sign)], offset)

    def _address(self) -> str:
        self.at += 1
        address = self.until(b")")
        self.at += 1
        return address
