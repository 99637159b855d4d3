"""Good files of every binary format, and what damages them: changed, missing and additional bytes at any place."""

import gzip
import io
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ipc

ROWS = 300


def _table() -> pa.Table:
    numbers = range(ROWS)
    items = [None if n % 7 == 3 else [n, None][: n % 3] for n in numbers]
    return pa.table(
        {
            "text": [None if n % 5 == 4 else f"text é {n}" for n in numbers],
            "word": pa.array([("red", "green", "blue")[n % 3] for n in numbers]).dictionary_encode(),
            "whole": pa.array([n * 10**9 for n in numbers], pa.int64()),
            "real": [n / 7 for n in numbers],
            "yes": [n % 2 == 0 for n in numbers],
            "at": pa.array([datetime.fromtimestamp(n * 10**6, UTC) for n in numbers], pa.timestamp("us", "UTC")),
            "price": pa.array([Decimal(n) / 4 for n in numbers], pa.decimal128(12, 2)),
            "list": pa.array(items, pa.list_(pa.int32())),
            "part": [None if n % 11 == 5 else {"a": n, "b": {"c": str(n)}} for n in numbers],
            "map": pa.array([[("k", n)] * (n % 2) for n in numbers], pa.map_(pa.string(), pa.int16())),
        }
    )


def _parquet(**options: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(_table(), sink, row_group_size=100, data_page_size=300, **options)
    return sink.getvalue()


def _arrow(new: Callable[..., ipc.RecordBatchStreamWriter], compression: str | None = None) -> bytes:
    sink, table = io.BytesIO(), _table()
    with new(sink, table.schema, options=ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=100)
    return sink.getvalue()


def _text() -> bytes:
    return b"id,text\n" + "".join(f'{n},"text ""é"" {n}"\n' for n in range(ROWS)).encode()


def _zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return bytes(sink.getvalue())


_DELTA = {
    "text": "DELTA_BYTE_ARRAY",
    "whole": "DELTA_BINARY_PACKED",
    "real": "BYTE_STREAM_SPLIT",
    "part.b.c": "DELTA_LENGTH_BYTE_ARRAY",
}

FILES: Mapping[str, tuple[str, Callable[[], bytes]]] = {
    "Parquet": ("rows.parquet", lambda: _parquet(compression="none")),
    "Parquet with checksums": ("rows.parquet", lambda: _parquet(write_page_checksum=True, compression="snappy")),
    "Parquet, plain": ("rows.parquet", lambda: _parquet(use_dictionary=False, compression="none", store_schema=False)),
    "Parquet, version 2": ("rows.parquet", lambda: _parquet(data_page_version="2.0", compression="zstd")),
    "Parquet, differences": (
        "rows.parquet",
        lambda: _parquet(use_dictionary=False, column_encoding=_DELTA, compression="lz4", write_page_index=True),
    ),
    "Arrow file": ("rows.arrow", lambda: _arrow(ipc.new_file)),
    "Arrow stream": ("rows.arrow", lambda: _arrow(ipc.new_stream)),
    "Arrow file, lz4": ("rows.feather", lambda: _arrow(ipc.new_file, "lz4")),
    "Arrow stream, zstd": ("rows.feather", lambda: _arrow(ipc.new_stream, "zstd")),
    "gzip": ("rows.csv.gz", lambda: gzip.compress(_text(), mtime=0)),
    "zstd": ("rows.csv.zst", lambda: _zstd(_text())),
}
"""Name of the file, and its contents, by the kind of file."""


@cache
def good(kind: str) -> bytes:
    """A file without damage."""
    return FILES[kind][1]()


def damaged(kind: str, seed: int) -> bytes:
    """The file with some damage; the same for the same seed."""
    draw, content = Random(f"{kind} {seed}"), bytearray(good(kind))
    for _ in range(draw.choice((1, 1, 1, 2, 8))):
        _DAMAGES[draw.randrange(len(_DAMAGES))](draw, content, _place(draw, kind, content))
    return bytes(content)


def _place(draw: Random, kind: str, content: bytearray) -> int:
    """Anywhere; of a file with a footer, as often there, because it says where everything is."""
    size = len(content)
    footer = struct.unpack("<I", content[-8:-4])[0] if size > 8 else 0
    if kind.startswith("Parquet") and footer + 8 < size and draw.random() < 0.5:
        return size - 8 - footer + draw.randrange(footer + 8)
    return draw.randrange(max(1, size))


def _flip(draw: Random, content: bytearray, at: int) -> None:
    content[at : at + 1] = bytes(byte ^ 1 << draw.randrange(8) for byte in content[at : at + 1])


def _change(draw: Random, content: bytearray, at: int) -> None:
    content[at : at + 1] = draw.choice((b"\0", b"\xff", b"\x7f", b"\x80", draw.randbytes(1)))


def _extreme(draw: Random, content: bytearray, at: int) -> None:
    number = draw.choice((-1, 0, 1, 0x7FFFFFFF, -0x80000000, 0xFFFF, 100_000_000))
    content[at : at + 4] = struct.pack("<i", number)


def _overwrite(draw: Random, content: bytearray, at: int) -> None:
    size = draw.choice((8, 64, 512))
    content[at : at + size] = draw.choice((bytes(size), b"\xff" * size, draw.randbytes(size)))


def _insert(draw: Random, content: bytearray, at: int) -> None:
    content[at:at] = draw.randbytes(draw.choice((1, 4, 100)))


def _remove(draw: Random, content: bytearray, at: int) -> None:
    del content[at : at + draw.choice((1, 4, 100))]


def _copy(draw: Random, content: bytearray, at: int) -> None:
    start, size = draw.randrange(max(1, len(content))), draw.choice((8, 64, 512))
    content[at : at + size] = content[start : start + size]


def _cut(_: Random, content: bytearray, at: int) -> None:
    del content[at:]


_DAMAGES = (_flip, _flip, _flip, _change, _change, _extreme, _overwrite, _insert, _remove, _copy, _cut)
