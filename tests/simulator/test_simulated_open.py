"""The simulator as the cloud: its codes, its layers of output, and the odd bodies that its options ask for."""

from typing import Any

import msgspec
import pytest

from batchrun.dialects.coze_codes import code_kind
from batchrun.dialects.open import Open
from batchrun.domain.answers import RefusalKind
from batchrun.domain.workflow_info import DeclaredInput, WorkflowInfo
from batchrun.simulator.replies import Reply
from batchrun.simulator.workflows import WORKFLOWS
from tests.simulator.simulated import AUTHORIZED, JSON, START, Service, content

RUN = "/v1/workflow/run"


class Cloud(Service):
    """The simulator that speaks `open`."""

    def __init__(self, *options: str) -> None:
        super().__init__("duration=10", *options, api="open")

    def create(self, workflow_id: str = "echo", *, is_async: bool = True, **more: object) -> Reply:
        body = {"workflow_id": workflow_id, "parameters": {"a": 1}, "is_async": is_async, **more}
        return self.simulator.handle("POST", RUN, {}, JSON, msgspec.json.encode(body))

    def create_run(self) -> str:
        run_id = content(self.create())["execute_id"]
        assert isinstance(run_id, str)
        return run_id

    def retrieve(self, run_id: str, workflow_id: str = "echo") -> Reply:
        path = f"/v1/workflows/{workflow_id}/run_histories/{run_id}"
        return self.simulator.handle("GET", path, {}, AUTHORIZED, b"")

    def record(self, run_id: str) -> Any:
        [record] = _parts(self.retrieve(run_id))["data"]
        return record

    def describe(self, workflow_id: str) -> Reply:
        query = {"include_input_output": "true"}
        return self.simulator.handle("GET", f"/v1/workflows/{workflow_id}", query, AUTHORIZED, b"")


def _parts(reply: Reply) -> Any:
    return content(reply)


def _code(reply: Reply) -> tuple[int, object]:
    """The HTTP status and the code."""
    return reply.status, _parts(reply).get("code")


