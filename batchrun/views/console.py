"""The console that everything is shown on."""

import os

from rich.console import Console


class Terminal(Console):
    """A console whose reader may go away: what is shown then goes nowhere, and the job goes on."""

    def on_broken_pipe(self) -> None:
        """Write to nowhere from now on, where rich would end the process."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())
