"""Reading inputs: one file a format, one registry (`registry`), one shape for all of them (`base.Table`)."""

from batchrun.adapters.tables.base import Batch, FileStamp, Source, Table, stamp
from batchrun.adapters.tables.inspection import Fingerprint, Inspection, inspect
from batchrun.adapters.tables.registry import FORMATS, open_table
from batchrun.adapters.tables.survey import Survey

__all__ = [
    "FORMATS",
    "Batch",
    "FileStamp",
    "Fingerprint",
    "Inspection",
    "Source",
    "Survey",
    "Table",
    "inspect",
    "open_table",
    "stamp",
]
