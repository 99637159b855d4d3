"""Which echoes agree with the inputs that were sent."""

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.agreement import agrees
from batchrun.domain.answers import Identity
from batchrun.domain.cells import ABSENT
from batchrun.domain.column_mapping import ColumnMapping
from batchrun.domain.echoes import MAX_REMEMBERED, InputDigests, echoed_inputs
from batchrun.domain.known_echoes import Deviation, KnownEchoes, merged_echoes

CELLS = st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()
VALUES = st.recursive(CELLS | st.none(), lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(), v, max_size=3))


def conversions(value: object) -> list[object]:
    """What a service may make of a value."""
    found = [value, json.loads(json.dumps(value)), json.dumps(value)]
    if isinstance(value, str):
        found = [value, value.strip(), f" {value}\n"]
    elif isinstance(value, bool):
        found += [str(value), int(value), "true" if value else "false"]
    elif isinstance(value, int | float):
        found += [str(value), f" {value} "]
        found += [float(value)] if abs(value) < 1e300 else []
    return found


@given(VALUES, st.data())
def test_a_value_agrees_with_each_of_its_conversions(value: object, data: st.DataObject) -> None:
    echoed = data.draw(st.sampled_from(conversions(value)))
    assert agrees(value, echoed)
    echo = echoed_inputs(msgspec.Raw(json.dumps({"name": echoed, "more": 1}).encode()))
    assert agrees(value, echo["name"])


@given(CELLS, CELLS)
def test_digests_agree_only_if_the_values_do(sent: object, echoed: object) -> None:
    digests = InputDigests(ColumnMapping({"a": "A", "b": "B"}, {"c": "x"}))
    agreed, others = digests.compare(digests.of((sent, ABSENT)), {"a": echoed, "b": "y", "c": "x", "d": 1})
    assert sorted([*agreed, *others]) == ["a", "c"]
    assert "c" in agreed
    assert "a" in others or agrees(sent, echoed)


@given(st.integers() | st.text() | st.decimals(allow_nan=False, allow_infinity=False).map(str))
def test_digests_recognise_text_and_numbers_at_once(sent: object) -> None:
    digests = InputDigests(ColumnMapping({"a": "A"}))
    assert digests.compare(digests.of((sent,)), {"a": f" {sent}"}) == (["a"], [])


@given(st.lists(CELLS, min_size=2, max_size=2), st.lists(CELLS, min_size=2, max_size=2))
def test_a_whole_echo_agrees_only_if_the_values_do(sent: list[object], echoed: list[object]) -> None:
    digests = InputDigests(ColumnMapping({"a": "A", "b": "B"}))
    agreed, others = digests.compare(digests.of(sent), dict(zip("ab", echoed, strict=True)))
    assert sorted([*agreed, *others]) == ["a", "b"]
    assert all(agrees(a, b) for name, a, b in zip("ab", sent, echoed, strict=True) if name in agreed)


@pytest.mark.parametrize("value", [None, ABSENT, msgspec.Raw(b"null")])
def test_null_says_nothing(value: object) -> None:
    digests = InputDigests(ColumnMapping({"a": "A"}))
    assert digests.compare(digests.of((value,)), {"a": "x"}) == ([], [])
    assert digests.compare(digests.of((1,)), {"a": None}) == ([], [])


def test_files_say_nothing() -> None:
    digests = InputDigests(ColumnMapping({"a": "A", "f": "F"}, files=frozenset({"f"})))
    assert digests.compare(digests.of(("x", "photo.png")), {"a": "x", "f": '{"file_id":"1"}'}) == (["a"], [])


@pytest.mark.parametrize(("a", "b"), [(0, 1), (-1, -2), ("-1", -2.0), (Decimal(1), 2), ("a", "b"), ("", "0")])
def test_neighbouring_values_have_different_digests(a: object, b: object) -> None:
    digests = InputDigests(ColumnMapping({"a": "A"}))
    assert digests.compare(digests.of((a,)), {"a": b}) == ([], ["a"])
    assert digests.compare(digests.of((b,)), {"a": a}) == ([], ["a"])


@pytest.mark.parametrize(
    ("raw", "inputs"),
    [
        (None, {}),
        (b"null", {}),
        (b"[1]", {}),
        (b'"text"', {}),
        (b'"{\\"a\\": 1}"', {"a": 1}),
        (b'"{\\"a\\": \\"cut sho"', {}),
        (b'{"a": NaN, "b": "\xff"}', None),
        (b'{"a": 1, "b": ' + b"[" * 3000 + b" ]" * 3000 + b"}", {"a": 1, "b": "[" * 3000 + "]" * 3000}),
    ],
)
def test_the_inputs_in_an_echo(raw: bytes | None, inputs: dict[str, object] | None) -> None:
    found = echoed_inputs(None if raw is None else msgspec.Raw(raw))
    assert found == inputs if inputs is not None else found["b"] == "\udcff"


