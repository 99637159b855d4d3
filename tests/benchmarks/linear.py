"""CPU a row, by the number of rows: it should not grow with them."""

import math
from itertools import pairwise
from pathlib import Path

from tests.benchmarks.memory import sized
from tests.benchmarks.running import batchrun, inputs
from tests.benchmarks.server import serving
from tests.benchmarks.table import Line

AT_ONCE = 1_000


def measure(runs: int, short: bool) -> list[Line]:
    """Start-up falls out: the cost at a size is that of the further rows from the size before it.

    The largest size is run once. The smaller ones are run `runs` times, and the least counts: a second of CPU time is
    easily disturbed.
    """
    sizes = [50, 150, 450, 1_350] if short else [1_000, 10_000, 100_000, 1_000_000]
    repeats = {size: 1 if size == sizes[-1] else min(runs, 5 if size < 100_000 else 3) for size in sizes}
    used = dict.fromkeys(sizes, math.inf)
    with inputs(*sizes) as files:
        for turn in range(max(repeats.values())):
            for size in sizes:
                if turn < repeats[size]:
                    once = size == sizes[-1] and not short
                    used[size] = min(used[size], sized(size, AT_ONCE).cpu if once else _cpu(files[size]))
    costs = {large: (used[large] - used[small]) / (large - small) * 1e6 for small, large in pairwise(sizes)}
    told = ", ".join(f"{cost:.0f} µs at {size:,} rows" for size, cost in costs.items())
    low, high = min(costs.values()), max(costs.values())
    apart = [(high / low - 1) * 100] if low > 0 else []  # a noisy machine and few rows: the start-up hides them
    note = f"{told}; `--mode sync`, {AT_ONCE} at a time, start-up not counted, the largest size run once"
    return [Line("CPU a row: how far the sizes are apart", apart, "%", "<=", 15, 5, note)]


def _cpu(rows: Path) -> float:
    with serving("--duration", AT_ONCE / 10_000, seconds=900) as server:
        return batchrun(server, rows, "--mode", "sync", "-j", AT_ONCE).cpu
