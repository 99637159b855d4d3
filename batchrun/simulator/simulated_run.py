"""A run of the simulated service: what is stored of it, and what it is at any time."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from batchrun.simulator.faults import Inputs
from batchrun.simulator.workflows import ECHO, WORKFLOWS, WorkflowError

_inputs_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Outcome(StrEnum):
    """How a run will end, decided when it is made."""

    RUN = "run"
    """As its workflow says."""
    FAIL = "fail"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True)
class Run:
    """One run. Times in UTC milliseconds; `before` is how many POSTs with the same inputs came before its own."""

    run_id: str
    workflow_id: str
    inputs: str
    created_ms: int
    duration_ms: int
    outcome: Outcome
    before: int
    callback_url: str | None = None

    def status(self, now: int, pending: float) -> str:
        """The service's word for it at `now`, when runs are pending for the share `pending` of their duration."""
        elapsed = now - self.created_ms
        if elapsed < self.duration_ms * pending:
            return "pending"
        if elapsed < self.duration_ms or self.outcome is Outcome.STUCK:
            return "running"
        return "completed" if "error" not in self.result() else "failed"

    def result(self) -> dict[str, object]:
        """{"outputs"} or {"error"}: what it ends with. Nothing random is left, so it can be made whenever asked for."""
        if self.outcome is Outcome.FAIL:
            return _error("the simulator was told to let this run fail")
        try:
            workflow = WORKFLOWS.get(self.workflow_id, ECHO)
            return {"outputs": workflow.run(decode_inputs(self.inputs), self.before)}
        except WorkflowError as error:
            return _error(str(error))

    @property
    def ends_ms(self) -> int:
        """When it ends, unless it is stuck."""
        return self.created_ms + self.duration_ms

    def at(self, now: int, pending: float) -> dict[str, object]:
        """The documented answer to a poll at `now`, whole."""
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
    """The inputs by name; raises msgspec.DecodeError or ValidationError where it is no JSON object."""
    return _inputs_decoder.decode(text)


def iso(ms: int) -> str:
    """UTC milliseconds as the documentation writes times: whole seconds, as in 2025-10-28T15:58:40Z."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _error(message: str) -> dict[str, object]:
    return {"error": {"code": "WORKFLOW_EXECUTION_ERROR", "message": message}}
