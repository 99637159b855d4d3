"""How fast a job is, when it will end, and what it has measured. It reads counters, and slows nothing."""

import asyncio
from collections import deque
from typing import TypeVar

from batchrun.domain.callback_reliability import CallbackReliability
from batchrun.domain.eta import MIN_ENDED, Durations, Submitting, rest_of_tail, submission_rate, tail
from batchrun.domain.measures import Interruptions, Measures, PollRate, Quantiles, SubmitRate
from batchrun.domain.reservoir import Sample, quantile
from batchrun.domain.states import State
from batchrun.engine.admission import Admission
from batchrun.engine.conditions import conditions
from batchrun.engine.settings import Settings
from batchrun.engine.transitions import Transitions

T = TypeVar("T")

RATE_WINDOW = 60.0
"""Seconds over which rates are averaged. Older samples are dropped so that the ETA follows the current rate."""


SHORTEST_POLLING = 5.0
"""Polls of a shorter time count as if they had taken so many seconds: a few at once do not show that they waited."""

WHOLE = 0.98
"""From this share on, other jobs with the same limits left this one all of them."""

MAX_POINTS = 400
"""Times of the session for which the number of submissions is kept."""


class Outlook:
    """The figures of a session that are computed and not counted. Create it in a running event loop."""

    def __init__(
        self,
        transitions: Transitions,
        admission: Admission,
        settings: Settings,
        reliability: CallbackReliability | None = None,
    ) -> None:
        """`reliability`: of callbacks; None if the job has none."""
        self._transitions = transitions
        self._tally = transitions.tally
        self._admission = admission
        self._settings = settings
        self._reliability = reliability
        self._time = asyncio.get_running_loop().time
        self._started_at = self._time()
        self._worked_before = self._tally.worked
        self._eta: float | None = None
        self._eta_at = float("-inf")
        self._samples = deque[tuple[float, int, int, bool | None]]()
        """Time, rows that ended, rows that left the queue, and whether submissions waited for the rate limit; None:
        they could not be sent at all."""
        self._sent: list[tuple[float, int]] = []
        """The submissions sent by some times of the session."""
        self._sent_interval = 1.0

    @property
    def elapsed(self) -> float:
        """Seconds since the session began."""
        return self._time() - self._started_at

    def sample(self) -> None:
        """Call it about once a second."""
        now, tally = self._time(), self._tally
        left = tally.total - tally[State.QUEUED] - tally.reused
        submits = self._admission.submits
        is_blocked = submits.unavailable_since is not None or submits.pause.until > now
        self._samples.append((now, tally.worked, left, None if is_blocked else submits.limiter.saturated))
        if not self._sent or now - self._sent[-1][0] >= self._sent_interval:
            self._sent.append((now, submits.sent))
            if len(self._sent) > MAX_POINTS:
                del self._sent[1::2]
                self._sent_interval *= 2
        while len(self._samples) > 2 and now - self._samples[0][0] > RATE_WINDOW:
            self._samples.popleft()

    @property
    def rate(self) -> float | None:
        """Rows that ended per second over the last `RATE_WINDOW`, without reused rows; None if none has ended."""
        if len(self._samples) < 2:
            return None
        (then, before, *_), (now, after, *_) = self._samples[0], self._samples[-1]
        return (after - before) / (now - then) if after > before and now > then else None

    @property
    def in_flight(self) -> int:
        """Runs that are accepted and not finished, plus POSTs without an answer so far."""
        return self._tally[State.RUNNING] + self._tally[State.SUBMITTING]

    @property
    def conditions(self) -> list[str]:
        """What limits sending; see `conditions`."""
        return conditions(self._admission, self._transitions.now())

    @property
    def eta(self) -> float | None:
        """Seconds until all rows have ended; None if unknown.

        Too few rows may have ended, or only the shortest of a job that is nearly all tail. The service may be
        unavailable, or nothing was submitted lately. It is computed once a second, however often it is read.
        """
        if not self._tally[State.QUEUED] and not self.in_flight:
            return 0.0
        now = self._time()
        if now - self._eta_at >= 1.0:
            self._eta, self._eta_at = self._compute_eta(), now
        return self._eta

    def _compute_eta(self) -> float | None:
        queued, in_flight, submits = self._tally[State.QUEUED], self.in_flight, self._admission.submits
        latencies = self._transitions.latencies
        ended, times = latencies.began_and_ended, latencies.run_times
        if self._tally.worked - self._worked_before < MIN_ENDED or not ended or not times.result:
            return None
        if any(requests.unavailable_since is not None for requests in self._admission.classes):
            return None
        now = self._time()
        history = [(now - at, number / submits.sent) for at, number in self._sent if number]
        began = Submitting(submits.last_sent - submits.first_sent, now - submits.last_sent, history)
        accepted = len(latencies.submit)  # none in synchronous mode
        running = max(0, min(in_flight, accepted - ended)) if accepted else in_flight
        durations = Durations(self._expected_durations, ended, running, began)
        if not queued:
            return rest_of_tail(durations, in_flight, began) if durations.is_tail_known else None
        if (recent := self._recent_rate) is None:
            return None
        rate = submission_rate(durations, recent, self._settings.max_in_flight)
        submitting = max(0.0, submits.pause.until - now) + queued / rate
        rest = tail(durations, rate, began.lasted + submitting)
        return submitting + rest if durations.is_tail_known or rest < submitting else None

    @property
    def _expected_durations(self) -> list[float]:
        """A sorted sample of the times that rows take from acceptance to result.

        Runs take as long as those before, but are noticed as soon as the last ones: polls follow what is learned.
        """
        latencies = self._transitions.latencies
        times = latencies.run_times
        if not len(latencies.submit) or not times.run:
            return times.result
        lag = latencies.recent_lag
        return [duration + lag for duration in times.run]

    @property
    def _recent_rate(self) -> float | None:
        """Rows that leave the queue per second: as the limit allows if they wait for it, else as they did lately."""
        requests = self._admission.submits
        allowed, samples = requests.adaptive_rate.rate * requests.limiter.part, list(self._samples)
        blocked = max((number for number, sample in enumerate(samples) if sample[3] is None), default=-1)
        samples = [sample for sample in samples[blocked + 1 :] if sample[0] >= requests.first_sent]
        if len(samples) < 2:
            return allowed
        if 2 * sum(is_limited is True for *_, is_limited in samples[-10:]) > len(samples[-10:]):
            return allowed
        (then, _, before, _), (now, _, after, _) = samples[0], samples[-1]
        return min(allowed, (after - before) / (now - then)) if after > before else None

    def measures(self) -> Measures:
        """What the session has measured so far."""
        submits, latencies, eta = self._admission.submits, self._transitions.latencies, self.eta
        classes, times, scale = self._admission.classes, latencies.run_times, _scale(latencies.ended)
        return Measures(
            at=self._transitions.now(),
            eta_s=None if eta is None else round(eta, 3),
            run_s=_quantiles(times.run, scale),
            submit_s=_quantiles(latencies.submit.ordered, _scale(latencies.submit)),
            lag_s=_quantiles(times.lag, scale),
            wait_s=_quantiles(submits.waits.ordered, _scale(submits.waits)),
            submit_rate=self._submit_rate(),
            poll_rate=self._poll_rate(),
            callbacks=None if self._reliability is None else self._reliability.count,
            interruptions=Interruptions(
                sum(requests.cuts for requests in classes),
                round(max(requests.paused_s for requests in classes), 3),
                max(requests.outages for requests in classes),
                round(max(requests.outage_s for requests in classes), 3),
            ),
        )

    def _submit_rate(self) -> SubmitRate | None:
        submits = self._admission.submits
        if (rate := submits.sent_per_s) is None:
            return None
        allowed, option = submits.adaptive_rate.ceiling, "--rps"
        if (part := submits.mean_part) < WHOLE:
            allowed, option = round(part * allowed, 3), "--share-limits"
        if (total := self._settings.total_rps) is not None and total <= allowed:
            allowed, option = total, "--total-rps"
        return SubmitRate(round(rate, 3), allowed, round(min(1.0, rate / allowed), 4), option)

    def _poll_rate(self) -> PollRate | None:
        polls = self._admission.polls
        if (rate := polls.sent_per_s) is None:
            return None
        rate *= min(1.0, (polls.last_sent - polls.first_sent) / SHORTEST_POLLING)
        part = polls.mean_part
        allowed = polls.adaptive_rate.ceiling if part >= WHOLE else round(part * polls.adaptive_rate.ceiling, 3)
        return PollRate(round(rate, 3), allowed, round(min(1.0, rate / allowed), 4))


def _scale(sample: Sample[T]) -> float:
    """How many each value of the sample stands for."""
    return len(sample) / max(1, len(sample.values))


def _quantiles(ordered: list[float], scale: float) -> Quantiles | None:
    median, p95, p99 = (quantile(ordered, share) for share in (0.5, 0.95, 0.99))
    if median is None or p95 is None or p99 is None:
        return None
    return Quantiles(round(scale * len(ordered)), round(median, 3), round(p95, 3), round(p99, 3))
