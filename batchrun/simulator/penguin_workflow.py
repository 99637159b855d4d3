"""A workflow that guesses the species of a penguin from four measurements."""

import math

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


def guess_species(inputs: Inputs) -> dict[str, object]:
    """Return {"guess", "confidence" (0 to 1), "note"} for the species with the nearest mean.

    The guess is None if a measurement is missing. Raises `MeasurementError` if an input was not sent or is not a
    number.
    """
    bird = _measured(inputs)
    if missing := [name for name, value in zip(MEASUREMENTS, bird, strict=True) if value is None]:
        return {"guess": None, "confidence": 0.0, "note": f"not measured: {', '.join(missing)}"}
    return _nearest([value for value in bird if value is not None])


def _nearest(bird: list[float]) -> dict[str, object]:
    distances = {
        species: sum(((value - mean) / spread) ** 2 for value, mean, spread in zip(bird, means, _SPREAD, strict=True))
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
