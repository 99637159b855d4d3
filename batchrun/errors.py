"""Everything that batchrun raises, in one tree.

Whose fault it is decides what you can do about it, so the branches follow that:

    BatchrunError
    ├── InputError           your input or configuration: nothing was sent        exit 2
    ├── JobBusyError         another process holds the run directory              exit 75
    ├── StorageError         a file could not be read or written                  exit 74
    └── BugError             our bug: please report it                            exit 1
        └── IllegalTransitionError   an event that the row's state does not allow

Faults of the service and of the network are not exceptions: they are recorded with the row they befell
(`errors.parquet`), or they end the job with a reason (`Summary.reason`).
"""

from collections.abc import Sequence


class BatchrunError(Exception):
    """The base of all of them; never raised itself.

    `str(error)` is one or two plain lines: what is wrong, where, and what to do.
    """

    exit_code = 1


class InputError(BatchrunError):
    """Your input, configuration or usage is wrong; nothing was sent.

    `problems` holds one line for each mistake found, so that all of them can be mended at once.
    """

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        self.problems: Sequence[str] = problems
        super().__init__("\n".join(problems))


class JobBusyError(BatchrunError):
    """Another process holds the run directory; it was left alone."""

    exit_code = 75


class StorageError(BatchrunError):
    """A file could not be read or written in the middle of the work; resumable once that is mended."""

    exit_code = 74


class BugError(BatchrunError):
    """Something that cannot happen happened; nothing recorded is lost."""


class IllegalTransitionError(BugError):
    """An event reached a row in a state that does not allow it; the row was left as it was."""
