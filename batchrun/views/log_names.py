"""Names in the tree of loggers, by which the parts of the command line find each other's handlers."""

EVENT_HANDLER = "events"
"""The log handler that writes JSON events. If it is installed, standard error must hold nothing else."""

FILE_LOG = "batchrun.file"
"""The logger whose lines go to the log file alone."""
