"""Comparisons of jobs that differ, and of files that do not fit."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from batchrun.app.compare import compare
from batchrun.errors import InputError
from tests.support.rehearsal import Rehearsal

ROWS = [{"id": f"k{row}", "text": str(row % 2), "expected": "1", "group": str(row // 4)} for row in range(12)]
SCORED: dict[str, Any] = {"vary": {"answer": ["1", "0"]}, "key": "id", "score": {"right": "exact:echo.answer:expected"}}


def test_what_varies_splits_no_figures_and_makes_no_clusters(tmp_path: Path) -> None:
    Rehearsal(tmp_path, ROWS, "duration=1").run(**SCORED)
    with pytest.raises(InputError, match="'answer' is what the variants differ in"):
        compare(tmp_path / "job", by="answer")
    with pytest.raises(InputError, match="'answer' is what the variants differ in"):
        compare(tmp_path / "job", cluster="answer")


def test_a_part_may_have_rows_in_one_of_the_jobs_alone(tmp_path: Path) -> None:
    for name, rows in (("a", ROWS), ("b", ROWS[:6])):
        (tmp_path / name).mkdir()
        Rehearsal(tmp_path / name, rows, "duration=1").run(key="id", score={"odd": "exact:echo.text:'1'"})
    parts = compare(tmp_path / "a" / "job", tmp_path / "b" / "job", by="group").parts
    both = {value: part.by_scorer["odd"].differences[1] for value, part in parts.items()}
    assert {value: one and one.rows for value, one in both.items()} == {"0": 4, "1": 2, "2": 0}


def test_all_repeats_are_those_of_the_job(tmp_path: Path) -> None:
    for name, repeat in (("a", 1), ("b", 3)):
        (tmp_path / name).mkdir()
        Rehearsal(tmp_path / name, ROWS, "duration=1").run(
            key="id", repeat=repeat, score={"odd": "exact:echo.text:'1'"}
        )
    figures = compare(tmp_path / "a" / "job", tmp_path / "b" / "job").by_scorer["odd"].figures
    assert [one.pass_all for one in figures] == [0.5, 0.5]


def test_scores_of_another_job_are_told(tmp_path: Path) -> None:
    for name, vary in (("a", ["0", "1"]), ("b", ["0", "2"])):
        (tmp_path / name).mkdir()
        Rehearsal(tmp_path / name, ROWS, "duration=1").run(**SCORED | {"vary": {"answer": vary}})
    one, other = (tmp_path / name / "job" / "scores.parquet" for name in "ab")
    one.write_bytes(other.read_bytes())
    with pytest.raises(InputError, match="its scores are those of another job; renew them with: batchrun score"):
        compare(one.parent)
    table = pq.read_table(other)
    pq.write_table(table.drop_columns(["variant"]), one)
    with pytest.raises(InputError, match="cannot be read as scores"):
        compare(one.parent)


def test_a_target_may_hold_numbers_of_any_size(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"id": 1, "expected": {"n": 1e999}}\n{"id": 2, "expected": {"n": 2}}\n')
    rehearsal = Rehearsal(tmp_path)
    assert rehearsal.run(input=tmp_path / "rows.jsonl", score={"same": "json:{n: echo.id}:expected"}).exit_code == 0
    assert pq.read_table(tmp_path / "job" / "scores.parquet")["same"].to_pylist() == [0.0, 1.0]
