"""The pass over all rows for a report: everything is counted, and what is kept is bounded."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.adapters.checkpoint.report_reader import ReportRow
from batchrun.app.report_inputs import InputValues
from batchrun.app.report_rows import MAX_FAILED_OF_KIND, MAX_GROUPS, MAX_SLOWEST, SHOWN_GROUPS, RowPass, run_seconds
from batchrun.domain.error_kinds import ErrorKind
from batchrun.errors import StorageError
from batchrun.views.report.model import SessionSpan
from tests.contract.row_lives import NOW

SESSIONS = [SessionSpan(NOW, NOW + 60_000, 0, (), 60.0, 0), SessionSpan(NOW + 600_000, NOW + 660_000, 0, (), 60.0, 0)]
EMPTY = ReportRow(0, "queued", 0, 0, 0, None, None, None, None, None, None, None, None, None, None, None)


def completed(row: int, took: int = 1000, **changes: object) -> ReportRow:
    times = {"intent_at": NOW, "submitted_at": NOW, "accepted_at": NOW, "created_at": NOW, "updated_at": NOW + took}
    known = {"state": "completed", "run_polls": 2, "finished_at": NOW + took + 500, **times}
    return EMPTY._replace(**{"row": row, **known, **changes})  # type: ignore[arg-type]


def failed(row: int, message: str, kind: str = "run_failed", at: int = NOW) -> ReportRow:
    return EMPTY._replace(row=row, state="failed", error_kind=kind, error_message=message, finished_at=at, intent_at=at)


def passed(*rows: ReportRow, sessions: Sequence[SessionSpan] = SESSIONS) -> RowPass:
    found = RowPass(sessions)
    found.add_all(rows)
    return found


@given(st.lists(st.integers(0, 10**7), max_size=300))
def test_the_slowest_are_those_of_all(times: list[int]) -> None:
    one = SessionSpan(NOW, NOW + 10**8, 0, (), 10.0**5, 0)
    found = passed(*(completed(row, took) for row, took in enumerate(times)), sessions=[one])
    assert [run_seconds(row) for row in found.slowest_rows] == [
        took / 1000 for took in sorted(times, reverse=True)[:MAX_SLOWEST]
    ]
    assert found.figures().run.n == found.figures().lag.n == len(times)
    assert sum(found.figures().polls.values()) == len(times)


def test_rows_that_were_reused_or_have_no_times_count_in_no_distribution() -> None:
    figures = passed(completed(0, intent_at=None), completed(1, created_at=None, accepted_at=None)).figures()
    assert (figures.run.n, figures.by_service) == (1, False)
    assert run_seconds(EMPTY) is None


def test_the_lag_is_not_that_of_one_clock_behind_another() -> None:
    ahead = completed(0, created_at=NOW + 3_600_000, updated_at=NOW + 3_601_000)
    behind = completed(1, created_at=NOW - 3_600_000, updated_at=NOW - 3_599_000)
    lag = passed(ahead, behind).figures().lag
    assert (lag.n, lag.largest) == (2, 0.5)


def test_a_run_that_one_command_began_and_another_saw_end_has_no_lag() -> None:
    rows = completed(0), completed(1, finished_at=NOW + 601_000), completed(2, finished_at=NOW + 59_000)
    figures = passed(*rows).figures()
    assert (figures.lag.n, figures.without_lag, figures.run.n) == (2, 1, 3)
    assert figures.lag.largest == 58


def test_messages_that_differ_in_numbers_are_one_group() -> None:
    figures = passed(*(failed(row, f"run 7f3a9c{row:06} of '{row}' failed") for row in range(50)), failed(60, "other"))
    assert [(group.count, group.row) for group in figures.figures().errors] == [(50, 0), (1, 60)]


def test_what_is_kept_is_bounded_and_everything_is_counted() -> None:
    words = "abcdefghijklmnopqrst"
    rows = [failed(row, f"{words[row % 20]} {words[row // 20 % 20]} {words[row // 400 % 20]}") for row in range(3000)]
    found = passed(*rows)
    figures = found.figures()
    assert len(found.failed_rows) == MAX_FAILED_OF_KIND
    assert len(figures.errors) == SHOWN_GROUPS
    assert sum(group.count for group in figures.errors) + figures.other_errors == 3000
    assert len(found._groups) == MAX_GROUPS
    assert sum(figures.errors_over_time[ErrorKind.RUN_FAILED]) == 3000


def test_errors_are_placed_by_working_time_without_the_break() -> None:
    rows = [failed(0, "a"), failed(1, "a", at=NOW + 300_000), failed(2, "a", at=NOW + 659_999), failed(3, "a", at=1)]
    figures = passed(*rows).figures()
    counts = figures.errors_over_time[ErrorKind.RUN_FAILED]
    assert {place: count for place, count in enumerate(counts) if count} == {0: 2, 30: 1, 59: 1}
    assert figures.part_s == 2.0


def test_an_unknown_kind_is_damage() -> None:
    with pytest.raises(StorageError, match="damaged"):
        passed(failed(0, "a", kind="what"))


def test_what_is_left_out_is_left_out_of_texts_as_it_is_and_as_json_writes_it() -> None:
    values = InputValues((), 0, {}, {3: ['a "b"', "é", ""], 4: ["x"]})
    assert values.redacted(3, 'bad a "b", {"v": "a \\"b\\"", "w": "\\u00e9é"} x') == (
        'bad [left out], {"v": "[left out]", "w": "[left out][left out]"} x'
    )
    assert values.redacted(5, "é") == "é"
    assert values.redacted_everywhere("é x") == "[left out] [left out]"
