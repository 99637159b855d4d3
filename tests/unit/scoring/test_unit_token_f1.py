"""F1 of tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.scoring.token_f1 import token_f1


@pytest.mark.parametrize(
    ("value", "target", "expected"),
    [
        ("in the 1870s", "1870s", 2 / 3),
        ("Don't", "dont", 1),
        ("a an the", "", 1),
        ("cat", "", 0),
        ("cat cat", "cat", 2 / 3),
        ("北京大学", "北京", 2 / 3),
        ("北京。", "「北京」", 1),
        ("我爱 Python", "我爱python!", 1),
        ("한국", "한", 2 / 3),
        ("Niño", "nino", 0),
    ],
)
def test_tokens(value: str, target: str, expected: float) -> None:
    assert token_f1(value, target) == pytest.approx(expected)


@given(st.text(max_size=30), st.text(max_size=30))
def test_it_is_symmetric_and_1_for_the_same_text(one: str, other: str) -> None:
    assert token_f1(one, one) == 1
    assert token_f1(one, other) == token_f1(other, one)
    assert 0 <= token_f1(one, other) <= 1
