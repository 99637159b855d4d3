"""How the submit loop, the poll loop and the callbacks hand rows to each other."""

from collections.abc import Sequence
from typing import Protocol

from batchrun.domain.row import Row
from batchrun.ports import Hint, Work


class RunTracker(Protocol):
    """The poll loop, as the submit loop and the callbacks see it."""

    @property
    def allows_submission(self) -> bool:
        """Whether another row may be submitted, by what the polls have met."""
        ...

    async def wait_polled(self) -> None:
        """Wait until `allows_submission` may have changed."""
        ...

    def on_change(self) -> None:
        """A POST has ended."""
        ...

    def accepted(self, row: Row, values: Sequence[object], hint: Hint | None) -> None:
        """Poll the run of `row`, which the service has just accepted.

        `values`: its columns. `hint`: a callback that came before the answer.
        """
        ...

    def in_doubt(self, row: Row, hint: Hint | None) -> None:
        """`row` is in doubt; if `hint` names a run, one poll settles whether it is the run of this row."""
        ...

    def recheck(self, work: Work) -> None:
        """Poll the run of a row that timed out once more, then give the row back to `Requeue.give_back`."""
        ...

    def poll_once_more(self, row: Row) -> None:
        """Poll the run of a row that timed out in this session: a callback says that it has ended."""
        ...


class Requeue(Protocol):
    """The queue of rows, as the poll loop sees it."""

    def recall(self, row: Row, values: Sequence[object] | None) -> None:
        """Queue a row whose run failed; without `values` its columns are read from the input again."""
        ...

    def give_back(self, work: Work | None) -> None:
        """A row was polled once more: it is to be submitted again, or, with None, needs nothing more."""
        ...


class PostTracker(Protocol):
    """The submit loop, as the callbacks see it."""

    def expects(self, hint: Hint) -> bool:
        """Whether the POST of this row is not answered yet; the hint is then kept until it is."""
        ...
