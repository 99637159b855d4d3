"""Another program holds the checkpoint, or has no room to grow, while a job runs. See also `full_disk`."""

import sqlite3
import threading
from functools import partial
from pathlib import Path

import pytest

from batchrun.adapters.checkpoint import creation
from batchrun.app.prepare import PreparedJob
from tests.support.rehearsal import Rehearsal

ROWS = 100

FULL = 400
"""Rows that do not fit on the full disk."""


class Holder:
    """A program that holds the checkpoint for a while."""

    def __init__(self, rehearsal: Rehearsal, seconds: float, *statements: str) -> None:
        self._rehearsal, self._seconds, self._statements = rehearsal, seconds, statements
        self.sent_meanwhile = -1
        self._released: threading.Timer | None = None

    def hold(self) -> None:
        database = self._rehearsal.folder / "job" / "checkpoint.db"
        db = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
        for statement in self._statements:
            db.execute(statement).fetchone()
        before = len(self._rehearsal.posts())

        def release() -> None:
            self.sent_meanwhile = len(self._rehearsal.posts()) - before
            db.close()

        self._released = threading.Timer(self._seconds, release)
        self._released.start()

    def join(self) -> None:
        assert self._released is not None
        self._released.join()


def test_nothing_new_is_sent_while_another_program_holds_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creation, "BUSY_TIMEOUT_MS", 50)
    rehearsal = Rehearsal(tmp_path, ROWS, "duration=1")
    holder = Holder(rehearsal, 0.4, "BEGIN EXCLUSIVE")
    rehearsal.scheduled = [(0.5, holder.hold)]
    assert rehearsal.run().exit_code == 0
    holder.join()
    assert holder.sent_meanwhile <= 2  # their intents were on disk
    assert len(rehearsal.posts()) == ROWS
    assert "another program holds" in caplog.text
    assert "is free again" in caplog.text


def test_a_program_that_only_reads_stops_nothing(tmp_path: Path) -> None:
    """SQLite can then not write the log back into the database."""
    rehearsal = Rehearsal(tmp_path, ROWS, "duration=1")
    holder = Holder(rehearsal, 3.0, "BEGIN", "SELECT count(*) FROM rows")
    rehearsal.scheduled = [(0.5, holder.hold)]
    assert rehearsal.run().exit_code == 0
    holder.join()
    assert rehearsal.run().completed == ROWS
    assert len(rehearsal.posts()) == ROWS


class FullDisk:
    """Stands for a full disk: the database may have no more pages. The reserve is a few pages."""

    def __init__(self, prepared: PreparedJob, reserve: int) -> None:
        self._db, self._reserve = prepared.checkpoint._db, reserve
        prepared.checkpoint._reserve.release()
        prepared.checkpoint._reserve = self  # type: ignore[assignment]
        self.pages = self._db.execute("PRAGMA page_count").fetchone()[0]
        self._db.execute(f"PRAGMA max_page_count = {self.pages + 6}")

    def release(self) -> None:
        """The disk stays full."""

    def use(self, _db: sqlite3.Connection, _path: Path) -> None:
        self._db.execute(f"PRAGMA max_page_count = {self.pages + 6 + self._reserve}")


def test_answers_in_the_air_are_recorded_in_the_reserve(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, [{"id": f"{row:>700}"} for row in range(FULL)], "latency=0.5", "duration=1")
    rehearsal.on_prepared = partial(FullDisk, reserve=40)
    summary = rehearsal.run(rps=100)
    assert summary.exit_code == 74
    assert "the disk is full" in str(summary.reason)
    assert (summary.in_doubt, summary.submissions) == (0, len(rehearsal.posts()))
    assert 10 < summary.submissions < FULL
    rehearsal.on_prepared = lambda _prepared: None
    assert rehearsal.run(rps=100).completed == FULL
    assert len(rehearsal.posts()) == FULL


def test_without_enough_room_in_the_reserve_every_post_is_counted(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, [{"id": f"{row:>700}"} for row in range(FULL)], "latency=0.5", "duration=1")
    rehearsal.on_prepared = partial(FullDisk, reserve=0)
    summary = rehearsal.run(rps=100)
    assert (summary.exit_code, summary.submissions) == (74, len(rehearsal.posts()))
    rehearsal.on_prepared = lambda _prepared: None
    summary = rehearsal.run(rps=100)
    assert summary.completed + summary.in_doubt == FULL
    assert summary.in_doubt <= 100
