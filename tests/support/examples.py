"""How many examples a property is tried with."""

from hypothesis import settings


def examples(count: int) -> int:
    """`count` where Hypothesis tries 100 by default, and in proportion under another profile."""
    return count * settings().max_examples // 100
