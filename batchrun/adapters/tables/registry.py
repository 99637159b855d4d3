"""Choose the reader of an input by its format."""

import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from pkgutil import resolve_name

from batchrun.adapters.files.kinds import LINK_TO_NOWHERE
from batchrun.adapters.tables.base import Source, Table, files_of, is_glob
from batchrun.adapters.tables.dataset import open_dataset
from batchrun.adapters.tables.file_kinds import refuse_other_kind
from batchrun.adapters.tables.footer import RestoredTypes
from batchrun.adapters.tables.typed_columns import typed
from batchrun.domain.input_formats import COMPRESSED, FORMATS, Format, format_of
from batchrun.domain.undecoded import is_text, shown_name
from batchrun.errors import InputError

MAX_COMPARED = 1000
"""Most files of a folder to compare with a name that does not exist."""


def open_table(source: Source) -> Table:
    """Open an input, reading no more than its header.

    Raises `InputError` if the file does not exist or cannot be read, if its format is unknown, if column names are
    empty or duplicate, or if columns cannot have the types that the job gives them.
    """
    try:
        table = _open(source)
    except FileNotFoundError as error:
        path = Path(error.filename or source.path)  # one of several, perhaps
        what = f"is {LINK_TO_NOWHERE}" if path.is_symlink() else f"no such file{_similar_name(path)}"
        raise InputError(f"{path}: {what}") from None
    except OSError as error:
        raise InputError(f"{error.filename or source.path}: cannot be read: {error.strerror or error}") from error
    return typed(table, source.kinds, getattr(table, "read_as", RestoredTypes()))


def _similar_name(path: Path) -> str:
    """The file that may be meant by a path that does not exist."""
    with suppress(OSError):
        names = [file.name for file in islice(path.parent.iterdir(), MAX_COMPARED)]
        close = get_close_matches(path.name, names, 1, cutoff=0.8)
        return f"; did you mean {close[0]}?" if close else ""
    return ""


def _open(source: Source) -> Table:
    path, parquet = source.path, FORMATS["parquet"]
    several = path.is_dir() or is_glob(path)
    for name in map(str, files_of(path) if several else [path.absolute()]):
        if not is_text(name):
            raise InputError(f"{shown_name(name)}: its name is not UTF-8. Rename it first")
    if several and format_of(path, source.format) not in {None, parquet}:
        raise InputError(f"{path}: only Parquet files can be several as one input. Put the others into one file first")
    if not several and not stat.S_ISREG(path.stat().st_mode):
        raise InputError(f"{path}: is not a regular file; the input is read more than once, so save it first")
    found = parquet if several else _format(source)
    if source.delimiter is not None and found.delimiter is None:
        delimited = " and ".join(known.name for known in FORMATS.values() if known.delimiter is not None)
        raise InputError(f"{path}: --delimiter is for {delimited}, and this input is read as {found.name}")
    if source.kinds and found.is_typed:
        raise InputError(f"{path}: --type is for columns of text, and {found.name} states the type of each value")
    if not several:
        refuse_other_kind(path, found, source.encoding)
    opener: Callable[[Source], Table] = open_dataset if several else resolve_name(found.opener)
    if source.delimiter is None:
        source = replace(source, delimiter=found.delimiter, is_default_delimiter=True)
    return opener(source)


def _format(source: Source) -> Format:
    suffix = source.path.suffix.lower()
    found = format_of(source.path, source.format)
    if found is not None:
        if suffix in COMPRESSED and not found.is_text:
            raise InputError(f"{source.path}: {found.name} files are compressed inside; unpack this one first")
        return found
    known = ", ".join(FORMATS)
    if source.format is not None:
        raise InputError(f"--format {source.format}: no such format. Known are {known}")
    if suffix in {".json", ".geojson"}:
        raise InputError(
            f"{source.path}: the suffix {suffix} is unknown. If it has one object a line, add --format jsonl; "
            "a JSON array becomes that with: jq -c '.[]'"
        )
    if suffix in {".xlsx", ".xls", ".ods"}:
        raise InputError(f"{source.path}: spreadsheets are not read. Save it as CSV, or name its format with --format")
    what = f"the suffix {suffix} is unknown" if suffix else "it has no suffix that names its format"
    raise InputError(f"{source.path}: {what}. Name the format with --format: {known}")
