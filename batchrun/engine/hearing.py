"""What a callback leads to: at the most a poll, made soon."""

from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.engine.claims import ClaimedRuns
from batchrun.engine.poll_queue import PollQueue, TrackedRun
from batchrun.engine.poller import Poller
from batchrun.engine.submitter import Submitter
from batchrun.ports import Callbacks, Hint, Lookup


class CallbackListener:
    """Hears the callbacks of a session. None of them changes a row: that is what the polls do which they wake."""

    def __init__(self, submitter: Submitter, poller: Poller, poll_queue: PollQueue, claims: ClaimedRuns) -> None:
        self._submitter = submitter
        self._poller = poller
        self._poll_queue = poll_queue
        self._claims = claims

    async def listen(self, callbacks: Callbacks, lookup: Lookup) -> None:
        """Hear what comes in, for ever."""
        while True:
            hint = await callbacks.next()
            if self._submitter.expects(hint):
                continue  # it came before the answer of its POST, and is kept until then
            if (run := self._poll_queue.find(hint.row)) is not None:
                self._on_tracked(run, hint)
            elif (row := lookup.find(hint.row)) is not None and row.attempts == hint.attempt:
                self.on_untracked(row, hint)

    def _on_tracked(self, run: TrackedRun, hint: Hint) -> None:
        if run.row.attempts != hint.attempt:
            return  # of an earlier attempt
        if run.claim is None:
            self._poll_queue.wake(run)
        elif hint.run_id is not None:
            run.claim = hint.run_id
            self._poll_queue.wake(run)

    def on_untracked(self, row: Row, hint: Hint) -> None:
        """Hear a callback of this attempt of `row`, whose run is not watched."""
        if row.state is State.IN_DOUBT and hint.run_id is not None:
            self._claims.make(row, hint.run_id)
        elif row.state is State.TIMED_OUT:
            self._poller.poll_once_more(row)
        else:
            self._poll_queue.on_late_callback(row.row)
