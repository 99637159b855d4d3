"""What is known about a run besides its state, and the tokens of all runs of a job."""

from dataclasses import dataclass

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


@dataclass
class Tokens:
    """The tokens of all runs of a job in all its sessions. None: the service has reported none.

    Each run counts once, with the last figures that the service reported for it. It stays counted when its row is
    submitted again. Runs that were reused from an earlier job do not count.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None

    def add(self, old: RunDetails | None, new: RunDetails) -> None:
        """An event changed the details of a row from `old` to `new`."""
        for name in _COUNTS:
            if (count := getattr(new, name)) is not None:
                before = 0 if old is None else getattr(old, name) or 0
                setattr(self, name, (getattr(self, name) or 0) + count - before)

    @property
    def spent(self) -> int:
        """The total, even if the service reports only the input and output tokens."""
        return max(self.total_tokens or 0, (self.input_tokens or 0) + (self.output_tokens or 0))
