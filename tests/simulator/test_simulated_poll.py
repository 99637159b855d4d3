"""GET /v1/workflow/history/{run_id}: every field, and its changes over time."""

import msgspec
import pytest

from batchrun.dialects.v1 import V1
from batchrun.domain.answers import AcceptedAnswer, Phase, RunState
from batchrun.simulator.simulated_run import iso
from tests.simulator.simulated import START, FakeClock, Service, content, refusal

CREATED = "2025-10-28T15:58:40Z"


def test_a_run_is_pending_then_running_then_completed() -> None:
    service = Service("duration=20", "pending=0.1")
    run_id = service.submit({"param1": "value1"})
    common = {"run_id": run_id, "workflow_id": "echo", "inputs": {"param1": "value1"}, "created_at": CREATED}
    pending = {**common, "status": "pending", "updated_at": CREATED}
    assert service.poll_ok(run_id) == pending
    service.clock.advance(1.999)
    assert service.poll_ok(run_id) == pending
    service.clock.advance(0.001)
    assert service.poll_ok(run_id) == {**common, "status": "running", "updated_at": "2025-10-28T15:58:42Z"}
    service.clock.advance(17.999)
    assert service.poll_ok(run_id)["status"] == "running"
    service.clock.advance(0.001)
    ended = {
        **common,
        "status": "completed",
        "outputs": {"echo": {"param1": "value1"}},
        "updated_at": "2025-10-28T15:59:00Z",
    }
    assert service.poll_ok(run_id) == ended
    service.clock.advance(3600)
    assert service.poll_ok(run_id) == ended


def test_a_run_that_fails_has_an_error_and_no_outputs() -> None:
    service = Service("duration=5", "fail=1")
    run = service.finish({"a": 1})
    assert run["status"] == "failed"
    assert set(run) == {"run_id", "workflow_id", "status", "inputs", "error", "created_at", "updated_at"}
    assert run["error"]["code"] == "WORKFLOW_EXECUTION_ERROR"
    assert run["error"]["message"]
    assert run["updated_at"] == "2025-10-28T15:58:45Z"


def test_a_stuck_run_never_ends() -> None:
    run = Service("duration=5", "stuck=1").finish()
    assert (run["status"], run["updated_at"]) == ("running", iso(START + 1_000_000_000))
    assert "outputs" not in run


def test_inputs_and_outputs_are_returned_unchanged() -> None:
    service = Service("duration=0")
    inputs = b'{"n": 12345678901234567890123.4500, "e": 1e999, "u": "\\u00e9 \xe4\xb8\xad", "d": {"x": [1.0, null]}}'
    run_id = content(service.send(b'{"async":true,"workflow_id":"echo","inputs": ' + inputs + b"}"))["run_id"]
    answer = msgspec.json.decode(service.poll(run_id).body, type=dict[str, msgspec.Raw])
    assert bytes(answer["inputs"]) == inputs
    for literal in (b"12345678901234567890123.4500", b"1e999", b'"\\u00e9 \xe4\xb8\xad"', b'{"x": [1.0, null]}'):
        assert literal in bytes(answer["outputs"])


def test_an_unknown_run_is_a_404() -> None:
    service = Service()
    assert refusal(service.poll("run_0")) == (404, "NOT_FOUND")
    assert refusal(service.poll("")) == (404, "NOT_FOUND")
    assert refusal(service.poll(f"{service.submit()}/more")) == (404, "NOT_FOUND")


def test_filters_that_the_run_matches_change_nothing() -> None:
    service = Service("duration=0")
    run_id = service.submit()
    unfiltered = service.poll(run_id)
    assert (
        service.poll(run_id, {"workflow_id": "echo", "status": "completed", "limit": "5", "offset": "3"}) == unfiltered
    )


@pytest.mark.parametrize("query", [{"workflow_id": "penguin"}, {"status": "failed"}, {"status": ""}])
def test_a_filter_that_the_run_does_not_match_is_a_404(query: dict[str, str]) -> None:
    service = Service("duration=0")
    assert refusal(service.poll(service.submit(), query)) == (404, "NOT_FOUND")


@pytest.mark.parametrize("value", ["-1", "x", "", "1.5", "+1", "²"])
@pytest.mark.parametrize("name", ["limit", "offset"])
def test_a_limit_that_is_not_a_number_is_a_400(name: str, value: str) -> None:
    service = Service()
    assert refusal(service.poll(service.submit(), {name: value})) == (400, "BAD_REQUEST")


def test_a_new_run_can_be_hidden_for_a_while() -> None:
    service = Service("hidden=3")
    run_id = service.submit()
    service.clock.advance(2.999)
    assert refusal(service.poll(run_id)) == (404, "NOT_FOUND")
    service.clock.advance(0.001)
    assert service.poll(run_id).status == 200


def test_the_dialect_understands_every_answer() -> None:
    service, dialect = Service("duration=10"), V1()
    reply = service.send(dialect.submit_request("echo", {"a": 1}).body or b"")
    accepted = dialect.parse_submit(reply.status, reply.headers, reply.body, START)
    assert isinstance(accepted, AcceptedAnswer)
    for seconds, phase in [(0, Phase.RUNNING), (5, Phase.RUNNING), (5, Phase.COMPLETED)]:
        service.clock.advance(seconds)
        reply = service.poll(accepted.run_id)
        state = dialect.parse_poll(reply.status, reply.headers, reply.body, START)
        assert isinstance(state, RunState)
        assert state.phase is phase
    assert isinstance(state, RunState)
    assert state.output == '{"echo":{"a":1}}'
    assert (state.created_at, state.updated_at) == (START, START + 10_000)


def test_times_are_whole_seconds_rounded_down() -> None:
    service = Service(clock=FakeClock(START + 999))
    assert content(service.post())["created_at"] == CREATED
