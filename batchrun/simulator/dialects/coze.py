"""What the APIs of the cloud and of the self-hosted server have in common: envelope, submissions, nested outputs."""

import itertools
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import ClassVar

import msgspec

from batchrun.ports import Clock
from batchrun.simulator.dialects.base import Action, Call
from batchrun.simulator.faults import Inputs
from batchrun.simulator.options import SimulatorOptions
from batchrun.simulator.replies import TOO_MANY_RUNS, RefusedError, Reply, bad_request, json_reply
from batchrun.simulator.simulated_run import SimulatedRun
from batchrun.simulator.submit_body import BodyFields, Submission, parse_submission
from batchrun.simulator.workflows import DeclaredInput, Workflow

SUBMIT = "/v1/workflow/run"
RUN_FAILED = 720701013
_TOO_MANY_RUNS = 4999
"""The service does not document its code. Clients do not know this one, so they must recognise the message."""

_DESCRIBE = re.compile(r"/v1/workflows/(?P<workflow>.+)")
_FIELDS = BodyFields(inputs="parameters", asynchronous="is_async", callback_url=None, inputs_may_be_text=True)


class CozeService(ABC):
    """A service of this family. A subclass adds its polls, its codes and its envelopes."""

    interrupts = True
    max_runs: int | None = None
    log_header: str
    codes: ClassVar[Mapping[int, int]] = {400: 4000, 401: 4100, 403: 4101, 404: 4200, 429: 4013, 500: 5000, 503: 5000}
    """The service's codes by HTTP status."""
    run_missing: int

    def __init__(self, clock: Clock, options: SimulatorOptions) -> None:
        self._clock = clock
        self._options = options
        self._answers = itertools.count(1)

    def call(self, path: str, query: Mapping[str, str]) -> Call | None:
        """The paths that both services have, and the poll of the subclass."""
        if path == SUBMIT:
            return Call(Action.SUBMIT, "POST")
        if (poll := self.poll_call(path, query)) is not None:
            return poll
        found = _DESCRIBE.fullmatch(path)
        return Call(Action.DESCRIBE, "GET", workflow_id=found["workflow"]) if found else None

    @abstractmethod
    def poll_call(self, path: str, query: Mapping[str, str]) -> Call | None:
        """The poll that the path means; None if it means none."""

    def parse_submission(self, headers: Mapping[str, str], body: bytes) -> Submission:
        """Also refuses a bot together with an app, and asynchronous runs of the free plan."""
        submission = parse_submission(headers, body, _FIELDS)
        if {"bot_id", "app_id"} <= submission.fields:
            raise bad_request("bot_id and app_id must not both be given")
        if submission.asynchronous and self._options.free:
            raise RefusedError(400, "6003", "is_async=true is not available in the free plan")
        return submission

    def check_inputs(self, workflow: Workflow, inputs: Inputs, has_file: Callable[[str], bool]) -> None:
        """Refuse a submission without a required input, or with a file that was not uploaded."""
        declared = (workflow.inputs or {}).items()
        missing = [name for name, one in declared if one.required and name not in inputs]
        if missing:
            raise bad_request(f"Missing required parameters: {', '.join(missing)}")
        files = [name for name, one in declared if one.type == "file" and name in inputs]
        if wrong := [name for name in files if not _is_file(inputs[name], has_file)]:
            raise bad_request(f"no uploaded file: {', '.join(wrong)}")

    def run_id(self, digest: bytes) -> str:
        """Nineteen digits, which fit into 64 bits."""
        return number_id(digest)

    def check_poll(self, query: Mapping[str, str]) -> None:
        """Accept any query: these services ignore it."""
        del query

    def described(self, workflow_id: str, workflow: Workflow) -> Reply:
        """The name and the version of the workflow, and its declared inputs, if it declares any."""
        detail = {
            "workflow_id": workflow_id,
            "workflow_name": workflow_id,
            "description": workflow.description,
            "version": workflow.version,
        }
        data: dict[str, object] = {"workflow_detail": detail}
        if workflow.inputs is not None:
            parameters = {name: _declaration(declared) for name, declared in workflow.inputs.items()}
            data["input"] = {"parameters": parameters}
        return self.served({"data": data})

    def output(self, run: SimulatedRun) -> str:
        """The output of the End node: its variables as JSON, or a text in an envelope."""
        text = msgspec.json.encode(run.result()["outputs"]).decode()
        if self._options.end_node == "variables":
            return text
        envelope = {"content_type": 1, "data": text, "original_result": None, "type_for_model": 2}
        return msgspec.json.encode(envelope).decode()

    def error(self, run: SimulatedRun) -> str | None:
        """The message of a run that fails; None for any other run."""
        found = run.result().get("error")
        return str(found["message"]) if isinstance(found, dict) else None

    def status(self, run: SimulatedRun) -> str:
        """`Running`, `Success` or `Fail`."""
        status = run.status(self._clock.now(), self._options.pending)
        return {"completed": "Success", "failed": "Fail"}.get(status, "Running")

    def served(self, content: Mapping[str, object], log_id: str | None = None) -> Reply:
        """An answer with code 0, without the members that the option `omit` removes."""
        return self.reply({"code": 0, "msg": "", **content}, log_id=log_id)

    def reply(
        self, content: Mapping[str, object], status: int = 200, log_id: str | None = None, **headers: str
    ) -> Reply:
        """An answer with a log id in its headers, without the members that the option `omit` removes."""
        named = {self.log_header: log_id or self.new_log_id()}
        return json_reply(self.without_omitted(content), status, **named, **headers)

    def without_omitted(self, content: Mapping[str, object]) -> dict[str, object]:
        """`content` without the members that the option `omit` removes."""
        return {name: value for name, value in content.items() if name not in self._options.omit}

    def new_log_id(self) -> str:
        """The id of the log of one answer: the time and a counter."""
        moment = datetime.fromtimestamp(self._clock.now() // 1000, UTC)
        return f"{moment:%Y%m%d%H%M%S}{next(self._answers):018X}"

    def code(self, error: RefusedError) -> int:
        """The service's code of an error."""
        if error.code.isdigit():
            return int(error.code)
        if error.code == TOO_MANY_RUNS:
            return _TOO_MANY_RUNS
        if error.missing == "run":
            return self.run_missing
        if error.status == 429 and self._options.throttle.isdigit() and self._options.throttle != "429":
            return int(self._options.throttle)
        return self.codes.get(error.status, 4000)

    def http_status(self, error: RefusedError) -> int:
        """200 for errors that the service reports by code alone; otherwise the status of the error."""
        if error.code == TOO_MANY_RUNS:
            return 200
        if error.status == 429:
            return 429 if self._options.throttle in {"retry-after", "429"} else 200
        own = error.status in {400, 401} or error.missing in {"run", "workflow"}
        return 200 if own and not error.injected else error.status

    @staticmethod
    def debug_url(run: SimulatedRun) -> str:
        """The address of the page that shows the run. The simulator does not serve it."""
        return f"http://127.0.0.1/work_flow?execute_id={run.run_id}&space_id=1&workflow_id={run.workflow_id}"


class _FileReference(msgspec.Struct):
    file_id: str


def _is_file(raw: msgspec.Raw, has_file: Callable[[str], bool]) -> bool:
    """Whether the value is null, an address, or the text of an object with the id of a file; or a list of these."""
    value = msgspec.json.decode(raw)
    for item in value if isinstance(value, list) else [value]:
        if item is None or (isinstance(item, str) and item.lower().startswith(("http://", "https://"))):
            continue
        try:
            reference = msgspec.json.decode(item, type=_FileReference)
        except (msgspec.MsgspecError, TypeError):
            return False
        if not has_file(reference.file_id):
            return False
    return True


def number_id(digest: bytes) -> str:
    """An id of nineteen digits, from at least 8 bytes."""
    return str(7 * 10**18 + int.from_bytes(digest[:8]) % 10**18)


def _declaration(declared: DeclaredInput) -> dict[str, object]:
    return {"type": declared.type, "required": declared.required, "description": declared.description}
