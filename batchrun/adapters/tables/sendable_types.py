"""Which types of Arrow can be sent as JSON."""

from collections.abc import Callable

import pyarrow as pa
from pyarrow import types


def why_unsendable(data_type: pa.DataType) -> str | None:
    """Why values of this type cannot be sent, or None if they can."""
    if _holds(data_type, _is_binary):
        return "it holds binary data, which JSON cannot carry"
    if _holds(data_type, _has_equal_names):
        return "it holds a struct with two fields of the same name, of which JSON would keep one"
    return None


def holds_map(data_type: pa.DataType) -> bool:
    """Whether values of this type are or hold maps, which may have a key twice."""
    return _holds(data_type, types.is_map)


def is_uuid(data_type: pa.DataType) -> bool:
    """Whether it is the extension type of UUIDs."""
    return str(data_type) == "extension<arrow.uuid>"


def _holds(data_type: pa.DataType, what: Callable[[pa.DataType], bool]) -> bool:
    """Whether `what` is true of the type or of one within it."""
    if what(data_type):
        return True
    if types.is_dictionary(data_type) or types.is_run_end_encoded(data_type):
        return _holds(data_type.value_type, what)
    if isinstance(data_type, pa.BaseExtensionType):
        return not is_uuid(data_type) and _holds(data_type.storage_type, what)
    if types.is_nested(data_type):
        return any(_holds(data_type.field(position).type, what) for position in range(data_type.num_fields))
    return False


def _is_binary(data_type: pa.DataType) -> bool:
    return bool(
        types.is_binary(data_type)
        or types.is_large_binary(data_type)
        or types.is_fixed_size_binary(data_type)
        or types.is_binary_view(data_type)
    )


def _has_equal_names(data_type: pa.DataType) -> bool:
    return bool(types.is_struct(data_type)) and len({field.name for field in data_type}) < data_type.num_fields
