"""Links and mail addresses in plain text, found the way Telegram finds them. Pure."""

import ipaddress
import re
from collections.abc import Iterator
from typing import NamedTuple

# A bare domain counts only under a well-known ending; with http:// in front any ending does.
_COMMON_ENDINGS_WORDS = """
academy agency ai app art bar best biz blog business cafe care chat city cloud club co codes coffee
com community company computer consulting cool dance design dev digital directory education email
energy events example expert express family fashion film finance fit fm fun fund gallery games
global gold gov guide guru health help host house info ink io jobs land law lease life limited link
live loan love ltd market marketing me media mobi money name net network news ninja one online org
page party photo photos pics plus press pro pub rent repair report rest review rocks run sale
school services shop show site social software solutions space store studio style support systems
tax team tech technology tips today tools top tours town trade travel tv uk university us vip watch
web website wiki win work works world wtf xyz zone
"""
_COMMON_ENDINGS = frozenset(_COMMON_ENDINGS_WORDS.split())
_CANDIDATE = re.compile(
    r"(?<![\w.~@/:+-])"
    r"(?:(?P<protocol>[A-Za-z][A-Za-z0-9+-]*)://|mailto:)?"
    r"(?:(?P<user>[^\s/\[\]{}()'`<>\"@«»]+)@)?"
    r"(?P<host>[\w~-]+(?:\.[\w~-]+)+)"
    r"(?P<port>:\d{1,5})?"
    r"(?P<path>[/?#][^\s<>\"«»]*)?"
)
_INNER_DOT = re.compile(r"\.[\w~-]")
_PROTOCOLS = {"http", "https", "ftp", "tg", "ton", "tonsite"}
_MAIL_USER = re.compile(r"[A-Za-z0-9_-]{0,26}(?:[.+:][A-Za-z0-9_-]{1,35}){0,10}")


def find_links(text: str) -> Iterator[tuple[str, int, int]]:
    """`("url" | "email", start, end)` in code points, from left to right."""
    if _INNER_DOT.search(text) is None:
        return
    for match in _CANDIDATE.finditer(text):
        if _is_mail(match):
            yield "email", match.start("user"), match.end("host")
        elif _is_url(match):
            yield "url", match.start(), _end(match)


def _is_mail(match: re.Match[str]) -> bool:
    user = match["user"]
    return bool(user and not match["protocol"] and _MAIL_USER.fullmatch(user) and _is_domain(match["host"]))


def _is_url(match: re.Match[str]) -> bool:
    protocol = match["protocol"]
    if protocol and protocol.lower() not in _PROTOCOLS:
        return False
    return _is_address(match["host"]) or _is_domain(match["host"], any_ending=bool(protocol))


def _is_domain(host: str, *, any_ending: bool = False) -> bool:
    parts = host.split(".")
    ending = parts[-1].lower()
    if any(not 0 < len(part) < 64 or part.endswith("-") for part in parts) or len(ending) < 2:
        return False
    if "_" in ending or "-" in ending or "_" in parts[-2] or host.replace(".", "").isdigit():
        return False
    return (
        any_ending
        or ending in _COMMON_ENDINGS
        or (len(ending) == 2 and ending.isascii() and ending.isalpha())
    )


def _is_address(host: str) -> bool:
    parts = host.split(".")
    return len(parts) == 4 and all(part.isdecimal() and len(part) <= 3 and int(part) < 256 for part in parts)


def _end(match: re.Match[str]) -> int:
    """Where the link ends once the punctuation that closes a sentence is left out."""
    path = match["path"]
    if not path:
        return match.end()
    kept = path.rstrip(".:;,('?!`")
    while kept.endswith((")", "]", "}")) and kept.count(kept[-1]) > kept.count(
        {")": "(", "]": "[", "}": "{"}[kept[-1]]
    ):
        kept = kept[:-1].rstrip(".:;,('?!`")
    return match.end() - (len(path) - len(kept))


