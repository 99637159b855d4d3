"""Three rows of every Arrow type, alone and nested in every other type. The second row is null where possible."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

_DATE, _TIME = dt.date(1969, 12, 31), dt.time(1, 2, 3)
_DATETIME = dt.datetime(1969, 12, 31, 1, 2, 3)  # noqa: DTZ001 - a timestamp without a time zone
_DURATION = dt.timedelta(days=-1, seconds=5)
_UNITS = ("s", "ms", "us", "ns")
_NUMBERS = Decimal("1.25"), None, Decimal("-2.50")

VALUES: Mapping[pa.DataType, Sequence[Any]] = {
    pa.null(): (None, None, None),
    pa.bool_(): (True, None, False),
    **dict.fromkeys((pa.int8(), pa.int16(), pa.int32(), pa.int64()), (1, None, -7)),
    **dict.fromkeys((pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()), (1, None, 7)),
    **dict.fromkeys((pa.float16(), pa.float32(), pa.float64()), (1.5, None, -2.0)),
    **dict.fromkeys((pa.string(), pa.large_string(), pa.string_view()), ("é", None, "more than twelve bytes")),
    **dict.fromkeys((pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(3)), (b"\xff\0a", None, b"abc")),
    **dict.fromkeys((pa.date32(), pa.date64()), (_DATE, None, dt.date(1, 1, 1))),
    **dict.fromkeys((pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")), (_TIME, None, dt.time())),
    **{
        pa.timestamp(unit, zone): (_DATETIME, None, _DATETIME)
        for unit in ("s", "ms", "us", "ns")
        for zone in (None, "UTC")
    },
    pa.timestamp("us", "Asia/Shanghai"): (_DATETIME, None, _DATETIME),
    **{pa.duration(unit): (_DURATION, None, dt.timedelta()) for unit in ("s", "ms", "us", "ns")},
    pa.month_day_nano_interval(): ((1, -2, 3), None, (0, 0, 0)),
    **dict.fromkeys((pa.decimal32(5, 2), pa.decimal64(10, 2), pa.decimal128(20, 2), pa.decimal256(50, 2)), _NUMBERS),
    pa.uuid(): (bytes(range(16)), None, bytes(16)),
    pa.json_(pa.string()): ["[1]", None, "{}"],
    pa.json_(pa.string_view()): ["[1]", None, "{}"],
    pa.bool8(): (1, None, 0),
    pa.opaque(pa.int64(), "a type", "a vendor"): (1, None, 2),
    pa.list_(pa.int8(), 0): ([], None, []),
    pa.struct([]): ({}, None, {}),
    pa.fixed_shape_tensor(pa.float32(), [2]): ([1, 2], None, [3, 4]),
}
"""Type → values of three rows. For an extension type these are its storage values."""


def leaf_array(data_type: pa.DataType) -> pa.Array:
    """Three rows of a type in `VALUES`."""
    if isinstance(data_type, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(data_type, pa.array(VALUES[data_type], data_type.storage_type))
    return pa.array(VALUES[data_type], data_type)


_NULL = pa.array([False, True, False])
_OFFSETS = [0, 2, 2, 3]


def _map_key(array: pa.Array) -> pa.Array:
    keys = pa.concat_arrays([array.slice(0, 1), array.slice(2)])
    return pa.MapArray.from_arrays([0, 1, 1, 2], keys, pa.array([1, 2]), mask=_NULL)


CONTAINERS: Mapping[str, Callable[[pa.Array], pa.Array]] = {
    "alone": lambda array: array,
    "list": lambda array: pa.ListArray.from_arrays(pa.array(_OFFSETS, pa.int32()), array, mask=_NULL),
    "large_list": lambda array: pa.LargeListArray.from_arrays(pa.array(_OFFSETS, pa.int64()), array, mask=_NULL),
    "fixed_size_list": lambda array: pa.FixedSizeListArray.from_arrays(array, 1, mask=_NULL),
    "list_view": lambda array: pa.ListViewArray.from_arrays(
        pa.array([1, 0, 0], pa.int32()), pa.array([2, 1, 3], pa.int32()), array, mask=_NULL
    ),
    "large_list_view": lambda array: pa.LargeListViewArray.from_arrays(
        pa.array([1, 0, 0], pa.int64()), pa.array([2, 1, 3], pa.int64()), array, mask=_NULL
    ),
    "struct": lambda array: pa.StructArray.from_arrays(
        [array, pa.array([1, 2, 3])], fields=[pa.field("a", array.type), pa.field("b", pa.int64(), False)], mask=_NULL
    ),
    "map": lambda array: pa.MapArray.from_arrays(_OFFSETS, pa.array(["x", "y", "z"]), array, mask=_NULL),
    "map_key": _map_key,
    "dictionary": lambda array: pa.DictionaryArray.from_arrays(pa.array([2, None, 0], pa.int8()), array),
    "dictionary_of_null": lambda array: pa.DictionaryArray.from_arrays(pa.array([0, 1, 1], pa.uint32()), array),
    "run_end_encoded": lambda array: pa.RunEndEncodedArray.from_arrays(pa.array([1, 2, 3], pa.int32()), array),
    "dense_union": lambda array: pa.UnionArray.from_dense(
        pa.array([0, 1, 0], pa.int8()), pa.array([0, 0, 2], pa.int32()), [array, pa.array([5])]
    ),
    "sparse_union": lambda array: pa.UnionArray.from_sparse(
        pa.array([0, 1, 0], pa.int8()), [array, pa.array([5, 6, 7])]
    ),
}
"""Name of a container → function that nests an array of three rows in it."""


def nested_columns(container: str) -> Iterator[tuple[str, pa.Array]]:
    """A name and an array for every type nested in this container."""
    for data_type in VALUES:
        if container != "map_key" or not pa.types.is_null(data_type):
            yield f"{container} {data_type}", CONTAINERS[container](leaf_array(data_type))
