"""What a seed stands for: the job, the faults of its service, and when its process is killed."""

import random
from dataclasses import dataclass, field
from typing import Any

POST_FAULTS = (
    "refused_connection", "reset_before", "reset_after", "bare_500", "bare_502_after", "enveloped_500", "busy_503",
    "throttled", "unauthorized", "html_after", "no_run_id_after", "foreign_run_id", "late_after", "hangs",
)  # fmt: skip
"""What can happen to a POST. `after`: after the service has started a run."""

POLL_FAULTS = (
    "refused_connection", "reset_before", "bare_500", "busy_503", "throttled", "unauthorized", "html", "another_run",
    "anonymous", "twice", "unknown_status", "late", "hangs", "not_found_yet",
)  # fmt: skip
"""What can happen to a poll."""

RESETS_BY_OUTAGE = ("refused_connection", "reset_before", "busy_503", "bare_502")


@dataclass(frozen=True, slots=True)
class Plan:
    """One simulated job. Times are in seconds of virtual time since the start of the job."""

    seed: int
    rows: int
    options: dict[str, Any]
    """Options of the job, as on the command line."""
    duration: tuple[float, float]
    """The shortest and the longest run."""
    post_faults: dict[str, float]
    """The probability of each fault, for every POST."""
    poll_faults: dict[str, float]
    failing: frozenset[int]
    """Rows whose runs fail."""
    stuck: frozenset[int]
    """Rows whose runs never end."""
    rejected: frozenset[int]
    """Rows that the service refuses."""
    unpollable: frozenset[int]
    """Rows whose runs are never reported on usefully."""
    outages: tuple[tuple[float, float, str], ...]
    """Start, end and fault of each outage of the service."""
    quota: int | None
    """POSTs a second that the service takes."""
    kills: tuple[float, ...]
    """Seconds from the start of a session to its kill, for the first sessions."""
    drains: tuple[float, ...]
    """Likewise to a signal that drains; it applies if it comes first."""
    jumps: tuple[float, ...]
    """Seconds by which the wall clock of the job is set before each session."""
    patience: float
    """Seconds for which an answer is waited for."""
    callbacks: dict[str, float] = field(default_factory=dict)
    """The probability that a callback is `lost`, `early`, `double`, `late` or `forged`; empty: no callbacks."""


def plan(seed: int) -> Plan:
    """The plan of this seed."""
    chance = random.Random(seed)
    rows = chance.randint(1, 24)
    is_sync = chance.random() < 0.2
    shortest = chance.choice((0.0, 0.2, 2.0, 20.0))
    duration = (shortest, shortest + chance.choice((0.0, 0.5, 5.0, 60.0)))
    options: dict[str, Any] = {
        "rps": chance.choice((0.5, 1, 2, 5, 10, 50)),
        "poll_rps": chance.choice((1, 5, 20, 100)),
        "max_in_flight": chance.choice((1, 3, 10, 500)),
        "max_connections": chance.choice((1, 2, 5, 100)),
        "retries": chance.choice((0, 1, 3)),
        "in_doubt": chance.choices(("hold", "resubmit", "fail"), (4, 1, 1))[0],
        "retry_failed_runs": chance.random() < 0.2,
        "mode": "sync" if is_sync else "async",
        "poll_initial": chance.choice((0.5, 1.0, 5.0)),
        "poll_schedule": chance.choice(("learned", "exponential")),
        "rate_control": chance.choices(("adaptive", "fixed"), (3, 1))[0],
        "run_timeout": chance.choice((120.0, 600.0)),
        "request_timeout": max(10.0, duration[1] + 5) if is_sync else 10.0,
        "max_outage": chance.choice((60.0, 900.0)),
    }
    if chance.random() < 0.2:
        options["total_rps"] = chance.choice((1, 5, 20))
    severity = chance.choice((0.0, 0.05, 0.3))
    return Plan(
        seed,
        rows,
        options,
        duration,
        _some(chance, POST_FAULTS, severity),
        _some(chance, POLL_FAULTS, severity),
        failing=_rows(chance, rows, 0.2),
        stuck=_rows(chance, rows, 0.05),
        rejected=_rows(chance, rows, 0.1),
        unpollable=_rows(chance, rows, 0.05),
        outages=tuple(_outage(chance) for _ in range(chance.choice((0, 0, 0, 1, 2)))),
        quota=chance.choice((None, None, 1, 3, 8)),
        kills=tuple(chance.expovariate(1 / 8) for _ in range(chance.choice((0, 1, 1, 2, 4)))),
        drains=tuple(chance.expovariate(1 / 20) for _ in range(chance.choice((0, 0, 1)))),
        jumps=tuple(chance.choice((0.0, 0.0, -3600.0, 3600.0, 86400.0 * 3)) for _ in range(6)),
        patience=options["request_timeout"],
        callbacks={}
        if is_sync or chance.random() < 0.6
        else {name: chance.choice((0.0, 0.3)) for name in ("lost", "early", "double", "late", "forged")},
    )


def _some(chance: random.Random, faults: tuple[str, ...], severity: float) -> dict[str, float]:
    chosen = chance.sample(faults, chance.randint(0, len(faults)))
    return {name: severity * chance.random() / max(1, len(chosen) / 3) for name in chosen}


def _rows(chance: random.Random, rows: int, share: float) -> frozenset[int]:
    if chance.random() < 0.5:
        return frozenset()
    return frozenset(row for row in range(rows) if chance.random() < share)


def _outage(chance: random.Random) -> tuple[float, float, str]:
    start = chance.uniform(0, 30)
    return start, start + chance.choice((2.0, 20.0, 120.0)), chance.choice(RESETS_BY_OUTAGE)
