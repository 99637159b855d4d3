"""The dialect of the cloud: the answers to polls."""

from typing import Any

import msgspec
import pytest

from batchrun.dialects.open import Open
from batchrun.domain.answers import Identity, Inconclusive, Phase, Refusal, RefusalKind, RunDetails, RunState
from tests.support.recorded import recorded
from tests.unit.dialects.spoken import Spoken, refused

RUN = "741364789030728****"
URL = f"https://www.coze.cn/work_flow?execute_id={RUN}&space_id=736142423532160****&workflow_id=738958910358870****"

dialect = Open()
spoken = Spoken(dialect)


def record(**members: Any) -> dict[str, Any]:
    return {"code": 0, "msg": "", "data": [{"execute_id": RUN, "execute_status": "Success"} | members]}


def test_a_run_with_a_text_as_its_output() -> None:
    found = spoken.state(recorded("open", "poll_text"))
    assert (found.phase, found.status, found.output) == (Phase.COMPLETED, "Success", '"来找姐姐有什么事呀"')
    assert (found.created_at, found.updated_at) == (1730174063_000, 1730174065_000)
    assert (found.error_code, found.error_message) == (None, None)
    assert found.details == RunDetails(log_id="20241029152003BC531DC784F1897B****", debug_url=URL)


def test_a_run_with_variables_as_its_output() -> None:
    found = spoken.state(recorded("open", "poll_variables"))
    assert found.output == '{"n":1.10,"id":7413647890307284992123,"inner":"{\\"deep\\":1}"}'
    assert found.details is not None
    assert (found.details.input_tokens, found.details.output_tokens, found.details.total_tokens) == (50, 100, 150)


def test_a_run_that_has_not_ended() -> None:
    found = spoken.state(recorded("open", "poll_running"))
    assert (found.phase, found.status, found.output, found.error_code) == (Phase.RUNNING, "Running", None, None)
    assert (found.created_at, found.updated_at) == (1730174063_000, None)


def test_a_failed_run() -> None:
    found = spoken.state(recorded("open", "poll_failed"))
    assert (found.phase, found.status, found.output) == (Phase.FAILED, "Fail", None)
    assert (found.error_code, found.error_message) == ("720701013", "node 'LLM' failed: timeout")


def test_an_interrupted_run_whatever_its_status() -> None:
    found = spoken.state(recorded("open", "poll_interrupted"))
    assert (found.phase, found.status) == (Phase.INTERRUPTED, "Running")
    assert found.error_message == "the run waits for a person and does not continue by itself (input)"
    unknown = spoken.state(record(execute_status="", interrupt_data={"type": 99}))
    assert (unknown.phase, unknown.status) == (Phase.INTERRUPTED, "Interrupted")
    assert unknown.error_message == "the run waits for a person and does not continue by itself"


@pytest.mark.parametrize("nothing", [None, {}, "", [], "x"])
def test_empty_interrupt_data_is_no_interrupt(nothing: object) -> None:
    assert spoken.state(record(interrupt_data=nothing)).phase is Phase.COMPLETED


@pytest.mark.parametrize(
    ("word", "phase"),
    [
        ("Success", Phase.COMPLETED),
        ("SUCCESS", Phase.COMPLETED),
        ("running", Phase.RUNNING),
        ("FAIL", Phase.FAILED),
        ("Cancel", Phase.UNKNOWN),
        ("Failed", Phase.UNKNOWN),
        ("完成", Phase.UNKNOWN),
    ],
)
def test_the_status_of_the_service_is_kept(word: str, phase: Phase) -> None:
    found = spoken.state(record(execute_status=word, output="x"))
    assert (found.phase, found.status) == (phase, word)


@pytest.mark.parametrize("data", [[], None, [None], ["x"], [[]], "x", 5])
def test_a_run_that_is_not_visible_yet(data: object) -> None:
    answer = spoken.poll({"code": 0, "msg": "", "data": data})
    assert isinstance(answer, Inconclusive)
    assert "without a record of the run" in answer.message
    assert answer.http_status == 200, "the run is polled again, and this is no outage"
    assert isinstance(spoken.poll(recorded("open", "poll_not_visible")), Inconclusive)


@pytest.mark.parametrize("answer", [{}, [], b"", {"code": 0, "msg": ""}, record(execute_status=None), {"data": [{}]}])
def test_a_poll_without_a_status_is_inconclusive(answer: object) -> None:
    assert isinstance(spoken.poll(answer), Inconclusive)


def test_a_record_may_be_outside_a_list() -> None:
    assert spoken.state({"code": 0, "data": {"execute_status": "Running"}}).phase is Phase.RUNNING


