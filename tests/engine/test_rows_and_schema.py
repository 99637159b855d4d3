"""Rows that do not match their schema are reported before the first POST."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from batchrun.app.check import check
from batchrun.app.input_checks import inspect_input, open_input
from batchrun.app.input_schema import check_rows, schema_of
from batchrun.domain.column_mapping import map_columns
from batchrun.errors import InputError, StorageError
from batchrun.job import build_job
from tests.support.rehearsal import Rehearsal

DIGITS = {"type": "object", "properties": {"id": {"type": "string", "pattern": "^[0-9]+$"}}, "required": ["id"]}


def rehearsal_of(folder: Path, schema: object, bad: int = 0, rows: int = 30) -> Rehearsal:
    rehearsal = Rehearsal(folder, [{"id": f"x{row}" if row < bad else str(row)} for row in range(rows)], "duration=1")
    (folder / "s.json").write_text(json.dumps(schema))
    rehearsal.options["schema"] = folder / "s.json"
    return rehearsal


def problems(rehearsal: Rehearsal, **options: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        rehearsal.run(**options)
    assert rehearsal.requests == []
    assert not (rehearsal.folder / "job").exists()
    return list(caught.value.problems)


def test_rows_that_fit_are_sent(tmp_path: Path) -> None:
    assert rehearsal_of(tmp_path, DIGITS).run().completed == 30


def test_ten_invalid_rows_are_listed_and_the_others_counted(tmp_path: Path) -> None:
    rehearsal = rehearsal_of(tmp_path, DIGITS, bad=25)
    bad = problems(rehearsal)
    assert len(bad) == 11
    schema = tmp_path / "s.json"
    assert (
        bad[3] == f"{rehearsal.input}, row 3: does not fit --schema {schema}: input id: 'x3' does not match '^[0-9]+$'"
    )
    assert bad[10] == "… and 15 more rows that do not fit"
    assert len(problems(rehearsal, limit=4)) == 4, "rows beyond the limit are not sent"
    with pytest.raises(InputError) as caught:
        check(build_job(rehearsal.options | {"simulate": True}))
    assert len(caught.value.problems) == 11


def test_names_that_are_wrong_in_every_row_are_reported_once(tmp_path: Path) -> None:
    schema = {"properties": {"name": {}}, "required": ["name"], "additionalProperties": False}
    bad = problems(rehearsal_of(tmp_path, schema))
    assert len(bad) == 2
    assert "the input 'name' is required" in bad[0]
    assert "the input 'id' is sent, and the schema allows no such name" in bad[1]


def test_a_name_missing_from_the_schema_causes_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rehearsal = rehearsal_of(tmp_path, {"properties": {"name": {}}})
    with caplog.at_level(logging.WARNING, "batchrun"):
        assert rehearsal.run(limit=2).completed == 2
    assert "does not mention 'id'" in caplog.text


def test_values_are_checked_as_they_are_sent(tmp_path: Path) -> None:
    schema = {"properties": {"id": {"type": "integer"}, "n": {"const": 12345678901234567890123}}, "required": ["n"]}
    rehearsal = rehearsal_of(tmp_path, schema)
    assert len(problems(rehearsal, const={"n": 12345678901234567890123})) == 11, "text is no integer"
    typed: dict[str, Any] = {"type": {"id": "int"}}
    assert len(problems(rehearsal, **typed, const={"n": 12345678901234567890124})) == 11
    assert rehearsal.run(**typed, const={"n": 12345678901234567890123}).completed == 30


def test_an_invalid_schema_is_reported_with_all_other_mistakes(tmp_path: Path) -> None:
    rehearsal = rehearsal_of(tmp_path, {"type": "integr"})
    bad = problems(rehearsal, key="absent")
    assert any("is not a valid JSON Schema" in line for line in bad)
    assert any("'absent'" in line for line in bad)


def test_a_checked_input_is_not_checked_again(tmp_path: Path) -> None:
    job = build_job(rehearsal_of(tmp_path, DIGITS).options)
    schema, inspection = schema_of(job), inspect_input(job, open_input(job), None)
    assert schema is not None
    mapping = map_columns(inspection.table.columns, {}, [], {}, None)
    checked = check_rows(job, schema, inspection, mapping, None)
    job.input.write_text("gone")
    with pytest.raises(StorageError):  # it reads the rows,
        check_rows(job, schema, inspection, mapping, None)
    assert check_rows(job, schema, inspection, mapping, checked) == checked  # and now it does not


def test_a_changed_schema_or_input_is_checked_again(tmp_path: Path) -> None:
    rehearsal = rehearsal_of(tmp_path, DIGITS)
    rehearsal.run(limit=3)
    (tmp_path / "s.json").write_text(json.dumps(DIGITS | {"required": ["id", "other"]}))
    with pytest.raises(InputError, match="the input 'other' is required"):
        rehearsal.run(limit=3)
    (tmp_path / "s.json").write_text(json.dumps(DIGITS))
    with rehearsal.input.open("a") as rows:
        rows.write("y30\n")
    assert rehearsal.run(limit=30).completed == 30, "the row that was appended is not sent yet"
    with pytest.raises(InputError, match=r"row 30: does not fit"):
        rehearsal.run()
