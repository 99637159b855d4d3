"""How long to wait before the next attempt or poll.

The wait doubles up to a cap. Jitter is applied below the cap, not clamped to it: if it were clamped, all rows at the
cap would wait equally long, and thousands of requests would leave at the same time.
"""


def doubled(n: int, initial: float, cap: float) -> float:
    """`initial` · 2ⁿ seconds, at most `cap`. Any `n` ≥ 0 is safe."""
    return cap if n >= 64 else min(cap, initial * 2.0**n)


def retry_delay(failures: int, chance: float, initial: float = 1.0, cap: float = 60.0) -> float:
    """Seconds until the next attempt after `failures` ≥ 1 failures: 50 to 100 % of the doubled wait.

    `chance`: a random number in [0, 1).
    """
    return doubled(failures - 1, initial, cap) * (0.5 + 0.5 * chance)


def poll_interval(polls: int, chance: float, initial: float, longest: float) -> float:
    """Seconds until the next poll of a run polled `polls` ≥ 0 times, with ±10 % jitter, at most `longest`."""
    return spread(doubled(polls, initial, longest), chance, longest)


def spread(interval: float, chance: float, longest: float) -> float:
    """`interval` ±10 %, or 90 to 100 % of `longest` at the cap. `chance`: a random number in [0, 1)."""
    if interval * 1.1 > longest:
        return min(interval, longest) * (0.9 + 0.1 * chance)
    return interval * (0.9 + 0.2 * chance)
