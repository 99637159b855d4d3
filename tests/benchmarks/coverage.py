"""How often 95 % intervals have the true value in them, and what the comparison of a large sweep takes.

Coverage is averaged over true shares from 0.1 to 0.9, of 0/1 scores of 30, 100 and 1,000 rows, with and without
3 repeats. Rows differ: the share of one row is drawn, so that its repeats are alike, and it is in part the same under
both variants. The seed is fixed, so these figures are of the code and not of the machine.
"""

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batchrun.scoring.comparison import compare_scores, layout_of
from tests.benchmarks.table import Line

SHARES = np.linspace(0.1, 0.9, 9)
EFFECT = 0.06
"""How much better the second variant is."""

LIKE = 0.3
"""The correlation of the repeats of one row."""

COMMON = 0.5
"""The share of the rows that have the same chance under both variants."""

BIG = """
import resource, time, numpy as np
from batchrun.scoring.comparison import compare_scores, layout_of
rows = {rows}
place = np.arange(rows * 12)
scores = (np.random.default_rng(0).random(len(place)) < 0.7).astype(float)
before = time.process_time()
layout = layout_of(place // 12, place // 3 % 4, variants=4, repeats=3)
compare_scores(layout, scores)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(time.process_time() - before, peak / (1 << 20 if {darwin} else 1 << 10))
"""


@dataclass(frozen=True, slots=True)
class Covered:
    """Shares of the intervals with the true value in them."""

    mean: float
    difference: float


def measure(runs: int, short: bool) -> list[Line]:
    """The coverage once, since it is the same each time; the large comparison for each run."""
    lines = []
    for rows in (30, 100, 1_000):
        for repeats in (1, 3):
            times = 5 if short else 400 if rows < 1_000 else 150
            covered = coverage(rows, repeats, times)
            what = f"of {rows:,} rows" + (f" with {repeats} repeats" if repeats > 1 else "")
            how = f"{times * len(SHARES):,} simulated sweeps; 93–97 % is right"
            lines += [
                _line(f"95 % interval of a mean {what} has it in it", covered.mean, how),
                _line(f"95 % interval of a difference {what} has it in it", covered.difference, how),
            ]
    rows = 1_000 if short else 100_000
    took = [_large(rows) for _ in range(runs)]
    what = f"comparison of {rows:,} rows × 4 variants × 3 repeats"
    return [
        *lines,
        Line(f"{what}: CPU", [seconds for seconds, _ in took], "s", must=5, goal=2),
        Line(f"{what}: memory", [megabytes for _, megabytes in took], "MB", must=300, goal=250),
    ]


def coverage(rows: int, repeats: int, times: int) -> Covered:
    """Over `times` sweeps for each share."""
    generator = np.random.default_rng(rows + repeats)
    layout = layout_of(
        np.repeat(np.arange(rows), 2 * repeats),
        np.tile(np.repeat([0, 1], repeats), rows),
        variants=2,
        repeats=repeats,
    )
    means = differences = 0
    for share in SHARES:
        better = min(share + EFFECT, 0.98)
        for _ in range(times):
            before = _chances(generator, share, rows)
            common = generator.random(rows) < COMMON
            after = np.where(common, before, _chances(generator, better, rows))
            chances = np.repeat(np.stack([before, after], axis=1).ravel(), repeats)
            found = compare_scores(layout, (generator.random(chances.shape) < chances).astype(float))
            figures, difference = found.figures[0], found.differences[1]
            assert difference is not None
            means += _within(share, figures.low, figures.high)
            differences += _within((better - share) * (1 - COMMON), difference.low, difference.high)
    return Covered(means / (times * len(SHARES)), differences / (times * len(SHARES)))


def _chances(generator: np.random.Generator, share: float, rows: int) -> NDArray[np.float64]:
    """For each row, the chance of a score of 1: `share` in the mean, and `LIKE` correlates two scores of a row."""
    return generator.beta(share * (1 / LIKE - 1), (1 - share) * (1 / LIKE - 1), rows)


def _within(true: float, low: float | None, high: float | None) -> bool:
    return low is not None and high is not None and low <= true <= high


def _line(name: str, share: float, how: str) -> Line:
    """Held to its distance from 95 %, in points."""
    return Line(
        f"{name}: distance from 95 %", [abs(share - 0.95) * 100], "points", must=2, goal=1, note=f"{share:.1%}; {how}"
    )


def _large(rows: int) -> tuple[float, float]:
    """Seconds and megabytes, of a process of its own."""
    code = BIG.format(rows=rows, darwin=sys.platform == "darwin")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, megabytes = map(float, done.stdout.split())
    return seconds, megabytes
