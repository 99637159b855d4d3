"""Whatever goes in as Parquet or Arrow comes out of the results as it was sent."""

import datetime as dt
import decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import ipc

from batchrun.domain.states import State
from tests.adapters.sent import inputs, opened, results

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
MOMENTS = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30))  # noqa: DTZ001 - local to nobody knows where

NAMES = ("id", "row", "output", "input.row", "é")

PLAIN: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.int8(), st.integers(-128, 127)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float64(), st.floats()),
    (pa.float32(), st.floats(width=32)),
    (pa.bool_(), st.booleans()),
    (pa.string(), TEXT),
    (pa.large_string(), TEXT),
    (pa.string_view(), TEXT),
    (pa.date32(), st.dates()),
    (pa.time64("us"), st.times()),
    (pa.timestamp("us"), MOMENTS),
    (pa.timestamp("ms", "UTC"), MOMENTS.map(lambda moment: moment.replace(microsecond=0, tzinfo=dt.UTC))),
    (pa.duration("us"), st.timedeltas(dt.timedelta(days=-10_000), dt.timedelta(days=10_000))),
    (pa.decimal128(38, 3), st.decimals(-(10**30), 10**30, places=3)),
    (pa.decimal256(60, 0), st.integers(-(10**50), 10**50).map(decimal.Decimal)),
    (pa.null(), st.none()),
]


@st.composite
def columns(draw: st.DrawFn, depth: int = 2) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
    """A type, and a strategy of its values, null among them."""
    kind, values = draw(st.sampled_from(PLAIN))
    if depth and draw(st.booleans()):
        inner, items = draw(columns(depth - 1))
        match draw(st.sampled_from(["list", "struct", "map", "dictionary"])):
            case "list":
                kind, values = pa.list_(inner), st.lists(items, max_size=3)
            case "struct":
                kind, values = pa.struct([("a", inner), ("b", pa.int64())]), st.fixed_dictionaries({"a": items})
            case "map":
                kind = pa.map_(pa.string(), inner)
                values = st.dictionaries(TEXT, items, max_size=3).map(lambda pairs: list(pairs.items()))
            case "dictionary":
                kind, values = pa.dictionary(pa.int32(), pa.string()), TEXT
    return kind, st.none() | values


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """A table of a few columns, some of them named like ours."""
    rows = draw(st.integers(0, 6))
    names = draw(
        st.lists(st.sampled_from(["id", "row", "output", "input.row", "é"]), min_size=1, max_size=3, unique=True)
    )
    arrays = []
    for _ in names:
        kind, values = draw(columns())
        drawn = draw(st.lists(values, min_size=rows, max_size=rows))
        arrays.append(
            pa.array(drawn, pa.string()).dictionary_encode() if pa.types.is_dictionary(kind) else pa.array(drawn, kind)
        )
    return pa.table(arrays, names=names)


@settings(deadline=None, max_examples=150)
@given(tables(), st.sampled_from([State.COMPLETED, State.FAILED]), st.booleans())
def test_whatever_goes_in_comes_out_as_it_was_sent(
    tmp_path_factory: pytest.TempPathFactory, source: pa.Table, state: State, arrow: bool
) -> None:
    folder = tmp_path_factory.mktemp("table")
    path = folder / ("in.arrow" if arrow else "in.parquet")
    if arrow:
        with ipc.new_file(path, source.schema) as writer:
            writer.write_table(source)
    else:
        pq.write_table(source, path)
    table = opened(path)
    sent = inputs(table)
    assert len(sent) == source.num_rows
    again, found = results(table, folder, state)
    assert found.num_rows == source.num_rows
    assert inputs(opened(again)) == sent
