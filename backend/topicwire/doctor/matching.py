"""What an assumption expects, and how an answer differs from it. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from topicwire.doctor.bot_api import Answer


class _Absent:
    """A field that must not be there at all, not even as null or false."""

    def __repr__(self) -> str:
        return "absent"


ABSENT: Final = _Absent()


@dataclass(frozen=True)
class Refused:
    """The call has no effect; `description` is the Bot API's, word for word."""

    description: str
    status: int = 400

    def __str__(self) -> str:
        return f"{self.status} {self.description}"


@dataclass(frozen=True)
class Gives:
    """The call succeeds.

    In `result` a type stands for any value of it, an object may have more fields than are named here,
    a list has exactly as many items.
    """

    result: Any

    def __str__(self) -> str:
        return shown(self.result)


Expected = Refused | Gives


def difference(expected: Expected, answer: Answer) -> str | None:
    """How the answer differs, in words; None where it is as expected."""
    if isinstance(expected, Refused):
        as_expected = not answer.ok and str(answer) == str(expected)
        return None if as_expected else f"expected {expected}, got {answer}"
    if not answer.ok:
        return f"expected {expected}, got {answer}"
    return _within(expected.result, answer.result, "")


def matches(pattern: Any, value: Any) -> bool:
    """Whether a value is as a pattern says, read as `Gives.result`."""
    return _within(pattern, value, "") is None


def shown(pattern: Any) -> str:
    """A pattern as people may read it."""
    if isinstance(pattern, Mapping):
        return "{" + ", ".join(f"{name}: {shown(each)}" for name, each in pattern.items()) + "}"
    if isinstance(pattern, list):
        return "[" + ", ".join(map(shown, pattern)) + "]"
    if isinstance(pattern, type):
        return f"any {pattern.__name__}"
    return repr(pattern) if pattern is ABSENT else json.dumps(pattern, ensure_ascii=False)


def _within(expected: Any, got: Any, path: str) -> str | None:
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        return _first(_field(each, got, name, f"{path}.{name}") for name, each in expected.items())
    if isinstance(expected, list) and isinstance(got, Sequence) and len(expected) == len(got):
        pairs = enumerate(zip(expected, got, strict=True))
        return _first(_within(one, other, f"{path}[{index}]") for index, (one, other) in pairs)
    if isinstance(expected, type):
        same = type(got) is expected
    else:
        same = type(got) is type(expected) and got == expected  # True is no 1
    return None if same else f"{_place(path)}expected {shown(expected)}, got {_json(got)}"


def _field(expected: Any, got: Mapping[str, Any], name: str, path: str) -> str | None:
    if expected is ABSENT:
        return None if name not in got else f"{_place(path)}expected absent, got {_json(got[name])}"
    if name not in got:
        return f"{_place(path)}expected {shown(expected)}, got nothing"
    return _within(expected, got[name], path)


def _first(differences: Any) -> str | None:
    return next((each for each in differences if each is not None), None)


def _place(path: str) -> str:
    return f"{path.lstrip('.')}: " if path else ""


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
