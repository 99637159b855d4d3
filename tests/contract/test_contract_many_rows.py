"""Commits of many rows, each of which is written in a few statements."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from batchrun.adapters.checkpoint.bulk_insert import SIZES
from batchrun.adapters.checkpoint.entries import Entry
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.domain.row import Row, decide
from batchrun.domain.states import Event, State
from batchrun.ports import DuplicateRunError
from tests.contract.row_lives import PATHS, commit, concrete, life_to, opened

LARGEST = SIZES[-1]

NUMBERS = sorted({size + more for size in SIZES for more in (0, 1)} | {2 * LARGEST, 2 * LARGEST + 1, 3 * LARGEST - 1})


@pytest.mark.parametrize("number", NUMBERS)
def test_all_of_them_are_recorded_whatever_their_number(tmp_path: Path, number: int) -> None:
    chance = random.Random(number)
    states = {row: chance.choice([State.COMPLETED, State.FAILED, State.RUNNING]) for row in range(number)}
    latest = dict[int, Row]()
    with opened(tmp_path) as checkpoint:
        for step in range(max(map(len, PATHS.values()))):
            entries = [life[step] for row, state in states.items() if step < len(life := life_to(state, row))]
            chance.shuffle(entries)
            assert commit(checkpoint, *entries) == [None] * len(entries)
            latest |= {entry.row.row: entry.row for entry in entries}
        assert checkpoint.between(0, number + 1) == latest
        completed = [row for row, state in states.items() if state is State.COMPLETED]
        assert of(checkpoint, "SELECT row FROM outputs ORDER BY row") == completed


def test_reused_rows_have_an_output_a_reuse_key_and_a_source_each(tmp_path: Path) -> None:
    rows, event = list(range(LARGEST + 5)), concrete(Event.REUSED)
    with opened(tmp_path) as checkpoint:
        assert not any(commit(checkpoint, *(Entry(decide(Row(row), event), event) for row in rows)))
        for table in ("rows", "outputs", "reuse_keys", "reused"):
            assert of(checkpoint, f"SELECT row FROM {table} ORDER BY row") == rows


def test_changes_of_the_same_row_are_written_in_their_order(tmp_path: Path) -> None:
    lives = [life_to(State.COMPLETED, row) for row in range(LARGEST + 5)]
    with opened(tmp_path) as checkpoint:
        assert not any(commit(checkpoint, *(entry for step in zip(*lives, strict=True) for entry in step)))
        assert list(checkpoint.rows(State.COMPLETED)) == [life[-1].row for life in lives]


def test_a_refused_row_among_many_is_the_only_one_that_is_not_recorded(tmp_path: Path) -> None:
    rows = range(LARGEST + 5)
    with opened(tmp_path) as checkpoint:
        commit(checkpoint, *(life_to(State.SUBMITTING, row)[-1] for row in rows))
        accepted = [life_to(State.RUNNING, row, "run-1" if row == LARGEST + 2 else None)[-1] for row in rows]
        results = commit(checkpoint, *accepted)
        refused = [(row, type(error)) for row, error in enumerate(results) if error is not None]
        assert refused == [(LARGEST + 2, DuplicateRunError)]
        assert [row.row for row in checkpoint.rows(State.SUBMITTING)] == [LARGEST + 2]


def test_they_are_written_in_the_order_of_their_rows(tmp_path: Path) -> None:
    """Runs end in any order, and neighbours share pages."""
    rows = list(range(LARGEST + 5))
    random.Random(1).shuffle(rows)
    with opened(tmp_path) as checkpoint:
        with closing(sqlite3.connect(tmp_path / "checkpoint.db", isolation_level=None)) as db:
            db.execute("CREATE TABLE seen (row INTEGER)")
            db.execute("CREATE TRIGGER watched AFTER INSERT ON outputs BEGIN INSERT INTO seen VALUES (NEW.row); END")
        for step in range(3):
            commit(checkpoint, *(life_to(State.COMPLETED, row)[step] for row in rows))
        assert of(checkpoint, "SELECT row FROM seen ORDER BY rowid") == sorted(rows)


def of(checkpoint: Checkpoint, query: str) -> list[int]:
    """The only column of a query."""
    return checkpoint.read(lambda db: [value for (value,) in db.execute(query)])
