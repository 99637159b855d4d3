"""The requests of one sort that are under way: what a POST and a poll have in common."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Generic, TypeVar

from batchrun.engine.admission import RequestClass
from batchrun.engine.context import Context
from batchrun.engine.task_pool import Task, TaskPool
from batchrun.ports import Request, Response


class PendingRequest:
    """One request, from its preparation to the end of what its answer leads to. Times are the loop's."""

    __slots__ = ("connected", "prepared_since", "probe", "sent_at")

    def __init__(self, *, probe: bool, now: float) -> None:
        self.probe = probe
        """Whether it was prepared while the service was out."""
        self.prepared_since = now
        self.sent_at: float | None = None
        """When its permit was given; None while no byte can have left."""
        self.connected = True
        """Whether it takes up a connection: not any more, once it is answered."""


P = TypeVar("P", bound=PendingRequest)


class RequestRunner(Generic[P]):
    """Lets requests of one lane leave, as far as there are connections for them.

    `room` waits while answers come faster than they can be recorded. `on_sent`: a permit was given; `on_done`: a
    request is over and done with.
    """

    def __init__(
        self,
        context: Context,
        requests: RequestClass,
        *,
        on_sent: Callable[[P], None],
        on_done: Callable[[], None] = lambda: None,
    ) -> None:
        self.requests = requests
        self._transport = context.transport
        self._connections = context.connections
        self._most_unsent = max(1, context.settings.max_connections // 2)
        self._room = context.transitions.room
        self._on_sent = on_sent
        self._on_left = on_done
        self._pool = TaskPool(self._finished)
        self.in_progress: dict[Task, P] = {}

    async def admit(self, *, single: bool = False) -> None:
        """Wait until the next request may be prepared, and take a connection; `single`: only when no other is there."""
        await self.requests.admit(single=single, most_unsent=self._most_unsent)
        await self._connections.acquire()

    def release_unused(self) -> None:
        """There is no request after all."""
        self._connections.release()

    def start(self, group: asyncio.TaskGroup, pending: P, work: Coroutine[None, None, None]) -> None:
        """Do `work`, which sends the request once and is done with it at its end."""
        self.in_progress[self._pool.start(group, work, self.requests.name)] = pending

    def close(self) -> None:
        """Once no other request is to be started: let each task end with its work."""
        self._pool.close()

    async def send(self, pending: P, request: Request) -> Response:
        """Send it with a permit. Raises `TransportError`."""
        try:
            response = await self._transport.send(request, partial(self._permit, pending))
            self.requests.pacer.answered(pending.sent_at or 0.0)
            await self._room()
        finally:
            self._release_connection(pending)
        return response

    async def _permit(self, pending: P) -> None:
        again = pending.sent_at is not None
        pending.sent_at = await self.requests.permit(pending.prepared_since, again=again)
        self._on_sent(pending)

    # A POST is free of its connection before its answer is on disk. Still no more rows than there are connections are
    # in doubt after a kill: what its answer means is handed to the journal in the same step of the loop, and the
    # journal writes in this order, so the intent of whoever takes the connection next is not on disk before.

    def _release_connection(self, pending: P) -> None:
        if pending.connected:
            pending.connected = False
            self._connections.release()

    def _finished(self, task: Task) -> None:
        pending = self.in_progress.pop(task, None)
        if pending is None:
            return
        self._release_connection(pending)
        self.requests.on_done(sent=pending.sent_at is not None, probe=pending.probe)
        self._on_left()
