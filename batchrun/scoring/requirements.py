"""`--require`: what a comparison has to show, for continuous integration."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from batchrun.errors import InputError

if TYPE_CHECKING:
    from batchrun.scoring.comparison import Comparison

ENOUGH = 0.95
"""A requirement that rests on a smaller share of the rows says so."""

_ROUNDING = 1e-12
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_FORMS: Mapping[str, str] = {
    "each": rf"each\s+(?P<name>.+?)\s*>=\s*(?P<bound>{_NUMBER})",
    "missing": rf"missing\s+(?P<name>.+?)\s*<=\s*(?P<bound>{_NUMBER})\s*%",
    "no-worse": rf"no-worse\s+(?P<name>.+?)(?:\s+by\s+(?P<bound>{_NUMBER}))?",
    "mean": rf"(?P<name>[^\[\]<>=]+?)\s*(?:\[(?P<variant>.*)\])?\s*>=\s*(?P<bound>{_NUMBER})",
}
_EXAMPLES = (
    "NAME>=0.9, NAME[VARIANT]>=0.9, 'each NAME>=0.5', 'missing NAME<=2%', 'no-worse NAME', 'no-worse NAME by 0.02'"
)

Kind = Literal["each", "missing", "no-worse", "mean"]


@dataclass(frozen=True, slots=True)
class Requirement:
    """`variant`: the only one that it is about. `bound`: of `missing` a share; None of `no-worse` without a margin."""

    text: str
    kind: Kind
    name: str
    bound: float | None
    variant: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a requirement is met. `rows`: by variant that does not meet it, the input rows for which it does not."""

    requirement: Requirement
    met: bool
    line: str
    rows: Mapping[str, Sequence[int]]


def parse_requirement(text: str) -> Requirement:
    """Parse one `--require`. Raises `InputError`."""
    for kind in ("each", "missing", "no-worse", "mean"):
        if match := re.fullmatch(_FORMS[kind], text.strip()):
            found = match.groupdict()
            bound = None if found["bound"] is None else float(found["bound"])
            if kind == "missing" and bound is not None:
                bound /= 100
                if not 0 <= bound <= 1:
                    raise InputError(f"--require {text!r}: expected a share of the rows, from 0% to 100%")
            if kind == "no-worse" and bound is not None and bound < 0:
                raise InputError(f"--require {text!r}: the margin after `by` is how much worse, so it is not negative")
            return Requirement(text.strip(), kind, found["name"], bound, found.get("variant"))
    raise InputError(f"--require {text!r}: is not one of {_EXAMPLES}")


def evaluate(requirement: Requirement, comparisons: "Mapping[str, Comparison]", variants: Sequence[str]) -> Verdict:
    """Judge it by the comparisons of all scorers. Raises `InputError` for a scorer or variant that is not there.

    What cannot be told, because there is no score or one cluster alone, is not met.
    """
    name, only = requirement.name, requirement.variant
    if name not in comparisons:
        raise InputError(_unknown(requirement, f"scorer {name!r}", name, comparisons))
    if only is not None and only not in variants:
        raise InputError(_unknown(requirement, f"variant {only!r}", only, variants))
    comparison = comparisons[name]
    judge = _JUDGES[requirement.kind]
    findings = {
        variant: finding
        for place, variant in enumerate(variants)
        if only in (None, variant) and (finding := judge(comparison, place, requirement.bound)) is not None
    }
    failed = {variant: finding.rows for variant, finding in findings.items() if not finding.met}
    told = failed or findings
    said = "; ".join(f"{variant}: {findings[variant].said}" for variant in told)
    line = f"{'not met' if failed else 'met'}: {requirement.text}" + (f" ({said})" if said else "")
    return Verdict(requirement, not failed, line + _thin(findings), failed)


@dataclass(frozen=True, slots=True)
class _Finding:
    met: bool
    said: str
    rests_on: float
    """The share of the rows."""
    rows: Sequence[int] = ()


def _mean(comparison: "Comparison", variant: int, bound: float | None) -> _Finding:
    assert bound is not None
    figures = comparison.figures[variant]
    rests_on = figures.n / (figures.n + figures.missing) if figures.n else 0.0
    if figures.mean is None:
        return _Finding(False, "no score", rests_on)
    met = figures.mean >= bound - _ROUNDING
    return _Finding(met, _number(figures.mean), rests_on, () if met else comparison.rows_below(variant, bound))


def _each(comparison: "Comparison", variant: int, bound: float | None) -> _Finding:
    assert bound is not None
    rests_on = comparison.share_scored(variant)
    if not rests_on:
        return _Finding(False, "no score", rests_on)
    below = comparison.rows_below(variant, bound)
    return _Finding(not below, f"{len(below):,} of the input rows are below", rests_on, below)


def _missing(comparison: "Comparison", variant: int, bound: float | None) -> _Finding:
    assert bound is not None
    figures = comparison.figures[variant]
    places = figures.n + figures.missing
    met = figures.missing <= bound * places + _ROUNDING
    said = f"{figures.missing:,} of {places:,} missing"
    return _Finding(met, said, 1.0, () if met else comparison.rows_missing(variant))


def _no_worse(comparison: "Comparison", variant: int, bound: float | None) -> _Finding | None:
    difference = comparison.differences[variant]
    if difference is None:
        return None
    rests_on = difference.rows / len(comparison.input_rows) if difference.rows else 0.0
    if difference.low is None or difference.high is None:
        return _Finding(False, "too few rows to tell", rests_on)
    met = difference.high >= -_ROUNDING if bound is None else difference.low >= -bound - _ROUNDING
    interval = f"{_number(difference.low, '+')} to {_number(difference.high, '+')}"
    said = f"{_number(difference.mean, '+')}, 95 % from {interval}"
    return _Finding(met, said, rests_on, () if met else sorted(difference.worse_rows.tolist()))


_JUDGES: "Mapping[Kind, Callable[[Comparison, int, float | None], _Finding | None]]" = {
    "mean": _mean,
    "each": _each,
    "missing": _missing,
    "no-worse": _no_worse,
}


def _thin(findings: Mapping[str, _Finding]) -> str:
    thin = list(_thin_ones(findings))
    return f". It rests on {', '.join(thin)}" if thin else ""


def _thin_ones(findings: Mapping[str, _Finding]) -> Iterator[str]:
    for variant, finding in findings.items():
        if finding.rests_on < ENOUGH:
            yield f"{finding.rests_on * 100:.3g} % of the rows under {variant}"


def _unknown(requirement: Requirement, what: str, name: str, names: "Mapping[str, object] | Sequence[str]") -> str:
    close = get_close_matches(name, names, 1)
    hint = f"Did you mean {close[0]!r}?" if close else f"There is {', '.join(map(repr, names)) or 'none'}"
    return f"--require {requirement.text!r}: there is no {what}. {hint}"


def _number(value: float | None, sign: str = "") -> str:
    return "none" if value is None else f"{value:{sign}.4g}"