def deviations(row: int, *names: str) -> dict[str, Deviation]:
    return {name: Deviation(row, row * 10, row * 10 + 1) for name in names}


def test_a_name_in_which_two_runs_differ_is_rewritten_unless_one_has_agreed() -> None:
    known = KnownEchoes()
    assert known.deviated(deviations(1, "a", "b")) == []
    assert known.deviated(deviations(1, "a", "b")) == [], "the same run"
    assert known.agreed(["b"])
    assert not known.agreed(["b"])
    assert known.deviated(deviations(2, "a", "b")) == ["a"]
    assert known.compared(["a", "b"]) == ["b"]
    later = KnownEchoes(known.record)
    assert later.compared(["a", "b"]) == ["b"]
    assert later.deviated(deviations(3, "b")) == later.deviated(deviations(4, "b")) == []


@pytest.mark.parametrize("crossed", [(1, 10, 20), (2, 20, 1)])
def test_a_name_in_which_rows_were_mixed_up_is_not_rewritten(crossed: tuple[int, int, int]) -> None:
    """Row 1 was echoed what row 2 sent, or the other way round. No later deviation counts any more."""
    first = (2, 10, 2) if crossed[0] == 1 else (1, 1, 2)
    row, sent, echoed = crossed
    known = KnownEchoes()
    assert known.deviated({"a": Deviation(*first)}) == []
    assert known.deviated({"a": Deviation(row, sent, first[1] if crossed[0] == 1 else echoed)}) == []
    for later in (known, KnownEchoes(known.record)):
        assert later.deviated(deviations(3, "a")) == later.deviated(deviations(4, "a")) == []


def test_rows_whose_inputs_were_found_elsewhere_are_mixed_up() -> None:
    known = KnownEchoes()
    assert known.mixed_up(["a"])
    assert not known.mixed_up(["a"])
    later = KnownEchoes(known.record)
    assert later.deviated(deviations(3, "a", "b")) == []
    assert later.deviated(deviations(4, "a", "b")) == ["b"]


def test_a_value_of_another_row_is_recognised() -> None:
    digests = InputDigests(ColumnMapping({"a": "A", "b": "B"}, {"c": "x"}))
    digests.remember(1, ("1", "same"))
    digests.remember(2, (2, "same"))
    assert digests.is_of_another(1, "a", " 2.0")
    assert not digests.is_of_another(2, "a", 2), "its own"
    assert not digests.is_of_another(1, "a", "same")
    assert not digests.is_of_another(1, "b", "same"), "its own too"
    assert not digests.is_of_another(1, "c", "x")
    assert not digests.is_of_another(1, "extra", 2)
    for row in range(3, 3 + MAX_REMEMBERED):
        digests.remember(row, (row, "same"))
    assert not digests.is_of_another(1, "a", 2), "memory is bounded"


def test_an_answer_must_name_its_run_if_another_has() -> None:
    known = KnownEchoes()
    assert known.objection(Identity(), "r", "w") is None
    assert known.objection(Identity(" r ", "w"), "r", "w") is None
    assert not known.named(Identity())
    assert known.named(Identity("r"))
    assert "without" in (known.objection(Identity(), "r", "w") or "")
    assert "without" in (KnownEchoes(known.record).objection(Identity(None, "w"), "r", "w") or "")


def test_what_several_engines_found_out_is_known_together() -> None:
    one, other = KnownEchoes(), KnownEchoes()
    one.named(Identity("r", "w"))
    for row in (1, 2):
        one.deviated({name: Deviation(row, row, 10 * row) for name in ("rewritten", "agreed", "mixed up")})
    other.agreed(["agreed"])
    other.mixed_up(["mixed up"])
    for records in ((one.record, "", other.record), (other.record, one.record)):
        known = KnownEchoes(merged_echoes(records))
        assert known.objection(Identity(None, "w"), "r", "w"), "runs are named"
        assert known.compared(["rewritten", "agreed", "mixed up"]) == ["agreed", "mixed up"]
        assert known.has_agreed(["agreed"])
        assert not known.mixed_up(["mixed up"]), "that is no news"
    assert merged_echoes(("", "")) == ""
