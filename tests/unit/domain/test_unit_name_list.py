"""Lists of names in messages."""

from batchrun.domain.name_list import MAX_NAME, MAX_NAMES, name_list


def test_names_are_quoted_where_they_would_be_misread() -> None:
    assert name_list(["a", "b, c", " d", ""]) == "a, 'b, c', ' d', ''"


def test_a_list_has_an_end() -> None:
    names = [f"c{number}" for number in range(10_000)]
    assert name_list(names) == f"{', '.join(names[:MAX_NAMES])} and 9,950 more"
    assert len(name_list(["x" * 1_000_000])) == MAX_NAME + 1
