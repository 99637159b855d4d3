"""The wait that an answer asks for."""

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER = 366 * 86_400.0
"""The longest wait that an answer can ask for, in seconds. No job waits that long."""

_BETWEEN_VALUES = re.compile(r"\n|(?<=[0-9]),(?=\s)|(?<=GMT),")
"""What separates several values. The comma in a date does not."""


def retry_after(headers: Mapping[str, str], received_at: int) -> float | None:
    """The seconds in `Retry-After` (RFC 9110 §10.2.3: seconds or a date); None if it is missing or invalid.

    A date counts from the `Date` of the same answer, because our clock and that of the service may differ. Of several
    values, the longest wait counts.
    """
    text = headers.get("retry-after", "")
    if not text:
        return None
    answered = _http_date(headers.get("date", ""))
    begun = received_at / 1000 if answered is None else answered
    waits = [wait for value in _BETWEEN_VALUES.split(text) if (wait := _wait(value.strip(), begun)) is not None]
    return min(max(waits), MAX_RETRY_AFTER) if waits else None


def _wait(text: str, begun: float) -> float | None:
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return float(text)
    date = _http_date(text)
    return None if date is None else max(0.0, date - begun)


def _http_date(text: str) -> float | None:
    """A date in a header, in seconds since 1970; None if it is none."""
    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
