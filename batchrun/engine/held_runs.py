"""Runs that are polled last, because their polls made an earlier session stop.

A service may ask for a long pause, or refuse the token, whenever it is asked about one run. If that run was polled
first in each session, no other run would ever be polled.
"""

from batchrun.domain.unhelpful_rows import UnhelpfulRows
from batchrun.engine.context import Context
from batchrun.engine.poll_queue import PollQueue
from batchrun.engine.tracked_run import TrackedRun
from batchrun.engine.unhelpful_polls import MAX_REFUSED, UnhelpfulPolls

SUSPECT_DELAY = 1.0
"""Seconds after which a run is polled whose polls brought nothing before. The others are polled first."""


class HeldRuns:
    """Holds these runs back, and decides whether rows may be submitted before a poll was answered well."""

    def __init__(self, context: Context, poll_queue: PollQueue, unhelpful: UnhelpfulPolls) -> None:
        self._context = context
        self._poll_queue = poll_queue
        self._unhelpful = unhelpful
        self._requests = context.admission.polls
        rows = UnhelpfulRows.of(context.counters.unhelpful_rows)
        # If most slots were held, few rows could be submitted. So many rows were throttled by the service anyway.
        most = max(1, context.settings.max_in_flight // 2)
        self._throttled = frozenset(rows.throttled[-most:])
        self._refused = frozenset(rows.refused)
        self._suspects = frozenset((*rows.throttled, *rows.refused, *rows.failed))
        self._has_asked = False
        self.is_known = not context.settings.polls_first
        """Whether the service has answered a poll in this session with anything but a refusal, or need not."""

    def poll(self, run: TrackedRun, now: float) -> None:
        """Poll a run of an earlier session: now, or last."""
        row = run.row.row
        if row in self._suspects:
            run.is_suspect, run.unhelpful_since = True, now
            self._unhelpful.suspects[row] = run
        if row in self._throttled or row in self._refused:
            self._poll_queue.hold(run)
        else:
            self._poll_queue.poll_after(run, SUSPECT_DELAY if run.is_suspect else 0.0)

    def release(self) -> None:
        """Poll the runs that need not wait any longer. Call it after each poll, and about once a second."""
        queue = self._poll_queue
        if not queue.held:
            return
        is_answered = self._requests.last_success > float("-inf")
        if is_answered and self._refused:  # a refusal is now known to be about its run
            self._release([run for row, run in queue.held.items() if row in self._refused])
            self._refused = frozenset()
        if queue.open_runs > len(queue.held):
            return
        held = [run for run in queue.held.values() if not run.is_recheck]
        if queue.open_runs > len(held) or (self._context.may_submit and (self._is_open or self._may_add_a_run)):
            return
        if not held:
            self._release(list(queue.held.values()))
            return
        health_check = self._unhelpful.health_check
        if not is_answered and not self._has_asked and health_check.ask():
            self._has_asked = True
        elif health_check.run is None:
            self._release(held)

    def _release(self, runs: list[TrackedRun]) -> None:
        for run in runs:
            self._unhelpful.release(run)
            self._poll_queue.poll_now(run)

    # -- the first polls

    @property
    def allows_submission(self) -> bool:
        """Whether another row may be submitted.

        While polls are only refused, there is one more run at a time, up to `MAX_REFUSED`, and each is polled before
        the next is submitted: a token that allows no polls must not be used to pay for many runs, and one run alone
        proves nothing.
        """
        return self._is_open or (self._context.admission.submits.outstanding == 0 and self._may_add_a_run)

    @property
    def _is_open(self) -> bool:
        is_refused = self._unhelpful.refused_only or (
            self._requests.last_success == float("-inf") and not self._refused.isdisjoint(self._poll_queue.held)
        )
        return self.is_known and not is_refused

    @property
    def _may_add_a_run(self) -> bool:
        doubtful = self._unhelpful.open_runs + sum(not run.is_recheck for run in self._poll_queue.held.values())
        return self._poll_queue.open_runs <= doubtful < MAX_REFUSED
