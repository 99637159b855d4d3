"""The time series of several sessions on one axis, and how durations and differences are told."""

import math

import pytest

from batchrun.domain.time_series import Interval
from batchrun.scoring.figures import Difference
from batchrun.views.report.distributions import _edge
from batchrun.views.report.formats import seconds
from batchrun.views.report.model import SessionSpan
from batchrun.views.report.timeline import MAX_POINTS, timeline
from batchrun.views.verdicts import verdict
from tests.contract.row_lives import NOW


def session(start: int, length: int, *intervals: Interval) -> SessionSpan:
    return SessionSpan(NOW + start * 1000, NOW + (start + length) * 1000, 0, intervals, length, 0)


def second(at: int, **values: float) -> Interval:
    return Interval(NOW + at * 1000, 1000, **values)  # type: ignore[arg-type]


def test_the_break_between_two_sessions_is_left_out_and_no_line_is_drawn_across_it() -> None:
    line = timeline([session(0, 3, second(0), second(1)), session(100, 2, second(100, submissions=5), second(101))])
    assert [(one.start, one.end) for one in line.every] == [(0, 1), (1, 2), (3, 4), (4, 5)]
    assert (line.sessions, line.end) == ([(0, 3), (3, 5)], 5)
    x, y = line.steps(lambda one: one.submissions)
    assert x == [0, 1, 2, 2, 3, 4, 5, 5]
    assert [place for place, value in enumerate(y) if math.isnan(value)] == [3, 7]


def test_a_session_is_as_long_as_it_worked_whenever_it_wrote_last() -> None:
    span = SessionSpan(NOW, NOW + 9000, None, (second(1), second(2)), 3.5, 0)
    line = timeline([span, session(20, 2, second(20))])
    assert [(one.start, one.end) for one in line.every] == [(0, 1), (1, 2), (3.5, 4.5)]
    assert line.end == 5.5


def test_neighbours_that_were_paused_are_one_band() -> None:
    paused = {1: 1000, 2: 400, 3: 100, 5: 300}
    line = timeline([session(0, 7, *(second(at, paused_ms=paused.get(at, 0)) for at in range(7)))])
    assert line.bands(lambda one: one.paused_ms) == [(1, 3), (5, 6)]


def test_a_short_end_is_shown_with_the_interval_before_and_long_series_are_merged() -> None:
    short = Interval(NOW + 2000, 10, submissions=3)
    line = timeline([session(0, 2, second(0), second(1, submissions=1), short)])
    assert [one.interval.submissions for one in line.every] == [0, 4]
    assert len(timeline([session(0, 1, short)]).every) == 1
    assert timeline([session(0, 1)]).every == []
    many = [session(1000 * number, 600, *(second(at) for at in range(600))) for number in range(4)]
    assert len(timeline(many).every) <= MAX_POINTS


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "< 1 ms"), (0.1234, "123 ms"), (4.25, "4.25 s"), (59.96, "60 s"), (3723, "1:02:03")],
)
def test_durations_are_short(value: float | None, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.144, "140 ms"), (0.98, "980 ms"), (1.02, "1 s"), (600, "10:00")]
)
def test_ends_of_bars_have_two_digits(value: float, text: str) -> None:
    assert _edge(value) == text


def test_a_difference_is_told_with_its_chance() -> None:
    import numpy as np  # noqa: PLC0415 - an extra

    none = np.array([], np.int64)
    clear = Difference(40, -0.2, -0.3, -0.1, 0.0001, 0.0001, 0, 8, 32, 0.1, none, none)
    assert verdict("b", "a", clear) == "b is worse than a by 0.200 over 40 rows; unlikely to be chance (p < 0.001)."
    chance = Difference(1, 0.1, -0.3, 0.5, 0.4, 0.2, 1, 0, 0, 0.25, none, none)
    assert verdict("b", "a", chance) == (
        "b scores 0.100 higher than a over 1 row, which may well be chance (p = 0.400). With this many rows, a "
        "real difference below 0.250 may go unnoticed."
    )
    unknown = Difference(0, None, None, None, None, None, 0, 0, 0, None, none, none)
    assert verdict("b", "a", unknown) == "b and a have no row in common with a score, so nothing can be said."
