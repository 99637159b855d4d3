"""A POST, from its preparation until the outcome is recorded."""

from batchrun.engine.request_runner import PendingRequest
from batchrun.ports import Hint, Work


class PendingPost(PendingRequest):
    """One POST."""

    __slots__ = ("hint", "row", "settled", "submitted_at", "work")

    def __init__(self, work: Work, *, probe: bool, now: float) -> None:
        super().__init__(probe=probe, now=now)
        self.work = work
        self.row = work.row
        """The row, `submitting` once its intent is recorded."""
        self.submitted_at = 0
        """When its permit was given, by the wall clock, in UTC milliseconds."""
        self.hint: Hint | None = None
        """A callback that arrived before the answer."""
        self.settled = False
        """Whether the outcome has been recorded and passed on."""

    @property
    def left_at(self) -> float:
        """`sent_at` of a POST that was sent."""
        assert self.sent_at is not None
        return self.sent_at
