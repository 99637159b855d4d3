"""How long runs take: a distribution that is written in one word."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from batchrun.domain.randomness import draw

_NORMAL = NormalDist()
_P95 = _NORMAL.inv_cdf(0.95)


@dataclass(frozen=True, slots=True)
class _Kind:
    """One family: the names of its parameters, what they must fulfil, and its quantile function."""

    names: tuple[str, ...]
    demand: str
    holds: Callable[..., bool]
    quantile: Callable[..., float]


_KINDS = {
    "constant": _Kind(("SECONDS",), "SECONDS >= 0", lambda s: s >= 0, lambda _u, s: s),
    "uniform": _Kind(("LOW", "HIGH"), "0 <= LOW <= HIGH", lambda a, b: 0 <= a <= b, lambda u, a, b: a + u * (b - a)),
    "normal": _Kind(
        ("MEAN", "SD"),
        "MEAN >= 0 and SD >= 0",
        lambda mean, sd: mean >= 0 and sd >= 0,
        lambda u, mean, sd: max(0.0, mean + sd * _NORMAL.inv_cdf(u)),
    ),
    "lognormal": _Kind(
        ("MEDIAN", "P95"),
        "0.001 <= MEDIAN <= P95",
        lambda median, p95: 0.001 <= median <= p95,
        lambda u, median, p95: median * math.exp(math.log(p95 / median) / _P95 * _NORMAL.inv_cdf(u)),
    ),
    "bimodal": _Kind(
        ("SHORT", "LONG", "SHARE"),
        "0 <= SHORT <= LONG and 0 <= SHARE <= 1, the share of long ones",
        lambda short, long, share: 0 <= short <= long and 0 <= share <= 1,
        lambda u, short, long, share: long if u < share else short,
    ),
}

FORMS = "SECONDS, " + ", ".join(f"{name}:{','.join(kind.names)}" for name, kind in _KINDS.items() if name != "constant")
"""Every way to write a distribution, for help texts."""

LONGEST = 1e9
"""Seconds; no number of a distribution may be larger."""


@dataclass(frozen=True, slots=True)
class Duration:
    """A distribution of durations in seconds; made by `parse_duration`."""

    kind: str
    numbers: Sequence[float]

    def __str__(self) -> str:
        numbers = ",".join(f"{number:g}" for number in self.numbers)
        return numbers if self.kind == "constant" else f"{self.kind}:{numbers}"

    def seconds(self, seed: int, *what: object) -> float:
        """The duration of one run: at least 0, and always the same for the same `seed` and `what`."""
        share = min(max(draw(seed, "duration", *what), 1e-16), 1 - 1e-16)  # the ends have no quantile
        return _KINDS[self.kind].quantile(share, *self.numbers)


def parse_duration(text: str) -> Duration:
    """A distribution from text such as `2` or `lognormal:2,6`; raises ValueError that says what would be right."""
    name, colon, rest = text.strip().partition(":")
    if not colon:
        name, rest = "constant", name
    try:
        kind, numbers = _KINDS[name], tuple(map(float, rest.split(",")))
    except (KeyError, ValueError):
        raise ValueError(f"write one of: {FORMS}") from None
    fits = len(numbers) == len(kind.names) and all(number <= LONGEST for number in numbers) and kind.holds(*numbers)
    if not fits:
        form = "" if name == "constant" else f"{name}:"
        raise ValueError(f"write {form}{','.join(kind.names)} with {kind.demand}")
    return Duration(name, numbers)
