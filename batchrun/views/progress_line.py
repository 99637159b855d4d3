"""Progress as one line that is rewritten in place, for notebooks and other output without a terminal."""

import asyncio
from contextlib import suppress
from typing import TextIO

from batchrun.engine.settings import Stop
from batchrun.views.progress import LOG_INTERVAL, JobProgress, stopping_text


class LineView:
    """Rewrites one line of `file` with the figures about once a second, or else adds a line every 10 s."""

    def __init__(self, file: TextIO, *, in_place: bool = True) -> None:
        self._file = file
        self._in_place = in_place
        self._width = 0
        self._note = ""

    async def show(self, progress: JobProgress) -> None:
        """Rewrite the line until cancelled."""
        try:
            while True:
                self._write(progress, "" if self._in_place else "\n")
                await asyncio.sleep(1.0 if self._in_place else LOG_INTERVAL)
        finally:
            self._write(progress, "\n")

    def on_stopping(self, stop: Stop) -> None:
        """Show what happens next at the end of the line."""
        self._note = f" · {stopping_text(stop)}"

    def _write(self, progress: JobProgress, end: str = "") -> None:
        line = " · ".join([progress.line(), *progress.conditions]) + self._note
        self._width = max(self._width, len(line))
        with suppress(OSError):  # the reader may have closed the pipe
            self._file.write("\r" + line.ljust(self._width) + end if self._in_place else line + end)
            self._file.flush()
