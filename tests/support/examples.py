"""How many examples a property is tried with."""

from hypothesis import settings


def examples(count: int) -> int:
    """`count` where Hypothesis tries 100 by default, and in proportion under another profile."""
    limit: int = settings().max_examples
    return count * limit // 100
