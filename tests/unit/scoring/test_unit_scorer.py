"""What each kind of scorer says of an output."""

import json
import sys
from collections.abc import Callable
from copy import deepcopy
from datetime import date
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.scoring.kinds import COMPARISONS
from batchrun.scoring.scorer import MISSING, NULL, Score, compile_scorer
from batchrun.scoring.specs import PythonFunction, parse_score

Function = Callable[[object, dict[str, object]], object]


def nothing(_value: object, _row: object) -> object:
    return None


def scored(
    option: str, output: str | None, row: dict[str, object] | None = None, function: Function = nothing
) -> Score:
    def load(_target: PythonFunction) -> Function:
        return function

    return compile_scorer(parse_score(f"s={option}"), load)(output, row or {})


@pytest.mark.parametrize(
    ("kind", "value", "target", "expected"),
    [
        ("exact", "a", "a", 1),
        ("exact", "a", "A", 0),
        ("exact", 0.9, "0.9", 1),
        ("exact", "0.9", 0.9, 1),
        ("exact", True, "true", 1),
        ("exact", True, True, 1),
        ("exact", [1, "a"], '[1,"a"]', 1),
        ("exact", {"a": None}, {"a": None}, 1),
        ("exact", 12345678901234567890123, "12345678901234567890123", 1),
        ("exact", "2024-01-02", date(2024, 1, 2), 1),
        ("exact", "1.50", Decimal("1.50"), 1),
        ("iexact", " Adélie\n", "adÉlie", 1),
        ("iexact", "STRASSE", "straße", 1),
        ("iexact", "a b", "ab", 0),
        ("contains", "the cat", "cat", 1),
        ("contains", "the Cat", "cat", 0),
        ("contains", ["cat"], "cat", 1),
        ("regex", "order 42", r"\d+$", 1),
        ("regex", "order 42", r"^\d+", 0),
        ("number", 1.0000005, 1, 1),
        ("number", 1.1, 1, 0),
        ("number", "1e3", 1000, 1),
        ("number", " 7 ", "7.0", 1),
        ("number", "seven", 7, 0),
        ("number", "nan", 7, 0),
        ("number", True, 1, 0),
        ("number", [1], 1, 0),
        ("number", 0, 0, 1),
        ("number", 1e-300, 0, 0),
        ("number~0.01", 1.01, 1, 1),
        ("number~0.01", 0.99, 1, 1),
        ("number~0.01", 1.011, 1, 0),
        ("number~0.01", -1.01, -1, 1),
        ("number", 10**400, "1" + "0" * 400, 1),
        ("number", "1e9999999", "1e9999999", 1),
        ("json", {"a": 1, "b": [2]}, '{"b": [2.0], "a": 1}', 1),
        ("json", '{"a": 1}', '{"a":1}', 1),
        ("json", [1, 2], [2, 1], 0),
        ("json", [1, 2], "[1,2,3]", 0),
        ("json", True, 1, 0),
        ("json", {"a": True}, '{"a": 1}', 0),
        ("json", 0.9, "0.9", 1),
        ("json", "plain", "plain", 1),
        ("f1", "the quick brown fox", "A quick, brown dog!", 2 / 3),
        ("f1", "cat", "dog", 0),
        ("f1", "the", "", 1),
    ],
)
def test_a_value_and_its_target(kind: str, value: object, target: object, expected: float) -> None:
    output = json.dumps({"x": value})
    score = scored(f"{kind}:x:t", output, {"t": target})
    assert score.value == pytest.approx(expected)
    assert score.problem is None


@pytest.mark.parametrize("kind", COMPARISONS)
def test_what_is_null_and_what_is_missing(kind: str) -> None:
    scorer = f"{kind}:x:t"
    assert scored(scorer, None, {"t": "1"}) == MISSING
    assert scored(scorer, '{"x": null}', {"t": "1"}) == NULL
    assert scored(scorer, '{"y": 1}', {"t": "1"}) == NULL
    assert scored(scorer, '{"x": 1}', {"t": None}) == MISSING
    assert scored(scorer, '{"x": null}', {"t": None}) == MISSING
    assert scored(scorer, '{"x": 1}', {"t": float("nan")}) == MISSING
    assert scored(scorer, '{"x": 1}', {}) == MISSING
    assert scored(scorer, "no JSON", {"t": "1"}) == Score(None, "the output is not JSON")
    assert scored(scorer, "[" * 100_000, {"t": "1"}).value is None


