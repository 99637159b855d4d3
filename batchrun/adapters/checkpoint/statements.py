"""The statements that write rows and what belongs to them, one row or several; see `bulk_insert.write_many`."""

from batchrun.adapters.checkpoint.bulk_insert import VALUES
from batchrun.adapters.checkpoint.schema import DETAIL_COLUMNS, ROW_COLUMNS


def _upsert(table: str, columns: tuple[str, ...], given: tuple[str, ...]) -> str:
    """Set all `columns`: those that are not `given` become null."""
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns[1:])
    return f"INSERT INTO {table} ({', '.join(given)}) {VALUES} ON CONFLICT (row) DO UPDATE SET {changes}"


def upsert_row(given: tuple[str, ...]) -> str:
    """Set all columns of a row: those that are not `given` become null."""
    return _upsert("rows", ROW_COLUMNS, given)


UPSERT_DETAILS = _upsert("run_details", DETAIL_COLUMNS, DETAIL_COLUMNS)

UPSERT_OUTPUT = f"INSERT INTO outputs (row, output) {VALUES} ON CONFLICT (row) DO NOTHING"

# A local file may have another content at a later attempt.
INSERT_REUSE_KEY = (
    f"INSERT INTO reuse_keys (row, reuse_key) {VALUES} ON CONFLICT (row) DO UPDATE SET reuse_key = excluded.reuse_key"
)

INSERT_REUSED = f"INSERT INTO reused (row, source) {VALUES}"

UPSERT_UPLOAD = (
    "INSERT INTO uploads VALUES (?, ?, ?) ON CONFLICT (digest) "
    "DO UPDATE SET reference = excluded.reference, uploaded_at = excluded.uploaded_at"
)

UPSERT_META = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
