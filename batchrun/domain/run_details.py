"""What is known about a run besides its state."""

from batchrun.domain.answers import RunDetails
from batchrun.domain.frozen import copied

MAX_TOKENS = 10**11
"""The most tokens of one run. A larger count is an error of the service, and the sum over a job must fit 64 bits."""

_TEXTS = ("log_id", "debug_url")
_COUNTS = ("input_tokens", "output_tokens", "total_tokens")


def latest(known: RunDetails | None, reported: RunDetails | None) -> RunDetails | None:
    """The details of a run after an answer that has `reported` some. Each of them replaces the earlier value."""
    if reported is None:
        return known
    changes: dict[str, str | int] = {name: text for name in _TEXTS if (text := getattr(reported, name)) is not None}
    for name in _COUNTS:
        count = getattr(reported, name)
        if count is not None and 0 <= count <= MAX_TOKENS:
            changes[name] = count
    return copied(known or RunDetails(), **changes) if changes else known