def test_a_run_that_does_not_exist() -> None:
    for status in (200, 400, 404):
        found = refused(spoken.poll(recorded("open", "poll_gone"), status))
        assert (found.kind, found.code) == (RefusalKind.GONE, "4314")
        assert "results are kept for 7 days" in found.message
    for status in (404, 410):
        assert refused(spoken.poll(b"", status)).kind is RefusalKind.GONE
        assert refused(spoken.poll({"code": 4100, "msg": "token"}, status)).kind is RefusalKind.CREDENTIALS
        assert refused(spoken.poll({"code": 4100}, status)).kind is RefusalKind.GONE, "not the complete envelope"
    assert refused(spoken.poll({"code": 4013, "msg": "slow"}, 404)).kind is RefusalKind.THROTTLED


@pytest.mark.parametrize("status", [302, 400, 500])
def test_a_state_counts_only_with_the_status_of_a_success(status: int) -> None:
    assert isinstance(spoken.poll(recorded("open", "poll_text"), status), Refusal | Inconclusive)


@pytest.mark.parametrize(
    ("code", "found"), [("", None), ("0", None), (0, None), (None, None), ("6006", "6006"), (720701013, "720701013")]
)
def test_the_code_of_a_run(code: object, found: str | None) -> None:
    assert spoken.state(record(execute_status="Fail", error_code=code)).error_code == found


@pytest.mark.parametrize(
    ("members", "created_at"),
    [
        ({"create_time": 1730174063}, 1730174063_000),
        ({"create_time": "1730174063"}, 1730174063_000),
        ({"create_time": 0}, None),
        ({"create_time": -1}, None),
        ({"create_time": "soon"}, None),
        ({"create_time": 1.5}, None),
        ({"create_time": "１７３０"}, None),
        ({"create_time": 253402300799}, 253402300799_000),
        ({"create_time": 253402300800}, None),
        ({}, None),
    ],
)
def test_times_are_seconds(members: dict[str, Any], created_at: int | None) -> None:
    assert spoken.state(record(**members)).created_at == created_at


@pytest.mark.parametrize(
    ("members", "tokens"),
    [
        ({"usage": {"input_count": "1", "output_count": 2, "token_count": 3}}, (1, 2, 3)),
        ({"usage": {"token_count": 0}, "token": 5}, (None, None, 0)),
        ({"token": "5"}, (None, None, 5)),
        ({"usage": {"token_count": 2**63, "input_count": -1, "output_count": 2**63 - 1}}, (None, 2**63 - 1, None)),
        ({"usage": {"token_count": 1.5}}, None),
        ({"usage": [], "token": "0"}, None),
        ({"logid": "", "debug_url": ""}, None),
    ],
)
def test_the_token_counts(members: dict[str, Any], tokens: tuple[int | None, ...] | None) -> None:
    details = spoken.state(record(**members)).details
    found = details and (details.input_tokens, details.output_tokens, details.total_tokens)
    assert found == tokens


@pytest.mark.parametrize(
    ("members", "identity"),
    [
        ({}, Identity(RUN)),
        ({"execute_id": 7}, Identity("7")),
        ({"execute_id": None}, Identity()),
        ({"execute_id": ""}, Identity()),
        ({"execute_id": {}}, Identity("{}")),
        ({"workflow_id": "w", "input": "{}"}, Identity(RUN, "w", msgspec.Raw(b'"{}"'))),
    ],
)
def test_what_a_record_says_about_its_run(members: dict[str, Any], identity: Identity) -> None:
    assert spoken.state(record(**members)).identity == identity


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        (b'{"data":[{"execute_id":"1","execute_status":"Success","execute_id":"2"}]}', "execute_id"),
        (b'{"data":[{"execute_id":"1","execute_status":"Fail","execute_status":"Success"}]}', "execute_status"),
        (b'{"data":[],"data":[{"execute_id":"1","execute_status":"Success"}]}', "data"),
        (b'{"data":[{"execute_status":"Success","execute_id":"1","output":"1","execute_id":"1"}]}', None),
    ],
)
def test_a_key_that_an_answer_has_twice(answer: bytes, key: str | None) -> None:
    assert spoken.state(answer).identity.repeated == key


@pytest.mark.parametrize(
    ("record", "output"),
    [
        (b'"output": "{\\"Output\\":\\"{}\\"}", "usage": {"token_count": NaN}', "{}"),
        (b'"output": "{\\"Output\\":\\"a\tb\\"}"', '"a\\tb"'),
        (b'"output": ' + b"[" * 1000 + b"]" * 1000, "[" * 1000 + "]" * 1000),
        (b'"output": "{\\"Output\\":\\"{\\\\\\"k\\\\\\":NaN}\\"}"', '{"k":NaN}'),
    ],
)
def test_a_record_that_is_not_strict_json_is_read(record: bytes, output: str) -> None:
    body = b'{"code":0,"msg":"","data":[{"execute_id":"1","execute_status":"Success",%s}]}' % record
    found = Open().parse_poll(200, {}, body, 0)
    assert isinstance(found, RunState)
    assert (found.phase, found.output, found.is_irregular) == (Phase.COMPLETED, output, True)
