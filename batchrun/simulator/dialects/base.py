"""The interface of a dialect: everything in which the APIs that the simulator serves differ."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from batchrun.simulator.faults import Inputs
from batchrun.simulator.replies import RefusedError, Reply
from batchrun.simulator.simulated_run import SimulatedRun
from batchrun.simulator.submit_body import Submission
from batchrun.simulator.upload_body import UploadedFile
from batchrun.simulator.workflows import Workflow


class Action(Enum):
    """What a request asks for."""

    SUBMIT = auto()
    POLL = auto()
    DESCRIBE = auto()
    """The description of a workflow."""
    UPLOAD = auto()


@dataclass(frozen=True, slots=True)
class Call:
    """The meaning of a path. `method` is the only allowed HTTP method."""

    action: Action
    method: str
    workflow_id: str = ""
    run_id: str = ""


class Dialect(Protocol):
    """One API. Every method except `call` may raise `RefusedError`."""

    interrupts: bool
    """Whether a run can wait for a person."""
    max_runs: int | None
    """The number of asynchronous runs that may be in progress at one time; None: no limit."""

    def call(self, path: str, query: Mapping[str, str]) -> Call | None:
        """The meaning of the path; None if the API has no such path."""
        ...

    def parse_submission(self, headers: Mapping[str, str], body: bytes) -> Submission:
        """The submission in the body of a POST."""
        ...

    def check_inputs(self, workflow: Workflow, inputs: Inputs, has_file: Callable[[str], bool]) -> None:
        """Refuse inputs with which the service starts no run of this workflow.

        `has_file`: whether a file with this id was uploaded.
        """
        ...

    def run_id(self, digest: bytes) -> str:
        """The id of a new run, computed from at least 10 bytes that are unique to the run."""
        ...

    def accepted(self, run: SimulatedRun) -> Reply:
        """The answer to an asynchronous POST."""
        ...

    def ended(self, run: SimulatedRun) -> Reply:
        """The answer to a synchronous POST."""
        ...

    def check_poll(self, query: Mapping[str, str]) -> None:
        """Refuse an invalid query of a poll."""
        ...

    def unseen(self, call: Call) -> Reply:
        """The answer to a poll of a run that is not visible yet."""
        ...

    def polled(self, run: SimulatedRun, call: Call, query: Mapping[str, str]) -> Reply:
        """The answer to a poll."""
        ...

    def described(self, workflow_id: str, workflow: Workflow) -> Reply:
        """The description of a workflow."""
        ...

    def uploaded(self, file: UploadedFile) -> tuple[str, Reply]:
        """The id of an uploaded file, and the answer."""
        ...

    def refused(self, error: RefusedError) -> Reply:
        """The answer to a request that is refused."""
        ...
