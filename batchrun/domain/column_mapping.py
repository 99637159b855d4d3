"""Maps the columns of a row to the inputs of the workflow."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from batchrun.domain.cells import ABSENT, BadCell
from batchrun.errors import InputError

_ALWAYS_JSON = (str, int, type(None))
"""Types of which every value can be written as JSON."""


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """Which column is sent as which input (`sent`: input name → column), and the inputs that are constant."""

    sent: Mapping[str, str]
    constants: Mapping[str, object] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to read for a request, in the order in which `inputs` expects their values."""
        return tuple(self.sent.values())

    def inputs(self, values: Sequence[object]) -> dict[str, object]:
        """The inputs of one row. `values` are in the order of `columns`; absent values are left out.

        Raises ValueError for NaN, infinities, and text that does not match the declared type of its column.
        """
        inputs = {name: value for name, value in zip(self.sent, values, strict=True) if value is not ABSENT}
        for name, value in inputs.items():
            if isinstance(value, _ALWAYS_JSON):
                continue
            if isinstance(value, BadCell):
                raise ValueError(f"input {name!r}: {value}")
            if (number := not_json(value)) is not None:
                raise ValueError(f"input {name!r} holds {number}, which JSON cannot carry")
        inputs.update(self.constants)
        return inputs


def not_json(value: object) -> float | None:
    """The first number in `value`, at any depth, that JSON cannot represent."""
    if isinstance(value, float):
        return None if math.isfinite(value) else value
    items: Sequence[object] = ()
    if isinstance(value, dict):
        items = list(value.values())
    elif isinstance(value, list | tuple):
        items = value
    return next((bad for item in items if (bad := not_json(item)) is not None), None)


def map_columns(
    columns: Sequence[str],
    params: Mapping[str, str],
    skip: Sequence[str],
    constants: Mapping[str, object],
    key: str | None,
) -> ColumnMapping:
    """The mapping that `--param`, `--skip`, `--const` and `--key` define.

    Raises `InputError` that names every missing column and every input with two sources.
    """
    known = ", ".join(columns)
    problems = [
        f"{option} {shown}: the input has no column {column!r}. Its columns: {known}"
        for option, shown, column in [
            *(("--param", f"{name}={column}", column) for name, column in params.items()),
            *(("--skip", column, column) for column in skip),
            *([("--key", key, key)] if key is not None else []),
        ]
        if column not in columns
    ]
    problems += [f"--skip {column}: the column is also sent by --param" for column in skip if column in params.values()]
    sent = dict(params) or {column: column for column in columns if column not in skip}
    problems += [
        f"--const {name}: the input is also sent from the column {sent[name]!r}. Leave the column out with --skip"
        for name in constants
        if name in sent
    ]
    problems += [
        f"--const {name}: holds {number}, which JSON cannot carry"
        for name, value in constants.items()
        if (number := not_json(value)) is not None
    ]
    if problems:
        raise InputError(*problems)
    return ColumnMapping(sent, dict(constants))
