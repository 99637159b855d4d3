"""How long a job takes that its rate alone should bound: the installed command, on the wall clock.

The lower bound is rows / rate + the last run. Two runs go on at the same time: at this rate neither is in the other's
way.
"""

from concurrent.futures import ThreadPoolExecutor

from tests.benchmarks.running import LONGEST, batchrun, inputs
from tests.benchmarks.server import serving
from tests.benchmarks.table import Line

RATE = 50
AT_ONCE = 2


def measure(runs: int, short: bool) -> list[Line]:
    """The table's lines."""
    rows, lasts = (250, 2) if short else (5000, 20)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        taken = list(threads.map(lambda _: makespan(rows, lasts), range(runs)))
    bound = rows / RATE + lasts
    how = f"{rows:,} rows at {RATE}/s, runs of {lasts} s; all of the command, its start and its files included"
    return [Line("makespan against its lower bound", [one / bound for one in taken], "×", "<=", 1.05, 1.01, how)]


def makespan(rows: int, lasts: int) -> float:
    """Seconds from the command's start to its end."""
    options = ("--rps", RATE, "--poll-rps", 10 * RATE, "-j", 3 * RATE * lasts)
    with inputs(rows) as files, serving("--duration", lasts, seconds=LONGEST) as server:
        return batchrun(server, files[rows], *options).wall
