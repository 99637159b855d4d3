"""The entry point of the command. Signals are handled from here on, and all the rest is imported after that."""

import sys

from batchrun.app.leaving import leave_on_signals
from batchrun.cli.event_option import interruption_line, wants_events


def main() -> None:
    """Run the command line and exit with the documented exit code."""
    as_event = wants_events(sys.argv[1:])

    def explain(name: str, code: int) -> str:
        signals = sys.modules.get("batchrun.app.signals")
        has_begun = bool(getattr(signals, "has_begun_job", lambda: False)())
        return interruption_line(name, code, as_event=as_event, has_begun=has_begun)

    leave_on_signals(explain)
    from batchrun.cli.main import main as run  # noqa: PLC0415 - see above

    run()
