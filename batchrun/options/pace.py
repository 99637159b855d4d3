"""The options that say how fast a job goes, and how long it waits for what."""

import re
from collections.abc import Callable, Iterator
from typing import Literal

from pydantic import Field, field_validator

from batchrun.dialects import of_each_dialect
from batchrun.dialects.base import DEFAULT_MAX_IN_FLIGHT
from batchrun.options.names import option_name
from batchrun.options.service import ServiceOptions
from batchrun.options.types import Count, Rate, Seconds, host_and_port, web_address
from batchrun.options.validation import Conflict

PLANS = {"free": 50.0, "advanced": 100.0, "team": 200.0, "enterprise": 500.0}
"""Requests per second that a plan of api.coze.cn allows, submissions and polls together."""

UPLOADS_PER_SECOND = {"free": 10.0, "advanced": 10.0, "team": 20.0, "enterprise": 20.0}
"""Uploads per second that a plan of api.coze.cn allows. They do not count as submissions or polls."""


def _rate_or_none(rate: float | None) -> str:
    return "no limit" if rate is None else f"{rate:g}"


class PaceOptions(ServiceOptions):
    """Rates, limits, polls, time limits of requests, and callbacks."""

    mode: Literal["async", "sync"] = Field(
        default="async",
        description="async: runs are polled; sync: each POST waits for its result",
    )
    rps: Rate = Field(default=10.0, description="Submissions per second")
    poll_rps: Rate = Field(default=50.0, description="Polls per second")
    total_rps: Rate | None = Field(
        default=None,
        description="Submissions and polls together, per second "
        f"[default: {of_each_dialect(lambda dialect: _rate_or_none(dialect.default_total_rps))}]",
    )
    share_limits: str | None = Field(
        default=None,
        description="Share --rps, --poll-rps and --total-rps with all other jobs of this user on this machine "
        "that give the same NAME; the lowest of their limits applies [default: not shared]",
    )
    rate_control: Literal["adaptive", "fixed"] = Field(
        default="adaptive",
        description="adaptive: after a 429, find the rate that the service accepts; fixed: pause, then send at the "
        "same rate as before",
    )
    max_in_flight: Count | None = Field(
        default=None,
        description="At most N unfinished runs at a time, requests being sent included "
        f"[default: {of_each_dialect(lambda dialect: str(dialect.default_max_in_flight))}]",
    )
    max_connections: Count | None = Field(
        default=None, description="Concurrent HTTP requests [default: 100; with --mode sync, as --max-in-flight]"
    )
    poll_schedule: Literal["learned", "exponential"] = Field(
        default="learned",
        description="When runs are polled: learned, as the durations of ended runs suggest; exponential, at intervals "
        "that double",
    )
    poll_initial: Seconds = Field(
        default=1.0,
        description="Shortest interval between two polls of a run, and the first one until durations are known, "
        "in seconds; doubles from poll to poll",
    )
    poll_max: Seconds = Field(default=30.0, description="Longest interval between two polls of a run, in seconds")
    max_polls: Count | None = Field(
        default=None, description="Polls of one run before it counts as timed out [default: no limit]"
    )
    workers: Count | None = Field(
        default=None,
        description="Run on N processes of this machine, which keep all limits together; needs pip install "
        "'batchrun[ray]'. With --ray, on N of the cluster [default: 1]",
    )
    ray: str | None = Field(
        default=None, description="Run on a Ray cluster: auto, or HOST:PORT; none: resume without it [default: none]"
    )
    plan: Literal["free", "advanced", "team", "enterprise"] | None = Field(
        default=None,
        description="Plan of the account: sets --total-rps to 50, 100, 200 or 500, unless that is given; --rps "
        "and --poll-rps still bind [default: none]",
    )
    run_timeout: Seconds = Field(default=3600.0, description="Seconds from acceptance until a run counts as timed out")
    request_timeout: Seconds | None = Field(
        default=None,
        description="Seconds for one HTTP request [default: 30; with --mode sync, --run-timeout for a submission]",
    )
    drain_timeout: Seconds = Field(
        default=20.0, description="Seconds to wait for open requests when the job is interrupted"
    )
    callback_url: str | None = Field(
        default=None,
        description="Public address under which the service reaches this process [default: none, polling only]",
    )
    callback_listen: str | None = Field(
        default=None, description="Where the receiver of callbacks listens, such as 127.0.0.1:8080 [default: nowhere]"
    )
    max_outage: Seconds = Field(default=900.0, description="How long to wait for an unavailable service, such as 15m")

    @field_validator("share_limits")
    @classmethod
    def _share_limits(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9._-]+", value):
            raise ValueError("expected a name of letters, digits, dots, underscores and hyphens")
        return value

    @field_validator("ray")
    @classmethod
    def _ray(cls, value: str | None) -> str | None:
        if value is not None and value not in {"auto", "none"}:
            host_and_port(value)
        return value

    @field_validator("callback_url")
    @classmethod
    def _callback_url(cls, value: str | None) -> str | None:
        return value if value is None else web_address(value, "https://jobs.example.com/batchrun")

    @field_validator("callback_listen")
    @classmethod
    def _callback_listen(cls, value: str | None) -> str | None:
        if value is not None:
            host_and_port(value)
        return value

    @property
    def uploads_per_second(self) -> float:
        """Uploads per second; without a plan, as many as each plan allows."""
        return UPLOADS_PER_SECOND.get(self.plan or "", min(UPLOADS_PER_SECOND.values()))

    @property
    def total_limit(self) -> float | None:
        """Submissions and polls per second together; None if there is no limit."""
        if self.total_rps is not None:
            return self.total_rps
        return PLANS[self.plan] if self.plan is not None else self.dialect.default_total_rps

    # Defaults that depend on other options are computed here and not stored, as a job may be resumed in the other mode.

    @property
    def synchronous(self) -> bool:
        """Whether the response to a POST holds the result of the run."""
        return self.mode == "sync"

    @property
    def in_flight_limit(self) -> int:
        """Maximum number of runs in flight. What a service allows for asynchronous runs says nothing of others."""
        return self.max_in_flight or (DEFAULT_MAX_IN_FLIGHT if self.synchronous else self.dialect.default_max_in_flight)

    @property
    def connections(self) -> int:
        """Maximum number of concurrent HTTP requests."""
        return self.max_connections or (self.in_flight_limit if self.synchronous else 100)

    @property
    def poll_timeout(self) -> float:
        """Timeout of a poll in seconds. It does not depend on the mode."""
        return self.request_timeout or 30.0

    @property
    def submit_timeout(self) -> float:
        """Timeout of a submission in seconds."""
        return self.request_timeout or (self.run_timeout if self.synchronous else 30.0)

    @property
    def callback_address(self) -> tuple[str, int] | None:
        """Host and port of `callback_listen`; None if no callbacks are received."""
        return None if self.callback_listen is None else host_and_port(self.callback_listen)

    @property
    def on_workers(self) -> bool:
        """Whether the job runs on processes of its own, through Ray."""
        return self.ray_address is not None or (self.workers or 1) > 1

    @property
    def ray_address(self) -> str | None:
        """Where the Ray cluster is; None if the job does not run on one."""
        return None if self.ray == "none" else self.ray

    def pace_conflicts(self, name: Callable[[str], str]) -> Iterator[Conflict]:
        """Options that contradict each other."""
        if self.on_workers and self.share_limits is not None:
            given = "workers" if self.ray_address is None else "ray"
            text = f"{name(given)} and {name('share_limits')} exclude each other: leave one of them out"
            yield Conflict((given, "share_limits"), text)
        if self.poll_max < self.poll_initial:
            values = f"{self.poll_max:g} < {self.poll_initial:g} seconds"
            text = f"{name('poll_max')} is less than {name('poll_initial')} ({values}); change one of them"
            yield Conflict(("poll_max", "poll_initial"), text)
        if not self.synchronous and not self.dialect.has_async_mode:
            text = f"{name('mode')} {self.mode}: {name('api')} {self.api} answers only when a run has ended"
            yield Conflict(("mode", "api"), f"{text}; use --mode sync")
        if (self.callback_url is None) != (self.callback_listen is None):
            given, missing = ("callback_url", "callback_listen")[:: 1 if self.callback_url else -1]
            text = f"{name(given)} needs {option_name(missing)}: one says where the service calls, one where we listen"
            yield Conflict((given, missing), f"{text}; give both, or neither")
