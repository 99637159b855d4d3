"""Part of the harness: hostile files as inputs of `check`, and of `run` where they are read.

Text with everything that can be wrong with it, binary files with every type and with changed bytes at any place, and
files that unpack to far more than their size. What hostile peers answer is tried by the part `network`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from tests.harness.figures import Chunk, Figure
from tests.harness.hostile.case import Case
from tests.harness.hostile.columns import FORMATS, UNPACKED, write_types
from tests.harness.hostile.csv_files import CSV
from tests.harness.hostile.damaged import FILES, damaged
from tests.harness.hostile.jsonl_files import JSONL
from tests.harness.hostile.large_files import COMPRESSED, CSV_LARGE, JSONL_LARGE
from tests.harness.hostile.trial import (
    MEMORY,
    NOT_SENT,
    READ,
    REFUSED,
    SIMULATED,
    Ended,
    ended,
    job_problems,
    problems,
)
from tests.support.arrow_types import CONTAINERS

KINDS: Mapping[str, Mapping[str, Case]] = {
    "CSV": CSV,
    "JSONL": JSONL,
    "large CSV": CSV_LARGE,
    "large JSONL": JSONL_LARGE,
    "compressed text": COMPRESSED,
    "unpacked": UNPACKED,
}
FOUND = {
    "CSV": "hostile CSV files",
    "JSONL": "hostile JSONL files",
    "large CSV": "text files with very long lines, deep values or 10,000 columns",
    "large JSONL": "text files with very long lines, deep values or 10,000 columns",
    "compressed text": "compressed text: bombs, and damaged data",
    "unpacked": "Parquet and Arrow files that unpack to far more than their size, or have 10,000 columns",
}
"""What is tried, for the published table."""

TYPES, DAMAGED = "types", "damaged"
SEEDS = {True: (8, 50), False: (1, 10)}
"""How many chunks of damaged files of a kind, and how many files in each; in full, and in short."""
CASES, LARGE_CASES = 8, 3
"""How many cases are in a chunk, and of files that are large once they are read."""
MOST_ROWS = 2000
"""Rows of the largest file whose rows are also sent."""


def chunks(full: bool) -> Sequence[Chunk]:
    """(what, which, first, how many)."""
    count, size = SEEDS[full]
    return [
        *(
            (kind, "", first, size)
            for kind, cases in KINDS.items()
            for size in [CASES if kind in {"CSV", "JSONL"} else LARGE_CASES]
            for first in range(0, len(cases), size)
        ),
        *((TYPES, container, 0, 1) for container in CONTAINERS),
        *((DAMAGED, kind, number * size, size) for number in range(count) for kind in FILES),
    ]


def run(chunk: Chunk, folder: Path) -> Sequence[Figure]:
    """Try some files, one after the other."""
    what, which, first, count = str(chunk[0]), str(chunk[1]), int(chunk[2]), int(chunk[3])
    if what == TYPES:
        return [_types(folder, which)]
    if what == DAMAGED:
        return _damaged(folder, which, range(first, first + count))
    wrong, cases = list[str](), [*islice(KINDS[what].items(), first, first + count)]
    for name, case in cases:
        wrong += [f"{what}: {name}: {problem}" for problem in _of_case(folder, case)]
    return [Figure(FOUND[what], len(cases), wrong)]


def _of_case(folder: Path, case: Case) -> Iterator[str]:
    (folder / case.name).write_bytes(case.make())
    done = ended(folder, "check", case.name, *SIMULATED, *case.options)
    expected = REFUSED if case.rows is None else NOT_SENT if case.unsent else READ
    yield from problems(done, case.name, [expected], case.memory, case.seconds)
    yield from _unsaid(done, case)
    if case.rows is not None and f"{case.rows:,} row" not in done.out:
        yield f"{case.rows:,} rows were expected: {done.out[:300]}"
    if case.rows is not None and case.rows <= MOST_ROWS and case.is_sent:
        yield from _of_job(folder, case.name, case.rows, [expected], *case.options, memory=case.memory)


def _unsaid(done: Ended, case: Case) -> Iterator[str]:
    place = 0
    for words in case.says:
        place = done.error.find(words, place)
        if place < 0:
            yield f"the message does not say {words!r}: {done.error[:300]}"
            return


def _of_job(
    folder: Path, name: str, rows: int | None, codes: Sequence[int], *options: object, memory: int = MEMORY
) -> Iterator[str]:
    """Run the job, and look at its results."""
    done = ended(folder, "run", name, *SIMULATED, "-o", "job", "--fresh", *options)
    found = [*problems(done, name, codes, memory)] or [*job_problems(folder / "job", rows)]
    yield from (f"run: {problem}" for problem in found)


def _types(folder: Path, container: str) -> Figure:
    columns, wrong = 0, list[str]()
    for suffix in FORMATS:
        path = folder / f"rows.{suffix}"
        count, unsendable = write_types(path, container)
        skip = [word for name in unsendable for word in ("--skip", name)]
        done = ended(folder, "check", path.name, *SIMULATED, *skip)
        found = [*problems(done, path.name, [READ]), *_of_job(folder, path.name, 3, [READ], *skip)]
        wrong += [f"{container} in {suffix}: {problem}" for problem in found]
        columns += count
    return Figure("columns of Parquet and Arrow files, of every type in every other one", columns, wrong)


def _damaged(folder: Path, kind: str, seeds: Sequence[int]) -> list[Figure]:
    wrong, became, name = list[str](), Counter[str](), FILES[kind][0]
    for seed in seeds:
        (folder / name).write_bytes(damaged(kind, seed))
        done = ended(folder, "check", name, *SIMULATED)
        found = [*problems(done, name)]
        if not found and done.code != REFUSED:
            found += _of_job(folder, name, None, [READ, NOT_SENT])
        became["refused" if done.code == REFUSED else "read"] += 1
        wrong += [f"{kind}, seed {seed}: {problem}" for problem in found]
    figure = Figure("Parquet, Arrow, gzip and zstd files with changed, missing or additional bytes", len(seeds), wrong)
    return [figure, *(Figure(f"of all these damaged files: {what}", count) for what, count in sorted(became.items()))]
