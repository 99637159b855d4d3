"""A new input format needs a reader and one registry entry. Everything else follows from them."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import orc

from batchrun.adapters.tables.arrow_values import ArrowBatch
from batchrun.adapters.tables.base import Source, disk_errors
from batchrun.adapters.tables.columnar import ColumnarTable, columns_of, contents_of
from batchrun.adapters.tables.input_file import InputFile
from tests.support.command import environment

REGISTERED = f"""
from batchrun.domain.input_formats import FORMATS, Format

FORMATS["orc"] = Format("orc", (".orc",), "tests.adapters.{Path(__file__).stem}:open_orc")

from batchrun.cli.main import main

main()
"""


@dataclass(frozen=True, slots=True)
class OrcTable(ColumnarTable):
    """A `base.Table` over an ORC file."""

    def batches(self, start: int = 0) -> Iterator[ArrowBatch]:
        return disk_errors(self.path, self._batches(start))

    def _batches(self, start: int) -> Iterator[ArrowBatch]:
        file, first = orc.ORCFile(self.files[0].reader()), 0
        for stripe in range(file.nstripes):
            read = file.read_stripe(stripe)
            skipped = min(max(0, start - first), read.num_rows)
            if skipped < read.num_rows:
                yield ArrowBatch(
                    first + skipped,
                    self.input_columns.of(read.slice(skipped), self.path),
                    self.input_columns.results_schema,
                )
            first += read.num_rows


def open_orc(source: Source) -> OrcTable:
    """Open an ORC file."""
    file = InputFile(source.path)
    with contents_of(source.path, "is not an ORC file, or is damaged"):
        found = orc.ORCFile(file.reader()).schema
    return OrcTable(source.path, (file,), columns_of(source.path, found))


def batchrun(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command, with the format registered."""
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", REGISTERED, *arguments],
        cwd=cwd,
        env=environment(PYTHONPATH=os.fspath(root)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


RUN = ("run", "rows.orc", "--workflow-id", "echo", "--simulate", "--sim", "duration=0.05", "--rps", "100")


def test_a_whole_job_over_a_format_with_one_entry(tmp_path: Path) -> None:
    rows = pa.table({"id": [1, 2, 3], "price": [0.5, None, 1.5]})
    orc.write_table(rows, tmp_path / "rows.orc")
    done = batchrun(*RUN, "--key", "id", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    outputs = pq.read_table(tmp_path / "rows-simulated" / "outputs.parquet")
    assert outputs.select(["id", "price"]).equals(rows)
    assert outputs.column("output").to_pylist()[1] == '{"echo":{"id":2,"price":null}}'
    orc.write_table(pa.table({"id": [1, 2, 4], "price": [0.5, None, 1.5]}), tmp_path / "rows.orc")
    changed = batchrun(*RUN, "--key", "id", cwd=tmp_path)
    assert changed.returncode == 2
    assert "its first 3 rows have changed" in changed.stderr


HELP = (
    "--format csv|tsv|jsonl|arrow|parquet|orc",
    "(.csv, .tsv, .jsonl, each also .gz or .zst; .arrow, .parquet, .orc,",
)
NOT_TEXT = (
    "--encoding has no effect: rows.orc is orc, not text",
    "--delimiter is for csv and tsv, and this input is read as orc",
)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run", "-h"), HELP),
        ((*RUN, "--format", "xls"), ["--format: expected csv, tsv, jsonl, arrow, parquet or orc (got 'xls')"]),
        (("run", "rows.txt", *RUN[2:]), ["Name the format with --format: csv, tsv, jsonl, arrow, parquet, orc"]),
        (("run", "rows.orc.gz", *RUN[2:]), ["orc files are compressed inside; unpack this one first"]),
        ((*RUN, "--encoding", "latin-1", "--delimiter", ";"), NOT_TEXT),
        (("run", "rows.orc", "more.orc", *RUN[2:]), ["There is one INPUT"]),
        (("rows.orc",), ["Did you mean batchrun run rows.orc?"]),
    ],
)
def test_options_and_messages_know_the_format(tmp_path: Path, arguments: tuple[str, ...], told: Sequence[str]) -> None:
    orc.write_table(pa.table({"id": [1]}), tmp_path / "rows.orc")
    for name in ("rows.txt", "rows.orc.gz"):
        (tmp_path / name).write_bytes(b"")
    done = batchrun(*arguments, cwd=tmp_path)
    words = " ".join((done.stdout + done.stderr).split())
    assert [text for text in told if text not in words] == []
