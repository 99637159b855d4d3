"""The documented API."""

from collections.abc import Callable, Mapping
from typing import Never

from batchrun.ports import Clock
from batchrun.simulator.dialects.base import Action, Call
from batchrun.simulator.faults import Inputs
from batchrun.simulator.options import SimulatorOptions
from batchrun.simulator.replies import RefusedError, Reply, bad_request, json_reply, no_run, not_found
from batchrun.simulator.simulated_run import SimulatedRun, iso
from batchrun.simulator.submit_body import Submission, parse_submission
from batchrun.simulator.upload_body import UploadedFile
from batchrun.simulator.workflows import Workflow

SUBMIT = "/v1/workflow/run"
HISTORY = "/v1/workflow/history/"


class V1:
    """Runs have a `run_id`, and errors have their own HTTP status."""

    interrupts = False
    max_runs: int | None = None

    def __init__(self, clock: Clock, options: SimulatorOptions) -> None:
        self._clock = clock
        self._pending = options.pending

    def call(self, path: str, _query: Mapping[str, str]) -> Call | None:
        """The two documented paths."""
        if path == SUBMIT:
            return Call(Action.SUBMIT, "POST")
        if path.startswith(HISTORY):
            return Call(Action.POLL, "GET", run_id=path.removeprefix(HISTORY))
        return None

    def parse_submission(self, headers: Mapping[str, str], body: bytes) -> Submission:
        """The documented fields."""
        return parse_submission(headers, body)

    def check_inputs(self, workflow: Workflow, inputs: Inputs, has_file: Callable[[str], bool]) -> None:
        """Accept any object. A run without the inputs that it needs fails."""

    def run_id(self, digest: bytes) -> str:
        """A text such as `run_0123456789abcdef0123`."""
        return f"run_{digest[:10].hex()}"

    def accepted(self, run: SimulatedRun) -> Reply:
        """A pending run."""
        return json_reply({"run_id": run.run_id, "status": "pending", "created_at": iso(run.created_ms)})

    def ended(self, run: SimulatedRun) -> Reply:
        """The output (singular) or the error of the run."""
        result = run.result()
        answer = {
            "run_id": run.run_id,
            "status": "failed" if "error" in result else "completed",
            **({"error": result["error"]} if "error" in result else {"output": result["outputs"]}),
            "created_at": iso(run.created_ms),
            "updated_at": iso(run.ends_ms),
        }
        return json_reply(answer)

    def check_poll(self, query: Mapping[str, str]) -> None:
        """`limit` and `offset` must be numbers."""
        for name in ("limit", "offset"):
            if name in query and not (query[name].isascii() and query[name].isdigit()):
                raise bad_request(f"{name} must be a whole number, 0 or more")

    def unseen(self, call: Call) -> Reply:
        """The service reports that there is no such run."""
        raise no_run(call.run_id)

    def polled(self, run: SimulatedRun, _call: Call, query: Mapping[str, str]) -> Reply:
        """The state of the run.

        The documentation does not specify what the filters mean for a single run. The simulator answers 404 if the run
        does not match `workflow_id` or `status`, and ignores `limit` and `offset`.
        """
        answer = run.poll_answer(self._clock.now(), self._pending)
        for name in ("workflow_id", "status"):
            if name in query and query[name] != answer[name]:
                raise not_found(f"no such run: {run.run_id} with {name} {query[name]}")
        return json_reply(answer)

    def described(self, workflow_id: str, _workflow: Workflow) -> Never:
        """The API has no such path."""
        raise not_found(f"no such path for {workflow_id}")

    def uploaded(self, _file: UploadedFile) -> Never:
        """The API has no such path."""
        raise not_found("no such path")

    def refused(self, error: RefusedError) -> Reply:
        """The documented envelope."""
        return error.reply
