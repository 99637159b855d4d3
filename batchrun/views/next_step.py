"""The command to run next, or what to correct before any helps."""

import shlex

from batchrun.domain.error_kinds import ErrorKind
from batchrun.domain.filenames import JOB
from batchrun.domain.summary import Summary
from batchrun.errors import ExitCode
from batchrun.views.printable import on_one_line

CORRECT = "To continue: correct this, and run the first command again (nothing was accepted)"
"""What helps where `resume`, which cannot change what is sent where, does not."""

RESUBMIT = " --in-doubt resubmit"

_NOTHING_LEFT = {ExitCode.OK, ExitCode.ROW_ERRORS, ExitCode.STOPPED, None}
"""The exit codes of a job that may have no rows left to work on."""


def next_command(summary: Summary) -> str | None:
    """The command to run next; None if nothing is left to do, the run directory is gone, or `needs_correction`."""
    if not summary.folder or needs_correction(summary):
        return None
    folder = _quoted(summary.folder)
    if summary.process is not None:
        return f"batchrun status {folder} --watch"
    if summary.queued or summary.running or summary.exit_code not in _NOTHING_LEFT:
        options = summary.advised_options
        return f"batchrun resume {folder}" + (f" {options}" if options else "")
    # A row that could not be sent is refused again as long as its input is the same; one that was given up in doubt may
    # be paid for twice.
    kinds = summary.errors_by_kind
    others = summary.failed + summary.timed_out - kinds.get(ErrorKind.INPUT, 0) - kinds.get(ErrorKind.IN_DOUBT, 0)
    if others > 0:
        return f"batchrun retry {folder}"
    return f"batchrun retry {folder}{RESUBMIT}" if summary.in_doubt else None


def needs_correction(summary: Summary) -> bool:
    """Whether no command helps before the options of the job are corrected (`CORRECT`)."""
    return summary.is_mistake and summary.process is None


def next_line(summary: Summary) -> str | None:
    """The line with the command to run next, or with what to correct."""
    if needs_correction(summary):
        return CORRECT
    if (command := next_command(summary)) is None:
        return _correction(summary)
    return f"{labelled(command)}{_choice(summary, command)}"


def _choice(summary: Summary, command: str) -> str:
    """What to add to the line with the command: what else may be meant, in brackets, or nothing."""
    if command.endswith(RESUBMIT):
        return "   (sends them again, may pay twice; fail instead of resubmit gives them up)"
    if summary.in_doubt and command.startswith("batchrun retry"):
        return "   (leaves rows in doubt as they are; --in-doubt resubmit sends them, too, and may pay twice)"
    if summary.failed == summary.rows and {*summary.errors_by_kind} <= {ErrorKind.REJECTED, ErrorKind.INPUT}:
        return "   (nothing was accepted: to correct options, run the first command again with the right ones)"
    if summary.exit_code == ExitCode.TRY_AGAIN and not summary.submissions and "--base-url" in (summary.reason or ""):
        return "   (with another --base-url: run the first command again; nothing was accepted)"
    return ""


def _correction(summary: Summary) -> str | None:
    """What to do about rows that cannot be sent; None if there are none. A retry would fail in the same way."""
    if not summary.folder or not summary.errors_by_kind.get(ErrorKind.INPUT):
        return None
    job = f"-c {_quoted(f'{summary.folder}/{JOB}')}"
    command = f"batchrun run FILE {job} -o NEWDIR"
    return f"Next: put the corrected rows into FILE (their lines: batchrun check {job}), then: {command}"


def _quoted(path: str) -> str:
    """The path as a shell takes it, and not for an option."""
    return on_one_line(shlex.quote(f"./{path}" if path.startswith("-") else path))


def resume_line(folder: str) -> str:
    """The line with the command that goes on with the job in this run directory."""
    return labelled(f"batchrun resume {_quoted(folder)}")


def labelled(command: str) -> str:
    """The command to run next, after what it is for."""
    label = {"status": "To watch", "resume": "To continue"}.get(command.split(maxsplit=2)[1], "Next")
    return f"{label}: {on_one_line(command)}"
