"""The description of a workflow that some services give."""

from collections.abc import Mapping

from batchrun.domain.frozen import Frozen


class DeclaredInput(Frozen, frozen=True):
    """An input that a workflow declares. `type` is the word of the service, such as `string` or `integer`."""

    type: str
    required: bool = False
    description: str = ""
    default: str | None = None
    """The default value: text unchanged, anything else as JSON."""
    items: "DeclaredInput | None" = None
    """The elements of an array."""
    properties: "Mapping[str, DeclaredInput] | None" = None
    """The members of an object, by name."""


class WorkflowInfo(Frozen, frozen=True):
    """A workflow. None: not reported."""

    name: str | None = None
    workflow_id: str | None = None
    app_id: str | None = None
    """The app that the workflow belongs to."""
    version: str | None = None
    updated_at: int | None = None
    """The time of the last change in UTC milliseconds."""
    inputs: Mapping[str, DeclaredInput] | None = None
    """The declared inputs by name."""
