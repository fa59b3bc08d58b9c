"""What counts as a difference, and how it is put."""

from typing import Any

import pytest

from topicwire.doctor.bot_api import Answer
from topicwire.doctor.matching import ABSENT, Gives, Refused, difference, matches

REFUSAL = Answer(status=400, ok=False, description="Bad Request: chat not found")


def given(result: Any) -> Answer:
    return Answer(status=200, ok=True, result=result)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        (True, True),
        ({"id": int}, {"id": 7, "more": 1}),
        ({"edit_date": ABSENT}, {}),
        ([{"type": "bold"}], [{"type": "bold", "offset": 0}]),
        ({}, {"anything": 1}),
    ],
)
def test_as_expected(pattern: Any, value: Any) -> None:
    assert matches(pattern, value)


@pytest.mark.parametrize(
    ("pattern", "value", "words"),
    [
        (True, 1, "expected true, got 1"),
        ({"id": int}, {"id": True}, "id: expected any int, got true"),
        ({"id": int}, {}, "id: expected any int, got nothing"),
        ({"edit_date": ABSENT}, {"edit_date": None}, "edit_date: expected absent, got null"),
        ({"chat": {"id": -5}}, {"chat": {"id": -6}}, "chat.id: expected -5, got -6"),
        ([{"type": "bold"}], [], 'expected [{type: "bold"}], got []'),
        (
            {"entities": [{"length": 2}]},
            {"entities": [{"length": 3}]},
            "entities[0].length: expected 2, got 3",
        ),
    ],
)
def test_differences_say_where(pattern: Any, value: Any, words: str) -> None:
    assert difference(Gives(pattern), given(value)) == words


def test_refusals_are_compared_word_for_word() -> None:
    assert difference(Refused("Bad Request: chat not found"), REFUSAL) is None
    assert difference(Refused("Bad Request: chat not found", 403), REFUSAL) == (
        "expected 403 Bad Request: chat not found, got 400 Bad Request: chat not found"
    )
    assert difference(Refused("Bad Request: chat not found"), given(True)) == (
        "expected 400 Bad Request: chat not found, got true"
    )
    assert (
        difference(Gives({"id": int}), REFUSAL)
        == "expected {id: any int}, got 400 Bad Request: chat not found"
    )
