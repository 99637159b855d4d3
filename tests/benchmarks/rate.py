"""How much of the allowed rate is used, and whether the service ever counts more: the installed command.

The stand-in service notes when each submission arrives, counts any half-open second, and refuses what is beyond the
limit. Jobs are synchronous, so that a row is one request and the rate is all there is to see. The share is of the
submissions in the `SECONDS` from the first one on.
"""

from bisect import bisect_left
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.benchmarks.running import LONGEST, batchrun, inputs
from tests.benchmarks.server import serving
from tests.benchmarks.table import Line

RATES = ((5, 50, 500), (2000,))
"""A second. Those in one group are measured at the same time."""
SECONDS, SECONDS_SHORT = 60.0, 5.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What the service saw of one job."""

    share: float
    beyond: int
    """By how many requests the worst second was over the limit."""
    refused: int


def measure(runs: int, short: bool) -> list[Line]:
    """The table's lines."""
    seconds = SECONDS_SHORT if short else SECONDS
    used: dict[int, list[Seen]] = {rate: [] for group in RATES for rate in group}
    for _ in range(runs):
        for group in RATES:
            with ThreadPoolExecutor(len(group)) as threads:
                for rate, one in zip(group, threads.map(lambda rate: job(rate, seconds), group), strict=True):
                    used[rate].append(one)
    how = f"{seconds:g} s each, counted by the service"
    return [
        *(
            Line(f"share of {rate:,}/s that is used", [one.share for one in used[rate]], "", ">=", 0.97, 0.99, how)
            for rate in used
        ),
        Line(
            "submissions over the limit in the worst second",
            [max(used[rate][run].beyond for rate in used) for run in range(runs)],
            "",
            "<=",
            0,
            0,
            "of all four rates",
        ),
        Line(
            "429s caused",
            [sum(used[rate][run].refused for rate in used) for run in range(runs)],
            "",
            "<=",
            0,
            0,
            "at all four rates",
        ),
    ]


def job(rate: int, seconds: float) -> Seen:
    """One job at this rate, for a little longer than so many seconds."""
    rows = round(rate * (seconds + 1))
    with inputs(rows) as files, serving("--quota", f"posts={rate}", seconds=LONGEST) as server:
        stats = batchrun(server, files[rows], "--mode", "sync", "--rps", rate).stats
        posts = server.times()["posts"]
    used = bisect_left(posts, posts[0] + seconds) / (rate * seconds)
    return Seen(used, max(0, stats["worst_posts"] - rate), stats["refused_posts"])