@pytest.mark.parametrize("kind", COMPARISONS)
@given(output=st.text(max_size=20), target=st.one_of(st.text(max_size=20), st.integers(), st.floats(), st.booleans()))
def test_no_output_makes_a_scorer_fall_over(kind: str, output: str, target: object) -> None:
    for text in (output, json.dumps({"x": output})):
        score = scored(f"{kind}:x:t", text, {"t": target})
        assert score.value is None or 0 <= score.value <= 1


@pytest.mark.parametrize("kind", ["exact", "iexact", "contains", "json", "f1"])
@given(value=st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5), st.lists, max_leaves=5))
def test_everything_is_like_itself(kind: str, value: object) -> None:
    expected = NULL if value is None else Score(1)
    assert scored(f"{kind}:x:t", json.dumps({"x": value}), {"t": "" if value is None else value}) == expected


def test_literal_targets_and_the_whole_output() -> None:
    assert scored("contains:x:'cat'", '{"x": "a cat"}') == Score(1)
    assert scored("exact::'yes'", '"yes"') == Score(1)
    assert scored("exact:x:0.9", '{"x": "0.9"}') == Score(1)
    assert scored("json::t", '{"a": 1}', {"t": '{"a": 1.0}'}) == Score(1)
    assert scored("exact::t", "null", {"t": "a"}) == NULL


@pytest.mark.parametrize(
    ("value", "score"),
    [("1", 1), ("0.25", 0.25), ("true", 1), ("false", 0), ("null", 0)],
)
def test_value_takes_a_number_or_a_boolean(value: str, score: float) -> None:
    assert scored("value:x", f'{{"x": {value}}}') == Score(score, is_null=value == "null")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("7", "not between 0 and 1"),
        ("-0.1", "not between 0 and 1"),
        ('"0.5"', "to_number"),
        ("[1]", "neither a number"),
    ],
)
def test_value_is_missing_for_all_else(value: str, said: str) -> None:
    score = scored("value:x", f'{{"x": {value}}}')
    assert score.value is None
    assert said in str(score.problem)


@pytest.mark.parametrize(("kind", "said"), [("number", "is not a number"), ("regex", "is not a regular expression")])
def test_a_target_that_cannot_be_compared_with_is_a_missing_score(kind: str, said: str) -> None:
    score = scored(f"{kind}:x:t", '{"x": "1"}', {"t": "(abc"})
    assert score.value is None
    assert said in str(score.problem)


def test_a_function_gets_the_value_and_the_row() -> None:
    seen = list[object]()

    def judge(value: object, row: dict[str, object]) -> object:
        seen.append((value, deepcopy(row)))
        tags = row["tags"]
        assert isinstance(tags, list)
        tags.clear()
        row.clear()
        return 7.5

    row: dict[str, object] = {"t": 1, "tags": ["a"]}
    assert scored("python:x:f.py:judge", '{"x": [1]}', row, judge) == Score(7.5)
    assert seen == [([1], {"t": 1, "tags": ["a"]})]
    assert row == {"t": 1, "tags": ["a"]}
    assert scored("python:x:f.py:judge", "{}", row, judge) == NULL
    assert scored("python:x:f.py:judge", None, row, judge) == MISSING
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("returned", "expected"),
    [(np.True_, 1), (np.float32(0.5), 0.5), (np.array(0.5), 0.5), (Decimal("0.5"), 0.5), (Fraction(1, 4), 0.25)],
)
def test_a_function_may_return_numbers_of_libraries(returned: object, expected: float) -> None:
    assert scored("python:x:f.py:judge", '{"x": 1}', {}, lambda _value, _row: returned) == Score(expected)


class _WithoutTextError(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


def _raises_without_text(_value: object, _row: object) -> object:
    raise _WithoutTextError


def _raises_at_length(_value: object, _row: object) -> object:
    raise ValueError("x" * 10_000)


def _raises(_value: object, _row: object) -> object:
    raise KeyError("no\nlabel")


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (_raises, "KeyError: 'no\\nlabel'"),
        (lambda _value, _row: sys.exit(3), "SystemExit: 3"),
        (_raises_without_text, "_WithoutTextError"),
        (_raises_at_length, "ValueError: xxx"),
        (lambda _value, _row: _WithoutTextError(), "ValueError: no text"),
        (lambda _value, _row: np.array([1, 2]), "ValueError"),
        (lambda _value, _row: "good", "returned 'good'"),
        (nothing, "returned None"),
        (lambda _value, _row: float("nan"), "not finite"),
        (lambda _value, _row: 10**400, "not finite"),
    ],
)
def test_a_function_that_fails_is_a_missing_score(function: Function, said: str) -> None:
    score = scored("python:x:f.py:judge", '{"x": 1}', {}, function)
    assert score.value is None
    assert said in str(score.problem)
    assert len(str(score.problem)) < 400
