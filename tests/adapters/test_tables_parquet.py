"""Parquet: values as they are sent, and the files that are refused."""

import math
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchrun.adapters.tables import Source, Table, open_table
from batchrun.adapters.tables.arrow_values import as_text, plain
from batchrun.domain.cells import BadCell
from batchrun.errors import InputError
from tests.support.examples import examples


def opened(path: Path, array: pa.Array | pa.Table, **options: Any) -> Table:
    table = array if isinstance(array, pa.Table) else pa.table({"x": array})
    pq.write_table(table, path, **options)
    return open_table(Source(path))


LOCAL, SHANGHAI, UTC = pa.timestamp("us"), pa.timestamp("ns", "Asia/Shanghai"), pa.timestamp("ms", "UTC")
LONG = Decimal("12345678901234567890123")

SENT: list[tuple[pa.Array, list[object]]] = [
    (pa.array([True, None]), [True, None]),
    (pa.array([-(2**63), 2**63 - 1]), [-(2**63), 2**63 - 1]),
    (pa.array([2**64 - 1, 0], pa.uint64()), [2**64 - 1, 0]),
    (pa.array([1.5, None], pa.float16()), [1.5, None]),
    (pa.array([0.5, 1e300]), [0.5, 1e300]),
    (pa.array(["名", None], pa.large_string()), ["名", None]),
    (pa.nulls(2), [None, None]),
    (pa.array([0, 1_700_000_000_123_456], LOCAL), ["1970-01-01T00:00:00", "2023-11-14T22:13:20.123456"]),
    (pa.array([-1, 0], LOCAL), ["1969-12-31T23:59:59.999999", "1970-01-01T00:00:00"]),
    (pa.array([0, 5], UTC), ["1970-01-01T00:00:00+00:00", "1970-01-01T00:00:00.005000+00:00"]),
    (pa.array([1, 1000], SHANGHAI), ["1970-01-01T08:00:00.000000001+08:00", "1970-01-01T08:00:00.000001+08:00"]),
    (pa.array([-1], SHANGHAI), ["1970-01-01T07:59:59.999999999+08:00"]),
    (pa.array([0], pa.timestamp("us", "-05:30")), ["1969-12-31T18:30:00-05:30"]),
    (pa.array([0], pa.timestamp("us", "No/Where")), ["1970-01-01T00:00:00+00:00"]),
    (pa.array([2**63 - 1], LOCAL), ["+294247-01-10T04:00:54.775807"]),
    (pa.array([date(2024, 2, 29), date(1, 1, 1)]), ["2024-02-29", "0001-01-01"]),
    (pa.array([2_932_897], pa.date32()), ["+010000-01-01"]),
    (pa.array([time(1, 2, 3), time(1, 2, 3, 4)]), ["01:02:03", "01:02:03.000004"]),
    (pa.array([1], pa.time64("ns")), ["00:00:00.000000001"]),
    (pa.array([1500], pa.time32("ms")), ["00:00:01.500000"]),
    (pa.array([timedelta(seconds=90.5), timedelta(seconds=-1), timedelta(0)]), ["PT90.5S", "-PT1S", "PT0S"]),
    (pa.array([Decimal("0.0000001"), Decimal("-1.5")], pa.decimal128(20, 7)), ["0.0000001", "-1.5000000"]),
    (pa.array([LONG, None], pa.decimal128(23)), [str(LONG), None]),
    (pa.array(["b", "a", None, "b"]).dictionary_encode(), ["b", "a", None, "b"]),
    (pa.array([{"a": 1, "t": date(2024, 1, 1)}, None]), [{"a": 1, "t": "2024-01-01"}, None]),
    (pa.array([{"a": None}, {}], pa.struct([("a", pa.int64())])), [{"a": None}, {"a": None}]),
    (pa.array([[Decimal("1.5")], None, [], [None]]), [["1.5"], None, [], [None]]),
    (pa.array([[1, 2], None], pa.list_(pa.int64(), 2)), [[1, 2], None]),
    (pa.array([[1], None, [2, 3]], pa.list_view(pa.int64())), [[1], None, [2, 3]]),
    (pa.array([[("k", [{"a": 1}])], None, []], pa.map_(pa.string(), pa.list_(pa.struct([("a", pa.int8())])))),
     [{"k": [{"a": 1}]}, None, {}]),
    (pa.array([[(7, 1), (8, None)]], pa.map_(pa.int64(), pa.int64())), [{"7": 1, "8": None}]),
    (pa.array([[(date(2024, 1, 1), True)]], pa.map_(pa.date32(), pa.bool_())), [{"2024-01-01": True}]),
    (pa.array([["a", "b"], ["a"]], pa.list_(pa.dictionary(pa.int8(), pa.string()))), [["a", "b"], ["a"]]),
    (pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(16)], pa.binary(16))),
     ["00000000-0000-0000-0000-000000000000"]),
    (pa.ExtensionArray.from_storage(pa.json_(), pa.array(["[1]"])), ["[1]"]),
]  # fmt: skip


