"""Formats numbers for people."""


def duration(seconds: float) -> str:
    """`1:02:03`, `2:03` or `45s`."""
    total = round(seconds)
    hours, minutes, rest = total // 3600, total // 60 % 60, total % 60
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest}s"
