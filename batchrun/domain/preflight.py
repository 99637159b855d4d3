"""Compares what a job sends with what its workflow declares, before the first submission.

A mistake here would cost one paid run for each row. Missing and misspelt inputs are errors. An input that the workflow
does not declare is only a warning, because the service ignores it. Text for a declared number or boolean is read as
that type, as with `--type`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from batchrun.domain.workflow_info import DeclaredInput


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was found. Each line names one input, and says what to do."""

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    """Columns of text that the workflow declares as numbers or booleans, and the `--type` of each."""


_TYPES = {"integer": "int", "number": "float", "boolean": "bool"}
"""`--type` by declared type."""


def compare_inputs(
    declared: Mapping[str, DeclaredInput],
    sent: Mapping[str, str],
    constants: Collection[str],
    text_columns: Collection[str] = (),
) -> Comparison:
    """Compare the declared inputs with those that are sent.

    `sent`: column by the name of the input that it becomes; `constants`: inputs that are the same for every row;
    `text_columns`: columns that hold text and have no `--type`.
    """
    names = {*sent, *constants}
    missing = [name for name, one in declared.items() if one.required and one.default is None and name not in names]
    unknown = [name for name in (*sent, *constants) if name not in declared]
    errors, warnings = list[str](), list[str]()
    for name in unknown:
        where = f"column {sent[name]!r}" if name in sent else f"--const {name}"
        close = get_close_matches(name, [one for one in declared if one not in names], n=1, cutoff=0.75)
        if close:
            rename = f"--param {close[0]}={sent[name]}" if name in sent else f"--const {close[0]}=…"
            errors.append(f"{where}: the workflow has no input {name!r}; did you mean {close[0]!r}? Use {rename}")
            missing = [one for one in missing if one != close[0]]
        else:
            leave_out = f"; --skip {sent[name]} leaves it out" if name in sent else ""
            warnings.append(f"{where}: the workflow declares no input {name!r}; it is sent all the same{leave_out}")
    for name in missing:
        errors.append(
            f"the workflow requires the input {name!r} ({declared[name].type}), and nothing is sent for it: "
            f"use --param {name}=COLUMN or --const {name}=VALUE"
        )
    return Comparison(tuple(errors), tuple(warnings), _types(declared, sent, text_columns))


def _types(
    declared: Mapping[str, DeclaredInput], sent: Mapping[str, str], text_columns: Collection[str]
) -> dict[str, str]:
    """The types of columns of text. A column that becomes several inputs of different types stays text."""
    types: dict[str, set[str | None]] = {}
    for name, column in sent.items():
        if name in declared and column in text_columns:
            types.setdefault(column, set()).add(_TYPES.get(declared[name].type.lower()))
    found = {column: next(iter(kinds)) for column, kinds in types.items() if len(kinds) == 1}
    return {column: kind for column, kind in found.items() if kind is not None}
