"""One POST between its intent and its answer."""

from batchrun.engine.request_runner import PendingRequest
from batchrun.ports import Hint, Work


class PendingPost(PendingRequest):
    """One POST on its way."""

    __slots__ = ("hint", "row", "settled", "submitted_at", "work")

    def __init__(self, work: Work, *, probe: bool, now: float) -> None:
        super().__init__(probe=probe, now=now)
        self.work = work
        self.row = work.row
        """The row, `submitting` once its intent is recorded."""
        self.submitted_at = 0
        """The wall clock at its permit, in UTC milliseconds."""
        self.hint: Hint | None = None
        """A callback that came before the answer."""
        self.settled = False
        """Whether it is known, and told, what became of the row."""

    @property
    def left_at(self) -> float:
        """`sent_at` of a POST that has left."""
        assert self.sent_at is not None
        return self.sent_at
