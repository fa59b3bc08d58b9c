"""parse_mode HTML, MarkdownV2 and Markdown."""
# ruff: noqa: E501 - a row of a table stays a row

from __future__ import annotations

from typing import Any

import pytest

from topicwire.sandbox.answers import RefusedError
from topicwire.sandbox.html_mode import parse_html
from topicwire.sandbox.markdown_mode import parse_markdown, parse_markdown_v2


def entities(parsed: tuple[str, list[dict[str, Any]]]) -> list[tuple[Any, ...]]:
    shown = []
    for entity in parsed[1]:
        more = [value for name, value in entity.items() if name not in ("type", "offset", "length")]
        shown.append((entity["type"], entity["offset"], entity["length"], *more))
    return shown


@pytest.mark.parametrize(
    ("html", "text", "found"),
    [
        ("<b>bold</b> <i>it</i>", "bold it", [("bold", 0, 4), ("italic", 5, 2)]),
        ("<B><em>x</em></B>", "x", [("italic", 0, 1), ("bold", 0, 1)]),
        ("😀<u>x</u>", "😀x", [("underline", 2, 1)]),
        ("a &lt; b &amp; c &#65;&#x42; & &nbsp;", "a < b & c AB & &nbsp;", []),
        ('<a href="https://Shop.example?a=1&amp;b=2">x</a>', "x", [("text_link", 0, 1, "https://shop.example/?a=1&b=2")]),
        ("<a>shop.example</a>", "shop.example", [("text_link", 0, 12, "http://shop.example/")]),
        ('<a href="nowhere">x</a>', "x", []),
        ("<a href=tg://user?id=5>x</a>", None, None),
        ('<a href="tg://user?id=5">x</a>', "x", [("text_mention", 0, 1, {"id": 5})]),
        ('<span class="tg-spoiler">x</span><tg-spoiler>y</tg-spoiler>', "xy", [("spoiler", 0, 1), ("spoiler", 1, 1)]),
        ('<pre><code class="language-python">x</code></pre>', "x", [("pre", 0, 1, "python")]),
        ('<code class="language-c">x</code>', "x", [("code", 0, 1)]),
        ("<pre>x</pre>", "x", [("pre", 0, 1)]),
        ("<blockquote expandable>x</blockquote>", "x", [("expandable_blockquote", 0, 1)]),
        ('<tg-emoji emoji-id="5368324170671202286">👍</tg-emoji>', "👍", [("custom_emoji", 0, 2, "5368324170671202286")]),
        ('<tg-time unix="1790000000" format="t">x</tg-time>', "x", [("date_time", 0, 1, 1790000000, "t")]),
        ("<b></b>x", "x", []),
        ("<b>x</>", "x", [("bold", 0, 1)]),
    ],
)  # fmt: skip
def test_html(html: str, text: str | None, found: list[Any] | None) -> None:
    if text is None:
        with pytest.raises(RefusedError, match="Unexpected end of name token"):
            parse_html(html)
        return
    parsed = parse_html(html)
    assert parsed[0] == text
    assert sorted(entities(parsed), key=str) == sorted(found or [], key=str)


@pytest.mark.parametrize(
    ("html", "why"),
    [
        ("a <x>", 'Unsupported start tag "x" at byte offset 2'),
        ("ä <div>", 'Unsupported start tag "div" at byte offset 3'),
        ("1 < 2", 'Unsupported start tag "" at byte offset 2'),
        ("<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("<b>x</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("<b", "Unclosed start tag at byte offset 0"),
        ("<b>x</b", "Unclosed end tag at byte offset 4"),
        ("<a href", 'Unclosed start tag "a" at byte offset 0'),
        ('<a ="x">y</a>', 'Empty attribute name in the tag "a" at byte offset 0'),
        ("<span>x</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
        ('<tg-emoji emoji-id="x">y</tg-emoji>', "Invalid custom emoji identifier specified"),
    ],
)
def test_what_is_no_html(html: str, why: str) -> None:
    with pytest.raises(RefusedError) as refused:
        parse_html(html)
    assert refused.value.description == f"Bad Request: can't parse entities: {why}"


@pytest.mark.parametrize(
    ("markdown", "text", "found"),
    [
        ("*b* _i_ __u__ ~s~ ||p||", "b i u s p", [("bold", 0, 1), ("italic", 2, 1), ("underline", 4, 1), ("strikethrough", 6, 1), ("spoiler", 8, 1)]),
        (r"1\. a\-b\!", "1. a-b!", []),
        ("[x](https://shop.example/a\\)b)", "x", [("text_link", 0, 1, "https://shop.example/a)b")]),
        ("[x](tg://user?id=7)", "x", [("text_mention", 0, 1, {"id": 7})]),
        ("![👍](tg://emoji?id=5368324170671202286)", "👍", [("custom_emoji", 0, 2, "5368324170671202286")]),
        ("`a.b` ```py\nc!```", "a.b c!", [("code", 0, 3), ("pre", 4, 2, "py")]),
        (">a\n>b\nc", "a\nb\nc", [("blockquote", 0, 4)]),
        (">a||\nb", "a\nb", [("expandable_blockquote", 0, 2)]),
        (">a||", "a", [("expandable_blockquote", 0, 1)]),
        ("*a _b_*", "a b", [("bold", 0, 3), ("italic", 2, 1)]),
    ],
)  # fmt: skip
def test_markdown_v2(markdown: str, text: str, found: list[Any]) -> None:
    parsed = parse_markdown_v2(markdown)
    assert (parsed[0], entities(parsed)) == (text, found)


@pytest.mark.parametrize(
    ("markdown", "why"),
    [
        ("a.", "Character '.' is reserved and must be escaped with the preceding '\\'"),
        ("a > b", "Character '>' is reserved and must be escaped with the preceding '\\'"),
        ("a | b", "Character '|' is reserved and must be escaped with the preceding '\\'"),
        ("a *b", "Can't find end of Bold entity at byte offset 2"),
        ("ä _b", "Can't find end of Italic entity at byte offset 3"),
        ("```py\nx", "Can't find end of PreCode entity at byte offset 0"),
        ("[x](a", "Can't find end of a URL at byte offset 4"),
        ("![x]", "The entity must contain a tg://emoji or tg://time URL"),
        ("![x](https://a.b)", "Invalid tg://emoji or tg://time URL specified"),
    ],
)
def test_what_is_no_markdown_v2(markdown: str, why: str) -> None:
    with pytest.raises(RefusedError) as refused:
        parse_markdown_v2(markdown)
    assert refused.value.description == f"Bad Request: can't parse entities: {why}"


def test_the_older_markdown() -> None:
    parsed = parse_markdown("*b* _i_ `c` [x](shop.example) ```py\nz``` \\_ a.b")
    assert parsed[0] == "b i c x z _ a.b"
    assert entities(parsed) == [
        ("bold", 0, 1),
        ("italic", 2, 1),
        ("code", 4, 1),
        ("text_link", 6, 1, "http://shop.example/"),
        ("pre", 8, 1, "py"),
    ]
    with pytest.raises(RefusedError, match="Can't find end of the entity starting at byte offset 2"):
        parse_markdown("a *b")
