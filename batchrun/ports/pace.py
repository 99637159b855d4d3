"""The clock, and the limit of a rate."""

from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """The wall clock, for times that are recorded or shown. Intervals use event loop time."""

    def now(self) -> int:
        """UTC in whole milliseconds since 1970."""
        ...


class RateLimiter(Protocol):
    """Limits the rate of one class of requests."""

    async def approach(self, ahead: Callable[[], int], lead: float) -> None:
        """Wait until a permit is at most `lead` seconds away. `ahead()`: the number of requests before this one.

        This keeps a request from being prepared too early. Prepared requests are in doubt if the process is killed.
        """
        ...

    def is_near(self, ahead: int, lead: float) -> bool:
        """Whether `approach` would certainly not wait. False if this is not known at once."""
        ...

    @property
    def rate(self) -> float:
        """The maximum rate in requests per second."""
        ...

    @property
    def part(self) -> float:
        """The part of the maximum rate that this process may use, if others share it; else 1."""
        ...

    @property
    def paused_by_others_until(self) -> float:
        """The end of the last pause that was asked of another process with the same limits (event loop time)."""
        ...

    async def permit(self) -> float:
        """Wait for permission to send one request. Returns the unique time of the permit (event loop time)."""
        ...

    def answered(self, at: float) -> None:
        """The answer to the request with the permit of time `at` has arrived."""
        ...

    def slow_to(self, share: float) -> None:
        """Use this share (0 to 1) of the maximum rate from now on."""
        ...

    def pause(self, until: float) -> None:
        """Give no permit before `until` (event loop time)."""
        ...

    @property
    def saturated(self) -> bool:
        """Whether a request waits for a permit."""
        ...
