"""The time series in a checkpoint: what was written last is read, in bounded space, also after a commit that failed."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from batchrun.adapters.checkpoint import connection
from batchrun.adapters.checkpoint.time_series import SavedSeries, time_series
from batchrun.adapters.checkpoint.upgrades import UPGRADES
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.domain.counters import Counters
from batchrun.domain.time_series import MAX_OF_ALL_SESSIONS, Interval, TimeSeries
from tests.contract.row_lives import NOW

FIRST = Path(__file__).with_name("version_1.sql").read_text("utf-8")


def stored(folder: Path) -> dict[int, list[Interval]]:
    with connection.open_reader(folder / "checkpoint.db") as db:
        return time_series(db)


def commit(checkpoint: Checkpoint, series: TimeSeries) -> None:
    checkpoint.commit([], Counters(time_series=series.intervals), NOW, 1.0)


def test_each_commit_leaves_what_is_known_then_also_after_neighbours_were_merged(tmp_path: Path) -> None:
    series = TimeSeries(NOW, most=4)
    with Checkpoint(tmp_path / "checkpoint.db") as checkpoint:
        session = checkpoint.begin_session(NOW, "1")
        for second in (0, 0, 1, 2, 3, 4, 7, 8, 40):
            series.add(second, Interval(0, 1000, submissions=second + 1, allowed=0.5))
            commit(checkpoint, series)
            assert stored(tmp_path) == {session: list(series.intervals)}
        series.add(41, Interval(0, 1000, 7))
        checkpoint.end_session(NOW, 0, Counters(time_series=series.intervals), 2.0)
        assert stored(tmp_path) == {session: list(series.intervals)}
        commit(checkpoint, TimeSeries(NOW))
        assert stored(tmp_path) == {}, "a killed process may have written more than the next commit knows of"


def test_what_a_failed_commit_has_written_is_written_again(tmp_path: Path) -> None:
    with Checkpoint(tmp_path / "checkpoint.db"):
        pass
    one, two = Interval(NOW, 1), Interval(NOW + 1000, 2)
    with closing(sqlite3.connect(tmp_path / "checkpoint.db", isolation_level=None)) as db:
        saved = SavedSeries()
        for end in ("ROLLBACK", "COMMIT"):
            db.execute("BEGIN")
            saved.save(db, 1, (one, two))
            db.execute(end)
        assert time_series(db) == {1: [one, two]}
        saved.committed()
        saved.save(db, 1, (one, two))
        assert time_series(db) == {1: [one, two]}


def test_many_sessions_take_bounded_space_and_keep_their_sums(tmp_path: Path) -> None:
    sessions = 9
    with Checkpoint(tmp_path / "checkpoint.db") as checkpoint:
        for number in range(sessions):
            checkpoint.begin_session(NOW + number, "1")
            series = TimeSeries(NOW + number)
            for second in range(600):
                series.add(second, Interval(0, 1000, 1))
            commit(checkpoint, series)
        checkpoint.begin_session(NOW + sessions, "1")
    found = stored(tmp_path)
    assert sum(map(len, found.values())) <= MAX_OF_ALL_SESSIONS
    assert [sum(one.submissions for one in intervals) for intervals in found.values()] == [600] * sessions


@pytest.mark.parametrize("version", range(1, 8))
def test_an_earlier_version_has_none_and_takes_one_once_it_is_upgraded(tmp_path: Path, version: int) -> None:
    path = tmp_path / "checkpoint.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(FIRST + "".join(UPGRADES[1:version]))
        db.execute(f"PRAGMA user_version = {version}")
        db.execute("PRAGMA journal_mode = WAL")
    before = path.read_bytes()
    assert stored(tmp_path) == {}
    assert path.read_bytes() == before
    series = TimeSeries(NOW)
    series.add(0, Interval(0, 1000, 5))
    with Checkpoint(path) as checkpoint:
        session = checkpoint.begin_session(NOW, "1")
        commit(checkpoint, series)
    assert stored(tmp_path) == {session: list(series.intervals)}
