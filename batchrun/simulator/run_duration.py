"""How long simulated runs take: distributions and their text form."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from batchrun.domain.randomness import draw

_NORMAL = NormalDist()
_P95 = _NORMAL.inv_cdf(0.95)


@dataclass(frozen=True, slots=True)
class _Family:
    """A family of distributions: parameter names, their constraint, and the quantile function."""

    parameter_names: tuple[str, ...]
    constraint: str
    is_valid: Callable[..., bool]
    quantile: Callable[..., float]


_FAMILIES = {
    "constant": _Family(("SECONDS",), "SECONDS >= 0", lambda s: s >= 0, lambda _u, s: s),
    "uniform": _Family(("LOW", "HIGH"), "0 <= LOW <= HIGH", lambda a, b: 0 <= a <= b, lambda u, a, b: a + u * (b - a)),
    "normal": _Family(
        ("MEAN", "SD"),
        "MEAN >= 0 and SD >= 0",
        lambda mean, sd: mean >= 0 and sd >= 0,
        lambda u, mean, sd: max(0.0, mean + sd * _NORMAL.inv_cdf(u)),
    ),
    "lognormal": _Family(
        ("MEDIAN", "P95"),
        "0.001 <= MEDIAN <= P95",
        lambda median, p95: 0.001 <= median <= p95,
        lambda u, median, p95: median * math.exp(math.log(p95 / median) / _P95 * _NORMAL.inv_cdf(u)),
    ),
    "bimodal": _Family(
        ("SHORT", "LONG", "SHARE"),
        "0 <= SHORT <= LONG and 0 <= SHARE <= 1, the share of long ones",
        lambda short, long, share: 0 <= short <= long and 0 <= share <= 1,
        lambda u, short, long, share: long if u < share else short,
    ),
}

FORMS = "SECONDS, " + ", ".join(
    f"{name}:{','.join(family.parameter_names)}" for name, family in _FAMILIES.items() if name != "constant"
)
"""All forms of a distribution, for help texts."""

MAX_PARAMETER = 1e9
"""Largest allowed parameter, in seconds."""


@dataclass(frozen=True, slots=True)
class DurationDistribution:
    """A distribution of durations in seconds. Create it with `parse_duration`."""

    family: str
    parameters: Sequence[float]

    def __str__(self) -> str:
        parameters = ",".join(f"{parameter:g}" for parameter in self.parameters)
        return parameters if self.family == "constant" else f"{self.family}:{parameters}"

    def seconds(self, seed: int, *draw_key: object) -> float:
        """Draw the duration of a run in seconds, at least 0. Equal `seed` and `draw_key` give equal durations."""
        # The quantiles of 0 and 1 may be infinite.
        share = min(max(draw(seed, "duration", *draw_key), 1e-16), 1 - 1e-16)
        return _FAMILIES[self.family].quantile(share, *self.parameters)


def parse_duration(text: str) -> DurationDistribution:
    """Parse a distribution such as `2` or `lognormal:2,6`. Raises ValueError with the expected form."""
    name, colon, rest = text.strip().partition(":")
    if not colon:
        name, rest = "constant", name
    try:
        family, parameters = _FAMILIES[name], tuple(map(float, rest.split(",")))
    except (KeyError, ValueError):
        raise ValueError(f"write one of: {FORMS}") from None
    in_range = all(parameter <= MAX_PARAMETER for parameter in parameters)
    if not (in_range and len(parameters) == len(family.parameter_names) and family.is_valid(*parameters)):
        form = "" if name == "constant" else f"{name}:"
        raise ValueError(f"write {form}{','.join(family.parameter_names)} with {family.constraint}")
    return DurationDistribution(name, parameters)
