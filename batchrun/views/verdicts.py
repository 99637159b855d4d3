"""Which variant is better, and whether that may be chance, in sentences."""

from typing import TYPE_CHECKING

from batchrun.scoring.comparisons import Comparisons, Side
from batchrun.views.number_format import count

if TYPE_CHECKING:
    from batchrun.scoring.figures import Difference

CHANCE = 0.05
"""A difference with a smaller p counts as more than chance."""


def verdicts(found: Comparisons, *, power: bool = True) -> list[str]:
    """Which variant is better by each scorer, and whether that may be chance.

    `power`: also which differences so many rows may not show, where none was found.
    """
    sentences = []
    for scorer, one in found.by_scorer.items():
        if len(found.variants) == 1:
            continue
        for name, difference in zip(found.variants, one.differences, strict=True):
            if difference is not None:
                sentences.append(f"{scorer}: {verdict(name, found.baseline, difference, power=power)}")
    return sentences


def is_significant(difference: "Difference") -> bool:
    """Whether the difference counts as more than chance."""
    return bool(difference.mean) and difference.p is not None and difference.p < CHANCE


def verdict(name: str, baseline: str, difference: "Difference", *, power: bool = True) -> str:
    """The same of one variant by one scorer."""
    if difference.mean is None or difference.p is None:
        return f"{name} and {baseline} have no row in common with a score, so nothing can be said."
    rows = f"over {count(difference.rows, 'row')}"
    p = "p < 0.001" if difference.p < 0.001 else f"p = {difference.p:.3f}"
    if is_significant(difference):
        word = "better" if difference.mean > 0 else "worse"
        return f"{name} is {word} than {baseline} by {abs(difference.mean):.3f} {rows}; unlikely to be chance ({p})."
    if not difference.mean:
        finding = f"{name} and {baseline} score the same {rows}."
    else:
        word = "higher" if difference.mean > 0 else "lower"
        change = f"{abs(difference.mean):.3f} {word}"
        finding = f"{name} scores {change} than {baseline} {rows}, which may well be chance ({p})."
    if difference.detectable is None or not power:
        return finding
    return f"{finding} With this many rows, a real difference below {difference.detectable:.3f} may go unnoticed."


def score_of(side: Side) -> str:
    """`score 1`; of several repeats with their mean."""
    mean = f", mean of {side.repeats} repeats {side.mean:.3g}" if side.repeats > 1 else ""
    return f"score {side.score:.3g}{mean}"
