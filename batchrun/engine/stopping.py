"""Whether the job is to stop before its end, and why."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from batchrun.engine.settings import Stop


class StopRequest:
    """Collects the reasons to stop. `changed` is set with each one; `on_stopping` gets the one that counts."""

    def __init__(self, changed: asyncio.Event, on_stopping: Callable[[Stop], None]) -> None:
        self._changed = changed
        self._on_stopping = on_stopping
        self.reason: Stop | None = None
        """The reason that counts; None while the job goes on."""

    def request(self, stop: Stop) -> None:
        """Stop. Of several reasons the one with the highest precedence counts; draining overrides collecting."""
        before = self.reason
        if before is not None:
            first = min(before, stop, key=lambda one: one.exit_code.precedence)
            stop = replace(first, collect=before.collect and stop.collect)
        self.reason = stop
        if stop != before:
            self._on_stopping(stop)
        self._changed.set()
