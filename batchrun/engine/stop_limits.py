"""The limits that end a job early: failures, submissions, tokens, run time, and the time without an accepted request.

The limits of failures, submissions and tokens apply to all sessions of a job together; a retry starts the count of
failures again. The limits of submissions and tokens stop the job only while rows are queued: if the last allowed POST
submits the last row, the job finishes as it would without a limit.
"""

import asyncio
import math
from dataclasses import replace
from typing import Protocol

from batchrun.domain.counters import Counters
from batchrun.domain.states import State
from batchrun.domain.time_words import in_words
from batchrun.engine.admission import Admission
from batchrun.engine.settings import Settings, Stop
from batchrun.engine.stopping import StopRequest
from batchrun.engine.transitions import Transitions
from batchrun.errors import ExitCode

MIN_ENDED = 20
"""Rows that must have ended before a percentage of failures is judged."""


class LimitedJob(Protocol):
    """What the limits look at, and whom they stop."""

    @property
    def settings(self) -> Settings: ...
    @property
    def transitions(self) -> Transitions: ...
    @property
    def counters(self) -> Counters: ...
    @property
    def admission(self) -> Admission: ...
    @property
    def stopping(self) -> StopRequest: ...


class StopLimits:
    """Requests the stop of the job where a limit is reached. Runs from the moment it is made."""

    def __init__(self, context: LimitedJob) -> None:
        self._context = context
        self._time = asyncio.get_running_loop().time
        self._started = self._time()
        self._first_for_failures: Stop | None = None
        self.allowed = context.settings.max_submissions
        """POSTs of all sessions that may be sent; None: any number."""

    def check_at_start(self) -> None:
        """Apply the limits that earlier sessions may have reached. Call it before the first POST."""
        tally = self._context.transitions.tally
        if tally[State.QUEUED] or tally[State.RUNNING]:
            self._check_failures()
        self.check_spending()

    def check_failures(self) -> None:
        """Apply `--max-failures`; call it after every change of a row."""
        if self._context.transitions.ended_badly:
            self._check_failures()

    def _check_failures(self) -> None:
        if (stop := self._stop_for_failures()) is not None:
            if self._first_for_failures is None:
                self._first_for_failures = stop
            self._context.stopping.request(stop)

    def settled(self, stop: Stop | None) -> Stop | None:
        """`stop` as it is told once the job has drained: by then more rows may have failed, which the advice counts."""
        first = self._first_for_failures
        if stop is None or first is None or stop.reason != first.reason or (now := self._stop_for_failures()) is None:
            return stop
        return replace(stop, reason=now.reason, advised_options=now.advised_options)

    def _stop_for_failures(self) -> Stop | None:
        settings, transitions, counters = self._context.settings, self._context.transitions, self._context.counters
        most, percent = settings.max_failures, settings.max_failures_percent
        failures = counters.earlier_failures + transitions.ended_badly
        ended = counters.earlier_ended + transitions.ended
        share = 100 * failures / ended if ended >= MIN_ENDED else 0.0
        if most is not None and failures >= most:
            found, advised = f"{most} was reached: {failures:,} rows", f"--max-failures {failures + most}"
        elif percent is not None and share > percent:
            found = f"{percent:g}% is exceeded: {failures:,} of {ended:,} rows ({share:.3g} %)"
            next_percent = min(99, math.ceil(2 * share)) if share < 99 else 100
            advised = f"--max-failures {next_percent}%"
        else:
            return None
        lifts = " (no limit)" if advised.endswith(" 100%") else ""
        reason = f"--max-failures {found} failed or timed out; retry them, or go on with {advised}{lifts}"
        return Stop(ExitCode.STOPPED, reason, collect=True, advised_options=advised)

    def check_spending(self) -> None:
        """Apply `--max-submissions` and `--max-tokens`; call it after every change of a row."""
        settings, tally = self._context.settings, self._context.transitions.tally
        most, most_tokens = settings.max_submissions, settings.max_tokens
        if (most is None and most_tokens is None) or not tally[State.QUEUED]:
            return
        sent, tokens = self._submissions - self._context.admission.submits.unsent, tally.tokens.spent
        if most is not None and sent >= most:
            reached, advised = f"--max-submissions {most} was reached", f"--max-submissions {2 * most}"
            self._stop(ExitCode.STOPPED, f"{reached}; to go on, use {advised}", collect=True, advised_options=advised)
        elif most_tokens is not None and tokens >= most_tokens:
            reached = f"--max-tokens {most_tokens} was reached: the runs took {tokens}"
            advised = f"--max-tokens {2 * max(tokens, most_tokens)}"
            self._stop(ExitCode.STOPPED, f"{reached}; to go on, use {advised}", collect=True, advised_options=advised)

    @property
    def allows_submission(self) -> bool:
        """Whether another POST is allowed besides those that were sent or are being prepared."""
        return self.allowed is None or self._submissions < self.allowed

    async def wait_allowed(self) -> None:
        """Wait until `allows_submission`, that is until a POST that was being prepared is given up.

        If all of them are sent instead, `check_spending` stops the job.
        """
        while not self.allows_submission:
            changed = self._context.admission.submits.changed
            changed.clear()
            await changed.wait()

    @property
    def _submissions(self) -> int:
        counters = self._context.counters
        return counters.earlier_submissions + counters.submissions

    def check_time(self) -> None:
        """Apply `--max-outage` and `--max-runtime`; call it about once a second."""
        settings, admission = self._context.settings, self._context.admission
        if admission.outage_too_long():
            error = f" (last answer: {admission.last_error})" if admission.last_error else ""
            reason = f"service unavailable for longer than --max-outage {in_words(settings.max_outage)}{error}"
            self._stop(ExitCode.TRY_AGAIN, reason)
        elif (waits := admission.pause_too_long()) is not None:
            reason = f"the service has asked for pauses for {in_words(settings.max_outage)}, and {waits}"
            self._stop(ExitCode.TRY_AGAIN, reason)
        if settings.max_runtime is not None and self._time() - self._started >= settings.max_runtime:
            self._stop(ExitCode.TRY_AGAIN, f"--max-runtime {in_words(settings.max_runtime)} was reached")

    def _stop(self, code: ExitCode, reason: str, *, collect: bool = False, advised_options: str = "") -> None:
        self._context.stopping.request(Stop(code, reason, collect, advised_options=advised_options))
