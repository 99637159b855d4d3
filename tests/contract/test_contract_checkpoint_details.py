"""The details of runs in the checkpoint, and the tokens of all runs."""

import sqlite3
from contextlib import closing
from pathlib import Path

from batchrun.adapters.checkpoint import connection, reuse_reader
from batchrun.adapters.checkpoint.entries import Entry
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.domain.answers import RunDetails
from batchrun.domain.events import Accepted, RowEvent, RunCompleted, RunFailed, StillRunning, SubmitStarted
from batchrun.domain.row import Row, decide
from batchrun.domain.states import State
from batchrun.ports import DuplicateRunError
from tests.contract.row_lives import NOW, PROBLEM, commit, life_to, opened, put


def details_in(folder: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "checkpoint.db")) as db:
        return db.execute("SELECT * FROM run_details ORDER BY row").fetchall()


def tokens_in(folder: Path) -> tuple[int | None, ...]:
    with closing(sqlite3.connect(folder / "checkpoint.db")) as db:
        [totals] = db.execute("SELECT input_tokens, output_tokens, total_tokens FROM token_totals")
        return tuple(totals)


def test_a_service_that_reports_no_details_adds_no_records(tmp_path: Path) -> None:
    with opened(tmp_path) as checkpoint:
        for number, state in enumerate(State):
            commit(checkpoint, *life_to(state, number))
    assert details_in(tmp_path) == []
    assert tokens_in(tmp_path) == (None, None, None)


def test_details_are_those_of_the_present_run_and_tokens_those_of_all_runs(tmp_path: Path) -> None:
    with opened(tmp_path) as checkpoint:
        row = put(checkpoint, Row(1), SubmitStarted(NOW))
        row = put(checkpoint, row, Accepted("r1", "pending", NOW, NOW, details=RunDetails("log", "url")))
        row = put(checkpoint, row, StillRunning("running", details=RunDetails(input_tokens=100)))
        assert tokens_in(tmp_path) == (100, None, None)
        failed = RunFailed("failed", PROBLEM, NOW, resubmit_at=NOW, details=RunDetails("log 2", None, 90, 0, 90))
        row = put(checkpoint, row, failed)
        assert details_in(tmp_path) == [(1, "log 2", "url", 90, 0, 90)]
    with opened(tmp_path) as checkpoint:
        assert list(checkpoint.rows(State.QUEUED)) == [row]
        row = put(checkpoint, row, SubmitStarted(NOW))
        assert list(checkpoint.rows(State.SUBMITTING)) == [row]
        assert details_in(tmp_path) == [(1, *[None] * 5)]
        row = put(checkpoint, row, Accepted("r2", "pending", NOW, NOW))
        put(checkpoint, row, RunCompleted("completed", "1", NOW, details=RunDetails(None, None, 7, None, 8)))
        assert details_in(tmp_path) == [(1, None, None, 7, None, 8)]
    assert tokens_in(tmp_path) == (97, 0, 98)


def test_an_entry_that_is_refused_adds_no_tokens(checkpoint: Checkpoint, tmp_path: Path) -> None:
    commit(checkpoint, *life_to(State.RUNNING, 1, "taken"), *life_to(State.SUBMITTING, 2), *life_to(State.RUNNING, 3))
    events: dict[int, RowEvent] = {
        2: Accepted("taken", "pending", NOW, NOW, details=RunDetails("log", None, 1, 1, 2)),
        3: RunCompleted("completed", "{}", NOW, details=RunDetails("log", None, 10, 10, 20)),
    }
    rows = {row.row: row for row in checkpoint.rows(*State)}
    results = commit(checkpoint, *(Entry(decide(rows[number], event), event) for number, event in events.items()))
    assert [type(result) for result in results] == [DuplicateRunError, type(None)]
    assert tokens_in(tmp_path) == (10, 10, 20)
    assert [number for number, *_ in details_in(tmp_path)] == [3]


def test_a_reused_run_keeps_its_log_id_and_debug_url_but_not_its_tokens(tmp_path: Path) -> None:
    with opened(tmp_path) as checkpoint:
        row = put(checkpoint, Row(1), SubmitStarted(NOW, b"k" * 16))
        row = put(checkpoint, row, Accepted("r1", "pending", NOW, NOW, details=RunDetails("log", "url", 1, 2, 3)))
        put(checkpoint, row, RunCompleted("completed", "1", NOW))
    with connection.open_reader(tmp_path / "checkpoint.db") as db:
        reuse_reader.index_reuse_keys(db)
        reused = reuse_reader.completed_with(db, b"k" * 16, "here")
    assert reused is not None
    assert reused.details == RunDetails("log", "url")
