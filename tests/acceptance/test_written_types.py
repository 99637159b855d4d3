"""Files as other programs write them, with the types that those prefer: their results are written and shown."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from pyarrow import ipc

from tests.support.command import batchrun


def _views(path: Path) -> None:
    """Polars writes text as views, also within lists, structs and categories."""
    frame = pl.DataFrame({"id": [0, 1, 2], "text": ["a", None, "c"], "tags": [["x"], None, []]})
    both, kind = pl.struct("text", "tags").alias("both"), pl.col("text").cast(pl.Categorical).alias("kind")
    frame.with_columns(both, kind).write_ipc(path)


def _dictionary_with_null(path: Path) -> None:
    values = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], pa.int8()), pa.array(["a", None]))
    table = pa.table({"id": [0, 1, 2], "text": values})
    with ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize("write", [_views, _dictionary_with_null])
def test_results_are_written_whatever_the_types_of_the_input(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path / "rows.arrow")
    job = ["rows.arrow", "--workflow-id", "echo", "--simulate", "--sim", "fault=fail:id=1", "--sim", "duration=0.1"]
    done = batchrun("run", *job, "-o", "job", "--json", cwd=tmp_path)
    assert (done.returncode, json.loads(done.stdout)["completed"]) == (3, 2), done.stderr
    assert pl.read_parquet(tmp_path / "job" / "outputs.parquet")["text"].cast(pl.String).to_list()[0] == "a"
    for command in ("export", "head"):
        again = batchrun(command, "job", cwd=tmp_path)
        assert again.returncode == 0, again.stderr
