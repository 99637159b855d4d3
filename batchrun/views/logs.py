"""Log lines on standard error."""

import logging
from contextlib import suppress

from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape

from batchrun.views.live import PROGRESS


class _PlainHandler(logging.Handler):
    """Plain lines, as log files and cron want them."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, if anybody still listens."""
        with suppress(OSError):
            self._console.print(escape(self.format(record)), soft_wrap=True, highlight=False)


def set_up_logs(console: Console, *, quiet: bool, verbose: int) -> None:
    """Send the log of batchrun to `console`: warnings and progress; less with `quiet`, every row with `verbose`."""
    logging.addLevelName(PROGRESS, "PROGRESS")
    handler: logging.Handler
    if console.is_terminal:
        handler = RichHandler(console=console, show_path=False, show_level=False, markup=False)
    else:
        handler = _PlainHandler(console)
    log = logging.getLogger("batchrun")
    log.handlers[:] = [handler]
    log.propagate = False
    log.setLevel(logging.ERROR if quiet else logging.INFO if verbose else PROGRESS)
