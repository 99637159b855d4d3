"""What the check of a CSV costs: `python -m tests.benchmarks.check [ROWS]`.

The file is read by the standard library's `csv.reader` and checked as a job does before its first request, in turns;
times are of the processor, and their ratio is what counts. Memory is the peak of a process of its own that checks.
"""

import csv
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from batchrun.adapters.tables import Source, inspect, open_table

TURNS = 5
PEAK = (
    "import resource, sys; from pathlib import Path; from tests.benchmarks.check import checked; "
    "checked(Path(sys.argv[1])); print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
)


def main(rows: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        small, large = (written(Path(folder) / f"{count}.csv", count) for count in (rows // 10, rows))
        runs: dict[str, tuple[Callable[[Path], None], list[float]]] = {
            "csv.reader alone": (parsed, []),
            "the check": (checked, []),
            "the check with --key": (lambda path: checked(path, "id"), []),
        }
        for _ in range(TURNS):
            for run, taken in runs.values():
                before = time.process_time()
                run(large)
                taken.append(time.process_time() - before)
        base = statistics.median(runs["csv.reader alone"][1])
        print(f"{rows:,} rows, {large.stat().st_size / 1e6:.0f} MB, medians of {TURNS}")
        for name, (_, taken) in runs.items():
            print(f"{name:<22} {statistics.median(taken):6.2f} s  {statistics.median(taken) / base:5.2f} x")
        for path in (small, large):
            print(f"peak memory of the check of {path.stem:>9} rows: {peak(path) / 1024:.0f} MB")


def written(path: Path, rows: int) -> Path:
    """A file of five columns, of 75 bytes a row."""
    draw = random.Random(1)
    with path.open("w") as file:
        file.write("id,name,text,n,flag\n")
        for row in range(rows):
            file.write(f"{row},name {row % 977},some text of row {row} that is longer,{draw.random():.6f},{row % 2}\n")
    return path


def parsed(path: Path) -> None:
    """What everybody pays who reads the file."""
    with path.open(newline="", encoding="utf-8") as file:
        for _ in csv.reader(file):
            pass


def checked(path: Path, key: str | None = None) -> None:
    """What a job does before its first request."""
    inspect(open_table(Source(path)), key, None)


def peak(path: Path) -> int:
    """Kilobytes."""
    done = subprocess.run([sys.executable, "-c", PEAK, str(path)], check=True, capture_output=True, text=True)
    return int(done.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
