"""One type for all values of a column."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.column_type import ColumnType, CommonType

VALUES = st.none() | st.booleans() | st.integers() | st.integers(-9, 9) | st.floats() | st.text() | st.lists(st.none())


def common_type(values: Sequence[object]) -> ColumnType:
    common = CommonType()
    for value in values:
        common.add(value)
    return common.type


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], "string"),
        ([None], "string"),
        (["a", None, ""], "string"),
        ([True, None], "bool"),
        ([1, 2**63 - 1, -(2**63)], "int"),
        ([2**63], "json"),
        ([1.5, None], "float"),
        ([1, 1.5], "float"),
        ([2**53 + 1, 1.5], "json"),
        ([1e400], "json"),
        ([True, 1], "json"),
        ([1, "1"], "json"),
        ([{}], "json"),
        ([[1]], "json"),
        (["half \ud800"], "json"),
    ],
)
def test_the_type_that_can_hold_all_values(values: list[object], expected: str) -> None:
    assert common_type(values) == expected


@given(st.lists(VALUES), st.randoms())
def test_the_order_does_not_matter(values: list[object], random: object) -> None:
    before = common_type(values)
    random.shuffle(values)  # type: ignore[attr-defined]
    assert common_type(values) == before


@given(st.lists(VALUES))
def test_every_value_can_be_written_in_the_common_type(values: list[object]) -> None:
    """A value that is written in the common type and read back is unchanged."""
    column_type = common_type(values)
    for value in values:
        if value is None:
            continue
        match column_type:
            case ColumnType.STRING:
                assert isinstance(value, str)
            case ColumnType.BOOL:
                assert isinstance(value, bool)
            case ColumnType.INT:
                assert isinstance(value, int)
                assert -(2**63) <= value < 2**63
            case ColumnType.FLOAT:
                assert float(value) == value  # type: ignore[arg-type]
            case ColumnType.JSON:
                assert json.dumps(value)
