"""Sends the requests of one class. This is what POSTs and polls have in common."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Generic, TypeVar

from batchrun.engine.context import Context
from batchrun.engine.request_class import RequestClass
from batchrun.engine.task_pool import Task, TaskPool
from batchrun.ports import Request, Response


class PendingRequest:
    """One request, from its preparation until its answer has been handled. Times are event loop time."""

    __slots__ = ("connected", "prepared_since", "probe", "sent_at")

    def __init__(self, *, probe: bool, now: float) -> None:
        self.probe = probe
        """Whether it was admitted while the circuit was open."""
        self.prepared_since = now
        self.sent_at: float | None = None
        """When its permit was given; None while no byte can have been sent."""
        self.connected = True
        """Whether it holds a connection, which it releases once it is answered."""


P = TypeVar("P", bound=PendingRequest)


class RequestRunner(Generic[P]):
    """Sends requests of one class, each in a task, with at most `--max-connections` connections.

    `on_sent` is called when a permit was given, `on_done` when a request and the handling of its answer are finished.
    `with_outputs`: an answer may have an output, and then waits while the journal's queue is full. Other answers are
    small, and are passed on at once, so that a kill does not lose one that was read.
    """

    def __init__(
        self,
        context: Context,
        requests: RequestClass,
        *,
        on_sent: Callable[[P], None],
        on_done: Callable[[P], None] = lambda _: None,
        with_outputs: bool = True,
    ) -> None:
        self.requests = requests
        self._transport = context.transport
        self._connections = context.connections
        self._max_unsent = max(1, context.settings.max_connections // 2)
        self._room = context.transitions.room if with_outputs else None
        self._on_sent = on_sent
        self._on_done = on_done
        self._pool = TaskPool(self._finished)
        self.in_progress: dict[Task, P] = {}

    async def admit(self, *, single: bool = False) -> None:
        """Wait until a request may be prepared, and take a connection. `single`: only if no other is outstanding."""
        await self.requests.admit(single=single, max_unsent=self._max_unsent)
        await self._connections.acquire()

    def release_unused(self) -> None:
        """Release the connection of `admit`: there is no request after all."""
        self._connections.release()

    def start(self, group: asyncio.TaskGroup, pending: P, work: Coroutine[None, None, None]) -> None:
        """Run `work` in a task. It sends the request once and handles the answer."""
        self.in_progress[self._pool.start(group, work, self.requests.name)] = pending

    def close(self) -> None:
        """No further request will be started: let each task end after its work."""
        self._pool.close()

    async def send(self, pending: P, request: Request) -> Response:
        """Send a request when it gets a permit. Raises `TransportError`."""
        try:
            response = await self._transport.send(request, partial(self._permit, pending))
            self.requests.limiter.answered(pending.sent_at or 0.0)
            if self._room is not None:
                await self._room()
        finally:
            self._release_connection(pending)
        return response

    async def _permit(self, pending: P) -> None:
        again = pending.sent_at is not None
        pending.sent_at = await self.requests.permit(pending.prepared_since, again=again)
        self._on_sent(pending)

    # A POST releases its connection before its outcome is on disk. Still, a kill leaves at most as many rows in doubt
    # as there are connections: the outcome is passed to the journal in the same step of the event loop, and the journal
    # writes in order. The intent of the next request on this connection is therefore not on disk before it.

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
        self._on_done(pending)
