"""What people see: colours on a terminal, plain lines elsewhere."""

from rich.console import Console
from rich.text import Text

from topicwire.doctor.findings import Finding, State

_STATES = {State.OK: "green", State.NOTE: "yellow", State.WRONG: "bold red"}


def console() -> Console:
    """Standard output, as it is: nothing in a text is markup, long lines stay lines."""
    return Console(highlight=False, soft_wrap=True, markup=False, emoji=False)


def print_finding(out: Console, finding: Finding) -> None:
    """One line, and below it how to mend what is wrong."""
    label = (f"{finding.state:<6}", _STATES[finding.state])
    out.print(Text.assemble(label, f"{plain(finding.what)}: {plain(finding.text)}"))
    if finding.mend:
        out.print(f"      -> {plain(finding.mend)}")


def plain(text: str) -> str:
    """Without what a terminal would obey: titles and answers come from elsewhere."""
    return "".join(character if character.isprintable() else " " for character in text)
