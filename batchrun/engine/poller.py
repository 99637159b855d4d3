"""Polling: one queue of what is due, at most one poll of a run at a time, and no task for each run."""

import asyncio
import logging
from collections.abc import Iterator, Sequence

from batchrun.domain.row import Row
from batchrun.engine.admission import SILENT_PAUSE
from batchrun.engine.callbacks import ClaimedRuns
from batchrun.engine.context import Context
from batchrun.engine.handover import Requeue
from batchrun.engine.held_runs import HeldRuns
from batchrun.engine.poll_outcomes import PollOutcomes
from batchrun.engine.poll_queue import PollQueue
from batchrun.engine.request_runner import PendingRequest, RequestRunner
from batchrun.engine.tracked_run import TrackedRun
from batchrun.engine.unhelpful_polls import UnhelpfulPolls
from batchrun.ports import Hint, NoTokenError, Request, TransportError, Work

log = logging.getLogger("batchrun")

MAX_RECHECKED = 1000
"""Rows that timed out in earlier sessions are polled once more while fewer runs than this are tracked."""


class Poller:
    """The poll loop and the polls that it started; the `RunTracker` of the other parts."""

    def __init__(self, context: Context, poll_queue: PollQueue, claims: ClaimedRuns, requeue: Requeue) -> None:
        self._settings = context.settings
        self._time = asyncio.get_running_loop().time
        self._dialect = context.dialect
        self._transitions = context.transitions
        self._requests = context.admission.polls
        self._counters = context.counters
        self._poll_queue = poll_queue
        self._claims = claims
        unhelpful = UnhelpfulPolls(context, poll_queue)
        self._unhelpful = unhelpful
        self._held = HeldRuns(context, poll_queue, unhelpful)
        self._outcomes = PollOutcomes(context, poll_queue, unhelpful, claims, requeue)
        self._digest = context.answer_check.digest
        self._timed_out: Iterator[Row] = iter(())
        self._polled = asyncio.Event()
        self._runner: RequestRunner[_Poll] = RequestRunner(context, self._requests, on_sent=self._on_sent)
        self.close = self._runner.close
        """Call it when no further poll will start: idle tasks then end."""
        self.polls = self._runner.in_progress
        """The polls in flight."""

    @property
    def tracked(self) -> int:
        """Runs that have not ended."""
        return len(self._poll_queue)

    @property
    def finished(self) -> bool:
        """Whether no run of a row that has not ended is tracked, and nothing else can be polled soon.

        Rows that have ended are polled once more as a courtesy. The next command does it if polls cannot be sent now.
        """
        requests = self._requests
        is_blocked = requests.breaker.is_open or requests.pause.until > self._time() + SILENT_PAUSE
        return self._poll_queue.open_runs == 0 and (is_blocked or self.tracked == 0)

    @property
    def unhelpful_rows(self) -> str:
        """The rows whose polls bring nothing usable (`UnhelpfulRows.record`)."""
        return self._unhelpful.record

    # -- the loop

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Poll what is due, until cancelled."""
        while True:
            await self._poll_queue.wait_due()
            await self._runner.admit()
            run = self._poll_queue.take(self._requests.breaker.probe_number)
            if run is None:  # callbacks are trusted by now, and it can wait
                self._runner.release_unused()
                continue
            poll = _Poll(run, probe=self._requests.on_prepared(), now=self._time())
            self._runner.start(group, poll, self._poll(poll))

    async def _poll(self, poll: "_Poll") -> None:
        run = poll.run
        claimed = run.claimed_run_id
        request = self._dialect.poll_request(self._settings.workflow_of(run.row.row), claimed or run.row.run_id or "")
        try:
            response = await self._runner.send(poll, Request.of(request, self._settings.poll_timeout))
        except NoTokenError as error:
            self._outcomes.on_no_token(run, error)
        except TransportError as error:
            log.info("row %d: poll not answered: %s", run.row.row, error)
            if error.permanent and not error.sent:
                self._outcomes.on_wrong_server(error)
            await self._outcomes.on_no_answer(run, str(error), poll.sent_at or self._time())
        else:
            await self._outcomes.on_answer(run, claimed, response, poll.sent_at or 0.0)
        if not (run.is_refused or run.is_health_check):
            self._held.is_known = True
        self._track_timed_out()
        self.on_change()

    def _on_sent(self, _: "_Poll") -> None:
        self._counters.polls += 1

    # -- what else depends on the polls

    def on_change(self) -> None:
        """Something has changed on which it may depend what is polled or submitted next."""
        self._held.release()
        self._polled.set()

    @property
    def allows_submission(self) -> bool:
        """See `RunTracker`."""
        return self._held.allows_submission

    def open(self) -> None:
        """Another process of this job has polled a run."""
        self._held.is_known = True
        self.on_change()

    async def wait_polled(self) -> None:
        """See `RunTracker`."""
        self._polled.clear()
        await self._polled.wait()

    # -- runs to poll

    def track(
        self, row: Row, values: Sequence[object] | None = None, *, resumed: bool = False, resubmit: bool = False
    ) -> TrackedRun:
        """Poll the run of `row` until it has ended; a resumed one at once. `resubmit`: see `TrackedRun`."""
        now = self._time()
        timeout = self._settings.run_timeout
        # The wall clock may have jumped since: the rest is never longer than the whole time, and never negative.
        age = (self._transitions.now() - (row.accepted_at or 0)) / 1000 if resumed else 0.0
        deadline = now + min(max(timeout - age, 0.0), timeout)
        run = TrackedRun(row, deadline, values, resubmit=resubmit, expects_callback=not resumed)
        run.overdue = max(0.0, age - timeout)
        self._poll_queue.add(run)
        if resumed:
            self._held.poll(run, now)
        else:
            self._poll_queue.poll_by_schedule(run, 0)
        return run

    def accepted(self, row: Row, values: Sequence[object], hint: Hint | None) -> None:
        """See `RunTracker`."""
        run = self.track(row, values if self._settings.retry_failed_runs else None)
        run.digest = self._digest(row.row, values)
        if hint is not None:
            self._poll_queue.wake(run)

    def in_doubt(self, row: Row, hint: Hint | None) -> None:
        """See `RunTracker`."""
        if hint is not None and hint.run_id is not None:
            self._claims.add(row, hint.run_id)

    def recheck(self, work: Work) -> None:
        """See `RunTracker`."""
        self.track(work.row, work.values, resumed=True, resubmit=True)

    def poll_once_more(self, row: Row) -> None:
        """See `RunTracker`. Rows that timed out in earlier sessions are polled once more anyway."""
        if row.row in self._outcomes.timed_out:
            self._poll_queue.add_claimed(TrackedRun(row, 0.0, expects_callback=False))

    def recheck_timed_out(self, rows: Iterator[Row]) -> None:
        """Poll rows that timed out in earlier sessions once more, a bounded number at a time."""
        self._timed_out = rows
        self._track_timed_out()

    def _track_timed_out(self) -> None:
        while self.tracked < MAX_RECHECKED and (row := next(self._timed_out, None)) is not None:
            self.track(row, resumed=True)


class _Poll(PendingRequest):
    """One poll on its way."""

    __slots__ = ("run",)

    def __init__(self, run: TrackedRun, *, probe: bool, now: float) -> None:
        super().__init__(probe=probe, now=now)
        self.run = run
