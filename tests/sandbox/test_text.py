"""Text as Telegram keeps it."""

from typing import Any

import pytest

from topicwire.sandbox.answers import RefusedError
from topicwire.sandbox.text import clean, find_entities, parse_entities, topic_name


def found(text: str) -> list[tuple[str, str]]:
    units = text.encode("utf-16-le")
    return [
        (each["type"], units[2 * each["offset"] : 2 * (each["offset"] + each["length"])].decode("utf-16-le"))
        for each in find_entities(text)
    ]


def entity(kind: str, offset: int, length: int, **more: Any) -> dict[str, Any]:
    return {"type": kind, "offset": offset, "length": length, **more}


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("  \n hello \n ", "hello"),
        ("a\tb\x00c", "a b c"),
        ("a\r\nb", "a\nb"),
        ("a\u2028b\u202ec", "abc"),
        ("A\u030angstrom", "Angstrom"),
        ("x\u200f\u200f\u200e", "x\u200c\u200c\u200e"),
        ("two  spaces stay", "two  spaces stay"),
        ("😀 ok", "😀 ok"),
    ],
)
def test_cleans(raw: str, kept: str) -> None:
    assert clean(raw, []) == (kept, [])


@pytest.mark.parametrize("raw", ["", "   ", "\n\r\t", "\u2029 "])
def test_refuses_nothing(raw: str) -> None:
    with pytest.raises(RefusedError, match="text must be non-empty"):
        clean(raw, [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ask @mara_l now", [("mention", "@mara_l")]),
        ("@abc is too short, @gif is not", [("mention", "@gif")]),
        ("me@mara_l is none", []),
        (
            "/start and /help@some_bot, not a/b or </x",
            [("bot_command", "/start"), ("bot_command", "/help@some_bot")],
        ),
        ("#sale #2024 #größe", [("hashtag", "#sale"), ("hashtag", "#größe")]),
        ("see https://a.example/x?y=1.", [("url", "https://a.example/x?y=1")]),
        ("shop.example.com is bare", [("url", "shop.example.com")]),
        ("end.Next sentence and v1.2.3", []),
        ("10.0.0.1 and 300.1.1.1", [("url", "10.0.0.1")]),
        ("(see example.com/a_(b))", [("url", "example.com/a_(b)")]),
        ("write to jo.smith+x@mail.example.org!", [("email", "jo.smith+x@mail.example.org")]),
        ("😀 @jonas_weber", [("mention", "@jonas_weber")]),
        ("javascript://example.com/%0aalert(1)", []),
        ("ftp://files.example.com/a", [("url", "ftp://files.example.com/a")]),
    ],
)
def test_finds_what_telegram_makes_active(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


def test_finds_nothing_inside_code_and_links() -> None:
    text = "@mara_l @mara_l @mara_l"
    given = [entity("code", 0, 7), entity("text_link", 8, 7, url="https://a.example")]
    _, entities = clean(text, given)
    assert [(each["type"], each["offset"]) for each in entities] == [
        ("code", 0),
        ("text_link", 8),
        ("mention", 16),
    ]


def test_finds_inside_bold() -> None:
    _, entities = clean("@mara_l", [entity("bold", 0, 7)])
    assert {each["type"] for each in entities} == {"bold", "mention"}


def test_entities_move_with_what_cleaning_removes() -> None:
    text, entities = clean(" \r😀\u2028 bold  ", [entity("bold", 6, 4)])
    assert text == "😀 bold"
    assert entities == [entity("bold", 3, 4)]


def test_entities_are_cut_with_the_text() -> None:
    assert clean("bold   ", [entity("bold", 0, 7)]) == ("bold", [entity("bold", 0, 4)])


@pytest.mark.parametrize(
    ("text", "given", "refusal"),
    [
        (
            "abc",
            entity("bold", 1, 5),
            "entity beginning at UTF-16 offset 1 ends after the end of the text at UTF-16 offset 6",
        ),
        ("abc", entity("bold", 7, 1), "entity begins after the end of the text at UTF-16 offset 7"),
        ("😀", entity("bold", 1, 1), "entity begins in a middle of a UTF-16 symbol at byte offset"),
        ("😀b", entity("bold", 0, 1), "ends in a middle of a UTF-16 symbol at byte offset 4"),
    ],
)
def test_refuses_entities_that_leave_the_text(text: str, given: dict[str, Any], refusal: str) -> None:
    with pytest.raises(RefusedError) as refused:
        clean(text, [given])
    assert refusal in refused.value.description


@pytest.mark.parametrize(
    ("raw", "refusal"),
    [
        ([{"offset": 0, "length": 1}], 'Can\'t find field "type"'),
        ([{"type": "bold", "length": 1}], 'Can\'t find field "offset"'),
        ([entity("marquee", 0, 1)], "Unsupported type specified"),
        ([entity("text_link", 0, 1, url=5)], 'Field "url" must be of type String'),
        ([entity("text_mention", 0, 1, user="x")], 'Field "user" must be of type Object'),
        ([entity("text_mention", 0, 1, user={"id": "x"})], 'Field "id" must be a valid Number'),
        ([entity("custom_emoji", 0, 1, custom_emoji_id=[])], 'Field "custom_emoji_id" must be a Number'),
        ([entity("text_link", 0, 1)], 'Can\'t find field "url"'),
        (["bold"], "expected an Object"),
        ([entity("bold", -1, 1)], "incorrect offset -1"),
    ],
)
def test_refuses_entities_it_cannot_read(raw: Any, refusal: str) -> None:
    with pytest.raises(RefusedError, match=refusal):
        parse_entities(raw)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Shop.Example", "http://shop.example/"),
        ("HTTPS://u:p@Shop.example:0443?a=1", "https://u:p@shop.example:443/?a=1"),
        ("http://127.0.0.1:8000/a b#c ", "http://127.0.0.1:8000/a%20b#c"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
        ("http://münchen.example", "http://münchen.example/"),
        ("tg://resolve?domain=a", "tg://resolve?domain=a"),
        ("tg:Resolve/x", "tg://resolve/x"),
        ("tonsite://a.ton", "tonsite://a.ton/"),
    ],
)
def test_links_as_telegram_writes_them(given: str, kept: str) -> None:
    _, entities = clean("link", [entity("text_link", 0, 4, url=given)])
    assert entities == [entity("text_link", 0, 4, url=kept)]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("http://localhost:8000/", "Wrong HTTP URL"),
        ("", "URL host is empty"),
        ("https://", "URL host is empty"),
        ("ftp://shop.example", "Unsupported URL protocol"),
        ("javascript:alert(1)", "Wrong port number specified in the URL"),
        ("http://shop.example:0", "Wrong port number specified in the URL"),
        ("http://shop.example:65536", "Wrong port number specified in the URL"),
        ("http://shop .example", "Disallowed character in URL host"),
        ("http://a b@shop.example", "Disallowed character in URL userinfo"),
        ("http://[::x]/", "Wrong IPv6 address specified in the URL"),
        (".", "Host is invalid"),
        ("tg://a.b", "Unallowed characters in URL host"),
        ("tg://https://a", "Wrong tg URL"),
        ("ton://a@b", "Wrong ton URL"),
    ],
)
def test_links_that_telegram_refuses(given: str, why: str) -> None:
    with pytest.raises(RefusedError) as refused:
        clean("link", [entity("text_link", 0, 4, url=given)])
    assert refused.value.description == f"Bad Request: entity URL '{given}' is invalid: {why}"


