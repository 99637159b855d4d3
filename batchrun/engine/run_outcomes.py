"""What the end of a run means for its row, whether a poll or the answer to the POST reported it."""

from batchrun.domain.answers import Phase, RunState
from batchrun.domain.backoff import retry_delay
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.events import RunCompleted, RunFailed
from batchrun.domain.randomness import draw
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.engine.settings import Settings


def run_outcome(
    row: Row,
    state: RunState,
    settings: Settings,
    now: int,
    *,
    run_id: str | None = None,
    submitted_at: int | None = None,
) -> RunCompleted | RunFailed:
    """The event for the end of a run. `now` is the wall clock time.

    The phase of `state` is COMPLETED, FAILED or INTERRUPTED. A row whose run failed is submitted again if the user
    wants that and the row has retries left, unless it had timed out before. A row whose run was interrupted is not,
    because the next run would wait for a person as well. `run_id` and `submitted_at`: see `RunCompleted`.
    """
    if state.phase is Phase.COMPLETED:
        return RunCompleted(
            state.status,
            state.output,
            now,
            state.created_at,
            state.updated_at,
            run_id=run_id,
            submitted_at=submitted_at,
            details=state.details,
        )
    resubmit_at = None
    again = settings.retry_failed_runs and state.phase is Phase.FAILED and row.state is not State.TIMED_OUT
    if again and row.tries <= settings.retries:
        chance = draw(settings.seed, row.row, row.attempts, "rerun")
        resubmit_at = now + round(1000 * retry_delay(row.tries, chance))
    return RunFailed(
        state.status,
        _problem(state),
        now,
        state.created_at,
        state.updated_at,
        resubmit_at,
        run_id=run_id,
        submitted_at=submitted_at,
        details=state.details,
    )


def _problem(state: RunState) -> Problem:
    if state.phase is Phase.FAILED:
        return Problem(ErrorKind.RUN_FAILED, state.error_message or "the run failed", state.error_code, 200)
    message = "the run waits for a person and cannot go on in a batch"
    if state.error_message:
        message += f": {state.error_message}"
    return Problem(ErrorKind.INTERRUPTED, message, state.error_code, 200)
