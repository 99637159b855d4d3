"""Reading inputs: one module per format (see `domain.input_formats`), one interface for all (`base.Table`)."""

from batchrun.adapters.tables.base import Batch, Source, Table, stamp, unread_in
from batchrun.adapters.tables.inspection import Inspection, inspect, verified
from batchrun.adapters.tables.line_numbers import line_numbers
from batchrun.adapters.tables.product import ProductTable
from batchrun.adapters.tables.registry import open_table
from batchrun.adapters.tables.typed_columns import text_columns

__all__ = [
    "Batch",
    "Inspection",
    "ProductTable",
    "Source",
    "Table",
    "inspect",
    "line_numbers",
    "open_table",
    "stamp",
    "text_columns",
    "unread_in",
    "verified",
]