_OWN = re.compile(r"(?P<protocol>tg|ton|tonsite):(?://)?(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_USER = re.compile(r"tg:(?://)?user\?id=([0-9]+)$", re.IGNORECASE)
_PROTOCOL = re.compile(r"([^:/?#@\[\]]*)://")
_PORT = re.compile(r"(?<=.):([^:\]@]*)\Z", re.DOTALL)
_PATH = re.compile(r"[/?#].*\Z", re.DOTALL)
_PART = re.compile(r"(?:[A-Za-z0-9.\-_!$,~*'();&+=]|%[0-9A-Fa-f]{2}|[^\x00-\x7f])*")


class BadLinkError(ValueError):
    """No address that Telegram makes a link of; its text is tdlib's reason."""


class _Address(NamedTuple):
    protocol: str
    user: str
    host: str
    port: str
    path: str

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return f"{self.protocol}://{user}{self.host}{port}{self.path}"


def linked_user(address: str) -> int | None:
    """Whom a link such as tg://user?id=5 mentions."""
    found = _USER.match(address)
    return int(found[1]) if found else None


def checked_link(address: str) -> str:
    """The address as Telegram writes it (tdlib, `LinkManager::check_link`). BadLinkError if it is none."""
    own = _OWN.match(address)
    if own is not None:
        return _own_link(own["protocol"].lower(), own["rest"])
    parsed = _parse(address)
    if "." not in parsed.host and not parsed.host.startswith("["):
        raise BadLinkError("Wrong HTTP URL")
    return str(parsed)


def _own_link(protocol: str, rest: str) -> str:
    parsed = _parse(rest)
    is_web = rest.lower().startswith("http://") or parsed.protocol == "https"
    if is_web or parsed.user or parsed.port or parsed.host.startswith("["):
        raise BadLinkError("Wrong tg URL" if protocol == "tg" else "Wrong ton URL")
    if not re.fullmatch(r"[a-z0-9.\-_]+" if protocol == "tonsite" else r"[a-z0-9\-_]+", parsed.host):
        raise BadLinkError("Unallowed characters in URL host")
    path = parsed.path[1:] if parsed.path.startswith("/?") else parsed.path
    return f"{protocol}://{parsed.host}{path}"


def _parse(address: str) -> _Address:
    """As `parse_url` of `HttpUrl.cpp`."""
    told, rest = _cut(_PROTOCOL.match(address), address)
    protocol = told[1].lower() if told else "http"
    if protocol not in ("http", "https"):
        raise BadLinkError("Unsupported URL protocol")
    tail, place = _cut(_PATH.search(rest), rest)
    gate, place = _cut(_PORT.search(place), place)
    user, _, host = place.rpartition("@")
    _check_host(host.lower())
    if not _PART.fullmatch(user.replace(":", "")):
        raise BadLinkError("Disallowed character in URL userinfo")
    path = tail[0].rstrip(" \t\r\n\0\v") if tail else ""
    path = path if path.startswith("/") else f"/{path}"
    shown = "".join(f"%{ord(sign):02X}" if sign <= " " else sign for sign in path)
    return _Address(protocol, user, host.lower(), _port(gate[1]) if gate else "", shown)


def _cut(found: re.Match[str] | None, text: str) -> tuple[re.Match[str] | None, str]:
    """What was found, and the text without it."""
    return found, text[: found.start()] + text[found.end() :] if found else text


def _port(raw: str) -> str:
    port = raw.lstrip("0")
    if not (port.isascii() and port.isdecimal() and int(port) <= 65535):
        raise BadLinkError("Wrong port number specified in the URL")
    return port


def _check_host(host: str) -> None:
    if not host:
        raise BadLinkError("URL host is empty")
    if host == ".":
        raise BadLinkError("Host is invalid")
    if host.startswith("[") and host.endswith("]"):
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            raise BadLinkError("Wrong IPv6 address specified in the URL") from None
    elif not _PART.fullmatch(host):
        raise BadLinkError("Disallowed character in URL host")
