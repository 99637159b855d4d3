"""Random transitions of random rows on the real checkpoint, with crashes: it holds what was committed, nothing else."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from batchrun.adapters.checkpoint.entries import Entry
from batchrun.domain.answers import RunDetails
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.events import (
    Accepted,
    Adopted,
    CannotBeSent,
    Deadline,
    Gone,
    Held,
    Refunded,
    RefusedForGood,
    RefusedForNow,
    Reused,
    RunCompleted,
    RunFailed,
    Settled,
    StillRunning,
    SubmitStarted,
    Unconfirmed,
)
from batchrun.domain.frozen import copied
from batchrun.domain.row import decide
from batchrun.domain.states import TABLE, Event, State
from batchrun.errors import BugError
from batchrun.ports import DuplicateRunError
from tests.contract.checkpoint_model import TOTAL, CheckpointModel, torn_log
from tests.contract.row_lives import concrete
from tests.support.examples import examples

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


class CheckpointMachine(CheckpointModel):
    """The rules: one per event, and some for many events."""

    # -- events of a row: one rule per event, and one rule for many events of many rows

    @rule(choice=CHOICE, problem=PROBLEM, at=TIME)
    def cannot_be_sent(self, choice: int, problem: Problem, at: int) -> None:
        self.happen(choice, CannotBeSent(problem, at))

    @rule(choice=CHOICE, at=TIME, reuse_key=st.none() | REUSE_KEY)
    def submit_started(self, choice: int, at: int, reuse_key: bytes | None) -> None:
        self.happen(choice, SubmitStarted(at, reuse_key))

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
        self.happen(choice, Reused(f"run-{run}", "completed", output, source, reuse_key, at, at, at, at, details))

    @rule(choice=CHOICE, status=TEXT, reuse_key=REUSE_KEY, at=TIME, created_at=st.none() | TIME)
    def adopted(self, choice: int, status: str, reuse_key: bytes, at: int, created_at: int | None) -> None:
        self.runs += 1
        self.happen(choice, Adopted(f"run-{self.runs}", status, reuse_key, at, at, created_at))

    @rule(choice=CHOICE, problem=PROBLEM, reuse_key=REUSE_KEY)
    def held(self, choice: int, problem: Problem, reuse_key: bytes) -> None:
        self.happen(choice, Held(problem, reuse_key))

    @rule(choice=CHOICE, at=TIME, status=TEXT, created_at=st.none() | TIME, details=DETAILS)
    def accepted(self, choice: int, at: int, status: str, created_at: int | None, details: RunDetails | None) -> None:
        self.runs += 1
        self.happen(choice, Accepted(f"run-{self.runs}", status, at, at, created_at, details))

    @rule(choice=CHOICE, problem=PROBLEM, at=TIME, details=DETAILS)
    def refused_for_now(self, choice: int, problem: Problem, at: int, details: RunDetails | None) -> None:
        self.happen(choice, RefusedForNow(problem, at, at, details))

    @rule(choice=CHOICE, problem=PROBLEM, at=TIME)
    def refused_for_good(self, choice: int, problem: Problem, at: int) -> None:
        self.happen(choice, RefusedForGood(problem, at))

    @rule(choice=CHOICE, at=TIME)
    def refunded(self, choice: int, at: int) -> None:
        self.happen(choice, Refunded(at))

    @rule(choice=CHOICE, problem=PROBLEM, at=TIME)
    def unconfirmed(self, choice: int, problem: Problem, at: int) -> None:
        self.happen(choice, Unconfirmed(problem, at))

    @rule(choice=CHOICE, status=TEXT, output=st.none() | TEXT, at=TIME, details=DETAILS)
    def run_completed(self, choice: int, status: str, output: str | None, at: int, details: RunDetails | None) -> None:
        self.happen(choice, RunCompleted(status, output, at, details=details))

    @rule(choice=CHOICE, status=TEXT, problem=PROBLEM, at=TIME, again=st.booleans(), details=DETAILS)
    def run_failed(  # noqa: PLR0917 - likewise
        self, choice: int, status: str, problem: Problem, at: int, again: bool, details: RunDetails | None
    ) -> None:
        self.happen(choice, RunFailed(status, problem, at, resubmit_at=at if again else None, details=details))

    @rule(choice=CHOICE, status=st.none() | TEXT, at=st.none() | TIME, details=DETAILS)
    def still_running(self, choice: int, status: str | None, at: int | None, details: RunDetails | None) -> None:
        self.happen(choice, StillRunning(status, at, at, details))

    @rule(choice=CHOICE, problem=PROBLEM, at=TIME, details=DETAILS)
    def gone(self, choice: int, problem: Problem, at: int, details: RunDetails | None) -> None:
        self.happen(choice, Gone(problem, at, details))

    @rule(choice=CHOICE, problem=PROBLEM, at=TIME, details=DETAILS)
    def deadline(self, choice: int, problem: Problem, at: int, details: RunDetails | None) -> None:
        self.happen(choice, Deadline(problem, at, details))

    @rule(choice=CHOICE, at=TIME, to=st.sampled_from([State.QUEUED, State.FAILED]), renewed=st.booleans())
    def settled(self, choice: int, at: int, to: State, renewed: bool) -> None:
        self.happen(choice, Settled(to, at, renewed=renewed))

    @rule(numbers=st.sets(CHOICE, min_size=3), how=st.sampled_from(Event), commit=st.booleans())
    def all_of_a_kind(self, numbers: set[int], how: Event, commit: bool) -> None:
        """Start and accept all these rows and apply `how` to them, each where the row can take it."""
        for number in sorted(numbers):
            self.runs += 1
            for sort in (Event.SUBMIT_STARTED, Event.ACCEPTED, how):
                event = concrete(sort, f"run-{self.runs}", State.FAILED)
                if self.takes(self.row(number), event):
                    self.stage(self.row(number), event)
        if commit:
            self.commit()

    @rule(
        steps=st.lists(st.tuples(CHOICE, st.integers(0, 9), st.booleans()), min_size=6, max_size=30), now=st.booleans()
    )
    def much_happens(self, steps: list[tuple[int, int, bool]], now: bool) -> None:
        for number, pick, back in steps:
            row = self.row(number)
            able = [e for e in SORTS if self.takes(row, concrete(e, to=State.QUEUED if back else State.FAILED))]
            if able:
                self.runs += 1
                sort = able[pick % len(able)]
                self.stage(row, concrete(sort, f"run-{self.runs}", State.QUEUED if back else State.FAILED))
        if now:
            self.commit()

    # -- events of all rows

    @rule()
    def commit(self) -> None:
        assert set(self.commit_batch(self.staged)) <= {None}
        self.acknowledged()

    @precondition(lambda self: self.rows)
    @rule(choice=CHOICE, place=st.integers(0, 20), twice=st.booleans())
    def commit_with_poison(self, choice: int, place: int, twice: bool) -> None:
        """Add an illegal transition, or a run id that another row has, to the batch. Only that entry is refused."""
        illegal = [
            Entry(copied(row, state=state, run_id=row.run_id or "x"), concrete(event))
            for row in map(self.row, range(TOTAL))
            for event in Event
            for state in (State.QUEUED, State.SUBMITTING, State.FAILED)
            if state not in TABLE[row.state].get(event, ())
        ]
        poison = illegal[choice * len(illegal) // TOTAL]
        kind: type[Exception] = BugError
        own = [row for row in self.rows.values() if row.row not in self.sources]
        named = [row.run_id for row in own if row.run_id and row == self.row(row.row)]
        open_ = [row for row in map(self.row, range(TOTAL)) if row.state is State.SUBMITTING]
        if twice and named and open_:
            event = Accepted(named[choice % len(named)] or "", "pending", 1, 1)
            poison, kind = Entry(decide(open_[0], event), event), DuplicateRunError
        # Insert it after the entries of its own row, which make it illegal.
        earlier = [n for n, entry in enumerate(self.staged) if entry.row.row == poison.row.row]
        after = max([*earlier, place % (len(self.staged) + 1) - 1])
        results = self.commit_batch([*self.staged[: after + 1], poison, *self.staged[after + 1 :]])
        assert [type(result) for result in results if result is not None] == [kind]
        assert results[after + 1] is not None
        self.acknowledged()

    @rule(how=st.sampled_from(["torn", "crash", "end"]), share=st.floats(0, 1, exclude_max=True))
    def interruption(self, how: str, share: float) -> None:
        """A command ends normally or crashes, and another one starts. Uncommitted entries are lost."""
        torn = None
        if how == "torn" and self.staged:
            before = self.log()
            self.commit_batch(self.staged)
            torn = torn_log(before, self.log(), share)
        self.forget()
        if how == "end":
            self.checkpoint.close()
            self.open()
        else:
            self.crash(torn)
        self.recover()


CheckpointMachine.TestCase.settings = settings(max_examples=examples(30), stateful_step_count=40)
TestCheckpointMachine = CheckpointMachine.TestCase
