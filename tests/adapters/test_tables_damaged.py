"""Arrow and Parquet files whose values cannot be read, which would otherwise end the process or give other values."""

import io
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc

from batchrun.adapters.tables import Source, inspect, open_table
from batchrun.errors import InputError


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        inspect(open_table(Source(path)), None, None)
    (problem,) = caught.value.problems
    return problem.removeprefix(f"{path}: ")


def arrow_bytes(array: pa.Array, *, stream: bool = False, name: str = "x") -> bytes:
    sink, table = io.BytesIO(), pa.table({name: array})
    with ipc.new_stream(sink, table.schema) if stream else ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def parquet_bytes(array: pa.Array, **options: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"x": array}), sink, **options)
    return sink.getvalue()


def texts(*offsets: int) -> pa.Array:
    """Texts with any offsets."""
    buffers = [None, pa.py_buffer(struct.pack(f"{len(offsets)}i", *offsets)), pa.py_buffer(b"abcdef")]
    return pa.Array.from_buffers(pa.string(), len(offsets) - 1, buffers)


def lists(*offsets: int) -> pa.Array:
    """Lists with any offsets."""
    buffers = [None, pa.py_buffer(struct.pack(f"{len(offsets)}i", *offsets))]
    return pa.Array.from_buffers(pa.list_(pa.int8()), len(offsets) - 1, buffers, children=[pa.array([1, 2], pa.int8())])


def dictionary(*positions: int) -> pa.Array:
    """A dictionary with any positions."""
    return pa.DictionaryArray.from_arrays(pa.array(positions, pa.int8()), pa.array(["a", "b"]), safe=False)


DAMAGED = {
    "an offset far away": texts(0, 2_000_000_000, 2),
    "offsets in another order": texts(0, 5, 3, 6),
    "a negative offset": texts(0, -5, 6),
    "a list that goes on after its items": lists(0, 2_000_000, 2),
    "a value that the dictionary lacks": dictionary(0, 100),
    "a negative position in the dictionary": dictionary(0, -100),
    "within a struct": pa.StructArray.from_arrays([texts(0, 2_000_000_000, 2)], ["a"]),
    "within a list": pa.ListArray.from_arrays([0, 1, 2], dictionary(0, 100)),
}


@pytest.mark.parametrize("stream", [False, True], ids=["file", "stream"])
@pytest.mark.parametrize("name", DAMAGED)
def test_values_of_an_arrow_file_that_are_not_there(tmp_path: Path, name: str, stream: bool) -> None:
    path = tmp_path / "in.arrow"
    path.write_bytes(arrow_bytes(DAMAGED[name], stream=stream))
    assert refusal(path).startswith(f"rows 0 to {len(DAMAGED[name]) - 1} are damaged: column 'x': ")


def test_an_arrow_file_is_checked_again_if_it_was_written_to(tmp_path: Path) -> None:
    path = tmp_path / "in.arrow"
    path.write_bytes(arrow_bytes(texts(0, 1, 6)))
    table = open_table(Source(path))
    for _ in range(2):
        assert [batch.values(["x"]) for batch in table.batches()] == [[("a",), ("bcdef",)]]
    path.write_bytes(arrow_bytes(texts(0, 2_000_000_000, 6)))
    with pytest.raises(InputError, match="damaged"):
        list(table.batches())


def test_what_follows_the_end_of_a_stream_is_not_left_out_silently(tmp_path: Path) -> None:
    path, content = tmp_path / "in.arrow", arrow_bytes(pa.array(["a"]), stream=True)
    for more in (content, b"x"):
        path.write_bytes(content + more)
        assert refusal(path).startswith(
            f"goes on after the end of its stream, at byte {len(content)}. If it is several"
        )
    path.write_bytes(content + bytes(100))
    assert inspect(open_table(Source(path)), None, None).fingerprint.rows == 1


