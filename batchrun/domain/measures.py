"""What a session has measured. It is recorded with the checkpoint, so that `status` and the summary can show it."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Quantiles of a duration."""

    n: int
    """The number of durations."""
    p50: float
    """The median, in seconds."""
    p95: float
    """The 95th percentile, in seconds."""
    p99: float
    """The 99th percentile, in seconds."""


@dataclass(frozen=True, slots=True)
class SubmitRate:
    """How much of the allowed rate of submissions was used, from the first submission of the session to the last."""

    per_s: float
    """Submissions per second."""
    allowed_per_s: float
    """The limit: `--rps`, the mean of this job's share of it with `--share-limits`, or `--total-rps` if that is not
    higher."""
    share: float
    """The first divided by the second."""
    option: str = "--rps"
    """The option that sets the limit."""


@dataclass(frozen=True, slots=True)
class PollRate:
    """How much of the allowed rate of polls was used, from the first poll of the session to the last."""

    per_s: float
    """Polls per second."""
    allowed_per_s: float
    """The limit, `--poll-rps`; with `--share-limits` the mean of this job's share of it."""
    share: float
    """The first divided by the second."""


@dataclass(frozen=True, slots=True)
class CallbackCount:
    """How many ends of runs callbacks announced, of those that were seen in the session."""

    announced: int
    """Runs whose callback came."""
    ended: int
    """Runs that ended, of those whose callback was waited for."""


@dataclass(frozen=True, slots=True)
class Interruptions:
    """What kept the session from sending."""

    throttling_episodes: int = 0
    """How often the service asked to slow down: 429 answers to requests that were sent before the same cut are one."""
    paused_s: float = 0.0
    """Seconds of pauses after 429 answers, of submissions or polls."""
    outages: int = 0
    """How often the service was unavailable."""
    outage_s: float = 0.0
    """Seconds for which it was."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What a session has measured so far. None: nothing to measure it by."""

    at: int
    """When (UTC milliseconds)."""
    eta_s: float | None = None
    """Seconds until all rows have ended, from `at` on."""
    run_s: Quantiles | None = None
    submit_s: Quantiles | None = None
    lag_s: Quantiles | None = None
    wait_s: Quantiles | None = None
    submit_rate: SubmitRate | None = None
    poll_rate: PollRate | None = None
    callbacks: CallbackCount | None = None
    interruptions: Interruptions = field(default_factory=Interruptions)
