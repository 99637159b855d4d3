"""Formats numbers for people."""


def duration(seconds: float) -> str:
    """`1:02:03`, `2:03` or `45 s`."""
    total = round(seconds)
    hours, minutes, rest = total // 3600, total // 60 % 60, total % 60
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest} s"


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
