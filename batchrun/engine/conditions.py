"""What keeps a job from sending as fast as it may, in words."""

import asyncio
from datetime import UTC, datetime

from batchrun.domain.time_words import in_words
from batchrun.engine.admission import Admission
from batchrun.engine.request_class import RequestClass

SHORTEST_PAUSE = 1.0
"""Seconds. A shorter pause is over before anybody has read about it."""


def conditions(admission: Admission, wall_clock: int) -> list[str]:
    """A line for an outage, a pause after a 429, and a rate that was cut; empty if nothing limits sending.

    `wall_clock`: UTC milliseconds.
    """
    now = asyncio.get_running_loop().time()
    if (outage := _outage(admission, now)) is not None:
        return [outage]
    lines: dict[str, list[str]] = {}
    for requests in admission.classes:
        if (line := _throttling(requests, now, wall_clock)) is not None:
            lines.setdefault(line, []).append(f"{requests.name}s")
    return [f"429: {' and '.join(names)} {line}" for line, names in lines.items()]


def _outage(admission: Admission, now: float) -> str | None:
    """How long the service has been unavailable, when it is tried again, and the last answer."""
    unavailable = [requests for requests in admission.classes if requests.unavailable_since is not None]
    if not unavailable:
        return None
    since = min(requests.unavailable_since or now for requests in unavailable)
    wait = min(requests.seconds_until_probe for requests in unavailable)
    then = f", next try in {wait:.0f} s" if wait >= 1 else ""
    error = f": {admission.last_error}" if admission.last_error else ""
    return f"service unavailable for {in_words(round(now - since))}{then}{error}"


def _throttling(requests: RequestClass, now: float, wall_clock: int) -> str | None:
    if requests.pause.until - now > SHORTEST_PAUSE:
        return f"paused {_until(requests.pause.until - now, wall_clock)}"
    adaptive = requests.adaptive_rate
    return f"slowed to {adaptive.rate:.3g}/s of {adaptive.ceiling:.3g}/s" if adaptive.share < 1 else None


def _until(seconds: float, wall_clock: int) -> str:
    """`for 14 s, until 14:03:05Z`, with the date if it is another day."""
    try:
        now, end = (datetime.fromtimestamp(at, UTC) for at in (wall_clock / 1000, wall_clock / 1000 + seconds))
    except (OverflowError, ValueError, OSError):
        return "for longer than anybody can wait"
    form = "%H:%M:%SZ" if now.date() == end.date() else "%Y-%m-%d %H:%M:%SZ"
    return f"for {in_words(round(seconds))}, until {end:{form}}"
