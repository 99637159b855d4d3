"""The workers of a job that runs on several processes, as the checkpoint and `status` tell of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """A worker of the last session."""

    id: str
    host: str
    """The machine on which it is."""
    pid: int
    in_flight: int
    """Runs that it polls, plus its POSTs without an answer so far."""
    submissions: int = 0
    """POSTs that it has sent in this session."""
    is_lost: bool = False
    """Whether it died or was given up."""


def encoded(workers: Sequence[WorkerFigures]) -> str:
    """The workers as JSON."""
    return msgspec.json.encode(workers).decode()


def decoded(text: str) -> tuple[WorkerFigures, ...]:
    """The workers in this JSON; none if it is none."""
    try:
        return msgspec.json.decode(text, type=tuple[WorkerFigures, ...])
    except msgspec.MsgspecError:
        return ()
