"""The table is in order: nothing in it is ambiguous, and the document knows its sections."""

import re
from pathlib import Path

from topicwire.doctor.assumptions import ASSUMPTIONS, OWN_UPDATES, PATIENT, WITH_WEBHOOK

DOCUMENT = Path(__file__).parents[2] / "docs" / "telegram.md"
ROWS = (*ASSUMPTIONS, *PATIENT, *WITH_WEBHOOK, *OWN_UPDATES)


def test_every_line_can_be_told_from_the_others() -> None:
    lines = [(row.section, row.name) for row in ROWS]
    assert len(set(lines)) == len(lines)


def test_every_section_stands_in_the_document() -> None:
    sections = set(re.findall(r"^(?:## |\| )(\d+(?:\.\d)?) ", DOCUMENT.read_text(), re.MULTILINE))
    assert {row.section for row in ROWS} <= sections
