"""Whole jobs with `--select` and `--flatten`: each command writes the columns that it was asked for."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchrun.adapters.checkpoint.entries import Entry
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.adapters.results.selections import Columns, Selections
from batchrun.adapters.tables import Source, open_table
from batchrun.app.export import export, write_files
from batchrun.app.job_file import read_options, write_job
from batchrun.app.pinned_job import load_job
from batchrun.app.run_directory import directory_of
from batchrun.domain.counters import Counters
from batchrun.domain.events import Accepted, RunCompleted, SubmitStarted
from batchrun.domain.row import Row, decide
from batchrun.errors import InputError
from batchrun.job import build_job
from tests.support.examples import examples
from tests.support.rehearsal import Rehearsal

ID = {"sent": "echo.id"}


def columns(folder: Path) -> list[str]:
    names: list[str] = pq.read_schema(folder / "outputs.parquet").names
    return names[names.index("output") + 1 : names.index("status")]


def test_run_selects_and_flattens(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 6, "fault=reject:id=3", "duration=1")
    rehearsal.run(select=ID, flatten=True)
    assert columns(tmp_path / "job") == ["sent", "echo"]
    assert {row: found["sent"] for row, found in rehearsal.outputs().items()} == {
        row: str(row) for row in range(6) if row != 3
    }
    assert rehearsal.outputs()[5]["echo"] == '{"id":"5"}'
    assert not {"sent", "echo", "output"} & set(rehearsal.errors()[3])


def test_other_selections_do_not_change_the_job_and_rewrite_the_files(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 4, "duration=1")
    rehearsal.run()
    assert columns(tmp_path / "job") == []
    path, before = tmp_path / "job" / "outputs.parquet", 0
    for select, flatten, expected in (
        (ID, False, ["sent"]),
        ({"sent": "echo"}, False, ["sent"]),
        ({"b": "echo", "a": "echo"}, False, ["b", "a"]),
        ({"a": "echo", "b": "echo"}, False, ["a", "b"]),
        ({}, True, ["echo"]),
        ({}, False, []),
    ):
        assert rehearsal.run(select=select, flatten=flatten).exit_code == 0
        assert columns(tmp_path / "job") == expected
        assert path.stat().st_ino != before
        before = path.stat().st_ino
        rehearsal.run(select=select, flatten=flatten)
        assert path.stat().st_ino == before, "nothing has changed, and the files were written again"
    assert len(rehearsal.posts()) == 4


def test_export_selects_as_the_job_does_unless_it_has_its_own_options(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 4, "duration=1")
    rehearsal.run(select=ID)
    job, to = tmp_path / "job", tmp_path / "to"
    export(job, to)
    assert columns(to) == ["sent"]
    export(job, to, flatten=True)
    assert columns(to) == ["sent", "echo"]
    export(job, to, select={"other": "echo.id"})
    assert columns(to) == ["other"]
    export(job, to, select={}, flatten=False)
    assert columns(to) == []
    assert columns(job) == ["sent"]


def test_the_files_of_an_export_do_not_count_as_those_of_the_job(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 4, "duration=1")
    rehearsal.run(select=ID)
    export(tmp_path / "job", flatten=True)
    assert columns(tmp_path / "job") == ["sent", "echo"]
    rehearsal.run(select=ID)
    assert columns(tmp_path / "job") == ["sent"]


def test_mistakes_are_reported_before_anything_is_sent_or_created(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 4, "duration=1")
    wrong = {"id": "echo", "sum": "echo["}
    with pytest.raises(InputError) as caught:
        rehearsal.run(select=wrong, skip=["nothing"])
    assert len(caught.value.problems) == 3
    assert rehearsal.requests == []
    assert not (tmp_path / "job").exists()
    rehearsal.run()
    with pytest.raises(InputError) as caught:
        export(tmp_path / "job", tmp_path / "to", select=wrong)
    assert len(caught.value.problems) == 2
    assert not (tmp_path / "to").exists()


def complete(checkpoint: Checkpoint, row: int, output: str) -> None:
    events = SubmitStarted(1), Accepted(f"run-{row}", "running", 1, 1, 1), RunCompleted("success", output, 2, 1, 2)
    record = Row(row)
    for event in events:
        record = decide(record, event)
        assert checkpoint.commit([Entry(record, event)], Counters(), 2, 0.0) == [None]


def test_rows_that_end_while_the_files_are_written_are_in_the_next_ones(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id\na\nb\n")
    table = open_table(Source(tmp_path / "in.csv"))
    job = build_job({"input": tmp_path / "in.csv", "workflow_id": "w", "out": tmp_path})

    class Meanwhile(Selections):
        def agree(self, outputs: Iterable[str | None]) -> Columns:
            columns = Selections.agree(self, outputs)
            complete(checkpoint, 0, '{"n": "no number", "m": 1}')
            return columns

    with Checkpoint(directory_of(job).checkpoint) as checkpoint:
        checkpoint.begin_session(0, "1")
        complete(checkpoint, 1, '{"n": 1}')
        write_files(job, table, Meanwhile({}, True, frozenset()))
        assert pq.read_table(tmp_path / "outputs.parquet").select(["row", "n"]).to_pylist() == [{"row": 1, "n": 1}]
        write_files(job, table, Selections({}, True, frozenset()))
        assert pq.read_table(tmp_path / "outputs.parquet").select(["n", "m"]).to_pylist() == [
            {"n": '"no number"', "m": 1},
            {"n": "1", "m": None},
        ]


@settings(max_examples=examples(50))
@given(
    st.dictionaries(
        st.sampled_from(["a", "b.c", 'q"u', "it's", "名", "a b"]),
        st.sampled_from(["a[?b == 'it''s']", '`"x"`', 'a."b-c"', "a\n.b", "'\\\\'", "`1`", "a\tb", '"""', "'''"])
        | st.text(max_size=6),
    )
)
def test_expressions_come_back_from_the_job_file_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, select: dict[str, str]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "written"
    folder.mkdir(exist_ok=True)
    job = build_job({"input": "in.csv", "workflow_id": "w", "out": folder, "select": select, "flatten": True})
    write_job(folder / "job.toml", job)
    again = build_job(read_options(folder / "job.toml").values)
    assert list(again.select.items()) == list(select.items())
    assert again.flatten


def test_the_recorded_job_has_its_selections(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 1, "duration=1")
    select = {'it\'s "one"': 'echo."id" || `{"none": "it\'s"}`'}
    rehearsal.run(select=select, flatten=True)
    job = load_job(tmp_path / "job")
    assert (job.select, job.flatten) == (select, True)
