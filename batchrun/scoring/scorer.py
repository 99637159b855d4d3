"""Turns a scorer into a function of an output and its row."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import NamedTuple

from batchrun.outputs.expressions import compiled
from batchrun.outputs.json_values import decode
from batchrun.scoring.kinds import COMPARISONS, CannotScoreError, any_number, own_number, shortened
from batchrun.scoring.specs import Column, Number, PythonFunction, ScorerSpec, Text


class Score(NamedTuple):
    """`value` is None if it is missing; `problem` is why, if the scorer failed rather than that there was no output.

    `is_null`: the expression gave null, which scores 0.
    """

    value: float | None
    problem: str | None = None
    is_null: bool = False


MISSING = Score(None)
NULL = Score(0.0, is_null=True)
"""An answer without the value is a wrong one."""

MAX_SAID = 200
"""Characters of the message of an exception of the user's code that are reported."""

Row = Mapping[str, object]
Scorer = Callable[[str | None, Row], Score]
"""Of the output as JSON text (None: there is none) and the row's columns."""

LoadPython = Callable[[PythonFunction], Callable[[object, dict[str, object]], object]]
"""Loads a function of Python. Raises `InputError` if it is not there."""


def compile_scorer(spec: ScorerSpec, load_python: LoadPython) -> Scorer:
    """Compile a scorer. It never raises for a row."""
    search = compiled(spec.expression) if spec.expression.strip() else _whole
    judge = _judge(spec, load_python)

    def score(output: str | None, row: Row) -> Score:
        if output is None:
            return MISSING
        try:
            value = judge(search, output, row)
            return NULL if value is None else Score(value)
        except CannotScoreError as error:
            return Score(None, str(error)) if str(error) else MISSING
        except RecursionError:
            return Score(None, "the output or the target is nested too deeply")

    return score


_Judge = Callable[[Callable[[object], object], str, Row], float | None]
"""None: the expression gave null."""


def _judge(spec: ScorerSpec, load_python: LoadPython) -> _Judge:
    match spec.target:
        case None:
            return lambda search, output, _row: _scored(search, output, own_number)
        case PythonFunction() as target:
            function = load_python(target)
            return lambda search, output, row: _scored(search, output, lambda value: _called(function, value, row))
        case Column(name):
            compare = COMPARISONS[spec.base_kind](spec.tolerance)

            def by_column(search: Callable[[object], object], output: str, row: Row) -> float | None:
                wanted = row.get(name)
                if wanted is None or wanted != wanted:  # noqa: PLR0124 - NaN, the null of some tables
                    raise CannotScoreError
                return _scored(search, output, lambda value: compare(value, wanted))

            return by_column
        case Text(constant) | Number(constant):
            compare_constant, wanted = COMPARISONS[spec.base_kind](spec.tolerance), constant
            return lambda search, output, _row: _scored(search, output, lambda value: compare_constant(value, wanted))


def _scored(search: Callable[[object], object], output: str, judge: Callable[[object], float]) -> float | None:
    try:
        document = decode(output)
    except ValueError:
        raise CannotScoreError("the output is not JSON") from None
    value = search(document)
    return None if value is None else judge(value)


def _called(function: Callable[[object, dict[str, object]], object], value: object, row: Row) -> float:
    try:
        # What it changes in its row must not be seen by the other repeats, whose row it is too.
        return any_number(function(value, deepcopy(dict(row))))
    except CannotScoreError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's code; its failure is a missing score
        raise CannotScoreError(_said(error)) from None


def _said(error: BaseException) -> str:
    name = type(error).__name__
    try:
        said = shortened(" ".join(str(error).split()), MAX_SAID)
    except Exception:  # noqa: BLE001 - the class is the user's code too
        return name
    return f"{name}: {said}" if said else name


def _whole(document: object) -> object:
    return document
