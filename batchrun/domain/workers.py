"""The workers of a job that runs on several processes, as the checkpoint and `status` tell of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """A worker at work."""

    id: str
    host: str
    """The machine on which it is."""
    pid: int
    in_flight: int
    """Runs that it polls, plus its POSTs without an answer so far."""


def encoded(workers: Sequence[WorkerFigures]) -> str:
    """The workers as JSON."""
    return msgspec.json.encode(workers).decode()


def decoded(text: str) -> tuple[WorkerFigures, ...]:
    """The workers in this JSON; none if it is none."""
    try:
        return msgspec.json.decode(text, type=tuple[WorkerFigures, ...])
    except msgspec.MsgspecError:
        return ()
