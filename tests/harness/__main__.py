"""The full run of the harness: `python -m tests.harness [PART ...]` prints the table of figures.

    --short      as much as CI tries
    --keep       put the figures into results.json, from which docs/promises.md is checked
    --kept       try nothing; print the table of results.json

Violations are printed with what is needed to try each again; the exit code is then 1.
"""

import argparse
import sys
from time import monotonic as now  # noqa: TID251 - the duration of this run, for people

from tests.harness.parts import PARTS
from tests.harness.running import tried
from tests.harness.table import Row, keep, kept, markdown


def main() -> int:
    """Try everything, and print."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.harness",
        description="Parts: " + "; ".join(f"{name}: {what}" for name, what in PARTS.items()),
    )
    parser.add_argument("parts", nargs="*", metavar="PART", choices=[*PARTS, []])
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--kept", action="store_true")
    options = parser.parse_args()
    names = options.parts or list(PARTS)
    if options.kept:
        print(markdown([row for name in names for row in kept().get(name, [])]))  # noqa: T201
        return 0
    rows, is_broken = list[Row](), False
    for name in names:
        began = now()
        figures = tried(name, full=not options.short)
        seconds = round(now() - began)
        found = [Row(one.name, one.tried, len(one.violations), seconds, one.note) for one in figures]
        if options.keep:
            keep({name: found})
        rows += found
        print(f"{name}: {seconds} s", file=sys.stderr)  # noqa: T201
        for line in (line for one in figures for line in one.violations):
            print(f"{name}: {line}", file=sys.stderr)  # noqa: T201
            is_broken = True
    print(markdown(rows))  # noqa: T201
    return 1 if is_broken else 0


if __name__ == "__main__":
    sys.exit(main())
