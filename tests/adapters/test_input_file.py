"""Inputs that are changed while they are read, in every format."""

import gzip
import json
import os
import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc

from batchrun.adapters.tables import Source, Table, input_file, inspect, open_table, verified
from batchrun.errors import StorageError

ROWS = 40_000
"""More than a block of text, and many batches."""


def csv(path: Path, rows: list[str]) -> None:
    path.write_text("id\n" + "".join(f"{row:>50}\n" for row in rows))


def jsonl_gz(path: Path, rows: list[str]) -> None:
    # Without compression the file has several blocks, and what is appended leaves them as they are.
    path.write_bytes(gzip.compress("".join(json.dumps({"id": f"{row:>50}"}) + "\n" for row in rows).encode(), 0))


def csv_zst(path: Path, rows: list[str]) -> None:
    text = "id\n" + "".join(f"{row:>50}\n" for row in rows)
    path.write_bytes(pa.compress(text.encode(), codec="zstd", asbytes=True))


def parquet(path: Path, rows: list[str]) -> None:
    pq.write_table(pa.table({"id": rows}), path, row_group_size=1000)


def arrow(path: Path, rows: list[str]) -> None:
    table = pa.table({"id": rows})
    with ipc.new_file(path, table.schema) as file:
        file.write_table(table, max_chunksize=1000)


def folder(path: Path, rows: list[str]) -> None:
    path.mkdir(exist_ok=True)
    for number in range(0, len(rows), ROWS // 4):
        parquet(path / f"{number:07}.parquet", rows[number : number + ROWS // 4])


FORMATS: dict[str, Callable[[Path, list[str]], None]] = {
    "in.csv": csv, "in.jsonl.gz": jsonl_gz, "in.csv.zst": csv_zst, "in.parquet": parquet, "in.arrow": arrow,
    "in": folder,
}  # fmt: skip
FIRST = list(map(str, range(ROWS)))


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def files_of(path: Path) -> list[Path]:
    return sorted(path.iterdir()) if path.is_dir() else [path]


def delete(path: Path, _write: Callable[[Path, list[str]], None]) -> None:
    remove(path)


def touch(path: Path, _write: Callable[[Path, list[str]], None]) -> None:
    for file in files_of(path):
        os.utime(file, (1, 1))


def replace(path: Path, write: Callable[[Path, list[str]], None]) -> None:
    """By a file that begins alike, as an editor does it."""
    remove(path)
    write(path, [*FIRST, "more"])


def replace_by_others(path: Path, write: Callable[[Path, list[str]], None]) -> None:
    remove(path)
    write(path, ["other", "rows"])


def append(path: Path, _write: Callable[[Path, list[str]], None]) -> None:
    """Bytes after the last one, or a further file."""
    if path.is_dir():
        parquet(path / "9999999.parquet", ["more"])
        return
    with path.open("ab") as file:
        file.write(b"more\n" if path.suffix == ".csv" else b"\0")


HARMLESS = [delete, touch, replace, replace_by_others, append]


def read(batches: Iterator[Any]) -> list[str]:
    return [json.loads(value).strip() if isinstance(value, bytes | bytearray) else str(value).strip()
            for batch in batches for (value,) in batch.values(["id"])
            for value in [bytes(value) if not isinstance(value, str) else value]]  # fmt: skip


def table_of(path: Path) -> Table:
    return open_table(Source(path))


@pytest.mark.parametrize("change", HARMLESS)
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("inspected", [True, False])
def test_the_rows_that_the_file_had_are_read_to_their_end(
    tmp_path: Path, name: str, change: Callable[..., None], *, inspected: bool
) -> None:
    path, write = tmp_path / name, FORMATS[name]
    write(path, FIRST)
    before = inspect(table_of(path), None, None)
    table = inspect(table_of(path), None, None).table if inspected else table_of(path).with_inference(before.inference)
    with verified(table, before.fingerprint):
        batches = table.batches()
        rows = read(iter([next(batches)]))
        change(path, write)
        rows += read(batches)
        assert rows == FIRST
        assert read(table.batches(ROWS - 10)) == FIRST[-10:]


@pytest.mark.parametrize("name", FORMATS)
def test_other_rows_in_the_same_file_are_not_read(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_file, "PAUSE", 0.001)
    path, write = tmp_path / name, FORMATS[name]
    write(path, FIRST)
    before = inspect(table_of(path), None, None)
    for inspected in (True, False):
        write(path, FIRST)
        table = table_of(path).with_inference(before.inference)
        if inspected:
            table = inspect(table, None, None).table
        with verified(table, before.fingerprint):
            next(table.batches())
            write(path, [*FIRST[:-1], "other"])
            with pytest.raises(StorageError, match="the input changed while it was in use"):
                read(table.batches())


def test_a_file_that_is_being_written_anew_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    csv(path, FIRST)
    content = path.read_bytes()
    table = inspect(table_of(path), None, None).table
    batches = table.batches()
    rows = read(iter([next(batches)]))
    path.write_bytes(content[:100])

    def grow() -> None:
        path.write_bytes(content + b"more\n")

    import threading  # noqa: PLC0415 - here alone

    timer = threading.Timer(0.3, grow)
    timer.start()
    assert rows + read(batches) == FIRST
    timer.join()


def test_of_very_many_files_some_are_not_kept_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from batchrun.adapters.tables import dataset  # noqa: PLC0415

    monkeypatch.setattr(dataset, "MAX_KEPT_OPEN", 2)
    folder(tmp_path / "in", FIRST)
    table = table_of(tmp_path / "in")
    assert read(table.batches()) == FIRST
    (tmp_path / "in" / "0000000.parquet").unlink()
    assert read(table.batches()) == FIRST
    os.utime(tmp_path / "in" / "0030000.parquet", (1, 1))
    with pytest.raises(StorageError, match="changed"):
        read(table.batches())
    (tmp_path / "in" / "0030000.parquet").unlink()
    with pytest.raises(StorageError, match="cannot be read: No such file"):
        read(table.batches())


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl.gz"])
def test_text_is_read_in_the_memory_of_a_few_blocks(tmp_path: Path, name: str) -> None:
    rows = list(map(str, range(4 * ROWS)))
    FORMATS[name](tmp_path / name, rows)
    table = table_of(tmp_path / name)
    tracemalloc.start()
    try:
        assert sum(len(batch) for batch in table.batches(0)) == len(rows)
        assert tracemalloc.get_traced_memory()[1] < 6e6
    finally:
        tracemalloc.stop()
