"""`--mode sync`: drained, resumed in either mode, and killed after each change."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.engine.sync_rehearsal import Sync

# -- interruptions


def test_a_drain_waits_for_the_answers(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 100, "duration=20")
    summary = rehearsal.run(max_runtime=30, drain_timeout=25, rps=5)
    assert (summary.exit_code, summary.in_doubt, summary.running) == (75, 0, 0)
    assert summary.completed == len(rehearsal.posts())
    assert rehearsal.run(rps=50).exit_code == 0
    assert len(rehearsal.posts()) == 100


def test_a_drain_ends_after_its_timeout(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 100, "duration=20")
    summary = rehearsal.run(max_runtime=30, drain_timeout=5, rps=5)
    assert (summary.exit_code, summary.running) == (75, 0)
    assert 35 <= rehearsal.seconds < 37
    assert summary.in_doubt > 0
    assert summary.completed + summary.in_doubt == len(rehearsal.posts())


def test_runs_that_were_accepted_asynchronously_are_polled(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 60, "duration=40")
    accepted = rehearsal.run(mode="async", max_runtime=5, rps=5).running
    assert accepted > 0
    assert rehearsal.run().exit_code == 0
    assert len(rehearsal.posts()) == 60
    polled = [row for row in rehearsal.outputs().values() if row["polls"]]
    assert len(polled) == accepted


def test_a_synchronous_job_may_go_on_asynchronously(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 60, "duration=40")
    done = rehearsal.run(max_runtime=50, drain_timeout=40, rps=5).completed
    assert 0 < done < 60
    assert rehearsal.run(mode="async").exit_code == 0
    assert len(rehearsal.posts()) == 60
    assert sum(row["polls"] == 0 for row in rehearsal.outputs().values()) == done


def test_slots_held_by_rows_in_doubt_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rehearsal = Sync(tmp_path, 10, "duration=40")
    rehearsal.run(max_runtime=50, drain_timeout=1, max_in_flight=4)
    rehearsal.run(max_in_flight=4, run_timeout=600)
    assert "4 rows in doubt, as many as --max-in-flight allows" in caplog.text
    times = [at for at, _ in rehearsal.posts()]
    assert times[5] - times[4] > 500


# -- killed after the k-th change, for every k


ROWS = 7
FAULTS = ("error=0.2", "fault=fail:id=4", "duration=uniform:1,6", "lost=0.15")
CHANGES = 40
"""At least the number of changes in the job, which a test checks."""

RowResults = dict[int, tuple[str, str | None]]


def _rehearsal(folder: Path) -> Sync:
    rehearsal = Sync(folder, ROWS, *FAULTS, seed=11)
    rehearsal.options |= {"rps": 3, "retries": 9, "max_in_flight": 3}
    return rehearsal


@cache
def undisturbed() -> RowResults:
    with TemporaryDirectory() as folder:
        rehearsal = _rehearsal(Path(folder))
        rehearsal.run(in_doubt="resubmit")
        return rehearsal.row_results()


def test_the_uninterrupted_job_has_several_results_and_fewer_changes_than_are_tried(tmp_path: Path) -> None:
    rehearsal = _rehearsal(tmp_path)
    assert rehearsal.run(in_doubt="resubmit", kill_after=CHANGES).exit_code == 3, "raise CHANGES"
    assert len(rehearsal.posts()) > ROWS


@pytest.mark.parametrize("changes", range(1, CHANGES))
def test_with_resubmit_the_results_are_the_same(tmp_path: Path, changes: int) -> None:
    rehearsal = _rehearsal(tmp_path)
    rehearsal.run(kill_after=changes, in_doubt="resubmit")
    rehearsal.clock.jump(5)
    rehearsal.run(in_doubt="resubmit", mode=("sync", "async")[changes % 2])
    assert rehearsal.row_results() == undisturbed()


@pytest.mark.parametrize("changes", range(1, CHANGES, 2))
def test_with_hold_only_rows_in_doubt_differ_and_no_row_is_paid_twice(tmp_path: Path, changes: int) -> None:
    rehearsal = _rehearsal(tmp_path)
    rehearsal.run(kill_after=changes)
    cut_off = len(rehearsal.posts()) - len(rehearsal.row_results())
    rehearsal.clock.jump(5)
    rehearsal.run(run_timeout=30)
    row_results, expected = rehearsal.row_results(), undisturbed()
    assert sorted(row_results) == list(range(ROWS))
    assert {row: result for row, result in row_results.items() if result[0] != "in_doubt"} == {
        row: expected[row] for row, result in row_results.items() if result[0] != "in_doubt"
    }
    ours = [row for row in rehearsal.errors().values() if "the process ended" in (row["error_message"] or "")]
    assert len(ours) <= min(3, max(cut_off, 0) + 3)
    assert rehearsal.simulator.stats()["runs_repeated"] == 0
