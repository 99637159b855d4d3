"""A scored sweep that dies after its k-th change, for every k, and is resumed: the scores are the same at its end."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
import pytest

from batchrun.app.compare import compare
from tests.support.rehearsal import Rehearsal

ROWS = [{"id": f"k{row}", "expected": "1"} for row in range(3)]
FAULTS = ("error=0.2", "fault=fail:id=k1", "duration=uniform:1,6", "lost=0.1")
SWEEP: dict[str, Any] = {
    "vary": {"answer": ["1", "0"]},
    "repeat": 2,
    "key": "id",
    "score": {"right": "exact:echo.answer:expected"},
    "in_doubt": "resubmit",
    "rps": 3,
    "retries": 9,
}
CHANGES = 80
"""At least the number of changes in the job, which a test checks."""

Found = tuple[list[dict[str, Any]], dict[str, Any]]


def _rehearsal(folder: Path) -> Rehearsal:
    return Rehearsal(folder, ROWS, *FAULTS, seed=11)


def _found(folder: Path) -> Found:
    """All scores, and the comparison without its run times."""
    scores = pq.read_table(folder / "job" / "scores.parquet").to_pylist()
    compared = compare(folder / "job").as_dict()
    return scores, {name: compared[name] for name in ("baseline", "variants", "differences")}


@cache
def _undisturbed() -> Found:
    with TemporaryDirectory() as folder:
        _rehearsal(Path(folder)).run(**SWEEP)
        return _found(Path(folder))


def test_the_undisturbed_sweep_has_scores_of_each_sort_and_fewer_changes_than_are_tried(tmp_path: Path) -> None:
    assert {row["right"] for row in _undisturbed()[0]} == {0.0, 1.0, None}
    assert _rehearsal(tmp_path).run(**SWEEP, kill_after=CHANGES).exit_code == 3, "raise CHANGES"


@pytest.mark.parametrize("changes", range(1, CHANGES, 2))
def test_killed_after_any_change_the_scores_are_the_same(tmp_path: Path, changes: int) -> None:
    rehearsal = _rehearsal(tmp_path)
    rehearsal.run(**SWEEP, kill_after=changes)
    rehearsal.clock.jump(5)
    rehearsal.run(**SWEEP)
    assert _found(tmp_path) == _undisturbed()


def test_killed_again_and_again_the_scores_are_the_same(tmp_path: Path) -> None:
    rehearsal = _rehearsal(tmp_path)
    for _ in range(200):
        if rehearsal.run(**SWEEP, kill_after=2).exit_code == 3:
            break
        rehearsal.clock.jump(2)
    assert _found(tmp_path) == _undisturbed()
