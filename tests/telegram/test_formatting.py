"""A visitor's text stays what it was, and rings nobody."""

import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from topicwire.relay.channel import Entity, RecapLine, Text
from topicwire.telegram.formatting import (
    JOINER,
    TelegramEntity,
    clean,
    defuse,
    from_telegram,
    recap,
    shorten,
    stacked,
    to_telegram,
    topic_name,
    undelivered,
    utf16_length,
    visitor_line,
)

# Telegram's own expressions, as the comments of TDLib give them (MessageEntity.cpp), with Python's
# notion of a word. Written apart from the code under test.
MENTION = re.compile(r"(?<!\w)@[a-zA-Z0-9_]{2,32}(?!\w)")
COMMAND = re.compile(r"(?<![\w/<>])/[a-zA-Z0-9_]{1,64}(?:@[a-zA-Z0-9_]{3,32})?(?![\w/<>])")
HASHTAG = re.compile(r"(?<![\w\u200c\u00b7\u0d80-\u0dff])#[\w\u200c\u00b7\u0d80-\u0dff]*[^\W\d][\w]*(?!#)")
CASHTAG = re.compile(r"(?<![$\w])\$(?:1INCH|[A-Z]{1,8})(?![$\w])")

WHO: dict[str, Any] = {
    "email": "jo@b.example",
    "name": "Jo",
    "page_url": "https://shop.example/cart",
    "locale": "de-DE",
}
WHEN = datetime(2026, 3, 2, 14, 5, tzinfo=UTC)


def alive(text: Text) -> list[str]:
    """Everything that Telegram would bring to life outside our own links and preformatted text."""
    covered = [(e.offset, e.offset + e.length) for e in text.entities if e.type in ("link", "pre", "code")]
    found = []
    for kind in (MENTION, COMMAND, HASHTAG, CASHTAG):
        for match in kind.finditer(text.text):
            at = utf16_length(text.text[: match.start()])
            if not any(start <= at < end for start, end in covered):
                found.append(match[0])
    return found


def starts(text: str) -> set[int]:
    """The UTF-16 offsets at which a character begins, and the end."""
    offsets, at = {0}, 0
    for character in text:
        at += utf16_length(character)
        offsets.add(at)
    return offsets


def covered_text(text: Text, entity: Entity) -> str:
    units = text.text.encode("utf-16-le")
    return units[2 * entity.offset : 2 * (entity.offset + entity.length)].decode("utf-16-le")


def assert_sound(text: Text) -> None:
    assert utf16_length(text.text) <= 4096
    assert text.text == text.text.strip(" \n")
    boundaries = starts(text.text)
    for entity in text.entities:
        assert entity.length > 0
        assert {entity.offset, entity.offset + entity.length} <= boundaries
    ordered = sorted(text.entities, key=lambda entity: entity.offset)
    assert all(one.offset + one.length <= two.offset for one, two in pairwise(ordered))
    assert alive(text) == []


def cut(text: str, units: int = 4000) -> str:
    while utf16_length(text) > units:
        text = text[:-1]
    return text


signs = st.sampled_from(
    [*"@/#$.:;,()[]!?<> \n\t\r", "@op", "/start", "#tag", "$USD", "//", "@@", "/a/b", "1/2"]
)
addresses = st.sampled_from(
    [
        "https://a.example/x",
        "https://medium.com/@joe",
        "http://x.com/#tag).",
        "HTTPS://Shop.Example:8443/-/cmd?q=$USD",
        "http://localhost/@joe",
        "https://@joe",
        "https://user:pw@host.example/@joe",
        "https://host.example:99999/@joe",
        "a@b.example",
        "t.me/@joe",
        "mailto:@joe",
    ]
)
scripts = st.sampled_from(
    [*"aZ09_é好й²²·ש", "a\u030a", "e\u0333", "\u202e", "\u2067", "\u200f\u200f", "\u200c"]
)
pictures = st.sampled_from(["😀", "👩‍👧", "🇩🇪", "👍🏽", "#️⃣", "\U0001d518", "\u0958", "\ufb2c", "\ud800"])
hostile = st.lists(st.one_of(signs, addresses, scripts, pictures, st.text(max_size=3)), max_size=200).map(
    lambda pieces: cut("".join(pieces))
)
heads = st.one_of(st.none(), st.builds(lambda name: visitor_line(**{**WHO, "name": name}), hostile))


