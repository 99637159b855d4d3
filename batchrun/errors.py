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
from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended, in the order of precedence: where several apply, the first one counts."""

    BUG = 1
    STORAGE = 74
    """A file could not be read or written in the middle of the work; resumable once that is mended."""
    SIGHUP = 129
    SIGINT = 130
    SIGTERM = 143
    STOPPED = 4
    """Stopped early: by the failure limit, or by what the service refuses; resumable."""
    TRY_AGAIN = 75
    """Not finished: a time limit was reached, or another process holds the run directory."""
    USAGE = 2
    """Usage, configuration or input are wrong: nothing was sent."""
    ROW_ERRORS = 3
    """Finished, and some rows failed, timed out or are in doubt."""
    OK = 0

    @classmethod
    def of_signal(cls, number: int) -> "ExitCode":
        """The code of a command that this signal ended."""
        return cls(128 + number)

    @property
    def is_signal(self) -> bool:
        """Whether a signal ended the command."""
        return self > 128

    @property
    def precedence(self) -> int:
        """Where several codes apply, the one with the smallest precedence counts."""
        return list(ExitCode).index(self)


class BatchrunError(Exception):
    """The base of all of them; never raised itself.

    `str(error)` is one or two plain lines: what is wrong, where, and what to do.
    """

    exit_code = ExitCode.BUG


class InputError(BatchrunError):
    """Your input, configuration or usage is wrong; nothing was sent.

    `problems` holds one line for each mistake found, so that all of them can be mended at once.
    """

    exit_code = ExitCode.USAGE

    def __init__(self, *problems: str) -> None:
        self.problems: Sequence[str] = problems
        super().__init__("\n".join(problems))


class JobBusyError(BatchrunError):
    """Another process holds the run directory; it was left alone."""

    exit_code = ExitCode.TRY_AGAIN


class StorageError(BatchrunError):
    """A file could not be read or written in the middle of the work; resumable once that is mended."""

    exit_code = ExitCode.STORAGE


class BugError(BatchrunError):
    """Something that cannot happen happened; nothing recorded is lost."""


class IllegalTransitionError(BugError):
    """An event reached a row in a state that does not allow it; the row was left as it was."""
