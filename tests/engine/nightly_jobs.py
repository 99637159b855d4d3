"""A job on a growing table that reuses the results of the night before."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.rehearsal import Rehearsal

Table = Sequence[Mapping[str, str]] | int


def night(folder: Path, name: str, rows: Table, *faults: str, reuse: str | None = None) -> Rehearsal:
    """The job of one night. It has its own service, which counts the requests of this night."""
    (folder / name).mkdir()
    quick = () if any(fault.startswith("duration") for fault in faults) else ("duration=1",)
    rehearsal = Rehearsal(folder / name, rows, *quick, *faults)
    rehearsal.options |= {"key": "id"}
    if reuse is not None:
        rehearsal.options |= {"reuse": folder / reuse / "job"}
    return rehearsal


def sources(rehearsal: Rehearsal) -> dict[int, str | None]:
    return {row: record["reused_from"] for row, record in rehearsal.outputs().items()}


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def texts(*values: str) -> list[dict[str, str]]:
    return [{"id": str(number), "text": value} for number, value in enumerate(values)]
