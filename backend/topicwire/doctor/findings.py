"""What the doctor has to say about one thing."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a thing was found; `NOTE` is good to know and nothing to mend."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what was found, and how to mend what is wrong."""

    what: str
    state: State
    text: str
    mend: str = ""


def ok(what: str, text: str) -> Finding:
    """Something that is as it should be."""
    return Finding(what, State.OK, text)


def note(what: str, text: str) -> Finding:
    """Something that is good to know."""
    return Finding(what, State.NOTE, text)


def wrong(what: str, text: str, mend: str) -> Finding:
    """Something that somebody has to mend, and how."""
    return Finding(what, State.WRONG, text, mend)
