"""Faults of a network, and what must become of the row that meets one."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

from tests.harness.faulty_network.service import Behaviour, Exchange


class Outcome(Enum):
    """What a fault means for its row. Those of a POST; of a poll, only the first one and the last two."""

    GOOD = "it is the answer"
    DOUBT = "the row is in doubt, and is not submitted again"
    REJECTED = "the row fails"
    AGAIN = "the row is submitted again, at most as often as --retries allow"
    THROTTLED = "the row is submitted again, and that costs it no attempt"
    STOPS = "the job stops, and the row goes back to the queue"
    REPEATED = "the run is polled again"
    GONE = "the run is lost if this is still said a minute after its acceptance"


class End(Enum):
    """What becomes of the connection after the bytes of an answer."""

    KEPT = "it is kept"
    CLOSED = "it is closed"
    RESET = "it is reset"
    SILENT = "nothing more is said, until the client gives up"


@dataclass(frozen=True)
class Fault:
    """`post`, `sync`, `poll`: the outcome at each moment; None: it cannot be met there."""

    name: str
    behaviour: Behaviour
    post: Outcome | None
    sync: Outcome | None
    poll: Outcome | None
    apis: tuple[str, ...] = ("v1", "open")
    stops_first: bool = False
    """Whether the job has to stop if this is what the service answers first."""
    needs_another: bool = False
    """Whether another row must have been accepted before."""

    def outcome(self, moment: str) -> Outcome | None:
        """What must become of the row."""
        return {"post": self.post, "sync": self.sync, "poll": self.poll}[moment]


def says(make: Callable[[Exchange], bytes], end: End = End.KEPT) -> Behaviour:
    """Writes bytes, and then ends the connection in this way."""

    async def behave(exchange: Exchange) -> bool:
        exchange.writer.write(make(exchange))
        await exchange.writer.drain()
        return await ended(exchange, end)

    return behave


def does(action: Callable[[Exchange], Awaitable[None]], end: End = End.KEPT) -> Behaviour:
    """Acts, and then ends the connection in this way."""

    async def behave(exchange: Exchange) -> bool:
        await action(exchange)
        return await ended(exchange, end)

    return behave


async def ended(exchange: Exchange, end: End) -> bool:
    """End the connection; whether it is fit for another request."""
    if end is End.RESET:
        exchange.reset()
    elif end is End.SILENT:
        await exchange.reader.read()
    return end is End.KEPT


def good(name: str, behaviour: Behaviour) -> Fault:
    """What only looks like a fault: it is the answer."""
    return Fault(name, behaviour, Outcome.GOOD, Outcome.GOOD, Outcome.GOOD)


def doubtful(name: str, behaviour: Behaviour) -> Fault:
    """What proves nothing about a POST, and says nothing about a run."""
    return Fault(name, behaviour, Outcome.DOUBT, Outcome.DOUBT, Outcome.REPEATED)
