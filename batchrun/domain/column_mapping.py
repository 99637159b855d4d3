"""Maps the columns of a row to the inputs of the workflow."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from batchrun.domain.cells import ABSENT, BadCell
from batchrun.domain.file_cells import paths_in, with_files
from batchrun.domain.name_list import name_list
from batchrun.errors import InputError

_ALWAYS_JSON = (str, int, type(None))
"""Types of which every value can be written as JSON."""


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """Which column is sent as which input (`sent`: input name → column), and the inputs that are constant.

    `files`: the inputs whose cells are paths of local files (`--file`).
    """

    sent: Mapping[str, str]
    constants: Mapping[str, object] = field(default_factory=dict)
    files: frozenset[str] = frozenset()

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
                raise ValueError(f"{self._place(name)}: {value}")
            if (number := not_json(value)) is not None:
                raise ValueError(f"{self._place(name)} holds {number}, which JSON cannot carry")
        inputs.update(self.constants)
        return inputs

    def _place(self, name: str) -> str:
        column = self.sent[name]
        return f"input {name!r}" if column == name else f"input {name!r} (column {column!r})"

    def paths(self, inputs: Mapping[str, object]) -> list[str]:
        """The distinct paths of local files in the inputs of one row. Raises ValueError if a cell holds none."""
        return list(dict.fromkeys(path for name in self._files_in(inputs) for path in _paths(name, inputs[name])))

    def with_files(self, inputs: Mapping[str, object], replace: Callable[[str], object]) -> dict[str, object]:
        """The inputs with `replace(path)` in place of each path of a local file."""
        files = {name: with_files(inputs[name], replace) for name in self._files_in(inputs)}
        return {**inputs, **files}

    def _files_in(self, inputs: Mapping[str, object]) -> list[str]:
        return [name for name in inputs if name in self.files]


def _paths(name: str, value: object) -> list[str]:
    try:
        return paths_in(value)
    except ValueError as error:
        raise ValueError(f"input {name!r}: {error}") from None


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


def _one_each(option: str, column: str, columns: Sequence[str]) -> str:
    """What to write instead, if `column` names several columns."""
    names = [name.strip() for name in column.split(",")]
    if option not in {"--skip", "--file"} or len(names) < 2 or not set(names) <= set(columns):
        return ""
    return f"; one at a time: {' '.join(f'{option} {name}' for name in names)}"


def _other_way_round(option: str, shown: str, column: str, columns: Sequence[str]) -> str:
    """What to write instead, if the name of the input and the column are in each other's place."""
    name = shown.removesuffix(f"={column}")
    if option not in {"--param", "--rename"} or name not in columns:
        return ""
    return f"; the column comes last: {option} {column}={name}"


def sent_columns(columns: Sequence[str], renames: Mapping[str, str], left_out: Collection[str]) -> dict[str, str]:
    """The columns that are sent without `--param`, by the names under which they are sent."""
    names: dict[str, list[str]] = {}
    for name, column in renames.items():
        names.setdefault(column, []).append(name)
    return {name: column for column in columns if column not in left_out for name in names.get(column, [column])}


def map_columns(
    columns: Sequence[str],
    params: Mapping[str, str],
    skip: Sequence[str],
    constants: Mapping[str, object],
    key: str | None,
    *,
    renames: Mapping[str, str] | None = None,
    files: Sequence[str] = (),
    varied: Sequence[str] = (),
) -> ColumnMapping:
    """The mapping that `--param`, `--rename`, `--skip`, `--const`, `--key` and `--file` define.

    `varied`: the inputs that differ between the variants of a sweep. Each comes from a column of its own name that the
    input does not have.

    Raises `InputError` that names every missing column and every input with two sources.
    """
    known, renames = name_list(columns), renames or {}
    problems = [
        f"{option} {shown}: the input has no column {column!r}. Its columns: {known}"
        f"{_one_each(option, column, columns)}{_other_way_round(option, shown, column, columns)}"
        for option, shown, column in [
            *(("--param", f"{name}={column}", column) for name, column in params.items()),
            *(("--rename", f"{name}={column}", column) for name, column in renames.items()),
            *(("--skip", column, column) for column in skip),
            *(("--file", column, column) for column in files),
            *([("--key", key, key)] if key is not None else []),
        ]
        if column not in columns
    ]
    problems += [f"--skip {column}: the column is also sent by --param" for column in skip if column in params.values()]
    kept = [column for column in columns if column not in skip and column not in renames.values()]
    problems += [
        f"--rename {name}={column}: the workflow input {name!r} is also sent from the column of that name. Leave that "
        f"column out with --skip {name}"
        for name, column in renames.items()
        if name in kept and column in columns
    ]
    sent = dict(params) or sent_columns(columns, renames, skip)
    problems += [
        f"--file {column}: the column is not sent; send it with --param NAME={column}, or leave --file {column} out"
        for column in files
        if column in columns and column not in sent.values()
    ]
    problems += [
        f"--const {name}: the input is also sent from the column {sent[name]!r}. Leave the column out with --skip"
        for name in constants
        if name in sent
    ]
    problems += [
        f"the variants give the input {name!r}, and the column {sent.get(name, name)!r} of the input gives it too. "
        "Rename one of them"
        for name in varied
        if name in sent or name in columns
    ]
    problems += [
        f"--const {name}: holds {number}, which JSON cannot carry"
        for name, value in constants.items()
        if (number := not_json(value)) is not None
    ]
    if problems:
        raise InputError(*problems)
    sent |= {name: name for name in varied}
    constants = {name: value for name, value in constants.items() if name not in varied}
    return ColumnMapping(sent, constants, frozenset(name for name, column in sent.items() if column in files))
