"""The contents of a checkpoint as another connection reads them."""

from pathlib import Path

from batchrun.adapters.checkpoint import connection, reader, results_reader
from batchrun.domain.row import Row
from batchrun.domain.states import State
from tests.support.result_rows import result_row


def everything(path: Path) -> dict[int, tuple[Row, str | None]]:
    """All rows as another connection sees them, with the outputs of those that ended."""
    with connection.open_reader(path) as db:
        found: dict[int, tuple[Row, str | None]] = {row.row: (row, None) for row in reader.rows(db, *State)}
        for one in results_reader.result_rows(db):
            row, _ = found[one.row]
            assert one == result_row(row, one.output, one.reused_from)
            found[one.row] = row, one.output
        return found


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}
