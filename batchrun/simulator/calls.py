"""Callbacks: whom the simulated service calls back, when, and with what. Never anybody but this machine."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec

from batchrun.domain.hosts import is_loopback
from batchrun.simulator.reply import GARBAGE
from batchrun.simulator.run import Run


def may_be_called(url: str) -> bool:
    """Whether the simulator calls this address: http on loopback only, whatever a job asks for."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "http" and is_loopback(parts.hostname or "") and parts.port != 0
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Call:
    """One callback that is to be sent: a POST of `body` to `url`, `delay` seconds from now.

    `first`: it is to be answered before the request is that it came from.
    """

    url: str
    delay: float
    run: Run
    garbage: bool = False
    first: bool = False

    def body(self, now: int, pending: float) -> bytes:
        """What it holds: the documentation does not say, so the answer to a poll at `now`."""
        return GARBAGE.body if self.garbage else msgspec.json.encode(self.run.at(now, pending))


def forged(url: str) -> str:
    """An address like this one that was never given out: the proof at its end is another's."""
    head, dot, proof = url.rpartition(".")
    return head + dot + proof[::-1] + ("" if proof != proof[::-1] else "x")
