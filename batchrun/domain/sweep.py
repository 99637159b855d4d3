"""A sweep: one job over the product of input rows, variants and repeats.

A row of the product stands at

    row = (input_row × variants + variant) × repeats + repeat

so that all variants and repeats of an input row are neighbours and are submitted beside each other: a drift of the
service meets all variants alike.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import msgspec

from batchrun.domain.frozen import Frozen

WORKFLOW_ID, WORKFLOW_VERSION = "workflow-id", "workflow-version"
"""The names in `--vary` that stand for options and not for inputs."""


class Variant(Frozen, frozen=True):
    """What differs between the variants of a sweep. None: as in the other options of the job."""

    name: str | None = None
    inputs: Mapping[str, object] = {}
    workflow_id: str | None = None
    workflow_version: str | None = None


class Place(Frozen, frozen=True):
    """Where a row stands in the product. Each counts from 0."""

    input_row: int
    variant: int
    repeat: int


class Sweep(Frozen, frozen=True):
    """The variants and repeats of each input row. `is_plain`: the job is no sweep, and a row is an input row."""

    variants: tuple[Variant, ...] = (Variant(),)
    repeats: int = 1
    is_plain: bool = True

    @property
    def size(self) -> int:
        """Rows of the product for each input row."""
        return len(self.variants) * self.repeats

    @property
    def varied(self) -> tuple[str, ...]:
        """The names of the inputs that differ between variants."""
        return tuple(dict.fromkeys(name for variant in self.variants for name in variant.inputs))

    def place(self, row: int) -> Place:
        """Where `row` stands."""
        before, repeat = divmod(row, self.repeats)
        return Place(before // len(self.variants), before % len(self.variants), repeat)

    def variant(self, row: int) -> Variant:
        """The variant of `row`."""
        return self.variants[row // self.repeats % len(self.variants)]

    def row_name(self, row: int) -> str:
        """`row 17`; of a sweep with the row of the input and the variant."""
        if self.is_plain:
            return f"row {row}"
        place, name = self.place(row), self.variant(row).name
        return f"row {row} (input row {place.input_row}{f', {name}' if name else ''})"

    def distinction(self, row: int) -> tuple[object, ...]:
        """What tells `row` from others of the same key and inputs. Empty for the first repeat in the job's workflow."""
        variant, repeat = self.variant(row), row % self.repeats
        own = (repeat, variant.workflow_id, variant.workflow_version)
        return () if own == (0, None, None) else own

    def rows(self, input_rows: int) -> int:
        """Rows of the product of so many input rows."""
        return input_rows * self.size


PLAIN = Sweep()


def grid(vary: Mapping[str, Sequence[object]]) -> tuple[Variant, ...]:
    """All combinations of the values of `--vary`; the last name changes fastest."""
    return tuple(_combined(dict(zip(vary, values, strict=True))) for values in product(*vary.values()))


def _combined(values: Mapping[str, object]) -> Variant:
    options = {WORKFLOW_ID: "workflow_id", WORKFLOW_VERSION: "workflow_version"}
    return Variant(
        ", ".join(f"{name}={_text(value)}" for name, value in values.items()),
        {name: value for name, value in values.items() if name not in options},
        **{field: str(values[name]) for name, field in options.items() if name in values},
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def varied_values(text: str) -> list[Any]:
    """The values in `--vary NAME=V1,V2,…`: JSON where it parses as JSON, else text; one JSON array gives its elements.

    Raises ValueError if there are none, or one is empty or a part of a JSON value that holds a comma.
    """
    whole = _json_or_text(text)
    if isinstance(whole, list):
        if not whole:
            raise ValueError("holds no values")
        return whole
    if not isinstance(whole, str) or whole != text:  # one value of JSON, which may hold commas
        return [whole]
    parts = text.split(",")
    hint = 'write values with a comma as one list, such as ["a,b",{"c":1,"d":2}]'
    if not all(map(str.strip, parts)):
        raise ValueError(f"holds an empty value; {hint}")
    values = [_json_or_text(part) for part in parts]
    for part, value in zip(parts, values, strict=True):
        if value == part and part.lstrip()[0] in '[{"':
            raise ValueError(f"the value {part.strip()} is no whole JSON; {hint}")
    return values


def _json_or_text(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError):
        return text


def repeated_names(variants: Sequence[Variant]) -> list[str]:
    """The names that more than one variant has."""
    names = [str(variant.name) for variant in variants]
    return sorted({name for name in names if names.count(name) > 1})
