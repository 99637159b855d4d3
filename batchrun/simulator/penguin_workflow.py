"""A workflow that guesses the species of a penguin from four measurements.

Three further inputs, all optional, make it worth a sweep: `use` (all or bill: which measurements it looks at),
`temperature` (0 or more: how inexactly it looks, another way each time), and `strict` (true: the run fails if the guess
would be uncertain).
"""

import math
import random
from typing import TypedDict

from batchrun.simulator.faults import Inputs, as_text

MEASUREMENTS = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")

# Species means and the standard deviation within species, computed from samples/penguins.csv.
_MEANS = {
    "Adelie": (38.8, 18.3, 190.0, 3700.0),
    "Chinstrap": (48.8, 18.4, 195.8, 3730.0),
    "Gentoo": (47.5, 15.0, 217.2, 5080.0),
}
_SPREAD = (2.9, 1.1, 6.6, 460.0)


class MeasurementError(ValueError):
    """A measurement was not sent or is not a number."""


USES: dict[str, tuple[int, ...]] = {"all": (0, 1, 2, 3), "bill": (0, 1)}
"""What the input `use` may be, and the places of the measurements that are then looked at."""

STRICT_CONFIDENCE = 0.9


def guess_species(inputs: Inputs, earlier_posts: int = 0) -> dict[str, object]:
    """Return {"guess", "confidence" (0 to 1), "note"} for the species with the nearest mean.

    The guess is None if a measurement is missing. `earlier_posts`: how often the same inputs were sent before. Raises
    `MeasurementError` if an input was not sent or is not a number, or if the input `strict` allows no guess.
    """
    use, temperature = _use(inputs), _temperature(inputs)
    bird = _measured(inputs)
    if missing := [name for name, value in zip(MEASUREMENTS, bird, strict=True) if value is None]:
        return {"guess": None, "confidence": 0.0, "note": f"not measured: {', '.join(missing)}"}
    draw = random.Random(f"{bird} {temperature} {earlier_posts}")
    seen = [
        value + draw.gauss(0, temperature * spread)
        for value, spread in zip(bird, _SPREAD, strict=True)
        if value is not None
    ]
    guess = _nearest(seen, use)
    if _text(inputs, "strict", "false") == "true" and guess["confidence"] < STRICT_CONFIDENCE:
        raise MeasurementError(f"strict: {guess['guess']} is too uncertain, {guess['confidence']}")
    return dict(guess)


class _Guess(TypedDict):
    guess: str
    confidence: float
    note: str


def _text(inputs: Inputs, name: str, default: str) -> str:
    return as_text(inputs[name]) if name in inputs else default


def _use(inputs: Inputs) -> tuple[int, ...]:
    use = _text(inputs, "use", "all")
    if use not in USES:
        raise MeasurementError(f"the input use is {use[:40]!r}, and not one of {', '.join(USES)}")
    return USES[use]


def _temperature(inputs: Inputs) -> float:
    text = _text(inputs, "temperature", "0")
    try:
        temperature = float(text)
    except ValueError:
        temperature = math.nan
    if not 0 <= temperature < math.inf:
        raise MeasurementError(f"the input temperature is {text[:40]!r}, and not a number of 0 or more")
    return temperature


def _nearest(bird: list[float], use: tuple[int, ...]) -> _Guess:
    distances = {
        species: sum(((bird[place] - means[place]) / _SPREAD[place]) ** 2 for place in use)
        for species, means in _MEANS.items()
    }
    first, second = sorted(distances, key=distances.__getitem__)[:2]
    # These are the odds of the species if the measurements are independent and normally distributed.
    odds = sum(math.exp((distances[first] - distance) / 2) for distance in distances.values())
    return {
        "guess": first,
        "confidence": round(1 / odds, 2),
        "note": f"nearest to the average {first}, then {second}; a rule of thumb, not a model",
    }


def _measured(inputs: Inputs) -> list[float | None]:
    values: list[float | None] = []
    problems = []
    for name in MEASUREMENTS:
        if name not in inputs:
            problems.append(f"the input {name} was not sent")
            continue
        text = as_text(inputs[name]).strip()
        if text in {"", "NA", "null"}:
            values.append(None)
            continue
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if math.isfinite(value):
            values.append(value)
        else:
            problems.append(f"{name} is not a number: {text[:40]!r}")
    if problems:
        raise MeasurementError(f"cannot guess the species: {'; '.join(problems)}")
    return values
