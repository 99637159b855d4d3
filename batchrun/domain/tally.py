"""Counts rows by state, and the tokens of their runs, for progress, status and summary."""

from collections import Counter
from dataclasses import dataclass, field

from batchrun.domain.row import Row
from batchrun.domain.run_details import Tokens
from batchrun.domain.states import State


@dataclass
class Tally:
    """The number of rows by state and, for rows with an error, by kind of error.

    `total` is the number of rows of the job. Rows without a record are queued; they are counted as the difference.
    """

    total: int
    states: Counter[State] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    reused: int = 0
    """Completed rows whose result was reused from an earlier job."""
    tokens: Tokens = field(default_factory=Tokens)

    def move(self, old: Row, new: Row) -> None:
        """A row changed from `old` to `new`. A row that had no record is not subtracted from its old state."""
        states, kinds = self.states, self.kinds
        if old.intent_at is not None or old.state is not State.QUEUED:
            states[old.state] -= 1
            if old.problem is not None and old.state in _WITH_PROBLEM:
                kinds[old.problem.kind] -= 1
        states[new.state] += 1
        if new.problem is not None and new.state in _WITH_PROBLEM:
            kinds[new.problem.kind] += 1
        if new.details is not None and new.details is not old.details:
            self.tokens.add(old.details, new.details)

    def __getitem__(self, state: State) -> int:
        if state is State.QUEUED:
            return self.total - sum(n for s, n in self.states.items() if s is not State.QUEUED)
        return self.states[state]

    @property
    def ended(self) -> int:
        """Rows for which this command has nothing more to do."""
        return self.states[State.COMPLETED] + self.states[State.FAILED] + self.states[State.TIMED_OUT]

    @property
    def worked(self) -> int:
        """Rows that ended without being reused. Rates are computed from this number."""
        return self.ended - self.reused

    @property
    def with_errors(self) -> int:
        """Rows in `errors.parquet`."""
        return self.states[State.FAILED] + self.states[State.TIMED_OUT] + self.states[State.IN_DOUBT]


_WITH_PROBLEM = frozenset({State.FAILED, State.TIMED_OUT, State.IN_DOUBT})
