"""Inputs that grow, are touched, replaced or deleted while the job runs, or after it."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batchrun.adapters.results import previous
from batchrun.adapters.tables import delimited, input_file
from batchrun.adapters.tables import jsonl as jsonl_reader
from batchrun.adapters.tables import parquet as parquet_reader
from batchrun.app.export import export
from batchrun.app.head import head
from batchrun.errors import InputError
from tests.support.rehearsal import Rehearsal

BATCH_ROWS, BLOCK_BYTES = 64, 512
"""So small that a file of few rows has several batches and blocks."""

ROWS = 130
"""More than two batches."""


def csv(path: Path, rows: int, first: str = "0") -> None:
    path.write_text("id,text\n" + "".join(f"{row or first},{'x' * 10}\n" for row in range(rows)))


def jsonl(path: Path, rows: int, first: str = "0") -> None:
    path.write_text("".join(json.dumps({"id": str(row or first), "n": row, "a": [row]}) + "\n" for row in range(rows)))


def parquet(path: Path, rows: int, first: str = "0") -> None:
    pq.write_table(pa.table({"id": [str(row or first) for row in range(rows)], "n": range(rows)}), path)


def folder(path: Path, rows: int, first: str = "0") -> None:
    path.mkdir(exist_ok=True)
    parquet(path / "1.parquet", min(rows, ROWS), first)
    if rows > ROWS:
        parquet(path / "2.parquet", rows - ROWS)


@pytest.fixture(autouse=True)
def small_batches_and_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (delimited, jsonl_reader, parquet_reader, previous):
        monkeypatch.setattr(module, "BATCH_ROWS", BATCH_ROWS)
    monkeypatch.setattr(input_file, "BLOCK_BYTES", BLOCK_BYTES)


INPUTS: dict[str, Callable[..., None]] = {"in.csv": csv, "in.jsonl": jsonl, "in.parquet": parquet, "in": folder}


def delete(path: Path, _write: Callable[..., None]) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def grow(path: Path, write: Callable[..., None]) -> None:
    write(path, ROWS + 5)


def touch(path: Path, _write: Callable[..., None]) -> None:
    for file in [path, *(path.iterdir() if path.is_dir() else ())]:
        os.utime(file)


def replace(path: Path, write: Callable[..., None]) -> None:
    delete(path, write)
    write(path, ROWS + 5)


@pytest.mark.parametrize("change", [delete, grow, touch, replace])
@pytest.mark.parametrize("name", INPUTS)
def test_the_job_goes_on_with_the_rows_it_began_with(
    tmp_path: Path, name: str, change: Callable[[Path, Callable[..., None]], None]
) -> None:
    rehearsal, path = Rehearsal(tmp_path, 0, "duration=1"), tmp_path / name
    INPUTS[name](path, ROWS)
    if change is grow and name == "in.parquet":
        pytest.skip("a Parquet file does not grow")
    # The first session reads the input to its end; the second one trusts it.
    assert rehearsal.run(input=path, rps=60, max_runtime=1).exit_code == 75
    rehearsal.scheduled = [(1.5, lambda: change(path, INPUTS[name]))]
    summary = rehearsal.run(input=path, rps=60)
    assert (summary.exit_code, summary.rows) == (0, ROWS)
    assert [row["id"] for row in rehearsal.outputs().values()] == list(map(str, range(ROWS)))
    if change in {grow, replace}:
        assert rehearsal.run(input=path, rps=60).rows == ROWS + 5
        assert len(rehearsal.posts()) == ROWS + 5


@pytest.mark.parametrize("name", INPUTS)
def test_a_finished_job_needs_no_input(tmp_path: Path, name: str) -> None:
    rehearsal, path = Rehearsal(tmp_path, 0, "duration=1", "fail=0.2"), tmp_path / name
    INPUTS[name](path, 30)
    rehearsal.run(input=path, key="id")
    job, sent = tmp_path / "job", len(rehearsal.posts())
    before = rehearsal.outputs(), rehearsal.errors()
    schemas = [pq.read_schema(job / name) for name in ("outputs.parquet", "errors.parquet")]
    delete(path, INPUTS[name])
    shown = head(job, 30).to_pylist()
    export(job)
    assert (rehearsal.outputs(), rehearsal.errors()) == before
    assert [pq.read_schema(job / name) for name in ("outputs.parquet", "errors.parquet")] == schemas
    assert [pq.read_schema(job / name).metadata for name in ("outputs.parquet", "errors.parquet")] == [
        schema.metadata for schema in schemas
    ]
    assert shown == list(before[0].values())
    assert rehearsal.run(input=path, key="id").exit_code == 3
    export(job, tmp_path / "there")
    assert pq.read_table(tmp_path / "there" / "outputs.parquet").to_pylist() == list(before[0].values())
    (job / "outputs.parquet").unlink()
    assert rehearsal.run(input=path, key="id").exit_code == 3
    assert [(row["row"], row["key"], row["id"], row["output"]) for row in rehearsal.outputs().values()] == [
        (row["row"], None, None, row["output"]) for row in before[0].values()
    ]
    assert rehearsal.errors() == before[1]
    assert len(rehearsal.posts()) == sent
    with pytest.raises(InputError, match="not known any more"):
        export(job, tmp_path / "there")
    with pytest.raises(InputError, match=r"no such file|has no columns|matches no file"):
        rehearsal.retry(input=path, key="id")


def test_without_input_and_previous_results_the_columns_are_null(tmp_path: Path) -> None:
    rehearsal, path = Rehearsal(tmp_path, 0, "duration=1"), tmp_path / "in.jsonl"
    jsonl(path, 5)
    rehearsal.run(input=path)
    job = tmp_path / "job"
    schema = pq.read_schema(job / "outputs.parquet")
    for found in (path, job / "outputs.parquet", job / "errors.parquet"):
        found.unlink()
    export(job)
    assert pq.read_schema(job / "outputs.parquet") == schema
    assert [row["n"] for row in rehearsal.outputs().values()] == [None] * 5


def test_an_unfinished_job_needs_its_input(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 200, "duration=1")
    rehearsal.run(max_runtime=1)
    rehearsal.input.unlink()
    with pytest.raises(InputError, match="no such file"):
        rehearsal.run()


def test_a_fuller_file_is_not_replaced_by_a_poorer_one(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 200, "duration=1")
    job = tmp_path / "job"
    rehearsal.run(max_runtime=3)
    shutil.copyfile(job / "checkpoint.db", tmp_path / "older.db")
    rehearsal.run()
    before = rehearsal.outputs()
    shutil.copyfile(tmp_path / "older.db", job / "checkpoint.db")
    with pytest.raises(InputError, match=r"outputs\.parquet: has 200 rows, but the checkpoint has only"):
        export(job)
    assert rehearsal.outputs() == before
    export(job, tmp_path / "left")
    assert 0 < pq.read_metadata(tmp_path / "left" / "outputs.parquet").num_rows < 200


def test_rows_between_and_beyond_those_of_the_previous_files(tmp_path: Path) -> None:
    rehearsal, job = Rehearsal(tmp_path, 250, "duration=1", "fault=fail:id=130"), tmp_path / "job"
    rehearsal.run(rps=125, limit=160)
    older = {name: (job / name).read_bytes() for name in ("outputs.parquet", "errors.parquet")}
    rehearsal.run(rps=125, poll_rps=250)
    rehearsal.input.unlink()
    for name, content in older.items():
        (job / name).write_bytes(content)
    export(job)
    ids = {number: row["id"] for number, row in (rehearsal.outputs() | rehearsal.errors()).items()}
    assert ids == {number: str(number) if number < 160 else None for number in range(250)}


@pytest.mark.parametrize("at", [0.2, 2.5])
def test_a_parquet_file_that_is_written_again_in_place_with_more_rows(tmp_path: Path, at: float) -> None:
    """Its footer, which says where the columns are, is another one then. `at`: while rows are read, and after that."""
    rehearsal, path = Rehearsal(tmp_path, 0, "duration=2"), tmp_path / "in.parquet"
    parquet(path, ROWS)
    rehearsal.scheduled = [(at, lambda: parquet(path, ROWS + 5))]
    assert rehearsal.run(input=path, rps=125).exit_code == 0
    assert [row["n"] for row in rehearsal.outputs().values()] == list(range(ROWS))
    assert rehearsal.run(input=path, rps=125).completed == ROWS + 5
    assert [row["n"] for row in rehearsal.outputs().values()] == list(range(ROWS + 5))
    assert len(rehearsal.posts()) == ROWS + 5