def test_a_link_to_somebody_is_a_mention() -> None:
    mention = entity("text_mention", 0, 4, user={"id": 7})
    assert parse_entities([entity("text_link", 0, 4, url="tg://user?id=7")]) == [mention]
    assert parse_entities([entity("text_mention", 0, 4, user={"id": "7", "first_name": "x"})]) == [mention]


def test_entities_above_the_hundredth_are_ignored() -> None:
    text = "@anna " * 101
    covers = [entity("code", 6 * n, 5) for n in range(101)]
    _, entities = clean(text, covers)
    assert [each["type"] for each in entities] == ["code"] * 100 + ["mention"]


def test_leaves_to_telegram_what_only_telegram_finds() -> None:
    assert parse_entities([entity("mention", 0, 5), entity("bold", 0, 5)]) == [entity("bold", 0, 5)]


def test_topic_names_are_one_line_of_at_most_128() -> None:
    assert topic_name("  Anna \n\t K.\u00a0 ") == "Anna K."
    assert len(topic_name("x" * 200)) == 128
    assert topic_name("a" + " " * 200 + "b") == "a"  # cut first
    assert topic_name("\u3000Zoë\u2003 \u2800K\u200bö\ufffc") == "Zoë K\u200bö"


@pytest.mark.parametrize(
    "unseen",
    ["\u200b", "\u200d\ufeff \u200e", "\u00a0", "\u2800", "\u3000\ufffc", "\U000e0020\U000e007f", "\u202e\t"],
)
def test_what_cannot_be_seen_is_nothing(unseen: str) -> None:
    assert clean(unseen, [], may_be_empty=True) == ("", [])
    with pytest.raises(RefusedError, match="Bad Request: text must be non-empty"):
        clean(unseen, [])
    with pytest.raises(RefusedError, match="Bad Request: name must be non-empty"):
        topic_name(unseen)


def test_signs_that_cannot_be_seen_stay_beside_others() -> None:
    assert clean("\u200bx\u3000", []) == ("\u200bx\u3000", [])


def test_a_long_run_of_letters_is_looked_through_quickly() -> None:
    assert find_entities("a" * 4000 + "." + "b" * 4000 + "@") == []


def test_marks_that_follow_each_other_are_one() -> None:
    marks = [entity("bold", 0, 2), entity("bold", 2, 2), entity("italic", 1, 1), entity("bold", 3, 3)]
    assert clean("abcdefgh", marks)[1] == [entity("bold", 0, 6), entity("italic", 1, 1)]
    lines = [entity("blockquote", 0, 2), entity("blockquote", 2, 2)]
    assert clean("abcdefgh", lines)[1] == lines


def test_cashtags_and_phone_numbers() -> None:
    assert found("buy $TON now, not $ton") == [("cashtag", "$TON")]
    assert found("call +49 30 901820 or 12345") == [("phone_number", "+49 30 901820")]
    assert found("1+1 is +2") == []
