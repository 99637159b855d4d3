"""The model of a checkpoint under random transitions and crashes, and what is always true of the real one.

A crash copies the database and its write-ahead log as they are on disk, and opens the copy. The old connection is not
used again. A torn commit is a power failure during the commit: the log of the copy is cut off within that commit.
"""

import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant
from msgspec.structs import astuple

from batchrun.adapters.checkpoint import connection, reader, results_reader
from batchrun.adapters.checkpoint.entries import Entry
from batchrun.adapters.checkpoint.results_reader import ResultRow
from batchrun.adapters.checkpoint.schema import TOKEN_COLUMNS
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.domain.answers import RunDetails
from batchrun.domain.counters import Counters
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.events import (
    Adopted,
    FoundAfterRestart,
    Held,
    Refunded,
    Reused,
    RowEvent,
    RunCompleted,
    RunFailed,
    Settled,
    SubmitStarted,
)
from batchrun.domain.row import Row, decide
from batchrun.domain.states import TABLE, Event, State
from tests.support.result_rows import result_row

TOTAL = 8


class CheckpointModel(RuleBasedStateMachine):
    """A dictionary of rows, and one each of outputs, reuse keys, source jobs and the details of each run."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="batchrun-machine-"))
        self.lives = 0
        self.runs = 0
        self.abandoned: list[Checkpoint] = []
        self.rows: dict[int, Row] = {}
        self.outputs: dict[int, str | None] = {}
        self.reuse_keys: dict[int, bytes] = {}
        self.sources: dict[int, str] = {}
        self.attempts = Counter[int]()
        self.reported: dict[tuple[int, int], RunDetails] = {}
        self.staged: list[Entry] = []
        self.staged_rows: dict[int, Row] = {}

    @initialize()
    def begin(self) -> None:
        self.open()

    def teardown(self) -> None:
        for checkpoint in [*self.abandoned, self.checkpoint]:
            checkpoint.close()
        shutil.rmtree(self.root)

    @property
    def path(self) -> Path:
        return self.root / str(self.lives) / "checkpoint.db"

    def open(self) -> None:
        self.path.parent.mkdir(exist_ok=True)
        self.checkpoint = Checkpoint(self.path)
        self.checkpoint.begin_session(self.lives, "1")

    def row(self, number: int) -> Row:
        return self.staged_rows.get(number) or self.rows.get(number) or Row(number)

    def takes(self, row: Row, event: RowEvent) -> bool:
        """Whether `event` makes sense for `row`, beyond what the table says."""
        if event.event not in TABLE[row.state]:
            return False
        match event:
            case Refunded():
                return row.tries > 0  # only a counted try can be refunded
            case RunCompleted():
                return row.run_id is not None and row.state is not State.COMPLETED
            case RunFailed():
                return row.run_id is not None and (event.resubmit_at is None or row.state is State.RUNNING)
            case Settled():
                return event.to in TABLE[row.state][Event.SETTLED]
            case Reused() | Adopted() | Held():
                return row.attempts == 0  # never sent to the service
        return True

    def stage(self, row: Row, event: RowEvent) -> None:
        moved = decide(row, event)
        self.staged.append(Entry(moved, event))
        self.staged_rows[moved.row] = moved

    def happen(self, choice: int, event: RowEvent) -> None:
        """Stage `event` for one of the rows that can take it."""
        if able := [row for row in map(self.row, range(TOTAL)) if self.takes(row, event)]:
            self.stage(able[choice % len(able)], event)

    def acknowledged(self) -> None:
        for entry in self.staged:
            self.rows[entry.row.row] = entry.row
            number, event = entry.row.row, entry.event
            if isinstance(event, RunCompleted | Reused) and entry.row.state is State.COMPLETED:
                self.outputs[number] = event.output
            if isinstance(event, SubmitStarted | Reused | Adopted | Held) and event.reuse_key is not None:
                self.reuse_keys[number] = event.reuse_key  # a local file may have changed
            if isinstance(event, Reused):
                self.sources[number] = event.source
            self.attempts[number] += isinstance(event, SubmitStarted)
            if entry.row.details is not None:
                self.reported[number, self.attempts[number]] = entry.row.details
        self.forget()

    def forget(self) -> None:
        self.staged, self.staged_rows = [], {}

    def commit_batch(self, batch: list[Entry]) -> list[Exception | None]:
        return self.checkpoint.commit(batch, Counters(), 1, 1.0)

    # -- interruptions

    def log(self) -> bytes:
        log = self.path.with_name("checkpoint.db-wal")
        return log.read_bytes() if log.exists() else b""

    def crash(self, torn: bytes | None) -> None:
        left = self.path
        self.abandoned.append(self.checkpoint)
        self.lives += 1
        self.path.parent.mkdir()
        shutil.copy(left, self.path)
        log = left.with_name("checkpoint.db-wal")
        if log.exists():
            self.path.with_name(log.name).write_bytes(log.read_bytes() if torn is None else torn)
        self.open()

    def recover(self) -> None:
        """The first step of a new command: rows that were being sent become in doubt."""
        event = FoundAfterRestart(Problem(ErrorKind.IN_DOUBT, "cut off"), 1)
        found = list(self.checkpoint.rows(State.SUBMITTING))
        assert found == [row for _, row in sorted(self.rows.items()) if row.state is State.SUBMITTING]
        self.staged = [Entry(decide(row, event), event) for row in found]
        assert set(self.commit_batch(self.staged)) <= {None}
        self.acknowledged()
        assert not list(self.checkpoint.rows(State.SUBMITTING))

    # -- what is always true

    @invariant()
    def the_rows_are_those_of_the_model(self) -> None:
        assert list(self.checkpoint.rows(*State)) == [row for _, row in sorted(self.rows.items())]

    @invariant()
    def the_tally_is_the_count(self) -> None:
        tally = self.checkpoint.tally(TOTAL)
        assert (tally.reused, tally.worked) == (len(self.sources), tally.ended - len(self.sources))
        states = Counter(row.state for row in self.rows.values())
        untouched = TOTAL - len(self.rows)
        assert {s: tally[s] for s in State} == {s: states[s] + (untouched if s is State.QUEUED else 0) for s in State}
        wrong = {State.FAILED, State.TIMED_OUT, State.IN_DOUBT}
        assert tally.kinds == Counter(
            str(row.problem.kind) for row in self.rows.values() if row.problem and row.state in wrong
        )

    @invariant()
    def the_tokens_of_each_run_are_counted_once(self) -> None:
        """Including runs whose rows were submitted again."""
        with connection.open_reader(self.path) as db:
            [totals] = db.execute(f"SELECT {', '.join(TOKEN_COLUMNS)} FROM token_totals")
        for name, total in zip(TOKEN_COLUMNS, totals, strict=True):
            counts = [count for details in self.reported.values() if (count := getattr(details, name)) is not None]
            assert total == (sum(counts) if counts else None)

    @invariant()
    def another_connection_sees_all_that_ended_with_its_output(self) -> None:
        shown = {State.COMPLETED, State.FAILED, State.TIMED_OUT, State.IN_DOUBT}
        with connection.open_reader(self.path) as db:
            found = list(results_reader.result_rows(db))
            detailed = [
                (row, tuple(row)[len(ResultRow._fields) :]) for row in results_reader.result_rows(db, details=True)
            ]
            assert reader.touched(db) == (len(self.rows), max(self.rows, default=-1) + 1)
            assert dict(db.execute("SELECT row, reuse_key FROM reuse_keys")) == self.reuse_keys
        assert found == [
            result_row(row, self.outputs.get(number), self.sources.get(number))
            for number, row in sorted(self.rows.items())
            if row.state in shown
        ]
        for plain, (row, details) in zip(found, detailed, strict=True):
            assert row[: len(plain)] == plain
            assert details == astuple(self.rows[row.row].details or RunDetails())

    @invariant()
    def no_two_rows_share_a_run_of_this_job(self) -> None:
        own = [row for row in self.checkpoint.rows(*State) if row.row not in self.sources]
        runs = [row.run_id for row in own if row.run_id is not None]
        assert len(runs) == len(set(runs))


def torn_log(before: bytes, after: bytes, share: float) -> bytes:
    """The log after this share of the last write. That write may have overwritten what an earlier torn commit left."""
    old = before.ljust(len(after), b"\0")
    changed = [place for place in range(len(after)) if after[place] != old[place]] or [len(after)]
    cut = changed[0] + int(share * (changed[-1] + 1 - changed[0]))
    return after[:cut] + before[cut:]
