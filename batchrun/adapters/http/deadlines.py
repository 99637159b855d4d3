"""One timer for all exchanges with the same timeout, because a timer per exchange is expensive."""

import asyncio
from types import TracebackType

from batchrun.adapters.http.aiohttp_internals import HttpConnection


class Deadlines:
    """Aborts the connections of exchanges that take longer than `seconds`.

    All exchanges have the same timeout, so they expire in the order in which they started. The timer is always set for
    the oldest.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._now = self._loop.time
        self._running: dict[Deadline, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def deadline(self, connection: HttpConnection) -> "Deadline":
        """A context that limits the time of an exchange over `connection`. Raises TimeoutError when that has passed."""
        return Deadline(self, connection)

    def start(self, deadline: "Deadline") -> None:
        """Start the time of an exchange."""
        self._running[deadline] = expires_at = self._now() + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_at(expires_at, self._abort_expired)

    def stop(self, deadline: "Deadline") -> bool:
        """Stop the time of an exchange. Returns whether it ended in time."""
        return self._running.pop(deadline, None) is not None

    def _abort_expired(self) -> None:
        now, self._timer = self._now(), None
        while self._running:
            deadline, expires_at = next(iter(self._running.items()))
            if expires_at > now:
                self._timer = self._loop.call_at(expires_at, self._abort_expired)
                return
            del self._running[deadline]
            deadline.connection.abort()


class Deadline:
    """The deadline of one exchange."""

    __slots__ = ("_deadlines", "connection")

    def __init__(self, deadlines: Deadlines, connection: HttpConnection) -> None:
        self._deadlines = deadlines
        self.connection = connection

    def __enter__(self) -> None:
        self._deadlines.start(self)

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        in_time = self._deadlines.stop(self)
        if not in_time and (error is None or isinstance(error, Exception)):  # do not swallow a cancellation
            raise TimeoutError from None
