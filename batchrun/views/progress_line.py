"""One line that is rewritten in place: for a notebook, and wherever else there is no terminal for a bar."""

import asyncio
from contextlib import suppress
from typing import TextIO

from batchrun.engine.settings import Stop
from batchrun.views.progress import Live, what_now


class LineView:
    """The figures on one line of `file`, about once a second."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._width = 0
        self._note = ""

    async def show(self, live: Live) -> None:
        """Rewrite the line until cancelled."""
        try:
            while True:
                self._write(live)
                await asyncio.sleep(1.0)
        finally:
            self._write(live, "\n")

    def stopping(self, stop: Stop) -> None:
        """Say what happens now, at the end of the line."""
        self._note = f" · {what_now(stop)}"

    def _write(self, live: Live, end: str = "") -> None:
        live.sample()
        line = live.line() + self._note
        self._width = max(self._width, len(line))
        with suppress(OSError):  # nobody is looking any more
            self._file.write("\r" + line.ljust(self._width) + end)
            self._file.flush()
