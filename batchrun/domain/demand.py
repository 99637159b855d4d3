"""How much of a shared limit a process wants, from what it uses and whether it has to wait."""

from collections import deque

from batchrun.domain.leases import ALL

SAMPLE_SECONDS = 0.1
"""Seconds between two samples."""
RECENT_SAMPLES = 20
"""The demand follows from this many samples."""
SHORT_SAMPLES = 4
"""A process that has to wait in this many of them wants all that it can get."""
GROWTH = 0.5
"""A process that has to wait in fewer samples wants this much more than it had, as a share, and at least one slot."""


class Demand:
    """The demand of one process for one limit."""

    def __init__(self) -> None:
        self._used: deque[int] = deque(maxlen=RECENT_SAMPLES)
        self._missing: deque[int] = deque(maxlen=RECENT_SAMPLES)
        self.wanted = 0
        """The slots that the process wants."""

    def sample(self, used: int, held: int, *, is_short: bool) -> None:
        """`used`: slots in use now; `held`: those that the process has; `is_short`: a request waits for another one."""
        self._used.append(used)
        self._missing.append(held + max(1, round(GROWTH * held)) if is_short else 0)
        if sum(missing > 0 for missing in self._missing) >= SHORT_SAMPLES:
            self.wanted = ALL
        else:
            self.wanted = max(*self._used, *self._missing)
