"""The record of the rows whose polls brought nothing usable."""

from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.unhelpful_rows import MAX_RECORDED, UnhelpfulRows, merged_rows

ROWS = st.lists(st.integers(0, 2**40), max_size=5).map(tuple)


def test_there_are_none_at_first() -> None:
    assert UnhelpfulRows.of("") == UnhelpfulRows()
    assert UnhelpfulRows.of(UnhelpfulRows().record) == UnhelpfulRows()


@given(ROWS, ROWS, ROWS)
def test_the_three_sorts_are_read_back_in_their_order(
    throttled: tuple[int, ...], refused: tuple[int, ...], failed: tuple[int, ...]
) -> None:
    rows = UnhelpfulRows(throttled, refused, failed)
    assert UnhelpfulRows.of(rows.record) == rows


def test_the_last_ones_of_each_sort_are_recorded() -> None:
    many = tuple(range(MAX_RECORDED + 7))
    found = UnhelpfulRows.of(UnhelpfulRows(many, (1, 2), many[::-1]).record)
    assert found == UnhelpfulRows(many[-MAX_RECORDED:], (1, 2), many[::-1][-MAX_RECORDED:])


def test_a_record_of_a_later_version_is_read() -> None:
    """It may name further sorts, which are passed over."""
    assert UnhelpfulRows.of('{"refused": [3], "doubtful": [4]}') == UnhelpfulRows(refused=(3,))


def test_what_several_engines_met_is_recorded_together() -> None:
    one, other = UnhelpfulRows((1,), (), (5, 6)), UnhelpfulRows((), (3,), (6, 7))
    assert UnhelpfulRows.of(merged_rows((one.record, "", other.record))) == UnhelpfulRows((1,), (3,), (5, 6, 7))
    assert merged_rows(("", "")) == ""