@given(hostile, heads)
@example("@a " * 1333, None)
@example("@a " * 1333, visitor_line(**WHO))
@example("😀" * 2000, visitor_line(**WHO))
@example("\u0958" * 4000, visitor_line(**WHO))
@example("https://a.bc/@x " * 250, visitor_line(**WHO))
def test_whatever_a_visitor_types_arrives_and_rings_nobody(text: str, head: Text | None) -> None:
    sent = to_telegram(text, head=head)
    assert_sound(sent)
    cleaned = clean(text)
    rest = sent.text
    if head is not None and head.text and rest.startswith(head.text):
        rest = rest[len(head.text) :].removeprefix("\n")
    elif head is not None and head.text:
        rest = rest.partition(" …\n")[2]
    assert rest.replace(JOINER, "") == cleaned.replace(JOINER, "")


@given(st.text(max_size=300) | hostile)
def test_what_telegram_would_clean_is_clean(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    assert not re.search("[\x00-\x09\x0b-\x1f\u2028-\u202e\u030a\u0333\u033f\ud800-\udfff]", cleaned)
    assert not re.search("[\u200e\u200f]{2}", cleaned)


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("  \n hi \r\n there\t\n", "hi \n there"),
        ("a\u030angstro\u0308m", "ångström"),
        ("x\u030a\u202ey\u2028z", "xyz"),
        ("a\x00b\x07c", "a b c"),
        ("a\u200e\u200f\u200eb", "a\u200c\u200c\u200eb"),
        ("\ud83d broken", "\ufffd broken"),
        (" \n\t", ""),
    ],
)
def test_cleaning(typed: str, sent: str) -> None:
    assert clean(typed) == sent


def test_a_text_that_normalising_would_make_too_long_stays_as_typed() -> None:
    text = "\u0958" * 4000
    assert len(unicodedata.normalize("NFC", text)) == 8000
    assert to_telegram(text).text == text


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("hello @bob", "hello @|bob"),
        ("@bob", "@|bob"),
        ("(@bob)", "(@|bob)"),
        ("@@bob", "@@|bob"),
        ("/start now", "/|start now"),
        ("/start@bot", "/|start@bot"),
        (".@bob/cmd", ".@|bob/cmd"),
        ("好@bob", "好@|bob"),
        ("#sale", "#|sale"),
        ("#好", "#|好"),
        ("##sale", "##|sale"),
        ("#1a", "#|1a"),
        ("buy $USD", "buy $|USD"),
        ("$1INCH", "$|1INCH"),
        ("http://localhost/@joe", "http://localhost/@|joe"),
        ("https://@joe", "https://@|joe"),
        ("https://joe@host.example/@joe", "https://joe@host.example/@|joe"),
        # nothing that Telegram would find, nothing to be done
        ("jo@b.example", "jo@b.example"),
        ("müller@b.example", "müller@b.example"),
        ("1/2 and/or и/or", "1/2 and/or и/or"),
        ("/usr/bin/env", "/usr/bin/env"),
        ("</b> //x", "</b> //x"),
        ("order #12345.", "order #12345."),
        ("#️⃣ 5 @ 3 $5 / #", "#️⃣ 5 @ 3 $5 / #"),
        ("https://shop.example/a?b=c#d", "https://shop.example/a?b=c#d"),
    ],
)
def test_signs_are_defused(typed: str, sent: str) -> None:
    assert to_telegram(typed) == Text(sent.replace("|", JOINER))


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("see https://medium.com/@joe.", "https://medium.com/@joe"),
        ("😀 (https://x.com/#tag)", "https://x.com/#tag"),
        ("HTTP://Shop.Example:8443/-/cmd?q=$USD, ok", "HTTP://Shop.Example:8443/-/cmd?q=$USD"),
        ("https://a.bc/(@x)/[@y]]", "https://a.bc/(@x)/[@y]"),
        ("@bob https://xn--e1afmkfd.xn--p1ai/@x", "https://xn--e1afmkfd.xn--p1ai/@x"),
    ],
)
def test_addresses_stay_whole_under_a_link_of_ours(typed: str, address: str) -> None:
    sent = to_telegram(typed)
    (link,) = sent.entities
    assert (link.type, link.url) == ("link", address)
    assert covered_text(sent, link) == address
    assert alive(sent) == []


