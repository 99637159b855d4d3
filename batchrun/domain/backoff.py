"""How long to wait before the next try.

The wait doubles up to a cap. The jitter must survive the cap: clamping after adding it would give all rows at the
cap the same wait, and thousands of them would beat together; so at the cap the wait is drawn again.
"""


def doubled(n: int, initial: float, cap: float) -> float:
    """`initial` · 2ⁿ seconds, at most `cap`; `n` ≥ 0 may be as large as you like."""
    return cap if n >= 64 else min(cap, initial * 2.0**n)


def retry_delay(failures: int, chance: float, initial: float = 1.0, cap: float = 60.0) -> float:
    """Seconds until the next attempt after `failures` ≥ 1 of them; `chance` in [0, 1) spreads it over 50 to 100 %."""
    return doubled(failures - 1, initial, cap) * (0.5 + 0.5 * chance)


def poll_interval(polls: int, chance: float, initial: float, longest: float) -> float:
    """Seconds until the next poll of a run polled `polls` ≥ 0 times; ±10 % jitter, never beyond `longest`."""
    return spread(doubled(polls, initial, longest), chance, longest)


def spread(interval: float, chance: float, longest: float) -> float:
    """`interval` ±10 % by `chance` in [0, 1), never beyond `longest`: at that cap, 90 to 100 % of it."""
    if interval * 1.1 > longest:
        return min(interval, longest) * (0.9 + 0.1 * chance)
    return interval * (0.9 + 0.2 * chance)
