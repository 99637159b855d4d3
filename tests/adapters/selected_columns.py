"""The columns of `--select` and `--flatten` that are made from outputs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from batchrun.adapters.results.selections import compile_selections
from batchrun.adapters.results.writer import names_in_use


def decoded(output: str | None) -> Any:
    """The value by Python's own JSON parser. It also accepts NaN, which is not JSON."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        return None if output is None else json.loads(output, parse_constant=refuse)
    except ValueError:
        return None


def taken_out(
    outputs: Sequence[str | None], select: Mapping[str, str] | None = None, *, flatten: bool = False
) -> pa.Table:
    """The columns extracted from these outputs."""
    selections = compile_selections(select or {}, flatten=flatten, taken=names_in_use(["id"], None))
    columns = selections.agree(outputs)
    rows = list(map(columns.values, outputs))
    arrays = [pa.array([row[place] for row in rows], field.type) for place, field in enumerate(columns.fields)]
    return pa.Table.from_arrays(arrays, schema=pa.schema(list(columns.fields)))


def assert_survived(column: pa.ChunkedArray, values: Sequence[Any]) -> None:
    """The value that a cell stands for: text is JSON unless the column held only text; others are the value itself."""
    as_json = column.type == pa.string() and not all(isinstance(value, str) for value in values if value is not None)
    for read, value in zip(column.to_pylist(), values, strict=True):
        found = json.loads(read) if as_json and read is not None else read
        assert (read is None) == (value is None)
        assert found == value
        assert isinstance(found, bool) == isinstance(value, bool)


def output(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
