"""The published table of figures, and the file that keeps them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results.json"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table."""

    name: str
    tried: int
    violations: int
    seconds: int
    """How long the whole part took."""
    note: str


def keep(rows: Mapping[str, Sequence[Row]]) -> None:
    """Put the rows of these parts into the file; the other parts stay."""
    found = {name: [asdict(row) for row in part] for name, part in {**kept(), **rows}.items()}
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")


def kept() -> dict[str, list[Row]]:
    """The rows of each part, as they were kept last."""
    if not RESULTS.exists():
        return {}
    return {name: [Row(**row) for row in part] for name, part in json.loads(RESULTS.read_text()).items()}


def markdown(rows: Sequence[Row]) -> str:
    """The table."""
    lines = ["| what was tried | times | promises broken | remarks |", "| --- | ---: | ---: | --- |"]
    lines += [f"| {row.name} | {row.tried:,} | {row.violations:,} | {row.note} |" for row in rows]
    return "\n".join(lines)
