"""The product of rows, variants and repeats."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.sample import drawn
from batchrun.domain.sweep import PLAIN, Place, Sweep, Variant, grid, repeated_names, varied_values


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 1000))
def test_each_row_has_a_place_of_its_own(variants: int, repeats: int, row: int) -> None:
    sweep = Sweep(tuple(Variant(str(number)) for number in range(variants)), repeats, is_plain=False)
    place = sweep.place(row)
    assert row == (place.input_row * variants + place.variant) * repeats + place.repeat
    assert sweep.variant(row).name == str(place.variant)
    assert sweep.rows(place.input_row) <= row < sweep.rows(place.input_row + 1)


def test_a_plain_job_is_its_input() -> None:
    assert (PLAIN.size, PLAIN.place(7), PLAIN.varied) == (1, Place(7, 0, 0), ())


def test_several_names_make_the_grid() -> None:
    variants = grid({"lang": ["en", "de"], "n": [1, None]})
    assert [variant.name for variant in variants] == [
        "lang=en, n=1",
        "lang=en, n=null",
        "lang=de, n=1",
        "lang=de, n=null",
    ]
    assert dict(variants[1].inputs) == {"lang": "en", "n": None}


def test_workflows_and_versions_are_no_inputs() -> None:
    (variant, _) = grid({"workflow-id": ["7", "8"], "workflow-version": ["v1"]})
    assert (variant.workflow_id, variant.workflow_version, dict(variant.inputs)) == ("7", "v1", {})


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a,b", ["a", "b"]),
        ("0.1,0.9", [0.1, 0.9]),
        ('true,null,"x"', [True, None, "x"]),
        ('["a,b",["c"]]', ["a,b", ["c"]]),
        ("one", ["one"]),
        ('{"a":1,"b":2}', [{"a": 1, "b": 2}]),
        ('"a,b"', ["a,b"]),
        ('[1,{"a":"b,c"}]', [1, {"a": "b,c"}]),
    ],
)
def test_values_are_json_or_text(text: str, values: list[object]) -> None:
    assert varied_values(text) == values


@pytest.mark.parametrize("text", ["[1,2", "[1,2],3", '"a,b","c"', 'x,{"a":1,"b":2}'])
def test_parts_of_json_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no whole JSON"):
        varied_values(text)


@pytest.mark.parametrize("text", ["", "a,", ",", "[]"])
def test_empty_values_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="holds"):
        varied_values(text)


def test_names_must_differ() -> None:
    assert repeated_names(grid({"n": [1, "1"]})) == ["n=1"]


def test_rows_of_one_key_are_told_apart_by_repeat_and_workflow() -> None:
    sweep = Sweep((Variant("a"), Variant("b", workflow_id="w")), 2, is_plain=False)
    assert [sweep.distinction(row) for row in range(4)] == [(), (1, None, None), (0, "w", None), (1, "w", None)]


@given(st.integers(0, 200), st.integers(1, 250), st.integers(0, 3))
def test_a_sample_has_so_many_rows_and_is_the_same_again(rows: int, count: int, seed: int) -> None:
    sample = drawn(seed, rows, count)
    assert len(sample) == min(rows, count)
    assert set(sample) <= set(range(rows))
    assert set(sample) == set(drawn(seed, rows, count))


def test_another_seed_draws_others() -> None:
    assert drawn(1, 1000, 10) != drawn(2, 1000, 10)
