"""Peak memory with many rows and with many runs in flight, and how late polls are then.

Each is run once, whatever `--runs` says: they take minutes, and memory varies little.
"""

import subprocess
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache

from batchrun.domain.backoff import poll_interval
from batchrun.domain.randomness import draw
from tests.benchmarks.running import BATCHRUN, LONGEST, Used, batchrun, inputs
from tests.benchmarks.server import serving
from tests.benchmarks.table import Line

SEED = 1
MB = 1e6


def measure(_runs: int, short: bool) -> list[Line]:
    """One run of each."""
    if short:
        return [*_rows(200, 800, 20), *_flights(300, rate=300, interval=1.0)]
    return [*_rows(100_000, 1_000_000, 1_000), *_flights(100_000, rate=2_000, interval=60.0)]


@cache
def sized(rows: int, in_flight: int) -> Used:
    """What a synchronous job of so many rows uses; run once for all parts."""
    # Long enough that so many are in flight at 10,000 rows a second.
    with inputs(rows) as files, serving("--duration", in_flight / 10_000, seconds=LONGEST) as server:
        return batchrun(server, files[rows], "--mode", "sync", "-j", in_flight)


def _rows(few: int, many: int, in_flight: int) -> list[Line]:
    used = {rows: sized(rows, in_flight) for rows in (few, many)}
    most = used[many].stats["most_running"]
    growth = (used[many].rss - used[few].rss) / MB
    note = f"`--mode sync`, at most {most:,} runs at once as the service saw it; one run"
    return [
        Line(f"peak memory, {many:,} rows, -j {in_flight:,}", [used[many].rss / MB], "MB", "<=", 180, 120, note),
        Line(f"its growth from {few:,} rows", [growth], "MB", "<=", 20, 5, "one run"),
    ]


def _flights(rows: int, rate: float, interval: float) -> list[Line]:
    # Submitted before the first of them ends, which its second poll finds; at a rate that leaves the processor time, or
    # it would be seen how late polls are where there is too much to do.
    runs = 1.6 * interval
    schedule = ["--poll-schedule", "exponential"] if _has("--poll-schedule") else []
    polls = ["--poll-initial", interval, "--poll-max", interval, "--seed", SEED, *schedule]
    with inputs(rows) as files, serving("--duration", runs, "--note-polls", seconds=900) as server:
        used = batchrun(server, files[rows], "--rps", rate, "-j", rows, "--max-connections", 100, *polls)
        late = lateness(server.times(), interval)
    most = used.stats["most_running"]
    note = f"runs of {runs:g} s, polled every {interval:g} s, {most:,} at once as the service saw it; one run"
    share = sum(seconds < -0.05 for seconds in late) / max(len(late), 1)
    name = f"lateness of polls with {rows:,} in flight, p99"
    line = Line(name, [late[len(late) * 99 // 100]], "s", "<=", 0.5, 0.1, _HOW)
    if share > 0.01:  # the intervals are drawn in another way than is known here
        line = Line(name, [], "s", "<=", 0.5, 0.1, f"{share:.0%} of the polls came before they were due: {_HOW}")
    return [Line(f"peak memory, {rows:,} runs in flight", [used.rss / MB], "MB", "<=", 300, 200, note), line]


_HOW = "arrival at the service, after arrival of the poll or POST before it and the interval that its seed gives"


def lateness(times: Mapping[str, Sequence[float]], interval: float) -> list[float]:
    """Seconds by which each poll came late, in order.

    The intervals are those of `--poll-initial` and `--poll-max` alike, with the jitter that the job's seed gives. They
    are counted from arrival to arrival, so that the time of an answer on its way counts as lateness too.
    """
    before, count = dict(enumerate(times["accepted"])), defaultdict[int, int](int)
    found = []
    for run, at in zip(map(int, times["poll_runs"]), times["polls"], strict=True):
        polls = count[run]
        chance = draw(SEED, int(times["ids"][run]), 1, polls, "poll")
        found.append(at - before[run] - poll_interval(polls, chance, interval, interval))
        before[run], count[run] = at, polls + 1
    return sorted(found)


def _has(option: str) -> bool:
    told = subprocess.run([BATCHRUN, "run", "--help"], capture_output=True, text=True, check=True, timeout=60)
    return option in told.stdout
