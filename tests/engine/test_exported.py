"""`export` in other formats: beside the Parquet files, of jobs in any state, and with the scores of a job."""

import json
import logging
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest

from batchrun.app.export import export
from batchrun.app.score import score
from batchrun.errors import InputError
from tests.support.rehearsal import Rehearsal

FORMATS = ("csv", "jsonl", "xlsx")


def read(path: Path) -> pd.DataFrame:
    if path.suffix == ".csv":
        return pd.read_csv(path)
    return pd.read_json(path, lines=True) if path.suffix == ".jsonl" else pd.read_excel(path)


def rows(path: Path) -> list[int]:
    return [int(row["row"]) for row in read(path).to_dict("records")]


@pytest.mark.parametrize("name", FORMATS)
def test_both_files_are_beside_the_parquet_files_which_stay(tmp_path: Path, name: str) -> None:
    rehearsal = Rehearsal(tmp_path, 10, "duration=1", "fail=30%")
    rehearsal.run()
    job = tmp_path / "job"
    before = {path.name: path.read_bytes() for path in job.iterdir() if path.suffix in {".parquet", ".json", ".toml"}}
    paths = export(job, format=name)
    assert paths == (job / f"outputs.{name}", job / f"errors.{name}")
    assert {path.name: path.read_bytes() for path in job.iterdir() if path.name in before} == before
    for path in paths:
        table = pq.read_table(path.with_suffix(".parquet"))
        assert list(read(path).columns) == table.column_names
        assert rows(path) == table["row"].to_pylist()
    found = read(paths[0])["output"]
    assert [json.loads(text) if isinstance(text, str) else text for text in found] == [
        json.loads(row["output"]) for row in rehearsal.outputs().values()
    ]


@pytest.mark.parametrize("name", FORMATS)
def test_a_killed_job_whose_input_is_gone(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    rehearsal = Rehearsal(tmp_path, 10, "duration=1")
    rehearsal.run(kill_after=25)
    rehearsal.input.unlink()
    outputs, errors = export(tmp_path / "job", format=name)
    assert "its columns are taken from the previous results" in caplog.text
    assert 0 < len(rows(outputs)) < 10
    assert rows(errors) == []
    export(tmp_path / "job", tmp_path / "elsewhere", format=name)
    assert rows(tmp_path / "elsewhere" / outputs.name) == rows(outputs)
    with pytest.raises(InputError, match=f"outputs.{name}: may have input columns that are not known any more"):
        export(tmp_path / "job", tmp_path / "elsewhere", format=name)


def test_a_job_at_work(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "duration=1")
    found: list[list[int]] = []
    rehearsal.scheduled.append((1.6, lambda: found.append(rows(export(tmp_path / "job", format="csv")[0]))))
    rehearsal.run(rps=10)
    assert 0 < len(found[0]) < 20
    assert rows(export(tmp_path / "job", format="csv")[0]) == list(range(20))


def test_a_sweep_has_its_places_and_its_scores(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1")
    rehearsal.run(vary={"model": "a,b"}, score={"right": "exact:echo.model:'a'"})
    job = tmp_path / "job"
    outputs, _, scores = export(job, format="xlsx")
    sheet = openpyxl.load_workbook(outputs).active
    assert [list(row[:4]) for row in sheet.iter_rows(min_row=2, max_row=3, values_only=True)] == [
        [0, 0, "model=a", 0],
        [1, 0, "model=b", 0],
    ]
    assert scores == job / "scores.xlsx"
    assert read(scores)["right"].tolist() == [1, 0] * 3
    assert read(export(job, format="csv")[2]).columns.tolist() == pq.read_schema(job / "scores.parquet").names
    assert not caplog.messages
    assert len(export(job)) == 2
    rehearsal.write(range(4))
    rehearsal.run(vary={"model": "a,b"}, score={"right": "exact:echo.model:'a'"}, limit=3)
    rehearsal.run(vary={"model": "a,b"})
    with caplog.at_level(logging.WARNING):
        assert len(read(export(job, format="csv")[2])) == 6
    assert f"scores.parquet: is older than the results; write it again with: batchrun score {job}" in caplog.messages
    score(job, {"right": "exact:echo.model:'a'"})
    assert len(read(export(job, format="csv")[2])) == 8


def test_an_export_does_not_replace_the_input(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1")
    source = rehearsal.input.rename(tmp_path / "outputs.csv")
    rehearsal.run(input=source)
    before = source.read_bytes()
    with pytest.raises(InputError, match=r"outputs\.csv: is the input of the job and would be replaced"):
        export(tmp_path / "job", tmp_path, format="csv")
    assert source.read_bytes() == before
    assert rows(export(tmp_path / "job", tmp_path, format="jsonl")[0]) == [0, 1, 2]
    (tmp_path / "errors.jsonl").unlink()
    (tmp_path / "errors.jsonl").mkdir()
    with pytest.raises(InputError, match=r"errors\.jsonl: is a directory, not a file of a job"):
        export(tmp_path / "job", tmp_path, format="jsonl")


def test_what_cannot_be_written_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--format xls: no such format. Known are parquet, csv, jsonl, xlsx"):
        export(tmp_path, format="xls")
    with pytest.raises(InputError, match=r"--excel-safe: is for --format csv alone \(got jsonl\)"):
        export(tmp_path, format="jsonl", excel_safe=True)


def test_a_file_of_scores_that_is_not_ours_is_left_out(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1")
    rehearsal.run(score={"right": "exact:echo.id:'1'"})
    path = tmp_path / "job" / "scores.parquet"
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata(dict.fromkeys(table.schema.metadata, b"{")), path)
    assert [one.name for one in export(tmp_path / "job", format="csv")] == ["outputs.csv", "errors.csv"]
