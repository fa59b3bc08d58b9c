"""What a group's people read when they are back."""

from datetime import timedelta

import pytest

from topicwire.relay.troubles import span


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a minute"),
        (29, "less than a minute"),
        (45, "1 minute"),
        (119 * 60, "119 minutes"),
        (120 * 60, "2 hours"),
        (47 * 3600, "47 hours"),
        (49 * 3600, "2 days"),
    ],
)
def test_how_long_it_took_is_said_as_people_say_it(seconds: float, words: str) -> None:
    assert span(timedelta(seconds=seconds)) == words
