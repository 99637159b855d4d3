"""Estimates how long a job takes and which limit determines it.

Each limit by itself allows a certain number of rows per second; the job runs at the lowest of these rates. A run of
`run_s` seconds is polled at intervals that double. It is found ended at the first poll after its end, and holds its
slot in flight until then. A learned schedule needs no more polls, or finds the end no later. In `--mode sync` nothing
is polled, a run holds its connection until its end, and the first run is sent alone. The estimate ignores jitter,
retries, throttling and the duration of the requests themselves.
"""

from dataclasses import dataclass

from batchrun.domain.backoff import doubled


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a job: requests per second, runs in flight, and seconds between polls."""

    rps: float
    poll_rps: float
    total_rps: float | None
    max_in_flight: int
    poll_initial: float
    poll_max: float
    synchronous: bool = False
    max_connections: int = 100


@dataclass(frozen=True, slots=True)
class Estimate:
    """The size of a job whose runs take `run_s` seconds each."""

    run_s: float
    submissions: int
    polls: int
    seconds: float
    """Seconds from the first submission to the last result."""
    bound_by: str
    """The option that determines the duration, such as `--rps 10`; empty if the runs themselves take most of it."""


def estimate(rows: int, run_s: float, limits: Limits) -> Estimate:
    """The estimate for `rows` rows that are still to be submitted."""
    rates = {f"--rps {limits.rps:g}": limits.rps}
    concurrency = {f"--max-in-flight {limits.max_in_flight}": limits.max_in_flight}
    if limits.synchronous:
        polls, found_s = 0, run_s
        concurrency[f"--max-connections {limits.max_connections}"] = limits.max_connections
    else:
        polls, found_s = polls_until(run_s, limits.poll_initial, limits.poll_max)
        rates[f"--poll-rps {limits.poll_rps:g}"] = limits.poll_rps / polls
    rates |= {name: limit / found_s for name, limit in concurrency.items() if rows > limit and found_s > 0}
    if limits.total_rps is not None:
        rates[f"--total-rps {limits.total_rps:g}"] = limits.total_rps / (1 + polls)
    bound_by = min(rates, key=lambda name: rates[name])
    alone = 1 if limits.synchronous and rows > 1 else 0
    waited = (rows - 1 - alone) / rates[bound_by]
    seconds = alone * run_s + waited + found_s if rows else 0.0
    return Estimate(run_s, rows, rows * polls, seconds, bound_by if waited > alone * run_s + found_s else "")


def polls_until(run_s: float, initial: float, longest: float) -> tuple[int, float]:
    """How many times a run of `run_s` seconds is polled, and after how many seconds it is found ended."""
    polls, at = 1, min(initial, longest)
    while at < run_s:
        step = doubled(polls, initial, longest)
        if step >= longest:  # the intervals no longer grow
            remaining = -(-(run_s - at) // longest)
            return polls + int(remaining), at + remaining * longest
        polls, at = polls + 1, at + step
    return polls, at
