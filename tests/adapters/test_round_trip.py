"""The values of Parquet and Arrow inputs are the same when the results are used as an input."""

import datetime as dt
import decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyarrow import ipc

from batchrun.domain.states import State
from tests.adapters.sent import inputs, opened, results
from tests.support.examples import examples

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
MOMENTS = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30))  # noqa: DTZ001 - local to nobody knows where

PLAIN: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.int8(), st.integers(-128, 127)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float64(), st.floats()),
    (pa.float32(), st.floats(width=32)),
    (pa.bool_(), st.booleans()),
    (pa.string(), TEXT),
    (pa.large_string(), TEXT),
    (pa.date32(), st.dates()),
    (pa.time64("us"), st.times()),
    (pa.timestamp("us"), MOMENTS),
    (pa.timestamp("ms", "UTC"), MOMENTS.map(lambda moment: moment.replace(microsecond=0, tzinfo=dt.UTC))),
    (pa.duration("us"), st.timedeltas(dt.timedelta(days=-10_000), dt.timedelta(days=10_000))),
    (pa.decimal128(38, 3), st.decimals(-(10**30), 10**30, places=3)),
    (pa.decimal256(60, 0), st.integers(-(10**50), 10**50).map(decimal.Decimal)),
    (pa.null(), st.none()),
]
VIEWS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [(pa.string_view(), TEXT)]


def _dictionary(array: pa.Array) -> pa.Array:
    """The same array as a dictionary that has null among its values."""
    return pa.DictionaryArray.from_arrays(pa.array(range(len(array)), pa.int32()), array)


def _runs(array: pa.Array) -> pa.Array:
    return pa.RunEndEncodedArray.from_arrays(pa.array(range(1, len(array) + 1), pa.int32()), array)


ENCODINGS = (lambda array: array, _dictionary, _runs)


@st.composite
def columns(draw: st.DrawFn, depth: int, *, views: bool) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
    """A type and a strategy for its values, with nulls. pyarrow cannot write all `views` to Parquet."""
    kind, values = draw(st.sampled_from([*PLAIN, *(VIEWS if views else [])]))
    if depth and draw(st.booleans()):
        inner, items = draw(columns(depth - 1, views=views))
        match draw(st.sampled_from(["list", "struct", "map", *(["view"] if views else [])])):
            case "list":
                kind, values = pa.list_(inner), st.lists(items, max_size=3)
            case "struct":
                kind, values = pa.struct([("a", inner), ("b", pa.int64())]), st.fixed_dictionaries({"a": items})
            case "map":
                kind = pa.map_(pa.string(), inner)
                values = st.dictionaries(TEXT, items, max_size=3).map(lambda pairs: list(pairs.items()))
            case "view":
                kind, values = pa.list_view(inner), st.lists(items, max_size=3)
    return kind, st.none() | values


@st.composite
def tables(draw: st.DrawFn) -> tuple[pa.Table, bool]:
    """A table of a few columns, some with names of result columns; and whether it is for an Arrow file."""
    arrow, rows = draw(st.booleans()), draw(st.integers(0, 6))
    names = draw(
        st.lists(st.sampled_from(["id", "row", "output", "input.row", "é"]), min_size=1, max_size=3, unique=True)
    )
    arrays = []
    for _ in names:
        kind, values = draw(columns(2, views=arrow))
        array = pa.array(draw(st.lists(values, min_size=rows, max_size=rows)), kind)
        if arrow and not pa.types.is_nested(kind) and not pa.types.is_string_view(kind):
            array = draw(st.sampled_from(ENCODINGS))(array)
        arrays.append(array)
    return pa.table(arrays, names=names), arrow


LIST_OF_VIEWS = pa.array([[{"a": "x"}], None], pa.list_(pa.struct([("a", pa.string_view()), ("b", pa.int64())])))


@settings(max_examples=examples(150))
@given(source=tables(), state=st.sampled_from([State.COMPLETED, State.FAILED]))
@example(source=(pa.table({"id": LIST_OF_VIEWS}), True), state=State.COMPLETED)
@example(source=(pa.table({"id": pa.array(["x", None], pa.string_view())}), True), state=State.FAILED)
@example(source=(pa.table({"id": _dictionary(pa.array(["x", None]))}), True), state=State.COMPLETED)
def test_whatever_goes_in_comes_out_as_it_was_sent(
    tmp_path_factory: pytest.TempPathFactory, source: tuple[pa.Table, bool], state: State
) -> None:
    folder = tmp_path_factory.mktemp("table")
    written, arrow = source
    path = folder / ("in.arrow" if arrow else "in.parquet")
    if arrow:
        with ipc.new_file(path, written.schema) as writer:
            writer.write_table(written)
    else:
        pq.write_table(written, path)
    table = opened(path)
    sent = inputs(table)
    assert len(sent) == written.num_rows
    again, found = results(table, folder, state)
    assert found.num_rows == written.num_rows
    assert inputs(opened(again)) == sent
