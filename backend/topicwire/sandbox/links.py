"""Links and mail addresses in plain text, found the way Telegram finds them. Pure."""

import re
from collections.abc import Iterator

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


_ADDRESS = re.compile(
    r"(?:(?P<protocol>https?)://)?(?P<user>[^/?#@]*@)?(?P<host>[^/?#:@]+)(?P<port>:\d+)?(?P<query>[/?#].*)?",
    re.IGNORECASE | re.DOTALL,
)
_OWN = re.compile(r"(?P<protocol>tg|ton|tonsite):(?://)?(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_USER = re.compile(r"tg:(?://)?user\?id=(\d+)$", re.IGNORECASE)


def linked_user(address: str) -> int | None:
    """Whom a link such as tg://user?id=5 mentions."""
    found = _USER.match(address)
    return int(found[1]) if found else None


def checked_link(address: str) -> str:
    """The address as Telegram writes it, "" if it is none (tdlib, `LinkManager::check_link_impl`)."""
    own = _OWN.match(address)
    if own is not None:
        return f"{own['protocol'].lower()}://{own['rest']}"
    found = _ADDRESS.fullmatch(address.strip())
    if found is None or "." not in found["host"] or any(sign.isspace() for sign in found["host"]):
        return ""
    query = found["query"] or "/"
    slash = "" if query.startswith("/") else "/"
    parts = (found["user"] or "", found["host"].lower(), found["port"] or "", slash, query)
    return f"{(found['protocol'] or 'http').lower()}://{''.join(parts)}"
