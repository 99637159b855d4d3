"""What must be true of a job that was killed, any number of times, and has come to its end."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.support.journalled_simulator import Journal

BY_A_KILL = "the process ended before the service answered"
"""The message of a row that is in doubt because of a kill, and not because the service has cut the connection."""


@dataclass(frozen=True, slots=True)
class RowEnd:
    """How a row ended."""

    state: str
    result: str | None
    """Its output, or the kind of its error."""
    by_a_kill: bool = False
    """Whether it is in doubt because of a kill."""
    scores: tuple[float | None, ...] = ()


@dataclass
class Kills:
    """The kills of a job."""

    count: int = 0
    unmarked: int = 0
    """Those after which the job goes on in a copy. Marks do not count there, so that each row whose intent is on disk
    is in doubt."""
    answered: dict[int, set[int]] = field(default_factory=dict)
    """By the number of the session: the rows whose answer it had read before it was killed, as far as that is known."""

    def add(self, session: int = 0, answered: Iterable[int] = (), *, marked: bool = True) -> None:
        """Note a kill."""
        self.count += 1
        self.unmarked += not marked
        self.answered[session] = {*answered}


def row_ends(folder: Path) -> tuple[dict[int, RowEnd], list[str]]:
    """How each row ended, according to the result files; and what is wrong with these."""
    outputs, errors = (pq.read_table(folder / f"{name}.parquet").to_pylist() for name in ("outputs", "errors"))
    scores = _scores(folder / "scores.parquet")
    ends = {row["row"]: RowEnd("completed", row["output"], scores=scores.get(row["row"], ())) for row in outputs}
    ends |= {
        row["row"]: RowEnd(
            row["state"], row["error_kind"], row["error_message"] == BY_A_KILL, scores.get(row["row"], ())
        )
        for row in errors
    }
    counts = Counter(row["row"] for row in (*outputs, *errors))
    return ends, [f"row {row} stands {count} times in the result files" for row, count in counts.items() if count > 1]


def _scores(path: Path) -> dict[int, tuple[float | None, ...]]:
    if not path.exists():
        return {}
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    ids = {"row", "input_row", "key", "variant", "repeat"}
    return {row["row"]: tuple(score for name, score in row.items() if name not in ids) for row in rows}


def broken(
    folder: Path,
    expected: Mapping[int, RowEnd],
    journal: Journal,
    names: Mapping[int, str],
    kills: Kills,
    *,
    connections: int,
    may_be_paid: Mapping[str, int],
) -> Iterator[str]:
    """Each promise that does not hold.

    `expected`: of the undisturbed job. `names`: of the inputs of each row, as in the journal. `may_be_paid`: how many
    runs the service may have made for the inputs of a name, if not 1.
    """
    try:
        found, problems = row_ends(folder)
    except OSError as error:
        yield f"the result files cannot be read: {error}"
        return
    yield from problems
    if found.keys() != expected.keys():
        yield f"rows missing: {expected.keys() - found.keys()}, unknown: {found.keys() - expected.keys()}"
    doubted = {row for row, end in found.items() if end.by_a_kill}
    if len(doubted) > connections * kills.count:
        yield f"{len(doubted)} rows in doubt after {kills.count} kills with {connections} connections"
    for row, end in found.items():
        if row in expected and row not in doubted and end != expected[row]:
            yield f"row {row} ended as {end}, undisturbed as {expected[row]}"
        if end.state == "completed" and not journal.runs[names[row]]:
            yield f"row {row} is completed, but the service has no run of it"
    for name, runs in journal.runs.items():
        if len(runs) > may_be_paid.get(name, 1):
            yield f"{len(runs)} runs for the inputs {name!r}"
    yield from _doubted_without_reason(doubted, journal, names, kills, may_be_paid)
    unseen = [row for row in sorted(doubted) if may_be_paid.get(names[row], 1) == 1 and not journal.posts[names[row]]]
    if len(unseen) > kills.count + kills.unmarked * (connections - 1):
        yield f"rows in doubt that the service never received: {unseen}, after {kills.count} kills"


def _doubted_without_reason(
    doubted: set[int], journal: Journal, names: Mapping[int, str], kills: Kills, may_be_paid: Mapping[str, int]
) -> Iterator[str]:
    once = {row for row in doubted if may_be_paid.get(names[row], 1) == 1}  # of others it is not known which run it was
    for row in sorted(once):
        if polled := journal.polled.intersection(journal.runs[names[row]]):
            yield f"row {row} is in doubt, but its run was polled: {polled}"
        if row in kills.answered.get(journal.last_session.get(names[row], -1), ()):
            yield f"row {row} is in doubt, but its answer was read before the kill"