def test_telegram_ignores_entities_beyond_the_hundredth_so_later_links_are_joined() -> None:
    sent = to_telegram("https://a.bc/@joe " * 60)
    assert len(sent.entities) == 50
    assert sent.text.count(f"@{JOINER}joe") == 10
    assert_sound(sent)


def test_the_head_stands_above_and_keeps_its_entities() -> None:
    head = Text("😀 Jo", (Entity("italic", 0, 5),))
    sent = to_telegram("hi https://x.com/@a", head=head)
    assert sent.text == "😀 Jo\nhi https://x.com/@a"
    assert sent.entities == (Entity("italic", 0, 5), Entity("link", 9, 16, "https://x.com/@a"))


def test_only_the_head_is_cut_and_only_at_a_space() -> None:
    head = Text("/a/b " * 40, (Entity("italic", 0, 200),))
    sent = to_telegram("x" * 4000, head=head)
    above, _, below = sent.text.partition("\n")
    assert below == "x" * 4000
    assert above.endswith("/a/b …")
    assert sent.entities == (Entity("italic", 0, len(above)),)
    assert_sound(sent)


def test_a_head_without_a_space_is_dropped_rather_than_cut_in_a_word() -> None:
    assert to_telegram("x" * 4000, head=Text("y" * 200)).text == "x" * 4000


def test_a_text_of_signs_alone_goes_out_preformatted() -> None:
    sent = to_telegram("@a " * 1333, head=visitor_line(**WHO))
    head, _, body = sent.text.partition("\n")
    assert body == ("@a " * 1333).strip()
    assert sent.entities[-1] == Entity("pre", len(head) + 1, len(body))


@pytest.mark.parametrize(("units", "above"), [(4001, 94), (4060, 35), (4090, 5), (4094, 0), (4096, 0)])
def test_a_longer_batch_leaves_its_head_less_room(units: int, above: int) -> None:
    sent = to_telegram("x" * units, head=Text("ab " * 100))
    assert sent.text.endswith("x" * units)
    assert 0 <= above - len(sent.text[:-units].rstrip("\n")) < 5
    assert_sound(sent)


def test_more_than_telegram_takes_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="4097 units"):
        to_telegram("x" * 4097)


@pytest.mark.parametrize("head", [None, Text("")])
def test_nothing_stays_nothing(head: Text | None) -> None:
    assert to_telegram(" \n", head=head) == Text("")


@pytest.mark.parametrize(
    ("known", "line"),
    [
        (WHO, "Jo · jo@b.example (unverified) · shop.example/cart · de-DE"),
        ({**WHO, "verified": True}, "Jo · jo@b.example · shop.example/cart · de-DE"),
        ({**WHO, "name": None, "email": ""}, "shop.example/cart · de-DE"),
        ({**WHO, "name": "J\no @op · x", "email": None, "page_url": ""}, f"J o @{JOINER}op - x · de-DE"),
        ({**WHO, "name": "\u2067evil\u202e", "email": None, "locale": None}, "evil · shop.example/cart"),
        ({"email": None, "name": None, "page_url": None, "locale": None}, ""),
    ],
)  # fmt: skip
def test_the_line_that_says_who_writes(known: dict[str, Any], line: str) -> None:
    text = visitor_line(**known)
    assert text.text == line
    assert text.entities == ((Entity("italic", 0, utf16_length(line)),) if line else ())


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://shop.example/?q=secret#frag", "shop.example"),
        ("https://user:pw@shop.example:8443/cart/", "shop.example:8443/cart"),
        (
            "https://shop.example/a/long/way/through/many/steps/to/the/end.html",
            f"shop.example/…/{JOINER}end.html",
        ),
        ("https://shop.example/%D0%BA%0Ax", "shop.example/к x"),
        ("file:///etc/passwd", ""),
        ("https://[broken", ""),
        ("https://shop.example:port/", ""),
        ("javascript:alert(1)", ""),
    ],
)
def test_a_page_is_told_without_its_secrets(url: str, shown: str) -> None:
    assert visitor_line(email=None, name=None, page_url=url, locale=None).text == shown