@pytest.mark.parametrize(("array", "sent"), SENT, ids=[str(array.type)[:40] for array, _ in SENT])
def test_values_as_sent(tmp_path: Path, array: pa.Array, sent: list[object]) -> None:
    table = opened(tmp_path / "in.parquet", array)
    assert dict(table.unsendable) == {}
    assert [value for batch in table.batches() for (value,) in batch.values(["x"])] == sent
    assert plain(pa.concat_arrays([array, array]).slice(1)) == [*sent, *sent][1:]
    assert msgspec.json.decode(msgspec.json.encode(sent)) == sent


def test_nan_is_left_for_the_mapping_to_refuse(tmp_path: Path) -> None:
    ((value,),) = next(opened(tmp_path / "in.parquet", pa.array([math.nan])).batches()).values(["x"])
    assert isinstance(value, float)
    assert math.isnan(value)


KINDS: st.SearchStrategy[pa.DataType] = st.recursive(
    st.sampled_from([pa.int8(), pa.uint32(), pa.string(), pa.bool_(), pa.dictionary(pa.int32(), pa.string())]),
    lambda inner: st.one_of(
        inner.map(pa.list_),
        inner.map(lambda kind: pa.map_(pa.string(), kind)),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda kinds: pa.struct([(f"f{number}", kind) for number, kind in enumerate(kinds)])
        ),
    ),
    max_leaves=5,
)


def value_of(kind: pa.DataType) -> st.SearchStrategy[Any]:
    values: st.SearchStrategy[Any]
    if pa.types.is_map(kind):
        values = st.dictionaries(st.text(max_size=3), value_of(kind.item_type), max_size=3)
    elif pa.types.is_list(kind):
        values = st.lists(value_of(kind.value_type), max_size=3)
    elif pa.types.is_struct(kind):
        values = st.fixed_dictionaries({field.name: value_of(field.type) for field in kind})
    elif pa.types.is_boolean(kind):
        values = st.booleans()
    else:
        values = st.integers(0, 127) if pa.types.is_integer(kind) else st.text(max_size=5)
    return st.none() | values


@settings(max_examples=examples(60))
@given(data=st.data())
def test_nested_values_come_out_as_they_went_in(data: st.DataObject) -> None:
    kind = data.draw(KINDS)
    values = data.draw(st.lists(value_of(kind), max_size=6))
    cut = data.draw(st.integers(0, len(values)))
    assert plain(pa.array(values, kind).slice(cut)) == values[cut:]


@pytest.mark.parametrize(
    "kind",
    [
        pa.binary(),
        pa.large_binary(),
        pa.binary(3),
        pa.list_(pa.binary()),
        pa.struct([("a", pa.list_(pa.binary()))]),
        pa.map_(pa.string(), pa.binary()),
        pa.dictionary(pa.int32(), pa.binary()),
    ],
    ids=str,
)
def test_binary_columns_are_carried_but_marked(tmp_path: Path, kind: pa.DataType) -> None:
    table = opened(tmp_path / "in.parquet", pa.table({"x": pa.nulls(2, kind), "y": [1, 2]}))
    assert dict(table.unsendable) == {"x": "it holds binary data, which JSON cannot carry"}
    assert [batch.values(["y"]) for batch in table.batches()] == [[(1,), (2,)]]


