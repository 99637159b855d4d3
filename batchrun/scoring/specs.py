"""`--score NAME=KIND:EXPR:TARGET` and `[score.NAME]`: what a scorer is, as text and as values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from math import isfinite
from pathlib import Path

from batchrun.domain.filenames import SCORES
from batchrun.errors import InputError
from batchrun.scoring.kinds import KINDS, PYTHON, VALUE

RESERVED = ("row", "input_row", "key", "variant", "repeat")
"""Columns of `scores.parquet` that are no scores."""

TOLERANCE = 1e-6
"""Of `number`, relative to the target."""

_NUMBER = re.compile(r"-?(0|[1-9]\d{0,308})(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
"""A number of JSON, within a double."""
_FUNCTION = re.compile(r"(?P<file>.+\.py):(?P<function>[^\W\d]\w*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the input."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Text:
    """A text that is the same for all rows."""

    text: str

    def __str__(self) -> str:
        return f"'{self.text}'"


@dataclass(frozen=True, slots=True)
class Number:
    """A number that is the same for all rows."""

    number: int | float

    def __str__(self) -> str:
        return repr(self.number)


@dataclass(frozen=True, slots=True)
class PythonFunction:
    """A function in a file of Python."""

    file: str
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.function}"


Target = Column | Text | Number | PythonFunction


@dataclass(frozen=True, slots=True)
class ScorerSpec:
    """One scorer. `expression`: JMESPath, empty for the whole output. `target`: None if the kind has none."""

    name: str
    kind: str
    """As it is written: `number~0.01` has its tolerance with it."""
    expression: str
    target: Target | None

    @property
    def target_columns(self) -> tuple[str, ...]:
        """The columns of the input that it compares with."""
        return (self.target.name,) if isinstance(self.target, Column) else ()

    @property
    def python_file(self) -> str | None:
        """The file of Python that it calls a function of."""
        return self.target.file if isinstance(self.target, PythonFunction) else None

    @property
    def base_kind(self) -> str:
        """The kind without its tolerance."""
        return self.kind.partition("~")[0]

    @property
    def tolerance(self) -> float:
        """Of `number`."""
        tolerance = self.kind.partition("~")[2]
        return float(tolerance) if tolerance else TOLERANCE

    @property
    def text(self) -> str:
        """As the option has it."""
        target = "" if self.target is None else f":{self.target}"
        return f"{self.name}={self.kind}:{self.expression}{target}"

    def as_table(self) -> dict[str, str | int | float]:
        """As a job file has it. A number stays one."""
        table: dict[str, str | int | float] = {"kind": self.kind, "output": self.expression}
        if self.target is not None:
            table["expected"] = self.target.number if isinstance(self.target, Number) else str(self.target)
        return table


def absolute(spec: ScorerSpec, folder: Path) -> ScorerSpec:
    """The scorer with the whole path of its file of Python, which is relative to `folder`."""
    if not isinstance(spec.target, PythonFunction):
        return spec
    return replace(spec, target=replace(spec.target, file=str(folder / spec.target.file)))


def parse_score(option: str) -> ScorerSpec:
    """Parse `NAME=KIND:EXPR:TARGET`. Raises `InputError`."""
    place = f"--score {option!r}"
    name, equals, definition = option.partition("=")
    kind, _, rest = definition.partition(":")
    if not equals or not kind:
        raise InputError(f"{place}: expected NAME=KIND:EXPR:TARGET, such as right=exact:answer:expected")
    _check_kind(place, kind)
    if kind == VALUE:
        return _checked(place, ScorerSpec(name, kind, rest, None))
    expression, target = _split(kind, rest)
    if target is None:
        raise InputError(
            f"{place}: expected EXPR and TARGET after {kind}:, {_expected(kind)}. "
            f"To score the whole output, leave EXPR empty: {name}={kind}::{rest or 'TARGET'}"
        )
    return _checked(place, ScorerSpec(name, kind, expression, _target(place, kind, target)))


def parse_score_table(name: str, table: Mapping[str, object]) -> ScorerSpec:
    """Parse `[score.NAME]` with `kind`, `output` (EXPR) and `expected` (TARGET). Raises `InputError`."""
    place = f"[score.{name}]"
    if unknown := [key for key in table if key not in ("kind", "output", "expected")]:
        raise InputError(f"{place}: has no {unknown[0]!r}; it has kind, output and expected")
    kind, expression, target = table.get("kind"), table.get("output", ""), table.get("expected")
    if not isinstance(kind, str) or not kind:
        raise InputError(f"{place}: kind is missing: one of {', '.join(KINDS)}")
    _check_kind(f"{place}: kind", kind)
    if not isinstance(expression, str):
        raise InputError(f"{place}: output: expected a JMESPath expression as text, not {expression!r}")
    if kind == VALUE:
        if target is not None:
            raise InputError(f"{place}: expected: kind value has no target. Remove it")
        return _checked(place, ScorerSpec(name, kind, expression, None))
    if isinstance(target, bool) or not isinstance(target, str | int | float):
        raise InputError(f"{place}: expected: give {_expected(kind)}")
    text = target if isinstance(target, str) else repr(target)
    return _checked(place, ScorerSpec(name, kind, expression, _target(f"{place}: expected", kind, text)))


def _split(kind: str, rest: str) -> tuple[str, str | None]:
    """EXPR and TARGET. TARGET is None if there is no colon before it."""
    if kind == PYTHON:
        parts = rest.rsplit(":", 2)
        return (parts[0], f"{parts[1]}:{parts[2]}") if len(parts) == 3 else (rest, None)
    if rest.endswith("'") and (quoted := rest.rfind(":'", 0, -1)) >= 0:
        return rest[:quoted], rest[quoted + 1 :]
    expression, colon, target = rest.rpartition(":")
    return (expression, target) if colon else (rest, None)


def _target(place: str, kind: str, text: str) -> Target:
    if kind == PYTHON:
        if not (match := _FUNCTION.fullmatch(text)):
            raise InputError(f"{place}: {text!r}: expected {_expected(kind)}")
        return PythonFunction(match["file"], match["function"])
    if not text:
        raise InputError(f"{place}: TARGET is empty: expected {_expected(kind)}")
    if text.startswith("'"):
        if len(text) < 2 or not text.endswith("'"):
            raise InputError(f"{place}: {text}: the quote is not closed. Write it as 'text'")
        return Text(text[1:-1])
    if _NUMBER.fullmatch(text) and isfinite(float(text)):
        return Number(int(text) if text.lstrip("-").isdigit() else float(text))
    return Column(text)


def _check_kind(place: str, kind: str) -> None:
    base, tilde, tolerance = kind.partition("~")
    if base not in KINDS:
        close = get_close_matches(base, KINDS, 1)
        hint = f"Did you mean {close[0]}?" if close else f"Choose one of {', '.join(KINDS)}"
        raise InputError(f"{place}: there is no kind {base!r}. {hint}")
    if not tilde:
        return
    if base != "number":
        raise InputError(f"{place}: {kind}: only number has a tolerance, such as number~0.01")
    if not _NUMBER.fullmatch(tolerance) or not 0 <= float(tolerance) < float("inf"):
        raise InputError(f"{place}: {kind}: expected a tolerance such as number~0.01, relative to the target")


def _checked(place: str, spec: ScorerSpec) -> ScorerSpec:
    """The scorer, if name, expression and literal target can be used."""
    problems = []
    if not spec.name or spec.name != spec.name.strip() or re.search(r"[\[\]<>=\x00-\x1f]", spec.name):
        problems.append(f"{place}: {spec.name!r}: the name of a scorer has no outer blanks and none of [ ] < > =")
    if spec.name in RESERVED:
        problems.append(f"{place}: {SCORES} has a column {spec.name!r} already. Choose another name")
    if spec.expression.strip():
        from batchrun.outputs.expressions import wrong_with  # noqa: PLC0415 - a job without scorers starts faster

        hint = "; kind value has no TARGET" if spec.kind == VALUE and ":" in spec.expression else ""
        problems += [f"{place}: EXPR {spec.expression!r} {why}{hint}" for why in wrong_with(spec.expression)]
    if spec.base_kind == "number" and isinstance(spec.target, Text) and not _NUMBER.fullmatch(spec.target.text):
        problems.append(f"{place}: TARGET {spec.target} is not a number. Give a number, or a column")
    if spec.base_kind == "regex" and isinstance(spec.target, Text):
        try:
            re.compile(spec.target.text)
        except (re.error, RecursionError, OverflowError) as error:
            problems.append(f"{place}: TARGET {spec.target} is not a regular expression: {error}")
    if problems:
        raise InputError(*problems)
    return spec


def _expected(kind: str) -> str:
    if kind == PYTHON:
        return "the file and the function, such as scorers.py:judge"
    return "a column of the input, 'text' in single quotes, or a number"
