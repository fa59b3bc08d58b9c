"""Tokens: signed, bound to a project, outliving a rotation of keys."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topicwire.visitor.tokens import Grip, Tokens

KEYS = ("the newest key of all", "the key before that one")
GRIP = Grip("conversation", "hold", "epoch")


def test_a_token_says_what_it_was_given() -> None:
    tokens = Tokens(KEYS)
    assert tokens.read("project", tokens.sign("project", GRIP)) == GRIP


def test_a_token_opens_one_project() -> None:
    tokens = Tokens(KEYS)
    assert tokens.read("another", tokens.sign("project", GRIP)) is None


def test_a_token_outlives_a_rotation_but_not_two() -> None:
    old = Tokens([KEYS[1]]).sign("project", GRIP)
    assert Tokens(KEYS).read("project", old) == GRIP
    assert Tokens([KEYS[0]]).read("project", old) is None
    renewed = Tokens(KEYS).sign("project", GRIP)
    assert Tokens([KEYS[0]]).read("project", renewed) == GRIP


def test_no_change_of_one_character_goes_unseen() -> None:
    tokens = Tokens(KEYS)
    token = tokens.sign("project", GRIP)
    # The last character of each part carries bits that no byte is made of.
    ends = {len(token) - 1, *(index - 1 for index, sign in enumerate(token) if sign == ".")}
    for index in set(range(len(token))) - ends:
        changed = token[:index] + ("A" if token[index] != "A" else "B") + token[index + 1 :]
        assert tokens.read("project", changed) is None, index


@given(st.text())
def test_nothing_else_is_a_token(noise: str) -> None:
    assert Tokens(KEYS).read("project", noise) is None


@pytest.mark.parametrize(
    "content", ["text", 7, None, [], ["project"], ["project", "a", "b", "c", "d"], {"a": 1}]
)
def test_what_another_version_signed_is_refused(content: object) -> None:
    tokens = Tokens(KEYS)
    token = str(tokens._signer.dumps(content))
    assert tokens.read("project", token) is None


def test_what_something_else_of_ours_signed_is_no_token() -> None:
    from itsdangerous import URLSafeTimedSerializer  # noqa: PLC0415

    other = URLSafeTimedSerializer(list(reversed(KEYS)), salt="topicwire.another")
    assert Tokens(KEYS).read("project", str(other.dumps(["project", "a", "b", "c"]))) is None


def test_a_token_that_nobody_used_for_400_days_is_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = Tokens(KEYS)
    token = tokens.sign("project", GRIP)
    day = 24 * 3600
    for days, expected in ((399, GRIP), (401, None)):
        with monkeypatch.context() as patched:
            timestamp = int(time.time()) + days * day
            patched.setattr("itsdangerous.timed.TimestampSigner.get_timestamp", lambda _, t=timestamp: t)
            assert tokens.read("project", token) == expected
