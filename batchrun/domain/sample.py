"""The rows that `--sample` draws."""

import random
from collections.abc import Collection


def drawn(seed: int, rows: int, count: int) -> Collection[int]:
    """`count` of the first `rows` input rows, the same for the same arguments; all of them if there are no more."""
    if count >= rows:
        return range(rows)
    return frozenset(random.Random(f"sample {seed}").sample(range(rows), count))
