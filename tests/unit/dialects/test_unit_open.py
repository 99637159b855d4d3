"""The dialect of the cloud: its requests, and the answers to submissions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.dialects.base import ApiRequest, SubmitOptions, UnsendableError
from batchrun.dialects.open import Open
from batchrun.domain.answers import (
    AcceptedAnswer,
    Inconclusive,
    Phase,
    Refusal,
    RefusalKind,
    RunState,
    SyncResult,
    Uploaded,
)
from tests.support.recorded import recorded
from tests.unit.dialects.spoken import Spoken, body, refused

RUN = "741364789030728****"
URL = f"https://www.coze.cn/work_flow?execute_id={RUN}&space_id=736142423532160****&workflow_id=738958910358870****"

dialect = Open()
spoken = Spoken(dialect)


# -- requests


def test_the_request_of_a_run_is_that_of_the_sdks() -> None:
    whole = {"workflow_id": "w", "parameters": {"city": "北京"}, "is_async": True}
    assert spoken.sent({"city": "北京"}) == whole
    assert spoken.sent({"city": "北京"}, synchronous=True) == whole | {"is_async": False}
    assert spoken.sent({"city": "北京"}, callback_url="https://x") == whole, "there are no callbacks"


def test_only_the_options_that_are_given_are_sent() -> None:
    plain = {"workflow_id": "w", "parameters": {}, "is_async": True}
    more = {"bot_id": "b", "app_id": "a", "workflow_version": "v0.0.5", "ext": {"user_id": "u"}}
    options = SubmitOptions("b", "a", "v0.0.5", {"user_id": "u"})
    assert Spoken(dialect.with_options(options)).sent({}) == plain | more
    assert Spoken(dialect.with_options(SubmitOptions(bot_id="b"))).sent({}) == plain | {"bot_id": "b"}
    assert spoken.sent({}) == plain, "the original dialect is unchanged"


QUOTED = [("7413", "7413"), ("a/b", "a%2Fb"), ("50%", "50%25"), ("a b?", "a%20b%3F")]


@pytest.mark.parametrize(("text", "quoted"), QUOTED)
def test_a_poll_names_the_workflow_and_the_run(text: str, quoted: str) -> None:
    asked = ApiRequest("GET", f"/v1/workflows/{quoted}/run_histories/{quoted}")
    assert dialect.poll_request(text, text) == asked
    query: dict[str, str | int | None] = {"workflow_id": text, "status": "completed", "limit": 10, "offset": None}
    assert dialect.history_request(text, query) == asked, "it has no filters"


def test_a_run_cannot_be_looked_up_without_its_workflow() -> None:
    with pytest.raises(UnsendableError, match="add --workflow-id"):
        dialect.history_request(RUN, {"workflow_id": None, "limit": 10})


def test_the_address_and_the_token() -> None:
    assert (dialect.default_base_url, dialect.base_url_variable) == ("https://api.coze.cn", "COZE_API_BASE")
    assert (dialect.token_variable, dialect.headers("t")) == ("COZE_API_TOKEN", {"Authorization": "Bearer t"})


# -- the answer to an asynchronous submission


@pytest.mark.parametrize("name", ["accepted", "accepted_with_code"])
def test_a_run_is_accepted_with_and_without_a_code(name: str) -> None:
    answer = spoken.submit(recorded("open", name))
    assert isinstance(answer, AcceptedAnswer)
    assert (answer.run_id, answer.status) == (RUN, "")
    assert answer.details is not None
    assert answer.details.debug_url == URL


@pytest.mark.parametrize("code", [0, "0", None, ""])
def test_a_code_of_0_null_or_empty_text_is_no_error(code: object) -> None:
    assert spoken.submit({"code": code, "execute_id": "7"}) == AcceptedAnswer("7", "")
    assert spoken.synchronous({"code": code, "msg": "", "data": "{}"}).__class__ is SyncResult
    assert spoken.poll({"code": code, "data": [{"execute_status": "Running"}]}) == RunState(Phase.RUNNING, "Running")


@pytest.mark.parametrize(
    ("literal", "run_id"),
    [
        ('"7"', "7"),
        ("7563016372343701504", "7563016372343701504"),
        ('""', None),
        ("null", None),
        ("{}", None),
        ('".."', None),
    ],
)
def test_an_execute_id_may_be_text_or_a_number(literal: str, run_id: str | None) -> None:
    answer = spoken.submit(f'{{"code":0,"msg":"","execute_id":{literal}}}'.encode())
    if run_id is None:
        assert isinstance(answer, Inconclusive)
        assert "without a usable execute_id" in answer.message
    else:
        assert answer == AcceptedAnswer(run_id, "")


def test_the_result_of_a_run_that_was_to_be_asynchronous_is_kept() -> None:
    answer = spoken.submit(recorded("open", "sync_completed"))
    assert isinstance(answer, SyncResult)
    assert answer.state.phase is Phase.COMPLETED
    assert isinstance(spoken.submit({"code": 0, "data": "{}", "msg": "", "execute_id": "7"}), AcceptedAnswer)


# -- the answer to a synchronous one


@pytest.mark.parametrize(
    ("name", "output", "tokens"),
    [
        ("sync_completed", '{"output":"北京的经度为116.4074°E，纬度为39.9042°N。"}', (50, 100, 150)),
        ("sync_completed_older", '{"output":"1.10"}', (None, None, 98)),
        ("sync_completed_text", '"今天晴，22 °C"', (None, None, None)),
    ],
)
def test_the_answer_is_the_result(name: str, output: str, tokens: tuple[int | None, ...]) -> None:
    answer = spoken.ended(recorded("open", name))
    found = answer.state
    assert (answer.run_id, found.phase, found.status, found.output) == (None, Phase.COMPLETED, "Success", output)
    assert found.details is not None
    assert (found.details.input_tokens, found.details.output_tokens, found.details.total_tokens) == tokens
    assert found.details.debug_url == URL


def test_a_failed_run_differs_from_a_refused_request() -> None:
    failed = spoken.ended(recorded("open", "sync_failed"))
    assert (failed.run_id, failed.state.phase, failed.state.error_code) == (None, Phase.FAILED, "720701013")
    assert failed.state.error_message is not None
    assert "try again" in failed.state.error_message
    for status in (200, 400, 500):
        error = {"code": 720701013, "msg": "failed"}
        assert refused(spoken.synchronous(error, status)).kind is RefusalKind.BUSY
        assert refused(spoken.synchronous(error | {"debug_url": ""}, status)).kind is RefusalKind.BUSY
        assert spoken.ended(error | {"debug_url": URL}, status).run_id is None
        assert spoken.ended(error | {"execute_id": "7"}, status).run_id == "7"
        # It is the same in both modes.
        assert isinstance(spoken.submit(error | {"execute_id": "7"}, status), SyncResult)


def test_an_interrupted_run_has_ended() -> None:
    asked = spoken.ended(recorded("open", "sync_interrupted"))
    assert asked.state.phase is Phase.INTERRUPTED
    assert "waits for a person" in (asked.state.error_message or "")
    error = spoken.ended({"code": 6039, "msg": "interrupts are not supported"})
    assert (error.state.phase, error.state.error_code) == (Phase.INTERRUPTED, "6039")
    assert error.state.error_message == "interrupts are not supported"
    assert "waits for a person" in (spoken.ended({"code": 6039, "msg": ""}).state.error_message or "")


@pytest.mark.parametrize(
    "answer", [{"code": 0, "msg": "", "data": None}, {"data": "{}"}, {"code": 0, "msg": ""}, {}, []]
)
def test_an_answer_without_a_result_is_inconclusive(answer: object) -> None:
    assert isinstance(spoken.synchronous(answer), Inconclusive)


@pytest.mark.parametrize("status", [302, 408, 500, 502])
def test_a_success_counts_only_with_the_status_of_a_success(status: int) -> None:
    successes = [recorded("open", name) for name in ("accepted", "accepted_with_code", "sync_completed")]
    for success in successes:
        for answer in (spoken.submit(success, status), spoken.synchronous(success, status)):
            assert isinstance(answer, Inconclusive)
            assert answer.message.startswith(f"HTTP {status}: {{")


def test_a_synchronous_run_without_a_result_is_polled() -> None:
    assert isinstance(spoken.synchronous(recorded("open", "accepted")), AcceptedAnswer)


# -- other APIs


def test_answers_of_other_apis_are_recognised() -> None:
    for other in ({"run_id": "r", "status": "pending"}, {"error": {"code": "BAD", "message": "inputs"}}):
        found = dialect.foreign_api(400, body(other))
        assert found is not None
        assert found.api == "v1"
    site = dialect.foreign_api(404, b'{"detail":"Not Found"}')
    assert site is not None
    assert site.api == "site"
    for own in ("accepted", "refused", "missing_session"):
        assert dialect.foreign_api(200, recorded("open", own)) is None
    assert dialect.foreign_api(200, b"{}") is None


@given(st.binary())
def test_there_are_no_callbacks(callback: bytes) -> None:
    assert dialect.callback_run_id(callback) is None


# -- files


def test_an_upload_is_a_form_with_one_file() -> None:
    digest = "0123456789abcdef" * 4
    request = dialect.upload_request('a "b"\r\n图.png', digest)
    boundary = request.content_type.removeprefix("multipart/form-data; boundary=")
    assert (request.method, request.path) == ("POST", "/v1/files/upload")
    assert request.before.decode() == (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a %22b%22%0D%0A图.png"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    assert request.after.decode() == f"\r\n--{boundary}--\r\n"
    assert len(boundary) <= 70, "RFC 2046"


@pytest.mark.parametrize("file_id", ['"741"', "741"])
def test_the_reference_is_an_object_in_text(file_id: str) -> None:
    answer = dialect.parse_upload(200, {}, b'{"code":0,"data":{"id":%s,"bytes":1}}' % file_id.encode(), 0)
    assert answer == Uploaded('{"file_id":"741"}')


@pytest.mark.parametrize(
    ("status", "answer", "kind"),
    [
        (200, {"code": 4303, "msg": "m"}, RefusalKind.ROW),
        (413, b"too large", RefusalKind.ROW),
        (200, {"code": 4013, "msg": "m"}, RefusalKind.THROTTLED),
        (429, b"", RefusalKind.THROTTLED),
        (200, {"code": 4100, "msg": "m"}, RefusalKind.CREDENTIALS),
        (503, b"", RefusalKind.BUSY),
        (404, b"", RefusalKind.CONFIGURATION),
    ],
)
def test_refused_uploads(status: int, answer: object, kind: RefusalKind) -> None:
    found = dialect.parse_upload(status, {}, body(answer), 0)
    assert isinstance(found, Refusal)
    assert found.kind is kind


@pytest.mark.parametrize("answer", [b"", b"<html>", {"code": 0}, {"code": 0, "data": []}, {"data": {"id": None}}])
def test_uploads_without_an_id_are_inconclusive(answer: object) -> None:
    assert isinstance(dialect.parse_upload(200, {}, body(answer), 0), Inconclusive)


@given(
    st.integers(100, 599),
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["code", "data", "id", "msg"]), inner)
        ),
    ).map(body),
)
def test_any_answer_to_an_upload_has_a_meaning(status: int, answer: bytes) -> None:
    found = dialect.parse_upload(status, {}, answer, 0)
    assert isinstance(found, Uploaded | Refusal | Inconclusive)
