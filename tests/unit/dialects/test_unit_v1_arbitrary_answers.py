"""Nothing that a server can send makes the parsers raise."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchrun.dialects.base import head
from batchrun.domain.answers import (
    AcceptedAnswer,
    Inconclusive,
    Phase,
    Refusal,
    RunState,
    SyncResult,
)
from tests.support.examples import examples
from tests.unit.dialects.spoken import NO_HEADERS, NOW
from tests.unit.dialects.v1_answers import (
    JSON_TREES,
    poll,
    submit,
    synchronous,
    v1,
)

STATUS = st.integers(100, 599)
FIELD = st.sampled_from(
    [
        "run_id",
        "status",
        "created_at",
        "updated_at",
        "error",
        "code",
        "message",
        "outputs",
        "output",
        "msg",
        "execute_id",
        "debug_url",
        "task_id",
        "detail",
    ]
)
ANSWERS = st.recursive(
    JSON_TREES | st.sampled_from(["completed", "failed", "running", "2025-10-28T15:58:40Z", "99999-01-01", ""]),
    lambda inner: st.dictionaries(FIELD, inner, max_size=6),
    max_leaves=15,
)


def check_synchronous(status: int, body: bytes, headers: Mapping[str, str]) -> None:
    """The answer to a synchronous submission is that to an asynchronous one, wherever it speaks of no run's state."""
    answer = v1.parse_synchronous(status, headers, body, NOW)
    match answer:
        case SyncResult(run_id, state):
            assert 200 <= status < 300
            assert state.phase in {Phase.COMPLETED, Phase.FAILED}
            assert run_id is None or isinstance(submit(status, body), AcceptedAnswer)
        case AcceptedAnswer():
            v1.poll_request("w", answer.run_id)
        case Refusal():
            assert answer == v1.parse_submit(status, headers, body, NOW)
        case Inconclusive(message):
            assert message
            assert not isinstance(v1.parse_submit(status, headers, body, NOW), AcceptedAnswer)


def check_both(status: int, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> None:
    check_synchronous(status, body, headers)
    taken = v1.parse_submit(status, headers, body, NOW)
    assert isinstance(taken, AcceptedAnswer | Refusal | Inconclusive)
    if isinstance(taken, AcceptedAnswer):
        assert 0 < len(taken.run_id) <= 512
        assert taken.run_id.isprintable()
        v1.poll_request("w", taken.run_id)
    polled = v1.parse_poll(status, headers, body, NOW)
    assert isinstance(polled, RunState | Refusal | Inconclusive)
    for answer in (taken, polled):
        if isinstance(answer, Refusal | Inconclusive):
            assert isinstance(answer.message, str)
            assert answer.http_status == status
            str(answer)
        if isinstance(answer, Inconclusive):
            assert head(body) in answer.message, "what was not understood is kept, as far as it can be shown"
        if isinstance(answer, Refusal):
            assert answer.message, "a refusal always says something"
            assert answer.message == head(body) or b'"error"' in body, "the service's own words, or what it sent"
    foreign_api = v1.foreign_api(status, body)
    assert foreign_api is None or foreign_api.advice(())


TEXTS = st.sampled_from(["run_id", "status", "created_at", "updated_at"])


@given(STATUS | st.just(200), TEXTS, st.dictionaries(FIELD, ANSWERS, max_size=6))
def test_a_field_that_comes_twice_counts_as_it_comes_last(status: int, name: str, answer: dict[str, Any]) -> None:
    """Where a field that should be text is none, the answer is read in another way; what it says is the same."""
    once = json.dumps({name: "completed"} | answer)
    twice = f'{{"{name}": 5, {once[1:]}'
    for parse in (submit, synchronous, poll):
        one, two = parse(status, once), parse(status, twice)
        assert type(one) is type(two)
        assert one == two or isinstance(one, Refusal | Inconclusive), "those two quote what was sent"


@given(STATUS, st.binary(max_size=200))
def test_the_parsers_never_raise_on_bytes(status: int, body: bytes) -> None:
    check_both(status, body)


@settings(max_examples=examples(300))
@given(STATUS | st.just(200), ANSWERS)
def test_the_parsers_never_raise_on_json(status: int, answer: Any) -> None:
    check_both(status, json.dumps(answer).encode())


@given(STATUS, ANSWERS, st.integers(0, 300), st.integers(0, 255))
def test_the_parsers_never_raise_on_json_with_one_byte_wrong(status: int, answer: Any, place: int, wrong: int) -> None:
    body = bytearray(json.dumps(answer, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    body[place % len(body)] = wrong
    check_both(status, bytes(body))
    check_both(status, bytes(body[: place % len(body)]))


HEADERS = st.dictionaries(st.sampled_from(["retry-after", "content-type", "x"]), st.text(max_size=20), max_size=3)


@given(STATUS, st.one_of(st.binary(max_size=60), ANSWERS.map(lambda tree: json.dumps(tree).encode())), HEADERS)
def test_the_parsers_never_raise_on_headers(status: int, body: bytes, headers: dict[str, str]) -> None:
    check_both(status, body, headers)


@given(STATUS, st.binary(min_size=400, max_size=4000))
def test_of_a_long_answer_that_is_not_understood_the_beginning_is_kept(status: int, body: bytes) -> None:
    check_both(status, b"[" + body)


@pytest.mark.parametrize(
    "deep", [b"[" * 100_000, b'{"error":' * 50_000, b'{"run_id":' + b"[" * 5000 + b"]" * 5000 + b"}"]
)
def test_the_parsers_never_raise_on_depth(deep: bytes) -> None:
    for status in (200, 400, 500):
        check_both(status, deep)
