"""The simulator as the self-hosted server."""

from typing import Any

import msgspec

from batchrun.simulator.replies import Reply
from tests.simulator.simulated import AUTHORIZED, JSON, Service, content


class Server(Service):
    """The simulator that speaks `studio`."""

    def __init__(self, *options: str) -> None:
        super().__init__("duration=10", *options, api="studio")

    def create(self, *, is_async: bool = True) -> Any:
        body = {"workflow_id": "echo", "parameters": {"a": 1}, "is_async": is_async}
        return content(self.simulator.handle("POST", "/v1/workflow/run", {}, JSON, msgspec.json.encode(body)))

    def get(self, path: str, **query: str) -> Reply:
        return self.simulator.handle("GET", path, query, AUTHORIZED, b"")

    def history(self, run_id: str) -> Any:
        return content(self.get("/v1/workflow/get_run_history", workflow_id="echo", execute_id=run_id))


def test_a_run_from_its_start_to_its_end() -> None:
    server = Server()
    answer = server.create()
    assert (answer["code"], answer["msg"], answer["data"]) == (0, None, None)
    run_id = answer["execute_id"]
    server.clock.advance(10)
    polled = server.history(run_id)
    assert "code" not in polled
    [record] = polled["data"]
    assert (record["execute_id"], record["execute_status"]) == (int(run_id), "Success")
    assert msgspec.json.decode(record["output"]) == {"echo": {"a": 1}}
    assert msgspec.json.decode(server.create(is_async=False)["data"]) == {"echo": {"a": 1}}


def test_what_it_refuses() -> None:
    server = Server()
    assert server.history("7")["code"] == 777777775
    cloud_path = server.get(f"/v1/workflows/echo/run_histories/{server.create()['execute_id']}")
    assert content(cloud_path) == {
        "code": 700012006,
        "msg": "authentication failed: missing session_key in cookie",
    }
    expired = server.simulator.handle("GET", "/v1/workflows/echo", {}, {"authorization": "Bearer expired"}, b"")
    assert (expired.status, content(expired)["code"]) == (200, 700012006)
    assert "X-Log-ID" in expired.headers


def test_runs_that_fail_or_wait() -> None:
    failing = Server("fail=1")
    run_id = failing.create()["execute_id"]
    failing.clock.advance(10)
    [record] = failing.history(run_id)["data"]
    assert (record["execute_status"], record["error_code"]) == ("Fail", "720701013")
    assert record["error_msg"] == "the simulator was told to let this run fail"
    waiting = Server("interrupt=1")
    run_id = waiting.create()["execute_id"]
    waiting.clock.advance(10)
    assert waiting.history(run_id)["data"][0]["execute_status"] == "<UNSET>"
    assert waiting.create(is_async=False)["code"] == 6039