@given(hostile, hostile, hostile, hostile, st.sampled_from([90, 200]))
def test_the_line_is_bounded_and_safe(email: str, name: str, page: str, locale: str, limit: int) -> None:
    page_url = f"https://shop.example/{page}"
    line = visitor_line(email=email, name=name, page_url=page_url, locale=locale, limit=limit)
    assert utf16_length(line.text) <= limit
    assert "\n" not in line.text
    assert_sound(line)


@pytest.mark.parametrize(
    ("email", "name"),
    [
        ("jo@b.example", "jo@b.example"),
        ("  jo @\nb.example\u00a0", "jo @ b.example"),
        ("x" * 200, "x" * 127 + "…"),
        ("😀" * 100 + "x", "Anon_FVYRMQ"),
        ("", "Anon_FVYRMQ"),
        (None, "Anon_FVYRMQ"),
        ("\u2800\u200b", "Anon_FVYRMQ"),
    ],
)
def test_topics_are_named(email: str | None, name: str) -> None:
    assert topic_name(email, "x") == name


def test_anonymous_names_are_stable_and_apart() -> None:
    names = {topic_name(None, str(number)) for number in range(1000)}
    assert len(names) == 1000
    assert all(re.fullmatch("Anon_[A-Z2-7]{6}", name) for name in names)


def test_a_recap_tells_times_in_utc_and_a_date_where_the_day_changes() -> None:
    berlin = timezone(timedelta(hours=2))
    lines = [
        RecapLine(WHEN, None, "hello\nworld"),
        RecapLine(WHEN + timedelta(minutes=1), "Ann", "/start with @me"),
        RecapLine(datetime(2026, 3, 3, 1, 30, tzinfo=berlin), "Ann", "late"),
        RecapLine(WHEN + timedelta(days=1), "", "x" * 400),
    ]
    text = recap(lines)
    assert text.text.split("\n") == [
        "Earlier in this conversation",
        "2026-03-02 14:05 Visitor: hello world",
        f"14:06 Ann: /{JOINER}start with @{JOINER}me",
        "23:30 Ann: late",
        f"2026-03-03 14:05 Operator: {'x' * 159}…",
    ]
    assert text.entities == (Entity("bold", 0, 28),)


def test_a_recap_without_lines_is_its_header() -> None:
    assert recap([]).text == "Earlier in this conversation"


@given(st.lists(st.tuples(st.integers(0, 10**6), st.none() | hostile, hostile), max_size=30))
def test_a_recap_keeps_the_newest_that_fit(entries: list[tuple[int, str | None, str]]) -> None:
    lines = [
        RecapLine(WHEN + timedelta(minutes=m), who, text)
        for m, who, text in sorted(entries, key=lambda e: e[0])
    ]
    text = recap(lines, limit=600)
    assert utf16_length(text.text) <= 600
    assert_sound(text)
    told = text.text.split("\n")[1:]
    assert len(told) == len(lines) or len(told) >= 2
    if told:
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d ", told[0])
        assert lines[-1].at.strftime("%H:%M") in told[-1]


