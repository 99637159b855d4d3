"""A preview of a job: estimates and the first requests."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from batchrun.domain.estimate import Estimate
from batchrun.domain.workflow_info import WorkflowInfo


@dataclass(frozen=True, slots=True)
class Unsendable:
    """A row for which no request can be built. It will fail with the error kind `input`."""

    row: int
    reason: str
    line: int | None = None
    """The line on which the row starts; None if the format has no lines."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a job would do if it were run now."""

    input: str
    rows: int
    """The number of rows in the input."""
    columns: Sequence[str]
    """The columns of the input."""
    sent: Mapping[str, str]
    """Workflow input → column."""
    constants: Mapping[str, Any]
    """Workflow inputs that are the same for every row."""
    variants: Sequence[str]
    """The names of the variants of a sweep; empty if it has none, or is no sweep."""
    repeats: int
    """How often each row is sent under each variant."""
    input_rows: int
    """The number of input rows of the job: those of the input, limited by `--limit` or `--sample`."""
    sample_seed: int | None
    """The seed by which the sample was drawn for this preview alone; None if the job has one, or no sample."""
    workflow_id: str
    service: str
    """The address to which requests would be sent, or the simulator."""
    api: str | None
    """The dialect of the service; None if it is not known."""
    workflow: WorkflowInfo | None
    """What the service says about the workflow; None if it was not asked or did not say."""
    note: str | None
    """What to know about the service before the job is run."""
    unchecked: str | None
    """What of the token, the workflow and the inputs could not be checked, and why; None if all was."""
    time_limits: Mapping[str, float]
    """The seconds of the options that end or give up something, as far as they were changed."""
    folder: str
    """The run directory."""
    replaces: bool
    """Whether it contains a job of which nothing was accepted, which is set aside."""
    began: bool
    """Whether the run directory already contains the job."""
    left: int
    """The number of rows still to be submitted, or taken over from an earlier job."""
    reused: int
    """Those of them that `--reuse` takes over: completed, running or in doubt in an earlier job."""
    bodies: Sequence[str]
    """The bodies of the first requests, as JSON text."""
    unsendable: Sequence[Unsendable]
    """The first rows that cannot be sent, as far as this can be found out without encoding all rows."""
    unsendable_rows: int
    """The number of such rows."""
    run_s_known: str | None
    """The source of the run duration; None if the duration is unknown."""
    estimates: Sequence[Estimate]
    """One estimate if the run duration is known, otherwise one for each of several durations."""

    @property
    def is_sweep(self) -> bool:
        """Whether there is more than one row of the job for each input row."""
        return bool(self.variants) or self.repeats > 1

    @property
    def product(self) -> int:
        """The number of rows of the job."""
        return self.input_rows * max(1, len(self.variants)) * self.repeats

    def as_dict(self) -> dict[str, Any]:
        """The preview as plain values, for JSON."""
        return asdict(self)
