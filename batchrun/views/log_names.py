"""Names in the tree of loggers, by which the parts of the command line find each other's handlers."""

import logging

EVENT_HANDLER = "events"
"""The log handler that writes JSON events. If it is installed, standard error must hold nothing else."""

FILE_LOG = "batchrun.file"
"""The logger whose lines go to the log file alone."""

PROGRESS_LEVEL = logging.WARNING - 1
"""Log level of progress lines: above the details of -v, below warnings, hidden by -q."""
