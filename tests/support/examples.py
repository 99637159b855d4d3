"""The number of examples for a property test."""

from hypothesis import settings


def examples(count: int) -> int:
    """`count`, scaled by the current Hypothesis profile: a profile with 1000 examples tries ten times as many."""
    limit: int = settings().max_examples
    return count * limit // 100
