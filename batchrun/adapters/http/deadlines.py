"""One timer for all exchanges that have the same time: a timer for each of them is dear."""

import asyncio
from types import TracebackType

from batchrun.adapters.http.aiohttp_internals import HttpConnection


class Deadlines:
    """Cuts the connections of exchanges that take longer than so many seconds.

    All have the same time, so it is over in the order in which they began, and the timer is always that of the oldest.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._now = self._loop.time
        self._open: dict[Limit, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def limit(self, connection: HttpConnection) -> "Limit":
        """A context in which the time of an exchange over `connection` runs; raises TimeoutError if it is over."""
        return Limit(self, connection)

    def begin(self, limit: "Limit") -> None:
        """Its time begins."""
        self._open[limit] = until = self._now() + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_at(until, self._look)

    def end(self, limit: "Limit") -> bool:
        """Whether its time was not over."""
        return self._open.pop(limit, None) is not None

    def _look(self) -> None:
        now, self._timer = self._now(), None
        while self._open:
            limit, until = next(iter(self._open.items()))
            if until > now:
                self._timer = self._loop.call_at(until, self._look)
                return
            del self._open[limit]
            limit.connection.abort()


class Limit:
    """One exchange, as the deadlines know it."""

    __slots__ = ("_deadlines", "connection")

    def __init__(self, deadlines: Deadlines, connection: HttpConnection) -> None:
        self._deadlines = deadlines
        self.connection = connection

    def __enter__(self) -> None:
        self._deadlines.begin(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        in_time = self._deadlines.end(self)
        if not in_time and (error is None or isinstance(error, Exception)):  # a task that is cancelled stays so
            raise TimeoutError from None
