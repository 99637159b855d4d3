"""Reading inputs: a file for each format (see `domain.input_formats`), one shape for all of them (`base.Table`)."""

from batchrun.adapters.tables.base import Batch, Source, Table, stamp
from batchrun.adapters.tables.inspection import Inspection, inspect
from batchrun.adapters.tables.registry import open_table

__all__ = [
    "Batch",
    "Inspection",
    "Source",
    "Table",
    "inspect",
    "open_table",
    "stamp",
]
