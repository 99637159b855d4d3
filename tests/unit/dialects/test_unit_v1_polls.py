"""The ids, the status, the error and the output of a run."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.answers import (
    AcceptedAnswer,
    Inconclusive,
    Phase,
    Refusal,
    RefusalKind,
    RunState,
)
from tests.unit.dialects.v1_answers import (
    HTML,
    JSON_TREES,
    poll,
    state,
    submit,
)

# -- run ids


@pytest.mark.parametrize(
    ("literal", "run_id"),
    [
        ('"run123"', "run123"),
        ('"7413647890307284992"', "7413647890307284992"),
        ("7413647890307284992", "7413647890307284992"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ('"a\\u00e9"', "aé"),
        (f'"{"r" * 512}"', "r" * 512),
    ],
)
def test_a_run_id_may_be_text_or_a_number_of_any_length(literal: str, run_id: str) -> None:
    assert submit(200, f'{{"run_id": {literal}, "status": "pending"}}') == AcceptedAnswer(run_id, "pending")


@pytest.mark.parametrize(
    "literal",
    ['""', "null", "true", "{}", "[]", '["r"]', '"a\\nb"', '"\\u0000"', '"\\ud800"', '"\\u007f"', f'"{"r" * 513}"'],
)
def test_what_cannot_be_asked_for_again_is_no_run_id(literal: str) -> None:
    answer = submit(200, f'{{"run_id": {literal}, "status": "pending"}}')
    assert isinstance(answer, Inconclusive)
    assert answer.http_status == 200


# -- the word of a run


@pytest.mark.parametrize(
    ("word", "phase"),
    [
        ("pending", Phase.RUNNING),
        ("running", Phase.RUNNING),
        ("completed", Phase.COMPLETED),
        ("failed", Phase.FAILED),
        ("COMPLETED", Phase.COMPLETED),
        ("Failed", Phase.FAILED),
        ("cancelled", Phase.UNKNOWN),
        ("success", Phase.UNKNOWN),
        ("completed ", Phase.UNKNOWN),
        ("完成", Phase.UNKNOWN),
    ],
)
def test_the_services_word_is_kept_and_an_unknown_one_is_never_a_success(word: str, phase: Phase) -> None:
    found = state(json.dumps({"status": word, "outputs": {}}))
    assert (found.phase, found.status) == (phase, word)


@pytest.mark.parametrize("body", ["", HTML, "[]", "{}", '{"status": ""}', '{"status": null}', '{"status": {}}'])
def test_a_poll_without_a_word_says_nothing(body: str) -> None:
    assert isinstance(poll(200, body), Inconclusive)


@pytest.mark.parametrize("body", ['{"status": "completed", "outputs": {}}', '{"status": "failed"}'])
def test_a_word_is_believed_under_any_success_and_under_nothing_else(body: str) -> None:
    for status in range(100, 600):
        assert isinstance(poll(status, body), RunState) == (200 <= status < 300), status


def test_a_poll_that_is_refused() -> None:
    for status, kind in [(401, RefusalKind.CREDENTIALS), (404, RefusalKind.GONE), (429, RefusalKind.THROTTLED)]:
        answer = poll(status, HTML)
        assert isinstance(answer, Refusal)
        assert answer.kind is kind
    assert isinstance(poll(502, HTML), Inconclusive)


def test_outputs_come_before_output_where_both_are_given() -> None:
    assert state('{"status": "completed", "output": 1, "outputs": 2}').output == "2"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        ('{"code": "A", "message": "b"}', "A", "b"),
        ('{"code": 720701013, "message": "b"}', "720701013", "b"),
        ('{"message": "b"}', None, "b"),
        ("{}", None, None),
        ("null", None, None),
        ("[1]", None, None),
        ('{"code": {"deep": 1}, "message": null}', None, None),
    ],
)
def test_the_error_of_a_failed_run_however_it_is_shaped(error: str, code: str | None, message: str | None) -> None:
    found = state(f'{{"status": "failed", "error": {error}}}')
    assert (found.phase, found.error_code, found.error_message) == (Phase.FAILED, code, message)


# -- the output is lossless


@pytest.mark.parametrize(
    "literal",
    [
        '{"a":1.10}',
        "1.10",
        "12345678901234567890123",
        "-0.0",
        "1E+400",
        '{ "a" :\t1 ,\n "b" : [ ] }',
        '"\\u00e9\\/\\ud83d\\ude00"',
        '"é😀"',
        '{"a": 1, "a": 2}',
        "null",
        "true",
        '""',
        "[]",
        '" leading and trailing "',
        '"\\u2028"',
    ],
)
def test_the_output_is_the_text_that_the_service_wrote(literal: str) -> None:
    for frame in (
        '{"status":"completed","outputs":%s}',
        '{"status":"completed","outputs" : \r\n %s \t,"x":1}',
        '{"output":%s,"status":"completed"}',
    ):
        assert state((frame % literal).encode()).output == literal


def test_a_run_without_an_output_has_none() -> None:
    assert state('{"status": "completed"}').output is None


@given(JSON_TREES, st.booleans(), st.none() | st.integers(0, 4))
def test_any_output_comes_through_byte_for_byte(tree: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(tree, ensure_ascii=ascii_only, indent=indent)
    assert state(f'{{"status":"completed","outputs":{text}}}').output == text


@given(st.decimals(allow_nan=False, allow_infinity=False), st.integers(10**22, 10**40))
def test_number_literals_keep_every_digit(number: Decimal, big: int) -> None:
    literal = f"{number:f}" if abs(number.adjusted()) < 50 else "1.000"
    assert state(f'{{"status":"completed","outputs":[{literal},{big}]}}').output == f"[{literal},{big}]"
