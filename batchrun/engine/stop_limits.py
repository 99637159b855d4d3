"""The limits that end a job early: failures, run time, and the time without an accepted request."""

import asyncio

from batchrun.engine.context import Context
from batchrun.engine.settings import Stop
from batchrun.errors import ExitCode

MIN_ENDED = 20
"""Rows that must have ended before a percentage of failures is judged."""


class StopLimits:
    """Requests the stop of the job where a limit is reached. Runs from the moment it is made."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._time = asyncio.get_running_loop().time
        self._started = self._time()

    def check_failures(self) -> None:
        """Apply `--max-failures`; call it after every change of a row."""
        settings, transitions = self._context.settings, self._context.transitions
        most, percent = settings.max_failures, settings.max_failures_percent
        share = 100 * transitions.ended_badly / transitions.ended if transitions.ended >= MIN_ENDED else 0.0
        if most is not None and transitions.ended_badly >= most:
            self._stop(ExitCode.STOPPED, f"--max-failures {most} is reached", collect=True)
        elif percent is not None and share > percent:
            reason = f"--max-failures {percent:g}% is passed: {share:.3g} % of the rows failed"
            self._stop(ExitCode.STOPPED, reason, collect=True)

    def check_time(self) -> None:
        """Apply `--max-outage` and `--max-runtime`; call it about once a second."""
        settings, admission = self._context.settings, self._context.admission
        if admission.outage_too_long():
            error = f": {admission.last_error}" if admission.last_error else ""
            reason = f"the service has not answered well for {settings.max_outage:g} s{error}"
            self._stop(ExitCode.TRY_AGAIN, reason)
        if settings.max_runtime is not None and self._time() - self._started >= settings.max_runtime:
            self._stop(ExitCode.TRY_AGAIN, f"--max-runtime {settings.max_runtime:g} s is over")

    def _stop(self, code: ExitCode, reason: str, *, collect: bool = False) -> None:
        self._context.stopping.request(Stop(code, reason, collect))