def test_a_struct_with_equal_names_cannot_be_sent(tmp_path: Path) -> None:
    twice = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"])
    table = opened(tmp_path / "in.parquet", pa.table({"x": pa.array([[row] for row in twice], pa.list_(twice.type))}))
    assert dict(table.unsendable) == {
        "x": "it holds a struct with two fields of the same name, of which JSON would keep one"
    }


@pytest.mark.parametrize("keys", [pa.string(), pa.float64()], ids=str)
@pytest.mark.parametrize("nested", [False, True])
def test_a_map_with_a_key_twice_is_a_row_that_cannot_be_sent(tmp_path: Path, keys: pa.DataType, nested: bool) -> None:
    one, two = ("1", "2") if pa.types.is_string(keys) else (1.0, 2.0)
    maps = pa.array([[(one, 1), (one, 2)], [(one, 1), (two, 2)], None, []], pa.map_(keys, pa.int8()))
    column = pa.StructArray.from_arrays([maps], ["m"]) if nested else maps
    (batch,) = opened(tmp_path / "in.parquet", pa.table({"x": column})).batches()
    first, *others = (value for (value,) in batch.values(["x"]))
    assert isinstance(first, BadCell)
    assert first.wanted == "a map with each key once"
    names = [as_text(one), as_text(two)]
    good: list[object] = [dict(zip(names, (1, 2), strict=True)), None, {}]
    assert others == ([{"m": value} for value in good] if nested else good)


@pytest.mark.parametrize("start", [0, 1, 99, 100, 250, 4999, 5000, 7000])
def test_batches_begin_where_asked(tmp_path: Path, start: int) -> None:
    table = opened(tmp_path / "in.parquet", pa.array(range(5000)), row_group_size=100)
    expected = start
    for batch in table.batches(start):
        assert batch.start == expected
        assert batch.values(["x"]) == [(n,) for n in range(expected, expected + len(batch))]
        expected += len(batch)
    assert expected == max(start, 5000)


def test_batches_are_bounded_in_bytes(tmp_path: Path) -> None:
    table = opened(tmp_path / "in.parquet", pa.array([f"{n}" * (1 << 20) for n in range(10)] * 2), use_dictionary=False)
    assert max(len(batch) for batch in table.batches()) <= 8
    assert sum(len(batch) for batch in table.batches()) == 20


def test_metadata_of_others_is_not_carried_on(tmp_path: Path) -> None:
    table = pa.table({"x": [1]}).replace_schema_metadata({"pandas": "{}", "batchrun": "not ours"})
    assert opened(tmp_path / "in.parquet", table).schema.metadata is None


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        open_table(Source(path, **options))
    return str(caught.value).removeprefix(f"{path}: ")


def test_files_that_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    path.write_text("a,b\n1,2\n")
    assert refusal(path).startswith("is not a Parquet file but text")
    path.write_bytes(b"")
    assert refusal(path).startswith("is not a Parquet file, or is damaged")
    pq.write_table(pa.Table.from_arrays([pa.array([1])] * 3, names=["a", "b", "a"]), path)
    assert refusal(path).startswith("columns 1 and 3 are both named 'a'")
    pq.write_table(pa.table({}), path)
    assert refusal(path).startswith("has no columns")
    assert "--delimiter" in refusal(path, delimiter=";")


def test_damaged_pages_are_the_inputs_fault(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"x": [str(n) for n in range(1000)]}), path)
    content = bytearray(path.read_bytes())
    content[4:200] = b"\xff" * 196
    path.write_bytes(content)
    with pytest.raises(InputError, match="the Parquet file is damaged"):
        list(open_table(Source(path)).batches())
