"""The adaptive rates of all workers together: the driver decides, from what each of them has sent and was refused."""

from collections.abc import Sequence

from batchrun.cluster.messages import ClassFigures
from batchrun.domain.rate_control import AdaptiveRate
from batchrun.engine.admission import Admission

REACTION = 0.5
"""Seconds after a cut in which a worker may still send at the former rate, because it has not heard of it."""


class SharedRate(AdaptiveRate):
    """On the driver. What was sent before the workers heard of a cut tells nothing new."""

    def on_throttled(self, now: float, sent_at: float, part: float = 1.0) -> bool:
        """See `AdaptiveRate`."""
        if sent_at <= self._cut_at + REACTION:
            self._throttled.append(sent_at)
            return False
        return super().on_throttled(now, sent_at, part)


class ReportedRate(AdaptiveRate):
    """On a worker: it keeps what is to be reported. Its rate is what the driver leases."""

    def __init__(self, ceiling: float) -> None:
        super().__init__(ceiling)
        self._sent_at: list[float] = []
        self._refused: list[float] = []

    def on_sent(self, at: float) -> None:
        """See `AdaptiveRate`."""
        self._sent_at.append(at)

    def on_throttled(self, now: float, sent_at: float, part: float = 1.0) -> bool:  # noqa: ARG002
        """See `AdaptiveRate`."""
        self._refused.append(sent_at)
        return False

    def on_other_throttled(self, now: float) -> None:
        """See `AdaptiveRate`."""

    def on_success(self, now: float) -> None:
        """See `AdaptiveRate`."""

    def take_ages(self, now: float) -> tuple[Sequence[float], Sequence[float]]:
        """The seconds since each request was sent, and each of those that were refused, since the last call."""
        sent, self._sent_at = self._sent_at, []
        refused, self._refused = self._refused, []
        return [now - at for at in sent], [now - at for at in refused]


def observe(admission: Admission, figures: Sequence[ClassFigures], now: float) -> bool:
    """Take what one worker reports. Returns whether a rate was cut."""
    is_cut = False
    for requests, found in zip(admission.classes, figures, strict=True):
        for age in found.sent_ages:
            requests.adaptive_rate.on_sent(now - age)
        for age in found.refused_ages:
            is_cut |= admission.slow_down(requests, now, now - age)
    return is_cut