@pytest.mark.parametrize("nested", [False, True])
def test_names_that_are_not_utf_8(tmp_path: Path, nested: bool) -> None:
    array = pa.array([{"surname": 1}]) if nested else pa.array([1])
    for path, content in {
        tmp_path / "in.arrow": arrow_bytes(array, name="x" if nested else "surname"),
        tmp_path / "in.parquet": parquet_bytes(pa.array([{"surname": 1}]), store_schema=False),
    }.items():
        path.write_bytes(content.replace(b"surname", b"s\xfcrname"))
        assert "'utf-8' codec can't decode byte 0xfc" in refusal(path)


def months() -> bytes:
    """A file with a type that pyarrow lacks: it differs in one byte from a type that it has."""
    content = arrow_bytes(pa.nulls(1, pa.month_day_nano_interval()), stream=True)
    for at in range(len(content)):
        changed = content[:at] + b"\0" + content[at + 1 :]
        try:
            if str(ipc.open_stream(changed).schema.field(0).type) == "month_interval":
                return changed
        except (pa.ArrowException, OSError, ValueError, IndexError):
            continue
    raise AssertionError


def fixed_size(size: int) -> bytes:
    """Lists of this size, or of a size that no file can have."""
    return arrow_bytes(pa.nulls(0, pa.list_(pa.int8(), 123_456_789))).replace(
        struct.pack("<i", 123_456_789), struct.pack("<i", size)
    )


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (months(), "month_interval"),
        (fixed_size(-5), "fixed_size_list"),
        (fixed_size(2_000_000_000), "fixed_size_list"),
        (arrow_bytes(pa.nulls(1, pa.list_(pa.list_(pa.int8(), 10_000), 10_000))[:0]), "fixed_size_list"),
        (arrow_bytes(pa.nulls(1, pa.decimal64(10, 19))), "decimal64"),
    ],
    ids=["months", "a negative size", "a huge size", "a huge size, nested", "a scale beyond its digits"],
)
def test_types_that_cannot_be_read(tmp_path: Path, content: bytes, kind: str) -> None:
    path = tmp_path / "in.arrow"
    path.write_bytes(content)
    found = refusal(path)
    assert found.startswith(f"column 'x' is {kind}")
    assert found.endswith("which cannot be read here")


def test_checksums_of_parquet_are_compared(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    good = parquet_bytes(pa.array(range(1000)), write_page_checksum=True, compression="none", use_dictionary=False)
    at = good.index(struct.pack("<q", 777))
    path.write_bytes(good[:at] + b"\x08" + good[at + 1 :])
    assert refusal(path).startswith("the Parquet file is damaged: ")


def flips(content: bytes, bits: Sequence[int] = range(8)) -> Iterator[bytes]:
    """The content with one bit changed, for each of these bits of every byte."""
    for at in range(len(content)):
        for bit in bits:
            yield content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]


def test_a_value_that_a_dictionary_of_parquet_lacks(tmp_path: Path) -> None:
    content = parquet_bytes(pa.array(["a", "b", "a"] * 3).dictionary_encode(), compression="none")

    def lacks_a_value(changed: bytes) -> bool:
        try:
            array = pq.read_table(io.BytesIO(changed)).column("x").chunk(0)
        except (pa.ArrowException, OSError, ValueError, KeyError):
            return False
        return pa.types.is_dictionary(array.type) and max(array.indices.to_pylist(), default=-1) >= len(
            array.dictionary
        )

    path = tmp_path / "in.parquet"
    path.write_bytes(next(filter(lacks_a_value, flips(content))))
    assert refusal(path).startswith("rows 0 to 8 are damaged: column 'x': ")


def test_no_row_of_a_damaged_parquet_file_is_left_out(tmp_path: Path) -> None:
    path, refused = tmp_path / "in.parquet", 0
    good = parquet_bytes(pa.array(["a", "b", "a"] * 3), compression="none", row_group_size=3, write_page_checksum=True)
    for content in flips(good, [1]):
        path.write_bytes(content)
        try:
            assert inspect(open_table(Source(path)), None, None).fingerprint.rows == 9
        except InputError as error:
            refused += "says that there are 9" in str(error)
    assert refused > 5
