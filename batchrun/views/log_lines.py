"""Log lines on standard error."""

import logging
from contextlib import suppress
from datetime import UTC, datetime

from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape

from batchrun.views.progress import PROGRESS_LEVEL
from batchrun.views.progress_events import Log
from batchrun.views.progress_stream import EmitEvent

EVENT_HANDLER = "events"
"""Name of the log handler that writes JSON events. If it is installed, standard error must hold nothing else."""


class _PlainHandler(logging.Handler):
    """Writes plain lines, for log files and cron."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line. Errors such as a broken pipe are ignored."""
        with suppress(OSError):
            self._console.print(escape(self.format(record)), soft_wrap=True, highlight=False)


class _EventHandler(logging.Handler):
    """Writes each line as a `Log` event."""

    def __init__(self, emit: EmitEvent) -> None:
        super().__init__()
        self.name = EVENT_HANDLER
        self._emit = emit

    def emit(self, record: logging.LogRecord) -> None:
        """Emit one line."""
        at = datetime.fromtimestamp(record.created, UTC)
        self._emit(Log(at=at, level=record.levelname.lower(), message=self.format(record)))


def set_up_logs(console: Console, *, quiet: bool, verbose: int, progress: bool = False) -> None:
    """Send batchrun's log to `console`: warnings and progress lines.

    `quiet`: errors only; `verbose`: a line for every row too; `progress`: progress lines even if `quiet`.
    """
    handler: logging.Handler
    if console.is_terminal:
        handler = RichHandler(console=console, show_path=False, show_level=False, markup=False)
    else:
        handler = _PlainHandler(console)
    _install(handler, quiet=quiet, verbose=verbose)
    logging.getLogger("batchrun.progress").setLevel(PROGRESS_LEVEL if progress else logging.NOTSET)


def set_up_event_log(emit: EmitEvent, *, quiet: bool, verbose: int) -> None:
    """Emit batchrun's log as events, and also the logs and warnings of all libraries."""
    handler = _EventHandler(emit)
    _install(handler, quiet=quiet, verbose=verbose)
    logging.captureWarnings(True)
    logging.getLogger().handlers[:] = [handler]


def _install(handler: logging.Handler, *, quiet: bool, verbose: int) -> None:
    logging.addLevelName(PROGRESS_LEVEL, "PROGRESS")
    log = logging.getLogger("batchrun")
    log.handlers[:] = [handler]
    log.propagate = False
    log.setLevel(logging.ERROR if quiet else logging.INFO if verbose else PROGRESS_LEVEL)
