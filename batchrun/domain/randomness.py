"""Every random draw: a pure function of the job's seed and what the draw is for.

The same seed gives the same job, in whatever order its rows come up, and a resumed job goes on where it was.
"""

from hashlib import blake2b

_SPAN = float(1 << 53)


def draw(seed: int, *what: object) -> float:
    """A number in [0, 1), always the same for the same `seed` and `what` (for example row, attempt, purpose)."""
    text = ":".join(map(str, (seed, *what)))
    return (int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) >> 11) / _SPAN
