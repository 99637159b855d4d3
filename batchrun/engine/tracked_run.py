"""A run that is polled, and what is known about it in this session."""

from collections.abc import Sequence
from dataclasses import dataclass

from batchrun.domain.row import Row
from batchrun.domain.states import State


@dataclass(slots=True, eq=False)
class TrackedRun:
    """A run that is polled. Times are event loop time, in seconds."""

    row: Row
    deadline: float
    values: Sequence[object] | None = None
    """The columns of the row, if it may have to be submitted again."""
    digest: bytes | None = None
    """The digest of its inputs (`domain.echoes`); None for a run of an earlier session."""
    status_known: bool = False
    """Whether the service has ever reported a status that we know."""
    seen_running_at: float | None = None
    """When the last poll that found it running was sent."""
    overdue: float = 0.0
    """Seconds from the end of the run timeout until the run was tracked, in a later session."""
    unanswered: int = 0
    """Polls in a row that brought nothing usable."""
    not_found: int = 0
    """Polls to which the service said that it does not know the run, which was too young for that to count."""
    unhelpful_since: float | None = None
    """When the first of these polls was sent."""
    may_have_result: bool = False
    """Whether there was an answer that may be its result, but could not be read, or was not believed."""
    is_refused: bool = False
    """Whether the last poll was refused in a way that may hold for all runs."""
    is_suspect: bool = False
    """Whether its polls brought nothing usable when an earlier session ended, and have not since."""
    is_health_check: bool = False
    """Whether the run has ended, and is polled once to see if the service works."""
    resubmit: bool = False
    """Whether the row timed out and is submitted again unless this poll finds its run completed."""
    claimed_run_id: str | None = None
    """For a row in doubt: the run_id that a callback named and that a poll has not confirmed yet."""
    announced: bool = False
    """Whether a callback has arrived for it."""
    expects_callback: bool = True
    """Whether this session would have received a callback about its end. False if it may have ended before."""
    polled_often: bool = True
    """Whether it is polled as often as without callbacks."""
    since: float = 0.0
    """When the current wait began."""
    wait: float = 0.0
    """The length of the current wait according to the schedule, in seconds."""
    chance: float | None = None
    """The random number that spreads a wait lengthened by callbacks; None if they must not lengthen it."""
    wake_at: float | None = None
    """When the poll that a callback triggered is due."""
    woken_at: float = float("-inf")
    """When the last poll that a callback triggered was sent."""

    @property
    def timed_out(self) -> bool:
        """Whether it timed out before: one answer, whatever it is, ends the tracking."""
        return self.row.state is State.TIMED_OUT

    @property
    def is_recheck(self) -> bool:
        """Whether the row has ended, and is polled once more in case its run has ended since."""
        return self.timed_out and not self.resubmit

    @property
    def probe_rank(self) -> int:
        """How little a poll of this run shows about the service in an outage; 0 is the best."""
        return 2 if self.is_recheck else 1 if self.unanswered or self.is_suspect else 0
