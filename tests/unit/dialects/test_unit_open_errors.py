"""Errors in the dialect of the cloud: what proves a refusal, and of which kind."""

import pytest

from batchrun.dialects.open import Open
from batchrun.domain.answers import AcceptedAnswer, Inconclusive, RefusalKind, RunDetails
from tests.support.recorded import recorded
from tests.unit.dialects.spoken import Spoken, refused

spoken = Spoken(Open())


@pytest.mark.parametrize(
    ("code", "kind", "hint"),
    [
        (4009, RefusalKind.THROTTLED, ""),
        (4013, RefusalKind.THROTTLED, ""),
        ("4013", RefusalKind.THROTTLED, ""),
        (5000, RefusalKind.BUSY, ""),
        (4008, RefusalKind.QUOTA, ""),
        (4000, RefusalKind.ROW, ""),
        (4100, RefusalKind.CREDENTIALS, "api.coze.com"),
        (4101, RefusalKind.CONFIGURATION, "api.coze.cn"),
        (4200, RefusalKind.CONFIGURATION, "published"),
        (6003, RefusalKind.CONFIGURATION, "--mode sync"),
        (4998, RefusalKind.BUSY, ""),  # unknown
        (4314, RefusalKind.BUSY, ""),  # unknown, but for a poll
    ],
)
@pytest.mark.parametrize("status", [200, 500, 503])
def test_the_kind_of_an_error(code: object, kind: RefusalKind, hint: str, status: int) -> None:
    error = {"code": code, "msg": "why", "detail": {"logid": "L"}}
    for parse in (spoken.submit, spoken.synchronous, spoken.poll):
        found = refused(parse(error, status))
        gone = code == 4314 and parse == spoken.poll
        assert (found.kind, found.code) == (RefusalKind.GONE if gone else kind, str(code))
        assert found.http_status == status
        assert found.message.startswith("why")
        assert hint in found.message
        assert found.details == RunDetails(log_id="L")


def test_too_many_runs_are_throttling() -> None:
    assert refused(spoken.submit(recorded("open", "too_many_runs"))).kind is RefusalKind.THROTTLED
    named = {"code": 4999, "msg": "concurrency exceeds the maximum limit of 1000", "debug_url": "https://x"}
    assert refused(spoken.submit(named)).kind is RefusalKind.THROTTLED
    assert refused(spoken.submit({"msg": "Concurrency exceeds the maximum limit of 50"})).kind is RefusalKind.THROTTLED


def test_the_status_decides_if_the_code_is_unknown() -> None:
    unknown = {"code": 4998, "msg": "why"}
    for status, kind in [(400, RefusalKind.ROW), (401, RefusalKind.CREDENTIALS), (404, RefusalKind.CONFIGURATION)]:
        assert refused(spoken.submit(unknown, status)).kind is kind
        assert refused(spoken.submit(b"<html>", status)).kind is kind
        assert refused(spoken.submit({"code": 4013, "msg": "slow"}, status)).kind is RefusalKind.THROTTLED


def test_a_429_is_throttling_unless_the_code_stops_the_job() -> None:
    for answer in (b"", {"msg": "slow"}, {"code": 4000, "msg": "why"}, {"code": 5000, "msg": "why"}):
        assert refused(spoken.submit(answer, 429)).kind is RefusalKind.THROTTLED
    assert refused(spoken.submit({"code": 4011, "msg": "no balance"}, 429)).kind is RefusalKind.QUOTA
    assert refused(spoken.submit({"code": 4013, "msg": "slow"}, 429, {"retry-after": "7"})).retry_after == 7


@pytest.mark.parametrize(
    "error",
    [
        {"code": 502, "msg": "Bad Gateway"},
        {"code": 4000},
        {"code": 0, "msg": ""},
        {"code": 12345, "msg": "x"},
        {},
        b"<html>",
    ],
)
@pytest.mark.parametrize("status", [200, 302, 408, 500, 502])
def test_an_error_without_the_complete_envelope_proves_nothing(error: object, status: int) -> None:
    for answer in (spoken.submit(error, status), spoken.synchronous(error, status)):
        assert isinstance(answer, Inconclusive)
        assert answer.http_status == status


def test_a_408_proves_nothing_even_with_the_envelope() -> None:
    assert isinstance(spoken.submit({"code": 4013, "msg": "slow"}, 408), Inconclusive)


def test_the_log_id_may_be_in_a_header() -> None:
    header = {"x-tt-logid": "H"}
    assert refused(spoken.submit(recorded("open", "throttled"), 200, header)).details == RunDetails(log_id="2025****")
    assert refused(spoken.submit(b"", 401, header)).details == RunDetails(log_id="H")
    accepted = spoken.submit({"execute_id": "7"}, 200, header)
    assert accepted == AcceptedAnswer("7", "", details=RunDetails(log_id="H"))


@pytest.mark.parametrize("value", ["", "\udcff", "a\nb"])
def test_a_log_id_that_cannot_be_shown_is_ignored(value: str) -> None:
    assert refused(spoken.submit(b"", 401, {"x-tt-logid": value})).details is None
    assert refused(spoken.submit(b"", 401, {"x-tt-logid": value, "x-log-id": "L"})).details == RunDetails(log_id="L")


def test_the_self_hosted_server_is_recognised_by_a_poll() -> None:
    for answer in (recorded("open", "missing_session"), {"code": 401, "msg": "missing session_key in cookie"}):
        found = refused(spoken.poll(answer, 401 if isinstance(answer, dict) else 200))
        assert found.kind is RefusalKind.CREDENTIALS
        assert "use --api studio" in found.message


def test_an_empty_code_is_no_code() -> None:
    assert refused(spoken.submit({"code": "", "msg": "no"}, 400)).code is None


@pytest.mark.parametrize("status", [600, 999])
def test_a_number_that_is_no_status_of_http_proves_nothing(status: int) -> None:
    for code in (4013, 4100, 4998):
        for parse in (spoken.submit, spoken.synchronous, spoken.poll):
            assert isinstance(parse({"code": code, "msg": "why"}, status), Inconclusive)
        assert not spoken.dialect.refuses_token(status, b'{"code":%d,"msg":"why"}' % code)


def test_a_message_without_end_is_cut() -> None:
    assert len(refused(spoken.submit({"code": 4000, "msg": "why" * 100_000}, 200)).message) < 3000
