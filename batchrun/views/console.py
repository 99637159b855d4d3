"""The console that all output goes to."""

import os

from rich.console import Console


class Terminal(Console):
    """A console that survives a broken pipe: later output is discarded and the job continues."""

    def on_broken_pipe(self) -> None:
        """Discard all further output. By default rich ends the process."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())
