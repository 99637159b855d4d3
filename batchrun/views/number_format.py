"""Formats numbers for people."""

from collections.abc import Sequence


def duration(seconds: float) -> str:
    """`1:02:03`, `2:03` or `45 s`."""
    total = round(seconds)
    hours, minutes, rest = total // 3600, total // 60 % 60, total % 60
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest} s"


def percentages(parts: Sequence[float]) -> list[int]:
    """Each part in whole percent of their sum, rounded so that they add up to 100; all 0 if the sum is 0."""
    total = sum(parts)
    if not total:
        return [0] * len(parts)
    exact = [100 * part / total for part in parts]
    found = [int(share) for share in exact]
    by_rest = sorted(range(len(parts)), key=lambda place: found[place] - exact[place])
    for place in by_rest[: 100 - sum(found)]:
        found[place] += 1
    return found


def per_second(rate: float) -> str:
    """`0.05`, `9.97` or `1,234`: three digits that count."""
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def short_seconds(seconds: float) -> str:
    """`12 ms`, `1.5 s`, `75 s` or `2:03:10`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.3g} s" if seconds < 100 else duration(seconds) if seconds >= 600 else f"{seconds:.0f} s"


def count(number: int, what: str) -> str:
    """`1 row` or `1,234 rows`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
