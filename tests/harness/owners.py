"""Several commands on one run directory: one works on it, the others are turned away at once and change nothing.

A command is stopped at each of its calls that change something, while another runs; commands ask for the directory in
the same instant; and a directory is moved or copied at each of those calls.
"""

from collections.abc import Sequence
from pathlib import Path

from tests.harness.figures import Chunk, Figure
from tests.harness.owner_copies import Copies
from tests.harness.owner_jobs import OwnerTrial, Pair
from tests.harness.owner_races import Races
from tests.harness.owner_turns import Turns
from tests.support.journalled_simulator import simulated_service
from tests.support.kill_points import Point

TURNS, RACES, COPIES, BOTH = "turns", "races", "copies", "copy-and-original"

FIGURES = {
    TURNS: "two commands on one directory, the first stopped at a chosen call",
    RACES: "two or three commands that ask for one directory within a millisecond",
    COPIES: "a directory moved or copied at a chosen call, and resumed there",
    BOTH: "a copy that goes on at the same time as the original",
}

PAIRS = (
    ("nothing", "run", "run"),
    ("nothing", "run", "resume"),
    ("nothing", "run", "--fresh"),
    ("killed", "resume", "run"),
    ("killed", "run", "--fresh"),
    ("killed", "--fresh", "run"),
    ("killed", "--fresh", "--fresh"),
    ("ended", "retry", "resume"),
    ("ended", "retry", "retry"),
)
"""What is in the directory before, the first command, and the second."""

FULL, SHORT = {TURNS: 60, RACES: 30, COPIES: 120, BOTH: 10}, {TURNS: 2, RACES: 2, COPIES: 6, BOTH: 1}
"""How many trials of each sort, of the first two with each pair."""

IN_A_CHUNK = 30


def chunks(full: bool) -> Sequence[Chunk]:
    """The sort of trial, the pair, which of the trials, and of how many."""
    found: list[Chunk] = []
    for what, count in (FULL if full else SHORT).items():
        for pair in _pairs(what, full):
            parts = -(-count // IN_A_CHUNK)
            found += [(what, *pair, part, parts, count) for part in range(parts)]
    return found


def _pairs(what: str, full: bool) -> Sequence[tuple[str, str, str]]:
    if what not in {TURNS, RACES}:
        return PAIRS[:1]
    return PAIRS if full or what == TURNS else PAIRS[::3]


def run(chunk: Chunk, folder: Path) -> Sequence[Figure]:
    """The trials of a chunk."""
    what, before, first, second = map(str, chunk[:4])
    part, parts, count = map(int, chunk[4:])
    numbers, pair = range(part, count, parts), Pair(before, first, second)
    with simulated_service() as service:
        trial: OwnerTrial
        if what == RACES:
            trial = races = Races(pair, service, folder)
            races.undisturbed()
            for number in numbers:
                races.run(number)
        elif what == BOTH:
            trial = both = Copies(pair, service, folder)
            both.undisturbed()
            for number in numbers:
                both.at_the_same_time(number)
        else:
            trial = stopping = (Turns if what == TURNS else Copies)(pair, service, folder)
            stopping.undisturbed()
            sites = list(dict.fromkeys(stopping.sites()))
            for number in numbers:
                stopping.run(number, Point(sites[number * len(sites) // count], 1))
    return [Figure(FIGURES[what], trial.tried, trial.violations)]
