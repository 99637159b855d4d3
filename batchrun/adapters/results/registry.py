"""Choose the writer of a result file by its format."""

from contextlib import AbstractContextManager
from importlib import import_module
from pkgutil import resolve_name

from batchrun.adapters.results.base import Opener, Target, Write
from batchrun.domain.result_formats import ResultFormat
from batchrun.errors import InputError


def open_result_file(form: ResultFormat, target: Target) -> AbstractContextManager[Write]:
    """Open a file of this format."""
    opener: Opener = resolve_name(form.opener)
    return opener(target)


def refuse_missing_library(form: ResultFormat) -> None:
    """Raise `InputError` if the library of the format is not installed."""
    if form.library is None:
        return
    try:
        import_module(form.library)
    except ImportError:
        raise InputError(
            f"--format {form.name} needs {form.library}, which is not installed: pip install 'batchrun[{form.name}]'"
        ) from None
