"""The documented dialect: every example of the documentation, and everything that a proxy may answer instead."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchrun.dialects.base import ApiRequest, head
from batchrun.dialects.v1 import V1
from batchrun.domain.answers import (
    AcceptedAnswer,
    Inconclusive,
    Phase,
    Refusal,
    RefusalKind,
    RunState,
    SubmitAnswer,
    SyncResult,
)
from tests.support.examples import examples

NOW = 1_761_667_200_000
CREATED = 1_761_667_120_000
"""2025-10-28T15:58:40Z, as in all the examples."""

v1 = V1()
NO_HEADERS: Mapping[str, str] = {}


def submit(status: int, body: bytes | str, headers: Mapping[str, str] = NO_HEADERS) -> SubmitAnswer:
    return v1.parse_submit(status, headers, body.encode() if isinstance(body, str) else body, NOW)


def synchronous(status: int, body: bytes | str, headers: Mapping[str, str] = NO_HEADERS) -> SubmitAnswer:
    return v1.parse_synchronous(status, headers, body.encode() if isinstance(body, str) else body, NOW)


def poll(status: int, body: bytes | str, headers: Mapping[str, str] = NO_HEADERS) -> RunState | Refusal | Inconclusive:
    return v1.parse_poll(status, headers, body.encode() if isinstance(body, str) else body, NOW)


def state(body: bytes | str) -> RunState:
    found = poll(200, body)
    assert isinstance(found, RunState)
    return found


# -- requests


def submission(workflow_id: str, inputs: Mapping[str, object], **how: Any) -> bytes:
    """The body of a submission."""
    body = v1.submit_request(workflow_id, inputs, **how).body
    assert body is not None
    return body


def test_the_request_of_an_asynchronous_run_is_the_documented_one() -> None:
    body = submission("your_workflow_id", {"param1": "value1", "param2": "value2"})
    assert json.loads(body) == {
        "workflow_id": "your_workflow_id",
        "inputs": {"param1": "value1", "param2": "value2"},
        "async": True,
    }
    assert v1.submit_request("w", {}).path == "/v1/workflow/run"
    assert v1.submit_request("w", {}).method == "POST"
    assert v1.default_base_url == "https://api.coze.cn"


def test_the_request_of_a_synchronous_run_says_so() -> None:
    body = submission("your_workflow_id", {"param1": "value1"}, synchronous=True)
    assert json.loads(body) == {"workflow_id": "your_workflow_id", "inputs": {"param1": "value1"}, "async": False}


def test_a_row_without_inputs_sends_an_empty_object() -> None:
    assert json.loads(submission("w", {}))["inputs"] == {}


def test_a_poll_names_the_run_and_nothing_else() -> None:
    assert v1.poll_request("your_workflow_id", "run123") == ApiRequest("GET", "/v1/workflow/history/run123")


@pytest.mark.parametrize(
    ("run_id", "quoted"),
    [("a/b", "a%2Fb"), ("a?b#c", "a%3Fb%23c"), ("a b", "a%20b"), ("50%", "50%25"), ("运行", "%E8%BF%90%E8%A1%8C")],
)
def test_a_poll_quotes_what_has_a_meaning_in_a_path(run_id: str, quoted: str) -> None:
    assert v1.poll_request("w", run_id).path == f"/v1/workflow/history/{quoted}"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_a_quoted_run_never_leaves_its_place_in_the_path(run_id: str) -> None:
    rest = v1.poll_request("w", run_id).path.removeprefix("/v1/workflow/history/")
    assert not set(rest) & set("/?#% \r\n") - {"%"}
    assert rest.isascii()


# -- the documented examples

EXAMPLE_TIMES = '"created_at": "2025-10-28T15:58:40Z", "updated_at": "%s"'
INPUTS = '"inputs": {"param1": "value1", "param2": "value2"}'
OUTPUT = '{\n    "result": "success",\n    "data": {\n      "key1": "value1",\n      "key2": "value2"\n    }\n  }'


def test_example_accepted() -> None:
    body = '{\n  "run_id": "run123",\n  "status": "pending",\n  "created_at": "2025-10-28T15:58:40Z"\n}'
    assert submit(200, body) == AcceptedAnswer("run123", "pending", CREATED)


def test_example_run_completed() -> None:
    body = (
        '{\n  "run_id": "run123",\n  "workflow_id": "your_workflow_id",\n  "status": "completed",\n  '
        f'{INPUTS},\n  "outputs": {OUTPUT},\n  {EXAMPLE_TIMES % "2025-10-28T16:00:00Z"}\n}}'
    )
    assert state(body) == RunState(
        Phase.COMPLETED, "completed", OUTPUT, created_at=CREATED, updated_at=CREATED + 80_000
    )


def test_example_run_running() -> None:
    body = (
        f'{{"run_id": "run123", "workflow_id": "w", "status": "running", {INPUTS}, '
        f"{EXAMPLE_TIMES % '2025-10-28T15:59:30Z'}}}"
    )
    assert state(body) == RunState(Phase.RUNNING, "running", created_at=CREATED, updated_at=CREATED + 50_000)


def test_example_run_failed() -> None:
    body = (
        f'{{"run_id": "run123", "workflow_id": "w", "status": "failed", {INPUTS}, '
        '"error": {"code": "WORKFLOW_EXECUTION_ERROR", "message": "Workflow execution failed due to timeout."}, '
        f"{EXAMPLE_TIMES % '2025-10-28T15:59:45Z'}}}"
    )
    assert state(body) == RunState(
        Phase.FAILED,
        "failed",
        None,
        "WORKFLOW_EXECUTION_ERROR",
        "Workflow execution failed due to timeout.",
        CREATED,
        CREATED + 65_000,
    )


def test_example_run_pending() -> None:
    body = (
        f'{{"run_id": "run123", "workflow_id": "w", "status": "pending", {INPUTS}, '
        f"{EXAMPLE_TIMES % '2025-10-28T15:58:40Z'}}}"
    )
    assert state(body) == RunState(Phase.RUNNING, "pending", created_at=CREATED, updated_at=CREATED)


def test_example_of_the_synchronous_answer_with_its_other_spelling_of_the_output() -> None:
    body = (
        f'{{"run_id": "run123", "status": "completed", "output": {OUTPUT}, {EXAMPLE_TIMES % "2025-10-28T15:59:00Z"}}}'
    )
    assert state(body) == RunState(
        Phase.COMPLETED, "completed", OUTPUT, created_at=CREATED, updated_at=CREATED + 20_000
    )
    assert submit(200, body) == AcceptedAnswer("run123", "completed", CREATED)


def test_example_of_an_error_with_each_documented_status() -> None:
    body = '{"error": {"code": "ERROR_CODE", "message": "Error message description"}}'
    for status, kind in [
        (400, RefusalKind.ROW),
        (401, RefusalKind.CREDENTIALS),
        (404, RefusalKind.CONFIGURATION),
        (500, RefusalKind.BUSY),
    ]:
        assert submit(status, body) == Refusal(kind, status, "ERROR_CODE", "Error message description")
    assert poll(404, body) == Refusal(RefusalKind.GONE, 404, "ERROR_CODE", "Error message description")


# -- proof of refusal (contract 1), status by status

HTML = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
ENVELOPE = '{"error": {"code": "X", "message": "why"}}'
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
    if status == 503 or (status >= 500 and enveloped):
        return RefusalKind.BUSY
    return RefusalKind.ROW if status == 200 and enveloped else None


@pytest.mark.parametrize("body", ["", HTML, ENVELOPE, "{}", "[]", "null", '"error"', '{"error": null}'])
def test_proof_of_refusal_for_every_status(body: str) -> None:
    enveloped = body == ENVELOPE
    # A final answer has no status below 200, and of the 2xx the contract speaks of 200 alone.
    for status in (200, *range(300, 600)):
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


# -- the answer to a synchronous submission

FAILED = '"error": {"code": "WORKFLOW_EXECUTION_ERROR", "message": "Workflow execution failed due to invalid input."}'


def test_example_of_a_synchronous_run_that_completed() -> None:
    body = (
        f'{{\n  "run_id": "run123",\n  "status": "completed",\n  "output": {OUTPUT},\n  '
        f"{EXAMPLE_TIMES % '2025-10-28T15:59:00Z'}\n}}"
    )
    end = RunState(Phase.COMPLETED, "completed", OUTPUT, created_at=CREATED, updated_at=CREATED + 20_000)
    assert synchronous(200, body) == SyncResult("run123", end)


def test_example_of_a_synchronous_run_that_failed() -> None:
    body = f'{{"run_id": "run123", "status": "failed", {FAILED}, {EXAMPLE_TIMES % "2025-10-28T15:58:45Z"}}}'
    answer = synchronous(200, body)
    assert isinstance(answer, SyncResult)
    assert (answer.run_id, answer.state.phase, answer.state.output) == ("run123", Phase.FAILED, None)
    assert answer.state.error_code == "WORKFLOW_EXECUTION_ERROR"
    assert answer.state.error_message == "Workflow execution failed due to invalid input."
    assert (answer.state.created_at, answer.state.updated_at) == (CREATED, CREATED + 5_000)


@pytest.mark.parametrize(
    ("fields", "output"),
    [
        ('"output": {"a": 1.10}', '{"a": 1.10}'),
        ('"outputs": [1]', "[1]"),
        ('"outputs": 2, "output": 1', "1"),
        ('"output": null', "null"),
        ('"error": null', None),
    ],
)
def test_the_output_of_a_synchronous_run_by_either_name(fields: str, output: str | None) -> None:
    answer = synchronous(200, f'{{"run_id": "r", "status": "Completed", {fields}}}')
    assert answer == SyncResult("r", RunState(Phase.COMPLETED, "Completed", output))


@pytest.mark.parametrize("word", ["pending", "running", "timeout", "cancelled", "success", "完成"])
def test_a_run_with_another_word_has_not_ended_and_is_asked_for_by_its_name(word: str) -> None:
    body = f'{{"run_id": "r", "status": "{word}", "output": 1, {FAILED}, "created_at": "2025-10-28T15:58:40Z"}}'
    assert synchronous(200, body) == AcceptedAnswer("r", word, CREATED)


@pytest.mark.parametrize("word", ["running", "timeout", "error"])
def test_without_a_name_it_is_neither_a_success_nor_a_refusal(word: str) -> None:
    assert isinstance(synchronous(200, f'{{"status": "{word}", {FAILED}}}'), Inconclusive)


@pytest.mark.parametrize("run_id", ["", '"run_id": null, ', '"run_id": "", ', '"run_id": {}, '])
def test_an_end_without_a_name_is_believed_with_what_is_documented_beside_it(run_id: str) -> None:
    done, failed = synchronous(200, f'{{{run_id}"status": "completed", "output": {{}}}}'), f'{run_id}"status": "failed"'
    assert done == SyncResult(None, RunState(Phase.COMPLETED, "completed", "{}"))
    answer = synchronous(200, f"{{{failed}, {FAILED}}}")
    assert isinstance(answer, SyncResult)
    assert (answer.run_id, answer.state.phase) == (None, Phase.FAILED)
    for nothing in ('"status": "completed"', '"status": "completed", "output": null', failed.removeprefix(run_id)):
        assert isinstance(synchronous(200, f"{{{run_id}{nothing}}}"), Inconclusive)


def test_an_end_is_believed_under_a_success_only_and_a_name_under_whatever_proves_no_refusal() -> None:
    body = f'{{"run_id": "r", "status": "failed", {FAILED}}}'
    for status in range(100, 600):
        answer = synchronous(status, body)
        refused = (400 <= status < 500 and status != 408) or status == 503
        assert isinstance(answer, SyncResult) == (200 <= status < 300), status
        assert isinstance(answer, Refusal) == refused, status
        assert refused or 200 <= status < 300 or answer == AcceptedAnswer("r", "failed"), status


@pytest.mark.parametrize("body", ["", HTML, ENVELOPE, "{}", "[]", "null", '"error"', '{"error": null}'])
def test_what_says_nothing_of_a_run_means_the_same_in_both_modes(body: str) -> None:
    for status in range(100, 600):
        assert synchronous(status, body) == submit(status, body), status


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


JSON_TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(JSON_TREES, st.booleans(), st.none() | st.integers(0, 4))
def test_any_output_comes_through_byte_for_byte(tree: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(tree, ensure_ascii=ascii_only, indent=indent)
    assert state(f'{{"status":"completed","outputs":{text}}}').output == text


@given(st.decimals(allow_nan=False, allow_infinity=False), st.integers(10**22, 10**40))
def test_number_literals_keep_every_digit(number: Decimal, big: int) -> None:
    literal = f"{number:f}" if abs(number.adjusted()) < 50 else "1.000"
    assert state(f'{{"status":"completed","outputs":[{literal},{big}]}}').output == f"[{literal},{big}]"


# -- nothing that a server can send makes the parsers raise

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


# -- callbacks


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
