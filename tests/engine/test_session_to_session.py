"""What changes from one command to the next: options, the input, and the errors of one job as the input of another."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import batchrun
from batchrun.errors import InputError
from tests.support.rehearsal import Rehearsal


def test_rows_in_doubt_stay_held_from_command_to_command_until_they_are_settled(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 6, "fault=garbage:id=2", "duration=1")
    for _ in range(3):
        summary = rehearsal.run(in_doubt="hold")
        assert (summary.exit_code, summary.in_doubt, len(rehearsal.posts())) == (3, 1, 6)
    assert rehearsal.run(in_doubt="fail").failed == 1
    assert rehearsal.run(in_doubt="resubmit").failed == 1, "what was given up is settled"
    assert len(rehearsal.posts()) == 6


@pytest.mark.parametrize("limit", [15, "40%"])
def test_the_failure_limit_counts_over_all_sessions_until_the_next_retry(tmp_path: Path, limit: int | str) -> None:
    faults = [f"fault=stuck:id={number}" for number in range(15)]
    rehearsal = Rehearsal(tmp_path, 30, *faults, "duration=1")
    assert rehearsal.run(run_timeout=50).timed_out == 15
    assert rehearsal.run(max_failures=limit).exit_code == 3, "nothing is left to submit or to poll"
    rehearsal.write(range(60))
    stopped = rehearsal.run(max_failures=limit)
    assert (stopped.exit_code, stopped.queued, len(rehearsal.posts())) == (4, 30, 30)
    assert "15 " in (stopped.reason or "")
    rehearsal.serve("duration=1", "fault=fail:id=31")
    summary = rehearsal.retry(max_failures=limit)
    assert (summary.exit_code, summary.failed, summary.completed) == (3, 1, 59)


def test_with_the_failure_limit_passed_accepted_runs_are_polled_to_their_end(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 8, "fault=reject:id=0", "fault=reject:id=1", "duration=100")
    stopped = rehearsal.run(max_runtime="20s", max_in_flight=4)
    assert (stopped.exit_code, stopped.failed, stopped.running) == (75, 2, 4)
    collected = rehearsal.run(max_failures=2, max_in_flight=4)
    assert (collected.exit_code, collected.completed, collected.queued) == (4, 4, 2)
    assert len(rehearsal.posts()) == 6


def test_raising_the_limit_does_not_retry_failed_rows(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "fault=reject:id=3", "fault=reject:id=12", "duration=1")
    assert (rehearsal.run(limit=8).failed, rehearsal.run(limit=15).failed) == (1, 2)
    assert rehearsal.run().completed == 18
    assert len(rehearsal.posts()) == 20


def test_fresh_starts_over_and_deletes_nothing(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "fault=reject:id=3", "duration=1")
    rehearsal.run()
    rehearsal.write([{"id": "x"}, {"id": "y"}])
    with pytest.raises(InputError, match="--fresh"):
        rehearsal.run()
    assert rehearsal.run(fresh=True).completed == 2
    [aside] = tmp_path.glob("job.*")
    assert pq.read_table(aside / "outputs.parquet").num_rows == 4
    assert {path.name for path in aside.iterdir()} >= {"checkpoint.db", "job.toml", "summary.json", "errors.parquet"}


def parquet(path: Path, columns: dict[str, list[Any]]) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_only_rows_appended_to_a_parquet_file_are_sent(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 0, "duration=1")
    columns: dict[str, list[Any]] = {"id": list(range(8)), "text": [f"row {number}" for number in range(8)]}
    rehearsal.options["input"] = parquet(
        tmp_path / "in.parquet", {name: values[:5] for name, values in columns.items()}
    )
    assert rehearsal.run().completed == 5
    parquet(tmp_path / "in.parquet", columns)
    assert rehearsal.run().completed == 8
    assert [rehearsal.row_of(body) for _, body in rehearsal.posts()] == list(range(8))
    parquet(tmp_path / "in.parquet", {name: values[1:] for name, values in columns.items()})
    with pytest.raises(InputError, match="had 8 rows, now it has 7"):
        rehearsal.run()


def test_errors_of_errors_are_an_input_with_the_columns_of_the_first(tmp_path: Path) -> None:
    """Columns named like ours keep their values and lose the prefix again, from job to job."""
    columns: dict[str, list[Any]] = {
        "id": list(range(6)),
        "row": [f"r{number}" for number in range(6)],
        "input.row": [10.5 * number for number in range(6)],
        "status": [None, "new", None, "old", None, "x"],
        "name": [f"key {number}" for number in range(6)],
    }
    source, wrong = parquet(tmp_path / "in.parquet", columns), {1, 3, 4}
    for generation in range(3):
        folder = tmp_path / str(generation)
        folder.mkdir()
        faults = [f"fault=reject:id={number}" for number in wrong]
        rehearsal = Rehearsal(folder, 0, *faults, "duration=1")
        summary = rehearsal.run(input=source, key="name")
        rows = sorted({0: set(range(6)), 1: {1, 3, 4}, 2: {1, 3}}[generation])
        assert (summary.rows, summary.failed) == (len(rows), len(wrong))
        sent = [rehearsal.inputs_of(body) for _, body in rehearsal.posts()]
        assert sent == [{name: values[number] for name, values in columns.items()} for number in rows]
        failed = rehearsal.errors()
        assert [row["key"] for row in failed.values()] == [f"key {number}" for number in sorted(wrong)]
        assert [row["input.input.row"] for row in failed.values()] == [f"r{number}" for number in sorted(wrong)]
        assert [row["input.row"] for row in failed.values()] == [10.5 * number for number in sorted(wrong)]
        source, wrong = folder / "job" / "errors.parquet", {0: {1, 3}, 1: {3}, 2: set[int]()}[generation]


def test_rows_appended_beyond_the_limit_still_add_their_columns(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 0, "duration=1")
    path = rehearsal.options["input"] = tmp_path / "in.jsonl"
    path.write_text('{"id": 1}\n{"id": 2}\n')
    assert rehearsal.run(limit=2).completed == 2
    assert rehearsal.outputs()[0]["id"] == 1
    path.write_text(path.read_text() + '{"id": "x", "new": true}\n')
    assert rehearsal.run(limit=2).completed == 2
    assert [(row["id"], row["new"]) for row in rehearsal.outputs().values()] == [("1", None), ("2", None)]


def test_what_an_earlier_session_measured_is_not_told_of_one_that_was_killed(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 300, "duration=1")
    rehearsal.run(max_submissions=100)
    before = batchrun.status(tmp_path / "job")
    assert before.submit_rate is not None
    assert before.submit_rate.per_s == pytest.approx(50, rel=0.02)
    rehearsal.run(kill_after=40)
    killed = batchrun.status(tmp_path / "job")
    assert killed.submissions > before.submissions
    assert (killed.submit_rate, killed.wait_s, killed.submit_s) == (None, None, None)
