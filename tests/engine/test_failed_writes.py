"""If results cannot be written, the session is closed and the summary has its figures before the error is reported."""

import errno
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from batchrun.app.export import export
from batchrun.app.status import status
from batchrun.errors import InputError
from tests.support.rehearsal import Rehearsal


class Unwritable:
    """A table, or one of its batches, whose columns cannot be carried over into the results."""

    def __init__(self, inner: Any, error: Callable[[], Exception]) -> None:
        self._inner, self._error = inner, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __len__(self) -> int:
        return len(self._inner)

    def batches(self, start: int = 0) -> "Iterator[Unwritable]":
        return (Unwritable(batch, self._error) for batch in self._inner.batches(start))

    def arrow(self) -> pa.RecordBatch:
        raise self._error()


DISK: dict[str, Callable[[], Exception]] = {
    "a full disk": lambda: OSError(errno.ENOSPC, "No space left on device"),
    "an error of Arrow's without a number": lambda: OSError("write failed"),
    "no memory": lambda: pa.ArrowMemoryError("malloc failed"),
}
BUGS: dict[str, Callable[[], Exception]] = {
    "a type that is not known": lambda: pa.ArrowNotImplementedError("no kernel"),
    "a value that does not fit": lambda: pa.ArrowInvalid("out of range"),
    "any bug": lambda: KeyError("x"),
}


def _refuse_differences(rehearsal: Rehearsal, exit_code: int, reason: str) -> None:
    """The figures are written, and what is left to do is to write the results."""
    job = rehearsal.folder / "job"
    written = json.loads((job / "summary.json").read_text())
    counts = {name: written[name] for name in ("rows", "completed", "failed", "submissions", "exit_code")}
    assert counts == {"rows": 5, "completed": 4, "failed": 1, "submissions": 5, "exit_code": exit_code}
    assert reason in written["reason"]
    found = status(job, rehearsal.clock)
    assert (found.exit_code, found.session.exit_code, found.eta_s) == (exit_code, exit_code, None)
    assert not (job / "outputs.parquet").exists()
    rehearsal.table = lambda table: table
    assert rehearsal.run().exit_code == 3
    assert len(rehearsal.posts()) == 5
    assert (len(rehearsal.outputs()), len(rehearsal.errors())) == (4, 1)


@pytest.mark.parametrize("name", DISK)
def test_the_summary_reports_a_failure_of_the_disk(tmp_path: Path, name: str) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "fault=fail:id=3", "duration=1")
    rehearsal.table = lambda table: Unwritable(table, DISK[name])
    summary = rehearsal.run()
    assert summary.exit_code == 74
    _refuse_differences(rehearsal, 74, str(summary.reason))


def test_results_are_written_without_an_input_that_has_changed(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "fault=fail:id=3", "duration=1")
    rehearsal.table = lambda table: Unwritable(table, lambda: InputError("in.csv: is not what it was"))
    before = rehearsal.input.read_text()
    rehearsal.scheduled = [(0.5, lambda: rehearsal.write([{"id": "x"}] * 5))]  # nor is it when it is opened anew
    assert rehearsal.run().exit_code == 3
    assert [row["id"] for row in rehearsal.outputs().values()] == [None] * 4
    rehearsal.input.write_text(before)
    rehearsal.table = lambda table: table
    export(tmp_path / "job")
    assert [row["id"] for row in rehearsal.outputs().values()] == list("0124")


@pytest.mark.parametrize("name", BUGS)
def test_a_bug_is_raised_after_everything_is_recorded(tmp_path: Path, name: str) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "fault=fail:id=3", "duration=1")
    rehearsal.table = lambda table: Unwritable(table, BUGS[name])
    with pytest.raises(type(BUGS[name]())) as raised:
        rehearsal.run()
    _refuse_differences(rehearsal, 1, f"{type(raised.value).__name__}: {raised.value}")


def test_a_bug_takes_precedence_over_the_disk_and_the_reason_of_the_stop(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=1")
    rehearsal.table = lambda table: Unwritable(table, BUGS["any bug"])
    with pytest.raises(KeyError):
        rehearsal.run(kill_after=13)
    assert json.loads((tmp_path / "job" / "summary.json").read_text())["exit_code"] == 1
