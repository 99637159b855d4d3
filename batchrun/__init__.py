"""Push many rows through a remote workflow service: paced, resumable, and never paid twice.

    import batchrun

    summary = batchrun.run(batchrun.Job(input="rows.csv", workflow_id="echo", simulate=True))
    print(summary.completed, "of", summary.rows)

In a running event loop (such as in a notebook or a server) use `await batchrun.arun(job)`.
"""

TYPE_CHECKING = False  # `typing` would be the first and the slowest import of the command
if TYPE_CHECKING:
    from batchrun.app.compare import compare
    from batchrun.app.python_api import aresume, aretry, arun, export, head, resume, retry, run, status
    from batchrun.app.report import report
    from batchrun.app.score import score
    from batchrun.app.summary import JobSummary
    from batchrun.domain.error_kinds import ErrorKind
    from batchrun.domain.measures import CallbackCount, Interruptions, PollRate, Quantiles, SubmitRate
    from batchrun.domain.states import State
    from batchrun.domain.summary import SessionFigures, Summary
    from batchrun.errors import (
        BatchrunError,
        BugError,
        IllegalTransitionError,
        InputError,
        JobBusyError,
        StorageError,
    )
    from batchrun.job import Job
    from batchrun.version import VERSION as __version__  # noqa: N811 - tools expect this name
    from batchrun.views.progress_events import Progress

_MODULES = {
    "BatchrunError": "batchrun.errors",
    "BugError": "batchrun.errors",
    "CallbackCount": "batchrun.domain.measures",
    "IllegalTransitionError": "batchrun.errors",
    "InputError": "batchrun.errors",
    "Interruptions": "batchrun.domain.measures",
    "Job": "batchrun.job",
    "JobBusyError": "batchrun.errors",
    "JobSummary": "batchrun.app.summary",
    "ErrorKind": "batchrun.domain.error_kinds",
    "Progress": "batchrun.views.progress_events",
    "PollRate": "batchrun.domain.measures",
    "Quantiles": "batchrun.domain.measures",
    "SessionFigures": "batchrun.domain.summary",
    "State": "batchrun.domain.states",
    "StorageError": "batchrun.errors",
    "SubmitRate": "batchrun.domain.measures",
    "Summary": "batchrun.domain.summary",
    "aresume": "batchrun.app.python_api",
    "aretry": "batchrun.app.python_api",
    "compare": "batchrun.app.compare",
    "report": "batchrun.app.report",
    "score": "batchrun.app.score",
    "arun": "batchrun.app.python_api",
    "export": "batchrun.app.python_api",
    "head": "batchrun.app.python_api",
    "resume": "batchrun.app.python_api",
    "retry": "batchrun.app.python_api",
    "run": "batchrun.app.python_api",
    "status": "batchrun.app.python_api",
}

__all__ = [
    "BatchrunError",
    "BugError",
    "CallbackCount",
    "ErrorKind",
    "IllegalTransitionError",
    "InputError",
    "Interruptions",
    "Job",
    "JobBusyError",
    "JobSummary",
    "PollRate",
    "Progress",
    "Quantiles",
    "SessionFigures",
    "State",
    "StorageError",
    "SubmitRate",
    "Summary",
    "__version__",
    "aresume",
    "aretry",
    "arun",
    "compare",
    "export",
    "head",
    "report",
    "resume",
    "retry",
    "run",
    "score",
    "status",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that the command line starts fast."""
    import importlib  # noqa: PLC0415 - likewise

    if name == "__version__":
        value: object = importlib.import_module("batchrun.version").VERSION
    elif name in _MODULES:
        value = getattr(importlib.import_module(_MODULES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