@pytest.mark.parametrize(
    ("kind", "url", "ours"),
    [
        ("bold", None, Entity("bold", 3, 7)),
        ("italic", None, Entity("italic", 3, 7)),
        ("underline", None, Entity("underline", 3, 7)),
        ("strikethrough", None, Entity("strike", 3, 7)),
        ("code", None, Entity("code", 3, 7)),
        ("pre", None, Entity("pre", 3, 7)),
        ("spoiler", None, Entity("spoiler", 3, 7)),
        ("blockquote", None, Entity("quote", 3, 7)),
        ("expandable_blockquote", None, Entity("quote", 3, 7)),
        ("url", None, Entity("link", 3, 7, "https://a.io/😀")),
        ("email", None, Entity("link", 3, 7, "mailto:a.io/😀")),
        ("text_link", "https://b.example/", Entity("link", 3, 7, "https://b.example/")),
        ("text_link", "tel:+491234", Entity("link", 3, 7, "tel:+491234")),
        ("text_link", "javascript:alert(1)", None),
        ("text_link", "tg://user?id=1", None),
        ("text_link", "//b.example", None),
        ("text_link", None, None),
        ("mention", None, None),
        ("custom_emoji", None, None),
        ("from_the_future", None, None),
    ],
)
def test_telegrams_entities_become_ours(kind: str, url: str | None, ours: Entity | None) -> None:
    text = from_telegram("😀 a.io/😀!", [TelegramEntity(kind, 3, 7, url)])
    assert text.entities == ((ours,) if ours else ())


@pytest.mark.parametrize(
    ("shown", "url"),
    [
        ("http://a.io", "http://a.io"),
        ("HTTPS://a.io", "HTTPS://a.io"),
        ("a.io:80/x", "https://a.io:80/x"),
        ("tg://resolve", None),
        ("ftp://a.io", None),
    ],
)
def test_addresses_get_a_scheme(shown: str, url: str | None) -> None:
    text = from_telegram(shown, [TelegramEntity("url", 0, len(shown))])
    assert [entity.url for entity in text.entities] == ([url] if url else [])


@pytest.mark.parametrize(("offset", "length"), [(-1, 2), (0, 0), (0, -1), (2, 3), (9, 1), (10**30, 1)])
def test_entities_outside_the_text_are_dropped(offset: int, length: int) -> None:
    assert from_telegram("abcd", [TelegramEntity("bold", offset, length)]).entities == ()


def test_a_nul_does_not_reach_the_database() -> None:
    assert from_telegram("a\0b", []).text == "a\ufffdb"


def test_stacked_texts_shift() -> None:
    below = Text("x", (Entity("bold", 0, 1),))
    assert stacked(Text("😀"), below) == Text("😀\nx", (Entity("bold", 3, 1),))
    assert stacked(Text(""), below) == stacked(below, Text("")) == below


@pytest.mark.parametrize(
    ("text", "limit", "short"),
    [
        ("hello", 5, "hello"),
        ("hello!", 5, "hell…"),
        ("ab 😀😀", 5, "ab…"),
        ("ae\u0301e\u0301", 4, "ae\u0301…"),
        ("a👩\u200d👧x", 6, "a…"),
        ("🇩🇪🇫🇷x", 7, "🇩🇪…"),
        ("a👍🏽x", 5, "a…"),
        ("한\u1161\u11a8xx", 3, "…"),
    ],
)
def test_shortening_keeps_what_a_reader_sees_as_one(text: str, limit: int, short: str) -> None:
    assert shorten(text, limit) == short


def test_defused_text_needs_no_entity() -> None:
    assert alive(Text(defuse("https://x.com/@joe /a #b $USD"))) == []


def test_what_was_refused_for_good_is_told_on_three_harmless_lines() -> None:
    told = undelivered("/start\n@mara " + "long " * 100, "Bad Request: MESSAGE_IS_CURSED " + "by " * 200, 12)
    assert alive(Text(told)) == []
    first, second, third = told.split("\n")
    assert first.startswith(
        "Telegram refused a message of this visitor and will not take it: MESSAGE_IS_CURSED"
    )
    assert len(first) < 300
    assert second.startswith("It begins: “/\u2060start @\u2060mara long")
    assert second.endswith("…”")
    assert third.endswith("topicwire dead-letters requeue 12")
