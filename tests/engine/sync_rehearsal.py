"""Rehearsals of `--mode sync`."""

from collections.abc import Callable
from typing import Any

import msgspec

from batchrun.ports import Request, Response
from tests.support.rehearsal import Rehearsal


class Sync(Rehearsal):
    """A rehearsal whose jobs are synchronous by default."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.options["mode"] = "sync"
        self.began = self.clock.now()

    @property
    def seconds(self) -> float:
        """Seconds since the rehearsal began."""
        return (self.clock.now() - self.began) / 1000

    def on_posts(self, answer: Callable[[Request], Response | None]) -> None:
        """Let `answer` replace the service for POSTs."""
        self.answer = lambda request: answer(request) if request.method == "POST" else None

    def most_at_once(self) -> int:
        """The largest number of completed rows that were in progress at the same time."""
        spans = [(row["submitted_at"], row["finished_at"]) for row in self.outputs().values()]
        most: int = max(sum(begin <= at < end for begin, end in spans) for at, _ in spans)
        return most


def said(**content: object) -> Response:
    return Response(200, msgspec.json.encode(content))
