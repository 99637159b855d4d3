"""Compares what a job sends with what its workflow declares, before the first submission.

A mistake here would cost one paid run for each row. Missing and misspelt inputs are errors. An input that the workflow
does not declare is only a warning, because the service ignores it. Text for a declared number or boolean is read as
that type, as with `--type`.
"""

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from batchrun.domain.name_list import MAX_NAMES, shortened
from batchrun.domain.workflow_info import DeclaredInput

MAX_SKIPS = 8
"""Most options that a warning proposes."""


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
    *,
    renaming: str = "--rename",
) -> Comparison:
    """Compare the declared inputs with those that are sent.

    `sent`: column by the name of the input that it becomes; `constants`: inputs that are the same for every row;
    `text_columns`: columns that hold text and have no `--type`; `renaming`: the option that sends a column under
    another name, which is `--param` in a job that uses it.
    """
    names = {*sent, *constants}
    missing = [name for name, one in declared.items() if one.required and one.default is None and name not in names]
    unknown = [name for name in (*sent, *constants) if name not in declared]
    errors, undeclared = list[str](), list[str]()
    for name in unknown:
        where = _place(name, sent)
        meant = _meant(name, sent, [one for one in declared if one not in names])
        if meant is not None:
            advice = _advice(name, meant, sent, renaming)
            errors.append(f"{where}: the workflow has no input {name!r}; did you mean {meant!r}? {advice}")
            missing = [one for one in missing if one != meant]
        else:
            undeclared.append(name)
    for name in missing:
        errors.append(
            f"the workflow requires the input {name!r} ({declared[name].type}), and nothing is sent for it: "
            f"use {renaming} {name}=COLUMN or --const {name}=VALUE"
        )
    warnings = (_warning(undeclared, sent, renaming),) if undeclared else ()
    return Comparison(tuple(errors), warnings, _types(declared, sent, text_columns))


def _meant(name: str, sent: Mapping[str, str], free: Sequence[str]) -> str | None:
    """The declared input to which nothing is sent and that is like this name, or is the name of its column."""
    if sent.get(name) in free:
        return sent[name]
    return next(iter(get_close_matches(name, free, n=1, cutoff=0.75)), None)


def _advice(name: str, meant: str, sent: Mapping[str, str], renaming: str) -> str:
    """How to send the input that was meant."""
    if name not in sent:
        return f"Use --const {shlex.quote(meant)}=…"
    if sent[name] == meant and renaming == "--rename":
        return f"Leave out {shlex.join(['--rename', f'{name}={meant}'])}"
    return f"Use {shlex.join([renaming, f'{meant}={sent[name]}'])}"


def _warning(undeclared: Sequence[str], sent: Mapping[str, str], renaming: str) -> str:
    """That the workflow does not declare these inputs, and how not to send them."""
    columns = [name for name in undeclared if sent.get(name) == name]
    where = ", ".join(_place(name, sent) for name in undeclared[:MAX_NAMES])
    more = f" and {len(undeclared) - MAX_NAMES:,} more" if len(undeclared) > MAX_NAMES else ""
    no_input, are = f"no input {undeclared[0]!r}", "it is"
    if len(undeclared) > 1:
        no_input, are = "no inputs of these names", "they are"
    leave_out = ""
    if renaming == "--param" and any(name in sent for name in undeclared):
        leave_out = "; without its --param a column is not sent"
    elif len(columns) > MAX_SKIPS:
        leave_out = "; --param NAME=COLUMN, once for each input, sends no other columns"
    elif columns:
        skips = " ".join(shlex.join(["--skip", column]) for column in columns)
        which = ("it", "them") if len(columns) == len(undeclared) else ("that column", "those columns")
        leave_out = f"; {skips} leaves {which[len(columns) > 1]} out"
    return f"{where}{more}: the workflow declares {no_input}; {are} sent all the same{leave_out}"


def _place(name: str, sent: Mapping[str, str]) -> str:
    """Where an input comes from."""
    if name not in sent:
        return f"--const {name}"
    column = f"column {shortened(sent[name])!r}"
    return column if sent[name] == name else f"input {shortened(name)!r} ({column})"


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
