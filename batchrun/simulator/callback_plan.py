"""Which callbacks a run leads to, and when."""

from collections.abc import Callable, Iterator

from batchrun.simulator.callbacks import PendingCallback, forge_url
from batchrun.simulator.faults import Fault
from batchrun.simulator.options import SimulatorOptions
from batchrun.simulator.simulated_run import RunOutcome, SimulatedRun


def plan_callbacks(
    run: SimulatedRun, applies: Callable[[Fault], bool], options: SimulatorOptions, now: int
) -> Iterator[PendingCallback]:
    """The callbacks of the run. `applies`: whether a fault applies to it; `now` in UTC milliseconds."""
    if not run.callback_url:
        return
    url, garbage = run.callback_url, applies(Fault.CALLBACK_GARBAGE)
    if applies(Fault.CALLBACK_EARLY):
        yield PendingCallback(url, 0.0, run, garbage, before_answer=True)
    if run.outcome is RunOutcome.STUCK or applies(Fault.CALLBACK_NEVER):
        return
    delay = max(0.0, (run.ends_ms - now) / 1000) + options.callback_delay
    if applies(Fault.CALLBACK_LATE):
        delay += options.callback_late_seconds
    if applies(Fault.CALLBACK_FORGED):
        yield PendingCallback(forge_url(url), delay, run, garbage)
    yield PendingCallback(url, delay, run, garbage)
    if applies(Fault.CALLBACK_DOUBLE):
        yield PendingCallback(url, delay, run, garbage)
