"""A run of the simulated service: its stored fields, and its status and result at any time."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from batchrun.simulator.faults import Inputs
from batchrun.simulator.workflows import ECHO, WORKFLOWS, WorkflowError

_inputs_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


class RunOutcome(StrEnum):
    """How a run ends; decided when it is created. The values are stored."""

    NORMAL = "run"
    """As its workflow determines."""
    FAIL = "fail"
    STUCK = "stuck"
    INTERRUPTED = "interrupt"
    """The run waits for a person from its end on; only where the dialect has a way to say so."""


@dataclass(frozen=True, slots=True)
class SimulatedRun:
    """One run. Times are UTC milliseconds. `earlier_posts` counts the POSTs with the same inputs before its own."""

    run_id: str
    workflow_id: str
    inputs: str
    created_ms: int
    duration_ms: int
    outcome: RunOutcome
    earlier_posts: int
    callback_url: str | None = None

    def status(self, now: int, pending: float) -> str:
        """The documented status at `now`. Runs are pending for the share `pending` (0 to 1) of their duration."""
        elapsed = now - self.created_ms
        if elapsed < self.duration_ms * pending:
            return "pending"
        if elapsed < self.duration_ms or self.outcome is RunOutcome.STUCK or self.interrupted:
            return "running"
        return "completed" if "error" not in self.result() else "failed"

    def result(self) -> dict[str, object]:
        """{"outputs"} or {"error"}: the result of the run. It is deterministic, so it is not stored."""
        if self.outcome is RunOutcome.FAIL:
            return _error("the simulator was told to let this run fail")
        try:
            workflow = WORKFLOWS.get(self.workflow_id, ECHO)
            return {"outputs": workflow.outputs(decode_inputs(self.inputs), self.earlier_posts)}
        except WorkflowError as error:
            return _error(str(error))

    @property
    def interrupted(self) -> bool:
        """Whether the run waits for a person instead of ending."""
        return self.outcome is RunOutcome.INTERRUPTED

    @property
    def ends_ms(self) -> int:
        """When the run ends (UTC milliseconds), unless it is stuck."""
        return self.created_ms + self.duration_ms

    def poll_answer(self, now: int, pending: float) -> dict[str, object]:
        """The documented answer to a poll at `now`."""
        status = self.status(now, pending)
        updated = {"pending": self.created_ms, "running": now}.get(status, self.ends_ms)
        return {
            "run_id": self.run_id,
            "workflow_id": self.workflow_id,
            "status": status,
            "inputs": msgspec.Raw(self.inputs.encode()),
            **(self.result() if status in {"completed", "failed"} else {}),
            "created_at": iso(self.created_ms),
            "updated_at": iso(updated),
        }


def decode_inputs(text: str | bytes) -> Inputs:
    """The inputs by name. Raises `msgspec.DecodeError` or `ValidationError` if the text is not a JSON object."""
    return _inputs_decoder.decode(text)


def iso(ms: int) -> str:
    """Format UTC milliseconds like the documentation, in whole seconds: 2025-10-28T15:58:40Z."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _error(message: str) -> dict[str, object]:
    return {"error": {"code": "WORKFLOW_EXECUTION_ERROR", "message": message}}
