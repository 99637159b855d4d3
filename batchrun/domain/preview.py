"""What a job would do, in figures and in its first requests."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from batchrun.domain.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Unsendable:
    """A row that has no request and will fail as `input`."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a job would do if it were run now."""

    input: str
    rows: int
    """Rows of the input."""
    columns: Sequence[str]
    """Columns of the input."""
    sent: Mapping[str, str]
    """Input of the workflow → column."""
    constants: Mapping[str, Any]
    """Inputs that are the same for every row."""
    workflow_id: str
    service: str
    """The address that requests would go to, or the simulator."""
    folder: str
    """The run directory."""
    began: bool
    """Whether the run directory holds the job already."""
    left: int
    """Rows still to be submitted."""
    bodies: Sequence[str]
    """The first requests, as JSON text."""
    unsendable: Sequence[Unsendable]
    """The first rows that cannot be sent, as far as that is seen without encoding all of them."""
    unsendable_rows: int
    """How many such rows there are."""
    run_s_known: str | None
    """How it is known how long runs take; None where nothing tells."""
    estimates: Sequence[Estimate]
    """One where that is known, else for some durations."""

    def as_dict(self) -> dict[str, Any]:
        """The preview as plain values, for JSON."""
        return asdict(self)
