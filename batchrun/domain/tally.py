"""How many rows are where: the counts that progress, status and summary are made of."""

from collections import Counter
from dataclasses import dataclass, field

from batchrun.domain.row import Row
from batchrun.domain.states import State


@dataclass
class Tally:
    """Counts of the rows by state and, for those that are not completed, by kind of error.

    `total` is the number of rows of the job; rows that were never touched are queued and counted by difference.
    """

    total: int
    states: Counter[State] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    reused: int = 0
    """Completed rows that were taken over from an earlier job."""

    def move(self, old: Row, new: Row) -> None:
        """A row went from `old` to `new`; one that was untouched comes from nowhere."""
        states, kinds = self.states, self.kinds
        if old.intent_at is not None or old.state is not State.QUEUED:
            states[old.state] -= 1
            if old.problem is not None and old.state in _WITH_PROBLEM:
                kinds[old.problem.kind] -= 1
        states[new.state] += 1
        if new.problem is not None and new.state in _WITH_PROBLEM:
            kinds[new.problem.kind] += 1

    def __getitem__(self, state: State) -> int:
        if state is State.QUEUED:
            return self.total - sum(n for s, n in self.states.items() if s is not State.QUEUED)
        return self.states[state]

    @property
    def ended(self) -> int:
        """Rows that need nothing more from this command."""
        return self.states[State.COMPLETED] + self.states[State.FAILED] + self.states[State.TIMED_OUT]

    @property
    def worked(self) -> int:
        """Rows that ended by this job's own work: what rates are made of."""
        return self.ended - self.reused

    @property
    def with_errors(self) -> int:
        """Rows of `errors.parquet`."""
        return self.states[State.FAILED] + self.states[State.TIMED_OUT] + self.states[State.IN_DOUBT]


_WITH_PROBLEM = frozenset({State.FAILED, State.TIMED_OUT, State.IN_DOUBT})
