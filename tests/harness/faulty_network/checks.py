"""Runs a job with a fault, and checks what has become of its rows and what the service has received."""

import resource
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.contract.raw_server import SECRET
from tests.harness.faulty_network.cases import ALWAYS, POSITIONS, Case
from tests.harness.faulty_network.fault import Outcome
from tests.harness.faulty_network.job import LONGEST, ROWS, Told, has_output_of, job
from tests.harness.faulty_network.service import RawService
from tests.support.virtual import VirtualClock

MAX_GROWTH = 300 << 20
"""Bytes by which a job may raise the peak of the memory of its process: the largest answer has 64 MiB."""
MAX_MESSAGE = 3000
"""Characters of the longest message about a row: the service's words are cut off."""

EXPECTED: dict[tuple[Outcome, int], tuple[str, str, int]] = {
    (Outcome.GOOD, 1): ("completed", "", 1),
    (Outcome.DOUBT, 1): ("in_doubt", "in_doubt", 1),
    (Outcome.REJECTED, 1): ("failed", "rejected", 1),
    (Outcome.AGAIN, 1): ("completed", "", 2),
    (Outcome.AGAIN, ALWAYS): ("failed", "exhausted", 4),
    (Outcome.THROTTLED, 1): ("completed", "", 2),
    (Outcome.STOPS, 1): ("completed", "", 2),
    (Outcome.REPEATED, 1): ("completed", "", 1),
    (Outcome.REPEATED, ALWAYS): ("timed_out", "timeout", 1),
    (Outcome.GONE, 1): ("completed", "", 1),
    (Outcome.GONE, ALWAYS): ("failed", "lost", 1),
}
"""State, kind of error, and number of POSTs of a row, by the outcome of a fault and how often the row meets it."""


def tried(case: Case, folder: Path) -> list[str]:
    """Run one job; what went wrong."""
    clock, is_sync, peak = VirtualClock(), case.moment == "sync", peak_memory()
    service = RawService(case.api, clock, case.fault.behaviour, case.moment, POSITIONS[case.position], case.times)
    told = job(folder, service, clock, mode="sync" if is_sync else "async")
    problems = [*_problems_of_rows(case, service, told), *_problems_of_the_job(case, service, told)]
    if (growth := peak_memory() - peak) > MAX_GROWTH:
        problems.append(f"it took {growth >> 20} MiB of memory")
    return [f"{case}: {problem}" for problem in problems]


def peak_memory() -> int:
    """Bytes that this process has had in memory at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _problems_of_rows(case: Case, service: RawService, told: Told) -> Iterator[str]:
    if [*sorted(told.rows)] != [*range(ROWS)] or told.twice:
        yield f"rows {sorted(told.rows)} are in the files, {told.twice} twice"
    for row, (state, text) in sorted(told.rows.items()):
        posts, message = service.posts[row], told.messages.get(row, "")
        if row != service.faulty:
            is_right = (state, posts) == ("completed", 1) and has_output_of(row, text)
        elif case.outcome is None:
            is_right = posts == 1
        else:
            wanted, kind, times = EXPECTED[case.outcome, case.times]
            is_right = (state, posts) == (wanted, times)
            is_right &= has_output_of(row, text) if state == "completed" else text == kind
        if not is_right:
            yield f"row {row} is {state} {text[:100]!r} after {posts} POSTs"
        if (state == "completed") == bool(message) or len(message) > MAX_MESSAGE or SECRET in message:
            yield f"row {row} is {state} with the message {message[:100]!r}"


def _problems_of_the_job(case: Case, service: RawService, told: Told) -> Iterator[str]:
    ended = 0 if all(state == "completed" for state, _ in told.rows.values()) else 3
    if told.exit_codes not in _exit_codes(case, ended) or told.seconds > LONGEST:
        yield f"exit codes {told.exit_codes} after {told.seconds:.0f} s"
    if service.met == 0:
        yield "the fault was never met"
    polls = service.polls[service.faulty]
    # Before any other answer has named its run, an answer without a name may be the service's way.
    is_unnamed = case.position == "first" and case.fault.name in {"a run_id that is null", "a run_id that is empty"}
    is_once = polls == 1 and not is_unnamed
    if case.moment == "poll" and case.outcome is not None and is_once != (case.outcome is Outcome.GOOD):
        yield f"the run of the row was polled {polls} times"


def _exit_codes(case: Case, ended: int) -> list[list[int]]:
    """The exit codes that the sessions may have."""
    stopped = [4, ended]
    if case.outcome is Outcome.STOPS:
        return [stopped]
    # Where the first answer of all shows that the address is wrong, nothing more is sent there.
    is_first = case.position == "first" and case.outcome is Outcome.DOUBT
    return [stopped] if is_first and case.fault.stops_first else [stopped, [ended]] if is_first else [[ended]]
