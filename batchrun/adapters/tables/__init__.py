"""Reading inputs: one file a format, one registry (`registry`), one shape for all of them (`base.Table`)."""

from batchrun.adapters.tables.base import Batch, Source, Table, stamp
from batchrun.adapters.tables.inspection import Inspection, inspect
from batchrun.adapters.tables.registry import FORMATS, open_table

__all__ = [
    "FORMATS",
    "Batch",
    "Inspection",
    "Source",
    "Table",
    "inspect",
    "open_table",
    "stamp",
]
