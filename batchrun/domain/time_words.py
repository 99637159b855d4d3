"""Durations in messages."""


def in_words(seconds: float) -> str:
    """`15 min`, `90 s` or `4 s`."""
    return f"{seconds / 60:g} min" if seconds >= 120 and seconds % 60 == 0 else f"{seconds:.3g} s"
