"""The address for callbacks, and their bodies."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.dialects.v1 import V1
from tests.unit.dialects.v1_answers import submission


def test_a_callback_url_is_sent_where_there_is_one() -> None:
    body = submission("w", {"a": 1}, callback_url="https://x/0.1.abc")
    assert msgspec.json.decode(body)["callback_url"] == "https://x/0.1.abc"
    assert "callback_url" not in msgspec.json.decode(submission("w", {"a": 1}))


@given(st.binary())
def test_a_callback_may_hold_anything(body: bytes) -> None:
    assert V1().callback_run_id(body) is None or b"run_id" in body


@pytest.mark.parametrize(
    ("body", "run_id"),
    [
        (b'{"run_id":"run123","status":"completed"}', "run123"),
        (b'{"run_id":7412345678901234567}', "7412345678901234567"),
        (b'{"run_id":""}', None),
        (b'{"run_id":".."}', None),
        (b'{"run_id":"a\\nb"}', None),
        (b'[{"run_id":"a"}]', None),
        (b"", None),
    ],
)
def test_the_run_that_a_callback_names(body: bytes, run_id: str | None) -> None:
    assert V1().callback_run_id(body) == run_id
