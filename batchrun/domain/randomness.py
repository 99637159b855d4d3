"""Random numbers as a pure function of the job's seed and the purpose of the draw.

The same seed gives the same draws, in whatever order rows are processed, also after the job is resumed.
"""

from hashlib import blake2b

_SPAN = float(1 << 53)


def draw(seed: int, *what: object) -> float:
    """A number in [0, 1). The same `seed` and `what` (such as row, attempt, purpose) always give the same number."""
    text = ":".join(map(str, (seed, *what)))
    return (int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) >> 11) / _SPAN
