"""Random transitions of random rows on the real checkpoint, with crashes: it holds what was committed and nothing else.

A crash copies the database and its write-ahead log as they are on disk, and opens the copy. The old connection is not
used again. A torn commit is a power failure during the commit: the log of the copy is cut off within that commit.
"""

import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import astuple

from batchrun.adapters.checkpoint import connection, reader, results_reader
from batchrun.adapters.checkpoint.results_reader import ResultRow
from batchrun.adapters.checkpoint.schema import TOKEN_COLUMNS
from batchrun.adapters.checkpoint.writer import Checkpoint, Entry
from batchrun.domain.answers import RunDetails
from batchrun.domain.counters import Counters
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.events import (
    Accepted,
    CannotBeSent,
    Deadline,
    FoundAfterRestart,
    Gone,
    Refunded,
    RefusedForGood,
    RefusedForNow,
    Reused,
    RowEvent,
    RunCompleted,
    RunFailed,
    Settled,
    StillRunning,
    SubmitStarted,
    Unconfirmed,
)
from batchrun.domain.frozen import copied
from batchrun.domain.row import Row, decide
from batchrun.domain.states import TABLE, Event, State
from batchrun.errors import BugError
from batchrun.ports import DuplicateRunError
from tests.contract.row_lives import concrete
from tests.support.examples import examples
from tests.support.result_rows import result_row

TOTAL = 8
TIME = st.integers(0, 2**42)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
PROBLEM = st.builds(Problem, st.sampled_from(ErrorKind), TEXT, st.none() | TEXT, st.none() | st.integers(100, 599))
TOKENS = st.none() | st.integers(0, 1000) | st.integers(-(2**70), 2**70)
DETAILS = st.none() | st.builds(RunDetails, st.none() | TEXT, st.none() | TEXT, TOKENS, TOKENS, TOKENS)
CHOICE = st.integers(0, TOTAL - 1)
REUSE_KEY = st.binary(min_size=16, max_size=16)
LIKELY = (Event.SUBMIT_STARTED, Event.ACCEPTED, Event.RUN_COMPLETED, Event.STILL_RUNNING, Event.DEADLINE)
SORTS = [
    *LIKELY,
    *(event for event in reversed(Event) if event not in LIKELY and event is not Event.FOUND_AFTER_RESTART),
]


