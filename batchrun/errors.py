"""All exceptions that batchrun raises, in one tree. The branches follow whose fault an error is:

    BatchrunError
    ├── InputError           your input or configuration: nothing was sent        exit 2
    ├── JobBusyError         another process holds the run directory              exit 75
    ├── WorkersError         no worker could be started                           exit 75
    ├── StorageError         a file could not be read or written                  exit 74
    │   └── UnreadableInputError     the input of a job that has begun
    └── BugError             our bug: please report it                            exit 1
        └── IllegalTransitionError   an event that the row's state does not allow

Faults of the service and of the network are not exceptions. They are recorded with the row that they affect
(`errors.parquet`), or they stop the job with a reason (`Summary.reason`).
"""

from collections.abc import Sequence
from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended, in order of precedence: if several codes apply, the first one counts."""

    BUG = 1
    STORAGE = 74
    """A file could not be read or written while the job was running. Resumable once the cause is fixed."""
    SIGHUP = 129
    SIGINT = 130
    SIGTERM = 143
    STOPPED = 4
    """Stopped early by a limit of failures, submissions or tokens, or by refusals of the service. Resumable."""
    TRY_AGAIN = 75
    """Not finished: a time limit was reached, or another process holds the run directory."""
    USAGE = 2
    """The usage, the configuration or the input is wrong. Nothing was sent."""
    NOT_MET = 5
    """A requirement of `compare` is not met."""
    ROW_ERRORS = 3
    """Finished, and some rows failed, timed out or are in doubt."""
    OK = 0

    @classmethod
    def of_signal(cls, number: int) -> "ExitCode":
        """The code of a command that was ended by this signal."""
        return cls(128 + number)

    @property
    def is_signal(self) -> bool:
        """Whether a signal ended the command."""
        return self > 128

    @property
    def precedence(self) -> int:
        """If several codes apply, the one with the lowest precedence number counts."""
        return list(ExitCode).index(self)


class BatchrunError(Exception):
    """The base class of all exceptions of batchrun. It is never raised itself.

    `str(error)` is one or two plain lines: what is wrong, where, and what to do.
    """

    exit_code = ExitCode.BUG


class InputError(BatchrunError):
    """Your input, configuration or usage is wrong. Nothing was sent.

    `problems` has one line for each problem found, so that all of them can be fixed at once.
    """

    exit_code = ExitCode.USAGE

    def __init__(self, *problems: str) -> None:
        self.problems: Sequence[str] = problems
        super().__init__("\n".join(problems))


class JobBusyError(BatchrunError):
    """Another process holds the run directory. Nothing was changed there."""

    exit_code = ExitCode.TRY_AGAIN


class WorkersError(BatchrunError):
    """No worker could be started (`--workers`, `--ray`). Nothing was sent."""

    exit_code = ExitCode.TRY_AGAIN


class StorageError(BatchrunError):
    """A file could not be read or written while the job was running. Resumable once the cause is fixed."""

    exit_code = ExitCode.STORAGE


NO_MEMORY = (
    "memory ran out; what is recorded is safe. Free some, or lower --max-connections, then run the same command again"
)


class UnreadableInputError(StorageError):
    """The input of a job that has begun cannot be read any more, or has other rows now."""


class BugError(BatchrunError):
    """An internal error. No recorded data is lost."""


class IllegalTransitionError(BugError):
    """The state of a row does not allow an event. The row was not changed."""
