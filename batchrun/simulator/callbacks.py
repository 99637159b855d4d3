"""Callbacks: whom the simulated service calls back, and when. Never anybody but this machine."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from batchrun.domain.hosts import is_loopback
from batchrun.simulator.simulated_run import Run


def may_be_called(url: str) -> bool:
    """Whether the simulator calls this address: http on loopback only, whatever a job asks for."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "http" and is_loopback(parts.hostname or "") and parts.port != 0
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Call:
    """One callback that is to be sent: a POST to `url`, `delay` seconds from now.

    `garbage`: its body is no JSON. `first`: it is to be answered before the request is that it came from.
    """

    url: str
    delay: float
    run: Run
    garbage: bool = False
    first: bool = False


def forged(url: str) -> str:
    """An address like this one that was never given out: the proof at its end is another's."""
    head, dot, proof = url.rpartition(".")
    return head + dot + proof[::-1] + ("" if proof != proof[::-1] else "x")
