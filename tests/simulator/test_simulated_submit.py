"""POST /v1/workflow/run: every field."""

import msgspec
import pytest

from batchrun.simulator.service import NEVER
from tests.simulator.simulated import AUTHORIZED, JSON, Service, content, refusal


def test_an_asynchronous_run_is_accepted_with_the_documented_fields() -> None:
    reply = Service().post({"a": 1})
    assert (reply.status, reply.delay, reply.drop) == (200, 0, False)
    assert reply.headers["content-type"] == "application/json"
    answer = content(reply)
    assert answer.pop("run_id").startswith("run_")
    assert answer == {"status": "pending", "created_at": "2025-10-28T15:58:40Z"}


@pytest.mark.parametrize("fields", [{"async": False}, {}])
def test_a_synchronous_run_is_answered_when_it_has_ended(fields: dict[str, object]) -> None:
    service = Service("duration=20")
    reply = service.send(msgspec.json.encode({"workflow_id": "echo", "inputs": {"a": 1}, **fields}))
    assert (reply.status, reply.delay) == (200, 20)
    answer = content(reply)
    assert answer.pop("run_id").startswith("run_")
    assert answer == {
        "status": "completed",
        "output": {"echo": {"a": 1}},
        "created_at": "2025-10-28T15:58:40Z",
        "updated_at": "2025-10-28T15:59:00Z",
    }


def test_a_synchronous_run_that_fails_has_an_error() -> None:
    answer = content(Service("duration=5", "fail=1").post(asynchronous=False))
    assert answer["status"] == "failed"
    assert answer["error"]["code"] == "WORKFLOW_EXECUTION_ERROR"
    assert answer["updated_at"] == "2025-10-28T15:58:45Z"
    assert "output" not in answer


def test_a_synchronous_run_that_is_stuck_is_never_answered() -> None:
    assert Service("stuck=1").post(asynchronous=False).delay == NEVER


def test_a_synchronous_run_can_be_polled_too() -> None:
    service = Service("duration=5")
    run_id = content(service.post(asynchronous=False))["run_id"]
    service.clock.advance(5)
    assert service.poll_ok(run_id)["status"] == "completed"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer  "},
        {"authorization": "Basic abc"},
        {"authorization": "Bearer invalid-token"},
        {"authorization": "Bearer expired"},
    ],
)
def test_credentials_are_needed_everywhere(headers: dict[str, str]) -> None:
    service = Service()
    run_id = service.submit()
    content_type = {"content-type": "application/json"}
    assert refusal(service.send(b'{"workflow_id": "echo"}', {**headers, **content_type})) == (401, "UNAUTHORIZED")
    assert refusal(service.poll(run_id, headers=headers)) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "JSON object"),
        (b"[]", "JSON object"),
        (b"{", "JSON object"),
        (b'{"workflow_id": "echo", "inputs": {"a": "\xff"}}', "JSON object"),
        (b'{"workflow_id": "echo", "inputs": {"a": NaN}}', "JSON object"),
        (b"{}", "workflow_id"),
        (b'{"workflow_id": ""}', "workflow_id"),
        (b'{"workflow_id": 7}', "workflow_id"),
        (b'{"workflow_id": null}', "workflow_id"),
        (b'{"workflow_id": "echo", "inputs": []}', "inputs"),
        (b'{"workflow_id": "echo", "inputs": "a"}', "inputs"),
        (b'{"workflow_id": "echo", "inputs": null}', "inputs"),
        (b'{"workflow_id": "echo", "async": "true"}', "async"),
        (b'{"workflow_id": "echo", "async": 1}', "async"),
        (b'{"workflow_id": "echo", "callback_url": 1}', "callback_url"),
    ],
)
def test_a_body_that_is_not_as_documented_is_refused(body: bytes, field: str) -> None:
    service = Service()
    reply = service.send(body)
    assert refusal(reply) == (400, "BAD_REQUEST")
    assert field in content(reply)["error"]["message"]
    assert service.simulator.stats()["runs"] == 0


def test_the_content_type_must_be_json() -> None:
    service = Service()
    body = b'{"workflow_id": "echo", "async": true}'
    assert refusal(service.send(body, AUTHORIZED)) == (400, "BAD_REQUEST")
    assert refusal(service.send(body, {**JSON, "content-type": "text/plain"})) == (400, "BAD_REQUEST")
    assert service.send(body, {**JSON, "content-type": "Application/JSON; charset=utf-8"}).status == 200


def test_optional_fields_may_be_absent_and_further_ones_are_ignored() -> None:
    service = Service("duration=0")
    reply = service.send(b'{"workflow_id": "echo", "async": true, "callback_url": "http://127.0.0.1:9/", "more": [1]}')
    run = service.poll_ok(content(reply)["run_id"])
    assert (run["inputs"], run["outputs"]) == ({}, {"echo": {}})
    stored = service.store.get(run["run_id"])
    assert stored is not None
    assert stored.callback_url == "http://127.0.0.1:9/"


def test_an_unknown_workflow_is_a_404_that_lists_the_built_in_ones() -> None:
    reply = Service().post(workflow_id="7345")
    assert refusal(reply) == (404, "NOT_FOUND")
    assert "echo, penguin" in content(reply)["error"]["message"]


def test_with_any_workflow_an_unknown_one_echoes() -> None:
    run = Service("any_workflow=true").finish({"a": "b"}, "7345")
    assert (run["workflow_id"], run["outputs"]) == ("7345", {"echo": {"a": "b"}})


@pytest.mark.parametrize("path", ["/", "/v1/workflow", "/v1/workflow/runs", "/v3/chat"])
def test_an_unknown_path_is_a_404(path: str) -> None:
    assert refusal(Service().simulator.handle("GET", path, {}, AUTHORIZED, b"")) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/workflow/run", "POST"),
        ("DELETE", "/v1/workflow/history/run_1", "GET"),
        ("POST", "/simulator/stats", "GET"),
    ],
)
def test_a_wrong_method_is_a_405_that_names_the_right_one(method: str, path: str, allowed: str) -> None:
    reply = Service().simulator.handle(method, path, {}, JSON, b"")
    assert refusal(reply) == (405, "METHOD_NOT_ALLOWED")
    assert reply.headers["allow"] == allowed
