"""A job that dies after its k-th change, for every k, and is resumed."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.rehearsal import Rehearsal

ROWS = 9
FAULTS = ("error=0.2", "fault=fail:id=4", "duration=uniform:1,6", "lost=0.1")
CHANGES = 75
"""At least the number of changes in the job, which a test checks."""

RowResults = dict[int, tuple[str, str | None]]


def _rehearsal(folder: Path) -> Rehearsal:
    rehearsal = Rehearsal(folder, ROWS, *FAULTS, seed=11)
    rehearsal.options |= {"rps": 3, "retries": 9}
    return rehearsal


@cache
def undisturbed(in_doubt: str) -> RowResults:
    with TemporaryDirectory() as folder:
        rehearsal = _rehearsal(Path(folder))
        rehearsal.run(in_doubt=in_doubt)
        return rehearsal.row_results()


def test_the_uninterrupted_job_has_several_results_and_fewer_changes_than_are_tried(tmp_path: Path) -> None:
    rehearsal = _rehearsal(tmp_path)
    assert rehearsal.run(in_doubt="resubmit").exit_code == 3
    assert len(rehearsal.posts()) > ROWS
    (tmp_path / "later").mkdir()
    later = _rehearsal(tmp_path / "later")
    assert later.run(kill_after=CHANGES, in_doubt="resubmit").exit_code == 3, "raise CHANGES"


@pytest.mark.parametrize("changes", range(1, CHANGES))
def test_with_resubmit_the_results_are_the_same(tmp_path: Path, changes: int) -> None:
    rehearsal = _rehearsal(tmp_path)
    rehearsal.run(kill_after=changes, in_doubt="resubmit")
    rehearsal.clock.jump(5)
    rehearsal.run(in_doubt="resubmit")
    assert rehearsal.row_results() == undisturbed("resubmit")


@pytest.mark.parametrize("changes", range(1, CHANGES, 2))
def test_with_hold_only_rows_in_doubt_differ_and_no_row_is_paid_twice(tmp_path: Path, changes: int) -> None:
    rehearsal = _rehearsal(tmp_path)
    rehearsal.run(kill_after=changes)
    rehearsal.clock.jump(5)
    rehearsal.run()
    row_results, expected = rehearsal.row_results(), undisturbed("resubmit")
    assert sorted(row_results) == list(range(ROWS))
    assert {row: result for row, result in row_results.items() if result[0] != "in_doubt"} == {
        row: expected[row] for row, result in row_results.items() if result[0] != "in_doubt"
    }
    assert rehearsal.simulator.stats()["runs_repeated"] == 0


def test_a_job_may_die_again_and_again(tmp_path: Path) -> None:
    rehearsal = _rehearsal(tmp_path)
    for _ in range(200):
        if rehearsal.run(kill_after=2, in_doubt="resubmit").exit_code == 3:
            break
        rehearsal.clock.jump(2)
    assert rehearsal.row_results() == undisturbed("resubmit")


@pytest.mark.parametrize("changes", range(1, 60))
def test_no_more_rows_are_in_doubt_than_there_are_connections(tmp_path: Path, changes: int) -> None:
    rehearsal = Rehearsal(tmp_path, 40, "duration=5", "latency=0.001")
    rehearsal.run(kill_after=changes, rps=5000, max_connections=3)
    assert rehearsal.run(max_connections=3).in_doubt <= 3
