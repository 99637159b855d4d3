"""Which formats there are, and how an input finds its own."""

import stat
from collections.abc import Callable, Mapping

from batchrun.adapters.tables import delimited, parquet
from batchrun.adapters.tables.base import Source, Table
from batchrun.errors import InputError

FORMATS: Mapping[str, Callable[[Source], Table]] = {
    "csv": delimited.open_csv,
    "tsv": delimited.open_tsv,
    "parquet": parquet.open_parquet,
}
"""Name of a format, which is also its suffix → what opens a file of it."""


def open_table(source: Source) -> Table:
    """Open an input; reads no more than its header.

    Raises `InputError` where there is no such file, or it is none that can be read, or its format is not known, or
    its columns have no names to tell them apart.
    """
    try:
        mode = source.path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{source.path}: is a directory; the input must be a file")
        if not stat.S_ISREG(mode):
            raise InputError(
                f"{source.path}: is not a regular file; the input is read more than once, so save it first"
            )
        return _opener(source)(source)
    except FileNotFoundError:
        raise InputError(f"{source.path}: no such file") from None
    except OSError as error:
        raise InputError(f"{source.path}: cannot be read: {error.strerror or error}") from error


def _opener(source: Source) -> Callable[[Source], Table]:
    name = source.format or source.path.suffix.removeprefix(".").lower()
    if name in FORMATS:
        return FORMATS[name]
    known = ", ".join(FORMATS)
    if source.format is not None:
        raise InputError(f"--format {name}: no such format. Known are {known}")
    what = f"the suffix .{name} is unknown" if name else "it has no suffix that names its format"
    raise InputError(f"{source.path}: {what}. Name the format with --format: {known}")
