"""What parsers of formatted text share: bytes in, text and entities out, counted in UTF-16 units. Pure."""

import contextlib
from typing import Any

from topicwire.sandbox.answers import RefusedError, bad_request
from topicwire.sandbox.links import BadLinkError, checked_link, linked_user

Entity = dict[str, Any]

SPACES = b" \t\r\n\0\v"  # what tdlib takes for a blank; the end of the text is one


def unparsable(why: str) -> RefusedError:
    """The refusal of text that cannot be parsed."""
    return bad_request(f"can't parse entities: {why}")


class Scanner:
    """Reads bytes and writes the bytes that stay. Behind the end it reads zeros, as C does."""

    def __init__(self, text: str) -> None:
        self.source = text.encode() + b"\0\0\0\0"
        self.size = len(self.source) - 4
        self.at = 0
        self.units = 0
        self.kept = bytearray()
        self.entities: list[Entity] = []

    def peek(self, ahead: int = 0) -> int:
        return self.source[self.at + ahead]

    def starts(self, sign: bytes) -> bool:
        return self.source.startswith(sign, self.at)

    def copy(self) -> None:
        """One byte as it is."""
        byte = self.source[self.at]
        if byte & 0xC0 != 0x80:  # the first of a character
            self.units += 2 if byte >= 0xF0 else 1
        self.kept.append(byte)
        self.at += 1

    def skip_spaces(self) -> None:
        while self.peek() in SPACES and self.at < self.size:
            self.at += 1

    def until(self, stops: bytes) -> str:
        """The bytes before the next stop or the end."""
        start = self.at
        while self.at < self.size and self.peek() not in stops:
            self.at += 1
        return self.source[start : self.at].decode(errors="replace")

    def mark(self, kind: str, offset: int, **fields: Any) -> None:
        """An entity from `offset` to here; one without length is none."""
        if self.units > offset:
            self.entities.append({"type": kind, "offset": offset, "length": self.units - offset, **fields})

    def mark_link(self, address: str, offset: int) -> None:
        """A link, or a mention of a person; nothing if the address is neither."""
        user = linked_user(address)
        if user is not None:
            self.mark("text_mention", offset, user={"id": user})
            return
        with contextlib.suppress(BadLinkError):
            self.mark("text_link", offset, url=checked_link(address))

    def result(self) -> tuple[str, list[Entity]]:
        """The text that stays, and its entities in Telegram's order."""
        self.entities.sort(key=lambda entity: (entity["offset"], -entity["length"]))
        return self.kept.decode(errors="replace"), self.entities
