"""The benchmarks: `python -m tests.benchmarks [PART ...]` prints the table.

    --short      small sizes and one run: shows that everything works, and its figures mean little
    --runs N     runs of each side, in turns (5)
    --keep       put what was measured into results.json
    --kept       measure nothing; print the table of results.json

A part is a module with `measure(runs, short) -> list[Line]`. Ratios come from runs of both sides in turns; times are of
the processor where nothing else is said. Nothing here fails because a machine is slow.
"""

import argparse
from importlib import import_module

from tests.benchmarks.table import Line, keep, kept, machine, markdown

PARTS: dict[str, str] = {
    "start": "seconds of commands that only say something",
    "resume": "seconds until the first request of a job with a million finished rows",
    "export": "seconds and memory of the Parquet files of a million rows",
    "capacity": "what the stand-in service can give",
    "rate": "the share of the allowed rate that is used, and what is over the limit",
    "kills": "what is in doubt after many kills, and the cost of the marks that show what is not",
    "recovery": "the rate after the service's quota was cut, and after it came back",
    "makespan": "how long a job takes that its rate should bound",
    "cpu": "CPU a row against bare aiohttp",
    "workers": "CPU a row of the driver of two workers, and their rows a second, against one process",
    "beside": "CPU a row of the workers against an engine without a driver, both at work at the same time",
    "ceiling": "rows a second that one driver can record",
    "peers": "rows a second against what people run today",
    "memory": "peak memory, and how late polls are, with many rows and many runs in flight",
    "linear": "CPU a row, by the number of rows",
    "polling": "what the learned schedule of polls gains at a shared quota",
    "coverage": "how often 95 % intervals have the true value in them, and what a large comparison takes",
}
"""What each part measures, in the order of the table."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Parts: " + "; ".join(f"{part}: {what}" for part, what in PARTS.items()),
    )
    parser.add_argument("parts", nargs="*", metavar="PART", choices=[*PARTS, []])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--kept", action="store_true")
    options = parser.parse_args()
    parts = options.parts or list(PARTS)
    if options.kept:
        found = kept()
        lines = [line for part in parts for line in found.get(part, [])]
    else:
        lines = list[Line]()
        for part in parts:
            measured = import_module(f"tests.benchmarks.{part}").measure(
                1 if options.short else options.runs, options.short
            )
            if options.keep:
                keep({part: measured})
            lines += measured
            print(markdown(measured), flush=True)
    print(f"\n{machine()}\n\n{markdown(lines)}")


if __name__ == "__main__":
    main()
