"""The fault matrix: each fault, what must happen, and the tests that hold it.

A test is named `FOLDER/FILE.py::TEST` (below `tests/`), or as a part of the harness: `PART`, or `PART/CASE` where a
part has named cases. `tests/docs/test_fault_matrix.py` checks that each of them exists.
"""

from dataclasses import dataclass

IDS = (
    *(f"N{number}" for number in range(1, 19)),
    *(f"C{number}" for number in range(1, 6)),
    *(f"K{number}" for number in range(1, 9)),
    *(f"D{number}" for number in range(1, 9)),
    *(f"X{number}" for number in range(1, 14)),
)
"""Network, callbacks, process, disk, data."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A line of the matrix."""

    id: str
    fault: str
    must: str
    tests: tuple[str, ...]


def markdown(faults: tuple[Fault, ...]) -> str:
    """The table."""
    lines = ["| | fault | what must happen | held by |", "| --- | --- | --- | --- |"]
    for one in faults:
        names = "<br>".join(f"`{name}`" for name in one.tests)
        lines.append(f"| {one.id} | {one.fault} | {one.must} | {names} |")
    return "\n".join(lines)
