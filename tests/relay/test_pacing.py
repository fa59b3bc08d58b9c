"""Pacing: never more calls than the rate in any window, and never a pause that is not needed."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from topicwire.relay import pacing
from topicwire.settings import Rate

START = datetime(2026, 1, 1, tzinfo=UTC)
rates = st.builds(Rate, st.integers(1, 25), st.floats(0.1, 120))


def test_without_a_rate_nothing_waits() -> None:
    assert pacing.wait([START] * 100, START, None) == 0
    assert pacing.window(None) is None


def test_a_full_window_waits_for_its_oldest_answer() -> None:
    calls = [START + timedelta(seconds=second) for second in range(20)]
    now = calls[-1]
    assert pacing.wait(calls[:19], now, Rate(20, 60)) == 0
    assert pacing.wait(calls, now, Rate(20, 60)) == 41
    assert pacing.wait(calls, START + timedelta(seconds=60), Rate(20, 60)) == 0


def test_room_for_several_calls_waits_for_as_many_answers() -> None:
    calls = [START + timedelta(seconds=second) for second in range(20)]
    now = calls[-1]
    assert pacing.wait(calls, now, Rate(20, 60), room=5) == 45
    assert pacing.wait(calls[:15], now, Rate(20, 60), room=5) == 0
    assert pacing.wait(calls[:16], now, Rate(20, 60), room=5) == 41
    assert pacing.wait(calls, now, Rate(20, 60), room=99) == 60


@given(
    rate=rates,
    calls=st.lists(st.tuples(st.floats(0, 30), st.floats(0, 15)), max_size=120),
)
def test_no_window_ever_holds_more_than_the_rate(rate: Rate, calls: list[tuple[float, float]]) -> None:
    """A lane that waits as told, between calls that come and last as they like.

    Whether the other side counts a call when it arrives or when it answers, it counts no more than
    the rate in any window.
    """
    now = START
    answers: list[datetime] = []
    spans: list[tuple[datetime, datetime]] = []
    for pause, lasts in calls:
        now += timedelta(seconds=pause)
        # A microsecond is all that rounding may take.
        now += timedelta(seconds=pacing.wait(answers, now, rate), microseconds=1)
        began = now
        now += timedelta(seconds=lasts)
        spans.append((began, now))
        answers = [*answers, now][-rate.calls :]
    window = timedelta(seconds=rate.seconds)
    for index in range(len(spans) - rate.calls):
        (_, first_answer), (next_began, _) = spans[index], spans[index + rate.calls]
        assert next_began - first_answer >= window - timedelta(microseconds=1)


@given(rate=rates, gaps=st.lists(st.floats(0, 100), max_size=60), later=st.floats(0, 200))
def test_a_wait_is_never_longer_than_needed(rate: Rate, gaps: list[float], later: float) -> None:
    calls, now = [], START
    for gap in gaps:
        now += timedelta(seconds=gap)
        calls.append(now)
    now += timedelta(seconds=later)
    wait = pacing.wait(calls, now, rate)
    assert 0 <= wait <= rate.seconds + 1e-6  # times have microseconds
    assert pacing.after(calls, now, rate) == pacing.wait([*calls, now], now, rate)
    in_window = [call for call in calls if (now - call).total_seconds() < rate.seconds]
    assert (wait > 0) == (len(in_window) >= rate.calls) or abs(wait) < 1e-5
    assert pacing.wait(calls, now + timedelta(seconds=wait, microseconds=1), rate) == 0
