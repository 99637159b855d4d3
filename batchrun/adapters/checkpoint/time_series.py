"""The time series of each session in a checkpoint."""

import sqlite3
from collections import defaultdict
from collections.abc import Sequence

from msgspec.structs import astuple

from batchrun.adapters.checkpoint.damage import decoding
from batchrun.domain.time_series import MAX_OF_ALL_SESSIONS, Interval, coarser

_COLUMNS = ", ".join(Interval.__struct_fields__)
_INSERT = (
    f"INSERT INTO time_series (session, {_COLUMNS}) VALUES ({', '.join('?' * (1 + len(Interval.__struct_fields__)))})"
)


def time_series(db: sqlite3.Connection) -> dict[int, list[Interval]]:
    """The intervals of each session that has any, in order."""
    found: dict[int, list[Interval]] = defaultdict(list)
    with decoding():
        for session, *values in db.execute(f"SELECT session, {_COLUMNS} FROM time_series ORDER BY session, at"):
            found[session].append(Interval(*values))
    return dict(found)


def make_room(db: sqlite3.Connection, most: int = MAX_OF_ALL_SESSIONS) -> None:
    """Before a new session: merge intervals of the earlier ones until there are at most `most`, or one a session."""
    if db.execute("SELECT count(*) FROM time_series").fetchone()[0] <= most:
        return
    by_session = time_series(db)
    while sum(map(len, by_session.values())) > max(most, len(by_session)):
        by_session = {session: coarser(intervals) for session, intervals in by_session.items()}
    db.execute("DELETE FROM time_series")
    for session, intervals in by_session.items():
        _insert(db, session, intervals)


class SavedSeries:
    """Knows what the checkpoint has of the series of one session, so that only what has changed is written."""

    def __init__(self) -> None:
        self._saved: tuple[Interval, ...] = ()
        self._written: tuple[Interval, ...] = ()

    def save(self, db: sqlite3.Connection, session: int, intervals: tuple[Interval, ...]) -> None:
        """Write the intervals that differ from those that were committed last."""
        self._written = intervals
        if intervals is self._saved:
            return
        pairs = enumerate(zip(self._saved, intervals, strict=False))
        same = next((place for place, (old, new) in pairs if old is not new), min(len(self._saved), len(intervals)))
        if same < len(self._saved):
            db.execute("DELETE FROM time_series WHERE session = ? AND at >= ?", (session, self._saved[same].at))
        _insert(db, session, intervals[same:])

    def committed(self) -> None:
        """What was written is committed."""
        self._saved = self._written


def _insert(db: sqlite3.Connection, session: int, intervals: Sequence[Interval]) -> None:
    db.executemany(_INSERT, [(session, *astuple(one)) for one in intervals])
