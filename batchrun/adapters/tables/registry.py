"""Which formats there are, and how an input finds its own."""

import stat
from collections.abc import Callable, Mapping

from batchrun.adapters.tables import delimited, ipc, jsonl, parquet
from batchrun.adapters.tables.base import Source, Table, is_glob
from batchrun.adapters.tables.dataset import open_dataset
from batchrun.adapters.tables.footer import RestoredTypes
from batchrun.adapters.tables.typed import typed
from batchrun.domain.input_formats import COMPRESSED, format_of
from batchrun.errors import InputError

FORMATS: Mapping[str, Callable[[Source], Table]] = {
    "csv": delimited.open_csv,
    "tsv": delimited.open_tsv,
    "jsonl": jsonl.open_jsonl,
    "arrow": ipc.open_arrow,
    "parquet": parquet.open_parquet,
}
"""Name of a format → what opens a file of it."""


def open_table(source: Source) -> Table:
    """Open an input; reads no more than its header.

    Raises `InputError` where there is no such file, or it is none that can be read, or its format is not known, or
    its columns have no names to tell them apart, or cannot have the types that the job gives them.
    """
    try:
        table = _open(source)
    except FileNotFoundError:
        raise InputError(f"{source.path}: no such file") from None
    except OSError as error:
        raise InputError(f"{source.path}: cannot be read: {error.strerror or error}") from error
    return typed(table, source.kinds, getattr(table, "read_as", RestoredTypes()))


def _open(source: Source) -> Table:
    path = source.path
    several = path.is_dir() or is_glob(path)
    if several and format_of(path, source.format) not in {None, "parquet"}:
        raise InputError(f"{path}: only Parquet files can be several as one input. Put the others into one file first")
    if several:
        return open_dataset(source)
    if not stat.S_ISREG(path.stat().st_mode):
        raise InputError(f"{path}: is not a regular file; the input is read more than once, so save it first")
    return _opener(source)(source)


def _opener(source: Source) -> Callable[[Source], Table]:
    name = format_of(source.path, source.format)
    if name is not None and name in FORMATS:
        packed = name in {"arrow", "parquet"} and source.path.suffix.lower() in COMPRESSED
        if packed:
            raise InputError(f"{source.path}: {name} files are compressed inside; unpack this one first")
        return FORMATS[name]
    known = ", ".join(FORMATS)
    if source.format is not None:
        raise InputError(f"--format {source.format}: no such format. Known are {known}")
    suffix = source.path.suffix.lower()
    if suffix in {".json", ".geojson"}:
        raise InputError(
            f"{source.path}: the suffix {suffix} is unknown. If it has one object a line, add --format jsonl; "
            "a JSON array becomes that with: jq -c '.[]'"
        )
    if suffix in {".xlsx", ".xls", ".ods"}:
        raise InputError(f"{source.path}: spreadsheets are not read. Save it as CSV, or name its format with --format")
    what = f"the suffix {suffix} is unknown" if suffix else "it has no suffix that names its format"
    raise InputError(f"{source.path}: {what}. Name the format with --format: {known}")
