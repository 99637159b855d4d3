"""The entry point of the command. Signals are handled from here on, and all the rest is imported after that."""

import sys
from functools import partial

from batchrun.app.signals import leave_on_signals
from batchrun.cli.event_option import error_line, wants_events


def main() -> None:
    """Run the command line and exit with the documented exit code."""
    leave_on_signals(partial(error_line, as_event=wants_events(sys.argv[1:])))
    from batchrun.cli.main import main as run  # noqa: PLC0415 - see above

    run()
