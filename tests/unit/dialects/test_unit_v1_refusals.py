"""What proves that a submission was refused, by HTTP status and body."""

import pytest

from batchrun.dialects.v1 import V1
from batchrun.domain.answers import (
    AcceptedAnswer,
    Inconclusive,
    Refusal,
    RefusalKind,
)
from tests.unit.dialects.v1_answers import ENVELOPE, HTML, poll, submit

KINDS_4XX = {
    401: RefusalKind.CREDENTIALS,
    402: RefusalKind.QUOTA,
    403: RefusalKind.CONFIGURATION,
    404: RefusalKind.CONFIGURATION,
    405: RefusalKind.CONFIGURATION,
    407: RefusalKind.CONFIGURATION,
    410: RefusalKind.CONFIGURATION,
    415: RefusalKind.CONFIGURATION,
    429: RefusalKind.THROTTLED,
}


def proof(status: int, *, enveloped: bool) -> RefusalKind | None:
    """The refusal that the contract sees in an answer; None: in doubt. 3xx and 408 never prove anything."""
    if status == 408 or 300 <= status < 400:
        return None
    if 400 <= status < 500:
        return KINDS_4XX.get(status, RefusalKind.ROW)
    if status == 503 or (500 <= status < 600 and enveloped):
        return RefusalKind.BUSY
    return RefusalKind.ROW if status == 200 and enveloped else None


@pytest.mark.parametrize("body", ["", HTML, ENVELOPE, "{}", "[]", "null", '"error"', '{"error": null}'])
def test_proof_of_refusal_for_every_status(body: str) -> None:
    enveloped = body == ENVELOPE
    # A final answer has no status below 200, and of the 2xx the contract speaks of 200 alone.
    for status in (200, *range(300, 1000)):
        answer = submit(status, body)
        expected = proof(status, enveloped=enveloped)
        if expected is None:
            assert isinstance(answer, Inconclusive), status
            assert answer.http_status == status
            assert answer.message
            continue
        assert isinstance(answer, Refusal), status
        assert (answer.kind, answer.http_status) == (expected, status)
        assert (answer.code, answer.message) == ("X", "why") if enveloped else (answer.code is None and answer.message)


@pytest.mark.parametrize("body", ["", HTML, "{}", '{"run_id": ""}'])
def test_neither_a_success_nor_less_proves_anything_without_an_envelope(body: str) -> None:
    for status in range(100, 300):
        assert isinstance(submit(status, body), Inconclusive), status


def test_a_run_id_is_taken_under_any_success_and_under_nothing_else() -> None:
    for status in range(100, 600):
        answer = submit(status, '{"run_id": "r", "status": "pending"}')
        assert (answer == AcceptedAnswer("r", "pending")) == (200 <= status < 300), status


def test_a_run_that_ended_badly_at_once_was_taken_all_the_same() -> None:
    body = '{"run_id": "r", "status": "failed", "error": {"code": "X", "message": "why"}}'
    assert submit(200, body) == AcceptedAnswer("r", "failed")


def test_a_refusal_reads_as_one_line() -> None:
    assert str(submit(400, ENVELOPE)) == "HTTP 400 X: why"
    assert str(submit(400, "no\n  such\tthing")) == "HTTP 400: no such thing"


def test_an_error_that_is_a_word_is_its_message() -> None:
    assert submit(400, '{"error": "bad thing"}') == Refusal(RefusalKind.ROW, 400, None, "bad thing")


@pytest.mark.parametrize("status", [429, 503, 400])
def test_a_refusal_carries_retry_after(status: int) -> None:
    answer = submit(status, ENVELOPE, {"retry-after": "7"})
    assert isinstance(answer, Refusal)
    assert answer.retry_after == 7.0
    polled = poll(status, ENVELOPE, {"retry-after": "Tue, 28 Oct 2025 16:00:10 GMT"})
    assert isinstance(polled, Refusal)
    assert polled.retry_after == 10.0


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":{"code":502,"message":"Bad Gateway"}}',
        b'{"error":{"message":"x"}}',
        b'{"error":{"code":"X"}}',
        b'{"error":"x"}',
    ],
)
@pytest.mark.parametrize("status", [500, 502, 504, 200])
def test_an_error_object_that_is_not_the_documented_one_proves_nothing(status: int, body: bytes) -> None:
    """Gateways have error objects of their own, and may have forwarded the request."""
    assert isinstance(V1().parse_submit(status, {}, body, 0), Inconclusive)


def test_a_message_without_end_is_cut() -> None:
    answer = submit(400, ENVELOPE.replace("X", "C" * 100_000).replace("why", "why" * 100_000))
    assert isinstance(answer, Refusal)
    assert answer.message.startswith("whywhy")
    assert len(str(answer)) < 5000
