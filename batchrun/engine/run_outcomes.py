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
    """The event for the end of a run. The phase of `state` is COMPLETED or FAILED; `now` is the wall clock time.

    A row whose run failed is submitted again if the user wants that and the row has retries left, unless it had timed
    out before. `run_id` and `submitted_at`: see `RunCompleted`.
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
    problem = Problem(ErrorKind.RUN_FAILED, state.error_message or "the run failed", state.error_code, 200)
    resubmit_at = None
    if settings.retry_failed_runs and row.tries <= settings.retries and row.state is not State.TIMED_OUT:
        chance = draw(settings.seed, row.row, row.attempts, "rerun")
        resubmit_at = now + round(1000 * retry_delay(row.tries, chance))
    return RunFailed(
        state.status,
        problem,
        now,
        state.created_at,
        state.updated_at,
        resubmit_at,
        run_id=run_id,
        submitted_at=submitted_at,
        details=state.details,
    )
