"""How long a job will take, and which limit it is that binds.

Each limit alone allows so many rows a second, and the smallest of these rates is the job's. A run of `run_s` seconds is
polled at the ends of intervals that double, so it is found ended at the first poll after its end, and holds its place
in flight until then; a schedule that has learned takes no more polls, or finds the end no later. In `--mode sync`
nothing is polled, a run holds its connection until its end, and none is sent beside the first one. Jitter, retries,
throttling and the time of requests themselves are left out.
"""

from dataclasses import dataclass

from batchrun.domain.backoff import doubled


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a job: requests a second, runs in flight, and seconds between polls."""

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
    """What a job comes to if its runs take `run_s` seconds each."""

    run_s: float
    submissions: int
    polls: int
    seconds: float
    """From the first submission to the last result."""
    bound_by: str
    """The option whose limit binds, such as `--rps 10`."""


def estimate(rows: int, run_s: float, limits: Limits) -> Estimate:
    """The estimate for so many rows that are still to be submitted."""
    rates = {f"--rps {limits.rps:g}": limits.rps}
    together = {f"--max-in-flight {limits.max_in_flight}": limits.max_in_flight}
    if limits.synchronous:
        polls, found_s = 0, run_s
        together[f"--max-connections {limits.max_connections}"] = limits.max_connections
    else:
        polls, found_s = polls_until(run_s, limits.poll_initial, limits.poll_max)
        rates[f"--poll-rps {limits.poll_rps:g}"] = limits.poll_rps / polls
    rates |= {name: most / found_s for name, most in together.items() if rows > most and found_s > 0}
    if limits.total_rps is not None:
        rates[f"--total-rps {limits.total_rps:g}"] = limits.total_rps / (1 + polls)
    bound_by = min(rates, key=lambda name: rates[name])
    alone = 1 if limits.synchronous and rows > 1 else 0
    seconds = alone * run_s + (rows - 1 - alone) / rates[bound_by] + found_s if rows else 0.0
    return Estimate(run_s, rows, rows * polls, seconds, bound_by)


def polls_until(run_s: float, initial: float, longest: float) -> tuple[int, float]:
    """How often a run of `run_s` seconds is polled, and after how many seconds it is found ended."""
    polls, at = 1, min(initial, longest)
    while at < run_s:
        step = doubled(polls, initial, longest)
        if step >= longest:  # from here on they do not change
            more = -(-(run_s - at) // longest)
            return polls + int(more), at + more * longest
        polls, at = polls + 1, at + step
    return polls, at
