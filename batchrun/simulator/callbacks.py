"""Callbacks of the simulated service. They only go to this machine."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from batchrun.domain.hosts import is_loopback
from batchrun.simulator.simulated_run import SimulatedRun


def is_allowed_callback_url(url: str) -> bool:
    """Whether the simulator sends callbacks to this URL: only http on loopback is allowed."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "http" and is_loopback(parts.hostname or "") and parts.port != 0
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class PendingCallback:
    """A callback to send: a POST to `url`, `delay` seconds from now.

    `garbage`: send an HTML page instead of JSON. `before_answer`: send it before the POST that created the run is
    answered.
    """

    url: str
    delay: float
    run: SimulatedRun
    garbage: bool = False
    before_answer: bool = False


def forge_url(url: str) -> str:
    """The same URL with a changed proof at its end, so that it was never issued."""
    head, dot, proof = url.rpartition(".")
    return head + dot + proof[::-1] + ("" if proof != proof[::-1] else "x")
