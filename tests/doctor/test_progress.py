"""A replay on a terminal: whole lines above what says how long it still takes."""

import io
import re

from rich.console import Console

from topicwire.doctor.progress import print_summary, replaying
from topicwire.doctor.replay import Outcome, Summary, Tried


def test_lines_stay_whole_above_the_remaining_time() -> None:
    screen = io.StringIO()
    out = Console(file=screen, force_terminal=True, width=100, highlight=False, markup=False)
    with replaying(out) as report:
        report.remaining(125)
        report.tried(Tried(Outcome.HELD, "2.2", "an [empty] name"))
        report.tried(Tried(Outcome.DIFFERENT, "13", "a message of ours", "expected\x1b[2J this, got that"))
        report.say("429: waiting")
    print_summary(out, Summary())
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert "held       2.2  an [empty] name\n" in shown
    assert "different  13   a message of ours: expected [2J this, got that\n" in shown
    assert "about 2:05 left; Ctrl-C cleans up" in shown
    assert "0 held, 0 different, 0 not tried\n" in shown
