"""The requests of one sort that are under way: what a POST and a poll have in common."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Generic, TypeVar

from batchrun.engine.crew import Crew, Task
from batchrun.engine.gate import Lane
from batchrun.ports import Request, Response, Transport


class Passage:
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


P = TypeVar("P", bound=Passage)


class Traffic(Generic[P]):
    """Lets requests of one lane leave, as far as there are connections for them.

    `room` waits while answers come faster than they can be recorded. `on_sent`: a permit was given; `on_left`: a
    request is over and done with.
    """

    def __init__(
        self,
        lane: Lane,
        transport: Transport,
        connections: asyncio.Semaphore,
        most: int,
        *,
        room: Callable[[], Awaitable[None]],
        on_sent: Callable[[P], None],
        on_left: Callable[[], None] = lambda: None,
    ) -> None:
        self.lane = lane
        self._transport = transport
        self._connections = connections
        self._most_unsent = max(1, most // 2)
        self._room = room
        self._on_sent = on_sent
        self._on_left = on_left
        self._crew = Crew(self._left)
        self.under_way: dict[Task, P] = {}

    async def clear(self, *, single: bool = False) -> None:
        """Wait until the next request may be prepared, and take a connection; `single`: only when no other is there."""
        await self.lane.clear(single=single, most_unsent=self._most_unsent)
        await self._connections.acquire()

    def renounce(self) -> None:
        """There is no request after all."""
        self._connections.release()

    def start(self, group: asyncio.TaskGroup, passage: P, work: Coroutine[None, None, None]) -> None:
        """Do `work`, which sends the request once and is done with it at its end."""
        self.under_way[self._crew.start(group, work, self.lane.name)] = passage

    def dismiss(self) -> None:
        """Once no other request is to be started: let each task end with its work."""
        self._crew.dismiss()

    async def send(self, passage: P, request: Request) -> Response:
        """Send it with a permit. Raises `TransportError`."""
        try:
            response = await self._transport.send(request, partial(self._permit, passage))
            self.lane.pacer.answered(passage.sent_at or 0.0)
            await self._room()
        finally:
            self._hang_up(passage)
        return response

    async def _permit(self, passage: P) -> None:
        again = passage.sent_at is not None
        passage.sent_at = await self.lane.permit(passage.prepared_since, again=again)
        self._on_sent(passage)

    # A POST is free of its connection before its answer is on disk. Still no more rows than there are connections are
    # in doubt after a kill: what its answer means is handed to the journal in the same step of the loop, and the
    # journal writes in this order, so the intent of whoever takes the connection next is not on disk before.

    def _hang_up(self, passage: P) -> None:
        if passage.connected:
            passage.connected = False
            self._connections.release()

    def _left(self, task: Task) -> None:
        passage = self.under_way.pop(task, None)
        if passage is None:
            return
        self._hang_up(passage)
        self.lane.left(sent=passage.sent_at is not None, probe=passage.probe)
        self._on_left()
