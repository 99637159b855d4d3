"""The address for callbacks, their bodies, and answers that describe another run."""

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


@pytest.mark.parametrize(
    ("polled", "word"),
    [
        (b'{"run_id":"r","workflow_id":"w","inputs":{"a":1,"b":null},"status":"running"}', None),
        (b'{"status":"running"}', None),
        (b'{"run_id":null,"workflow_id":null,"inputs":null}', None),
        (b'{"inputs": {"b" : null, "a": 1.0}}', None),
        (b"<html>", None),
        (b'{"run_id":"s"}', "run_id"),
        (b'{"run_id":{}}', "run_id"),
        (b'{"workflow_id":"v"}', "workflow_id"),
        (b'{"inputs":{"a":2,"b":null}}', "inputs"),
        (b'{"inputs":{"a":1}}', "inputs"),
        (b'{"inputs":[1]}', "inputs"),
    ],
)
def test_an_answer_about_another_run_contradicts_what_was_submitted(polled: bytes, word: str | None) -> None:
    contradiction = V1().contradiction("r", submission("w", {"a": 1, "b": None}), polled)
    assert (contradiction is None) == (word is None)
    assert word is None or word in (contradiction or "")


def test_inputs_are_compared_to_the_last_digit() -> None:
    submitted = submission("w", {"n": 12345678901234567890123, "t": "é\u2028"})
    polled = b'{"inputs":{"t":"\\u00e9\\u2028","n":12345678901234567890123}}'
    assert V1().contradiction("r", submitted, polled) is None
    assert V1().contradiction("r", submitted, polled.replace(b"123}}", b"124}}")) is not None


@given(st.binary())
def test_a_callback_may_hold_anything(body: bytes) -> None:
    assert V1().callback_run_id(body) is None or b"run_id" in body
    V1().contradiction("r", b"{}", body)


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
