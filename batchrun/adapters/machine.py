"""What the machine has."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux tells the limit of the container in which this process is: in version 2 of its control groups, and 1."""


def memory_bytes(limits: Sequence[Path] = _LIMITS) -> int:
    """Bytes of memory of this machine, or of its container if that may take less. `limits`: files that tell it."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for limit in limits:
        with suppress(OSError, ValueError):  # there is none, or it is the word "max"
            found.append(int(limit.read_text()))
    return min(found)
