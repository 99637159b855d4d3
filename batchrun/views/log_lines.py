"""Log lines on standard error."""

import logging
from contextlib import suppress
from datetime import UTC, datetime

from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape

from batchrun.views.progress import PROGRESS
from batchrun.views.progress_events import Log
from batchrun.views.progress_stream import Tell

EVENTS = "records"
"""The name of the handler that makes records: by it others know that standard error is to hold nothing else."""


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


class _EventHandler(logging.Handler):
    """Every line as a record."""

    def __init__(self, tell: Tell) -> None:
        super().__init__()
        self.name = EVENTS
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Tell one line."""
        at = datetime.fromtimestamp(record.created, UTC)
        self._tell(Log(at=at, level=record.levelname.lower(), message=self.format(record)))


def set_up_logs(console: Console, *, quiet: bool, verbose: int, progress: bool = False) -> None:
    """Send the log of batchrun to `console`: warnings and progress; less with `quiet`, every row with `verbose`.

    With `progress` its lines are wanted expressly, also where the rest is quiet.
    """
    handler: logging.Handler
    if console.is_terminal:
        handler = RichHandler(console=console, show_path=False, show_level=False, markup=False)
    else:
        handler = _PlainHandler(console)
    _to(handler, quiet=quiet, verbose=verbose)
    logging.getLogger("batchrun.progress").setLevel(PROGRESS if progress else logging.NOTSET)


def set_up_event_log(tell: Tell, *, quiet: bool, verbose: int) -> None:
    """The same as records; what the libraries beneath would write of their own accord, too."""
    handler = _EventHandler(tell)
    _to(handler, quiet=quiet, verbose=verbose)
    logging.captureWarnings(True)
    logging.getLogger().handlers[:] = [handler]


def _to(handler: logging.Handler, *, quiet: bool, verbose: int) -> None:
    logging.addLevelName(PROGRESS, "PROGRESS")
    log = logging.getLogger("batchrun")
    log.handlers[:] = [handler]
    log.propagate = False
    log.setLevel(logging.ERROR if quiet else logging.INFO if verbose else PROGRESS)
