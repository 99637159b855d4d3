"""What a callback leads to: at the most a poll, made soon."""

from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.engine.claims import Claims
from batchrun.engine.poller import Poller
from batchrun.engine.submitter import Submitter
from batchrun.engine.watch import Run, Watch
from batchrun.ports import Callbacks, Hint, Lookup


class Hearing:
    """Hears the callbacks of a session. None of them changes a row: that is what the polls do which they wake."""

    def __init__(self, submitter: Submitter, poller: Poller, watch: Watch, claims: Claims) -> None:
        self._submitter = submitter
        self._poller = poller
        self._watch = watch
        self._claims = claims

    async def listen(self, callbacks: Callbacks, lookup: Lookup) -> None:
        """Hear what comes in, for ever."""
        while True:
            hint = await callbacks.next()
            if self._submitter.expects(hint):
                continue  # it came before the answer of its POST, and is kept until then
            if (run := self._watch.find(hint.row)) is not None:
                self._of_watched(run, hint)
            elif (row := lookup.find(hint.row)) is not None and row.attempts == hint.attempt:
                self.of_recorded(row, hint)

    def _of_watched(self, run: Run, hint: Hint) -> None:
        if run.row.attempts != hint.attempt:
            return  # of an earlier attempt
        if run.claim is None:
            self._watch.wake(run)
        elif hint.run_id is not None:
            run.claim = hint.run_id
            self._watch.wake(run)

    def of_recorded(self, row: Row, hint: Hint) -> None:
        """Hear a callback of this attempt of `row`, whose run is not watched."""
        if row.state is State.IN_DOUBT and hint.run_id is not None:
            self._claims.make(row, hint.run_id)
        elif row.state is State.TIMED_OUT:
            self._poller.look_once_more(row)
        else:
            self._watch.told_late(row.row)