class CheckpointMachine(RuleBasedStateMachine):
    """The model: a dictionary of rows, and one each of outputs, reuse keys, source jobs and the details of each run."""

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
        self._open()

    def teardown(self) -> None:
        for checkpoint in [*self.abandoned, self.checkpoint]:
            checkpoint.close()
        shutil.rmtree(self.root)

    # -- the works

    @property
    def path(self) -> Path:
        return self.root / str(self.lives) / "checkpoint.db"

    def _open(self) -> None:
        self.path.parent.mkdir(exist_ok=True)
        self.checkpoint = Checkpoint(self.path)
        self.checkpoint.begin_session(self.lives, "1")

    def _row(self, number: int) -> Row:
        return self.staged_rows.get(number) or self.rows.get(number) or Row(number)

    def _takes(self, row: Row, event: RowEvent) -> bool:
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
            case Reused():
                return row.attempts == 0  # never sent to the service
        return True

    def _stage(self, row: Row, event: RowEvent) -> None:
        moved = decide(row, event)
        self.staged.append(Entry(moved, event))
        self.staged_rows[moved.row] = moved

    def _happen(self, choice: int, event: RowEvent) -> None:
        """Stage `event` for one of the rows that can take it."""
        if able := [row for row in map(self._row, range(TOTAL)) if self._takes(row, event)]:
            self._stage(able[choice % len(able)], event)

    def _acknowledged(self) -> None:
        for entry in self.staged:
            self.rows[entry.row.row] = entry.row
            number, event = entry.row.row, entry.event
            if isinstance(event, RunCompleted | Reused) and entry.row.state is State.COMPLETED:
                self.outputs[number] = event.output
            if isinstance(event, SubmitStarted | Reused) and event.reuse_key is not None:
                self.reuse_keys.setdefault(number, event.reuse_key)
            if isinstance(event, Reused):
                self.sources[number] = event.source
            self.attempts[number] += isinstance(event, SubmitStarted)
            if entry.row.details is not None:
                self.reported[number, self.attempts[number]] = entry.row.details
        self._forget()

    def _forget(self) -> None:
        self.staged, self.staged_rows = [], {}

    # -- events of a row: one rule per event, and one rule for many events of many rows

    @rule(choice=CHOICE, problem=PROBLEM, at=TIME)
    def cannot_be_sent(self, choice: int, problem: Problem, at: int) -> None:
        self._happen(choice, CannotBeSent(problem, at))

    @rule(choice=CHOICE, at=TIME, reuse_key=st.none() | REUSE_KEY)
    def submit_started(self, choice: int, at: int, reuse_key: bytes | None) -> None:
        self._happen(choice, SubmitStarted(at, reuse_key))

    @rule(
        choice=CHOICE,
        run=st.integers(0, 9),
        output=st.none() | TEXT,
        source=TEXT,
        reuse_key=REUSE_KEY,
        at=st.none() | TIME,
        debug_url=st.none() | TEXT,
    )
    def reused(  # noqa: PLR0917 - hypothesis gives them by name
        self,
        choice: int,
        run: int,
        output: str | None,
        source: str,
        reuse_key: bytes,
        at: int | None,
        debug_url: str | None,
    ) -> None:
        """The run may also be one of this job."""
        details = RunDetails(debug_url=debug_url)
        self._happen(choice, Reused(f"run-{run}", "completed", output, source, reuse_key, at, at, at, at, details))

    @rule(choice=CHOICE, at=TIME, status=TEXT, created_at=st.none() | TIME, details=DETAILS)
    def accepted(self, choice: int, at: int, status: str, created_at: int | None, details: RunDetails | None) -> None:
        self.runs += 1
        self._happen(choice, Accepted(f"run-{self.runs}", status, at, at, created_at, details))

    @rule(choice=CHOICE, problem=PROBLEM, at=TIME, details=DETAILS)
    def refused_for_now(self, choice: int, problem: Problem, at: int, details: RunDetails | None) -> None:
        self._happen(choice, RefusedForNow(problem, at, at, details))

    @rule(choice=CHOICE, problem=PROBLEM, at=TIME)
    def refused_for_good(self, choice: int, problem: Problem, at: int) -> None:
        self._happen(choice, RefusedForGood(problem, at))

    @rule(choice=CHOICE, at=TIME)
    def refunded(self, choice: int, at: int) -> None:
        self._happen(choice, Refunded(at))

    @rule(choice=CHOICE, problem=PROBLEM, at=TIME)
    def unconfirmed(self, choice: int, problem: Problem, at: int) -> None:
        self._happen(choice, Unconfirmed(problem, at))

    @rule(choice=CHOICE, status=TEXT, output=st.none() | TEXT, at=TIME, details=DETAILS)
    def run_completed(self, choice: int, status: str, output: str | None, at: int, details: RunDetails | None) -> None:
        self._happen(choice, RunCompleted(status, output, at, details=details))

    @rule(choice=CHOICE, status=TEXT, problem=PROBLEM, at=TIME, again=st.booleans(), details=DETAILS)
    def run_failed(  # noqa: PLR0917 - likewise
        self, choice: int, status: str, problem: Problem, at: int, again: bool, details: RunDetails | None
    ) -> None:
        self._happen(choice, RunFailed(status, problem, at, resubmit_at=at if again else None, details=details))

    @rule(choice=CHOICE, status=st.none() | TEXT, at=st.none() | TIME, details=DETAILS)
    def still_running(self, choice: int, status: str | None, at: int | None, details: RunDetails | None) -> None:
        self._happen(choice, StillRunning(status, at, at, details))

    @rule(choice=CHOICE, problem=PROBLEM, at=TIME, details=DETAILS)
    def gone(self, choice: int, problem: Problem, at: int, details: RunDetails | None) -> None:
        self._happen(choice, Gone(problem, at, details))

    @rule(choice=CHOICE, problem=PROBLEM, at=TIME, details=DETAILS)
    def deadline(self, choice: int, problem: Problem, at: int, details: RunDetails | None) -> None:
        self._happen(choice, Deadline(problem, at, details))

    @rule(choice=CHOICE, at=TIME, to=st.sampled_from([State.QUEUED, State.FAILED]), renewed=st.booleans())
    def settled(self, choice: int, at: int, to: State, renewed: bool) -> None:
        self._happen(choice, Settled(to, at, renewed=renewed))

    @rule(numbers=st.sets(CHOICE, min_size=3), how=st.sampled_from(Event), commit=st.booleans())
    def all_of_a_kind(self, numbers: set[int], how: Event, commit: bool) -> None:
        """Start and accept all these rows and apply `how` to them, each where the row can take it."""
        for number in sorted(numbers):
            self.runs += 1
            for sort in (Event.SUBMIT_STARTED, Event.ACCEPTED, how):
                event = concrete(sort, f"run-{self.runs}", State.FAILED)
                if self._takes(self._row(number), event):
                    self._stage(self._row(number), event)
        if commit:
            self.commit()

    @rule(
        steps=st.lists(st.tuples(CHOICE, st.integers(0, 9), st.booleans()), min_size=6, max_size=30), now=st.booleans()
    )
    def much_happens(self, steps: list[tuple[int, int, bool]], now: bool) -> None:
        for number, pick, back in steps:
            row = self._row(number)
            able = [e for e in SORTS if self._takes(row, concrete(e, to=State.QUEUED if back else State.FAILED))]
            if able:
                self.runs += 1
                sort = able[pick % len(able)]
                self._stage(row, concrete(sort, f"run-{self.runs}", State.QUEUED if back else State.FAILED))
        if now:
            self.commit()

    # -- events of all rows

    @rule()
    def commit(self) -> None:
        assert set(self._commit(self.staged)) <= {None}
        self._acknowledged()

    @precondition(lambda self: self.rows)
    @rule(choice=CHOICE, place=st.integers(0, 20), twice=st.booleans())
    def commit_with_poison(self, choice: int, place: int, twice: bool) -> None:
        """Add an illegal transition, or a run id that another row has, to the batch. Only that entry is refused."""
        illegal = [
            Entry(copied(row, state=state, run_id=row.run_id or "x"), concrete(event))
            for row in map(self._row, range(TOTAL))
            for event in Event
            for state in (State.QUEUED, State.SUBMITTING, State.FAILED)
            if state not in TABLE[row.state].get(event, ())
        ]
        poison = illegal[choice * len(illegal) // TOTAL]
        kind: type[Exception] = BugError
        own = [row for row in self.rows.values() if row.row not in self.sources]
        named = [row.run_id for row in own if row.run_id and row == self._row(row.row)]
        open_ = [row for row in map(self._row, range(TOTAL)) if row.state is State.SUBMITTING]
        if twice and named and open_:
            event = Accepted(named[choice % len(named)] or "", "pending", 1, 1)
            poison, kind = Entry(decide(open_[0], event), event), DuplicateRunError
        # Insert it after the entries of its own row, which make it illegal.
        earlier = [n for n, entry in enumerate(self.staged) if entry.row.row == poison.row.row]
        after = max([*earlier, place % (len(self.staged) + 1) - 1])
        results = self._commit([*self.staged[: after + 1], poison, *self.staged[after + 1 :]])
        assert [type(result) for result in results if result is not None] == [kind]
        assert results[after + 1] is not None
        self._acknowledged()

    def _commit(self, batch: list[Entry]) -> list[Exception | None]:
        return self.checkpoint.commit(batch, Counters(), 1, 1.0)

    @rule(how=st.sampled_from(["torn", "crash", "end"]), share=st.floats(0, 1, exclude_max=True))
    def interruption(self, how: str, share: float) -> None:
        """A command ends normally or crashes, and another one starts. Uncommitted entries are lost."""
        torn = None
        if how == "torn" and self.staged:
            before = self._log()
            self._commit(self.staged)
            torn = _torn(before, self._log(), share)
        self._forget()
        if how == "end":
            self.checkpoint.close()
            self._open()
        else:
            self._crash(torn)
        self._recover()

    def _log(self) -> bytes:
        log = self.path.with_name("checkpoint.db-wal")
        return log.read_bytes() if log.exists() else b""

    def _crash(self, torn: bytes | None) -> None:
        left = self.path
        self.abandoned.append(self.checkpoint)
        self.lives += 1
        self.path.parent.mkdir()
        shutil.copy(left, self.path)
        log = left.with_name("checkpoint.db-wal")
        if log.exists():
            self.path.with_name(log.name).write_bytes(log.read_bytes() if torn is None else torn)
        self._open()

    def _recover(self) -> None:
        """The first step of a new command: rows that were being sent become in doubt."""
        event = FoundAfterRestart(Problem(ErrorKind.IN_DOUBT, "cut off"), 1)
        found = list(self.checkpoint.rows(State.SUBMITTING))
        assert found == [row for _, row in sorted(self.rows.items()) if row.state is State.SUBMITTING]
        self.staged = [Entry(decide(row, event), event) for row in found]
        assert set(self._commit(self.staged)) <= {None}
        self._acknowledged()
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


def _torn(before: bytes, after: bytes, share: float) -> bytes:
    """The log after this share of the last write. That write may have overwritten what an earlier torn commit left."""
    old = before.ljust(len(after), b"\0")
    changed = [place for place in range(len(after)) if after[place] != old[place]] or [len(after)]
    cut = changed[0] + int(share * (changed[-1] + 1 - changed[0]))
    return after[:cut] + before[cut:]


CheckpointMachine.TestCase.settings = settings(max_examples=examples(30), stateful_step_count=40)
TestCheckpointMachine = CheckpointMachine.TestCase