def test_a_run_from_its_start_to_its_end() -> None:
    cloud = Cloud()
    run_id = cloud.create_run()
    assert run_id.isdigit()
    assert len(run_id) == 19
    record = cloud.record(run_id)
    assert (record["execute_status"], record["create_time"]) == ("Running", START // 1000)
    assert msgspec.json.decode(record["output"]) == {"node_status": "{}", "Output": ""}
    cloud.clock.advance(10)
    record = cloud.record(run_id)
    assert (record["execute_status"], record["error_code"]) == ("Success", "")
    nodes = msgspec.json.decode(record["output"])
    assert msgspec.json.decode(nodes["Output"]) == {"echo": {"a": 1}}


def test_a_text_of_the_end_node_has_one_more_layer() -> None:
    cloud = Cloud("end_node=text")
    answer = _parts(cloud.create(is_async=False))
    envelope = msgspec.json.decode(answer["data"])
    assert (envelope["content_type"], msgspec.json.decode(envelope["data"])) == (1, {"echo": {"a": 1}})


def test_parameters_may_be_a_string_of_json() -> None:
    answer = _parts(Cloud().create(is_async=False, parameters='{"a": "b"}'))
    assert msgspec.json.decode(answer["data"]) == {"echo": {"a": "b"}}


def test_the_service_refuses_with_codes_under_http_200() -> None:
    cloud = Cloud()
    assert _code(cloud.create("unknown")) == (200, 4200)
    assert _code(cloud.create("penguin")) == (200, 4000)
    assert _code(cloud.create(bot_id="1", app_id="2")) == (200, 4000)
    assert _code(cloud.retrieve("7")) == (200, 4314)
    assert _code(cloud.retrieve(cloud.create_run(), "penguin")) == (200, 4314)
    refused = cloud.simulator.handle("GET", "/v1/workflows/echo", {}, {"authorization": "Bearer expired"}, b"")
    assert _code(refused) == (200, 4100)
    assert _parts(refused)["detail"] == {"logid": refused.headers["X-Tt-Logid"]}
    assert _code(Cloud("free=true").create()) == (200, 6003)
    assert _code(Cloud("answer=post:403:1").create()) == (403, 4101)


@pytest.mark.parametrize(
    ("throttle", "status", "code", "header"),
    [("retry-after", 429, 4013, "3"), ("429", 429, 4013, None), ("4013", 200, 4013, None), ("4009", 200, 4009, None)],
)
def test_too_many_requests(throttle: str, status: int, code: int, header: str | None) -> None:
    cloud = Cloud("rps=1", "retry_after=3", f"throttle={throttle}")
    assert _code(cloud.create()) == (200, 0)
    refused = cloud.create()
    assert _code(refused) == (status, code)
    assert refused.headers.get("retry-after") == header
    assert cloud.simulator.stats()["throttled"] == 1


def test_a_thousand_asynchronous_runs_at_once_and_no_more() -> None:
    cloud = Cloud()
    assert {_code(cloud.create()) for _ in range(1000)} == {(200, 0)}
    refused = cloud.create()
    status, code = _code(refused)
    assert (status, code_kind(str(code), None)) == (200, None)
    message = _parts(refused)["msg"]
    assert message == "Workflow asynchronous execution concurrency exceeds the maximum limit of 1000"
    assert code_kind(str(code), message) is RefusalKind.THROTTLED
    assert _code(cloud.create(is_async=False)) == (200, 0)
    cloud.clock.advance(10)
    assert _code(cloud.create()) == (200, 0)


def test_a_failed_run() -> None:
    cloud = Cloud("fail=1")
    answer = _parts(cloud.create(is_async=False))
    assert (answer["code"], "debug_url" in answer) == (720701013, True)
    run_id = cloud.create_run()
    cloud.clock.advance(10)
    record = cloud.record(run_id)
    assert (record["execute_status"], record["error_code"]) == ("Fail", "720701013")
    assert record["error_message"] == "the simulator was told to let this run fail"


def test_a_run_that_waits_for_a_person() -> None:
    cloud = Cloud("interrupt=1")
    assert "interrupt_data" in _parts(cloud.create(is_async=False))
    run_id = cloud.create_run()
    assert "interrupt_data" not in cloud.record(run_id)
    cloud.clock.advance(100)
    record = cloud.record(run_id)
    assert (record["execute_status"], record["interrupt_data"]["type"]) == ("Running", 2)


def test_a_run_is_first_unseen_and_at_last_forgotten() -> None:
    cloud = Cloud("hidden=2", "retention=60")
    run_id = cloud.create_run()
    assert _parts(cloud.retrieve(run_id))["data"] == []
    cloud.clock.advance(69)
    assert cloud.record(run_id)["execute_status"] == "Success"
    cloud.clock.advance(1)
    assert _code(cloud.retrieve(run_id)) == (200, 4314)


def test_members_can_be_left_out() -> None:
    cloud = Cloud("omit=code,error_message,is_output_trimmed")
    answer = _parts(cloud.create())
    assert "code" not in answer
    record = cloud.record(answer["execute_id"])
    assert not {"error_message", "is_output_trimmed"} & set(record)
    assert "error_code" in record


def test_a_synchronous_run_is_cut() -> None:
    cut = Cloud("sync_limit=5").create(is_async=False)
    assert (cut.drop, cut.delay) == (True, 5)
    assert Cloud("sync_limit=10").create(is_async=False).delay == 10


def test_the_description_of_a_workflow() -> None:
    cloud = Cloud("any_workflow=true")
    described = Open().parse_workflow(200, {}, cloud.describe("penguin").body, START)
    assert isinstance(described, WorkflowInfo)
    assert (described.name, described.version) == ("penguin", WORKFLOWS["penguin"].version)
    assert described.inputs is not None
    assert described.inputs["body_mass_g"] == DeclaredInput("string", required=True)
    for workflow_id in ("echo", "unknown"):
        without = Open().parse_workflow(200, {}, cloud.describe(workflow_id).body, START)
        assert isinstance(without, WorkflowInfo)
        assert (without.name, without.inputs) == (workflow_id, None)
    assert _code(Cloud().describe("unknown")) == (200, 4200)


def test_an_upload_needs_a_file() -> None:
    cloud = Cloud()
    headers = {**AUTHORIZED, "content-type": "multipart/form-data; boundary=b"}
    part = b'--b\r\nContent-Disposition: form-data; name="%s"; filename="a"\r\n\r\nx\r\n--b--\r\n'
    uploads = [
        cloud.simulator.handle("POST", "/v1/files/upload", {}, headers, part % name) for name in (b"file", b"other")
    ]
    assert [_code(upload) for upload in uploads] == [(200, 0), (200, 4000)]
    assert _parts(uploads[0])["data"]["bytes"] == 1
    assert _code(cloud.simulator.handle("POST", "/v1/files/upload", {}, JSON, b"{}")) == (200, 4000)


def _upload(cloud: Cloud, content: bytes = b"x", name: bytes = b"a") -> Reply:
    headers = {**AUTHORIZED, "content-type": "multipart/form-data; boundary=b"}
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n%s\r\n--b--\r\n'
    return cloud.simulator.handle("POST", "/v1/files/upload", {}, headers, part % (name, content))


def test_a_declared_file_must_have_been_uploaded() -> None:
    cloud = Cloud()
    file_id = _parts(_upload(cloud))["data"]["id"]

    def code(value: object) -> tuple[int, object]:
        return _code(cloud.create("file", parameters={"file": value}))

    reference = msgspec.json.encode({"file_id": file_id}).decode()
    for good in (reference, [reference, None], "https://example.com/x", None):
        assert code(good) == (200, 0)
    for bad in ("a.png", {"file_id": file_id}, [reference, "7"], '{"file_id":"7"}', 7):
        assert code(bad) == (200, 4000)
    assert _code(cloud.create("file", parameters={})) == (200, 4000)


def test_uploads_have_a_quota_and_refusals_of_their_own() -> None:
    cloud = Cloud("upload_rps=1", "answer=upload:413:name=bad")
    assert [_code(_upload(cloud)) for _ in range(2)] == [(200, 0), (429, 4013)]
    cloud.clock.advance(1)
    assert _upload(cloud, name=b"bad").status == 413
    assert _code(cloud.create()) == (200, 0)
    stats = cloud.simulator.stats()
    assert (stats["uploads"], stats["most_uploads_in_a_second"], stats["posts"]) == (3, 2, 1)


def test_an_upload_is_read_to_the_last_byte() -> None:
    content = b"\r\n--\r\n\r\n--c\r\n" * 3
    assert _parts(_upload(Cloud(), content))["data"]["bytes"] == len(content)
