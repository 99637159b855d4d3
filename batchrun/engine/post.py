"""One POST between its intent and its answer."""

import asyncio

from batchrun.ports import Hint, Work


class Post:
    """One POST on its way."""

    def __init__(self, work: Work, *, probe: bool) -> None:
        self.work = work
        self.probe = probe
        """Whether it was prepared while the service was out."""
        self.row = work.row
        """The row, `submitting` once its intent is recorded."""
        self.prepared_since = asyncio.get_running_loop().time()
        self.sent_at: float | None = None
        """The loop's time of its permit; None while no byte can have left."""
        self.submitted_at = 0
        self.hint: Hint | None = None
        """A callback that came before the answer."""
        self.settled = False
        """Whether it is known, and told, what became of the row."""

    @property
    def left_at(self) -> float:
        """`sent_at` of a POST that has left."""
        assert self.sent_at is not None
        return self.sent_at
