"""A simulator whose clock the test controls, and helpers to send requests to it."""

import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from batchrun.simulator.dialects.v1 import HISTORY, SUBMIT
from batchrun.simulator.options import parse_options
from batchrun.simulator.replies import Reply
from batchrun.simulator.service import Simulator
from batchrun.simulator.store import Store

START = 1_761_667_120_000
"""2025-10-28T15:58:40Z in UTC milliseconds, as in the documentation's examples."""

SAMPLES = Path(__file__).parents[2] / "samples"
AUTHORIZED = {"authorization": "Bearer t0ken"}
JSON = {**AUTHORIZED, "content-type": "application/json"}


class FakeClock:
    """A wall clock that the test advances."""

    def __init__(self, now: int = START) -> None:
        self.ms = now

    def now(self) -> int:
        return self.ms

    def advance(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


class Service:
    """The simulator under test. `options` are in the form NAME=VALUE."""

    def __init__(
        self,
        *options: str,
        seed: int = 1,
        path: Path | None = None,
        clock: FakeClock | None = None,
        api: str = "v1",
    ) -> None:
        self.clock = clock or FakeClock()
        self.store = Store(path)
        self.simulator = Simulator(self.clock, self.store, parse_options(options), seed, api)
        weakref.finalize(self.simulator, self.store.close)  # a test may keep the simulator alone

    def send(self, body: bytes, headers: Mapping[str, str] = JSON, arrived: float | None = None) -> Reply:
        return self.simulator.handle("POST", SUBMIT, {}, headers, body, arrived=arrived)

    def post(self, inputs: object = None, workflow_id: str = "echo", *, asynchronous: bool = True) -> Reply:
        content = {"workflow_id": workflow_id, "inputs": inputs or {}, "async": asynchronous}
        return self.send(msgspec.json.encode(content))

    def submit(self, inputs: object = None, workflow_id: str = "echo") -> str:
        """Submit a run, expect that it is accepted, and return its id."""
        run_id = content(self.post(inputs, workflow_id))["run_id"]
        assert isinstance(run_id, str)
        return run_id

    def poll(
        self, run_id: str, query: Mapping[str, str] | None = None, headers: Mapping[str, str] = AUTHORIZED
    ) -> Reply:
        return self.simulator.handle("GET", HISTORY + run_id, query or {}, headers, b"")

    def poll_ok(self, run_id: str) -> dict[str, Any]:
        """Poll a run, expect a 200, and return the JSON object."""
        reply = self.poll(run_id)
        assert reply.status == 200, reply.body
        return content(reply)

    def finish(self, inputs: object = None, workflow_id: str = "echo") -> dict[str, Any]:
        """Submit a run, advance the clock past its end, and return the answer to a poll."""
        run_id = self.submit(inputs, workflow_id)
        self.clock.advance(1e6)
        return self.poll_ok(run_id)


def content(reply: Reply) -> dict[str, Any]:
    """The JSON object in the body of a reply."""
    return msgspec.json.decode(reply.body, type=dict[str, Any])


def refusal(reply: Reply) -> tuple[int, str]:
    """Status and error code of a reply, whose body must be exactly the documented error object."""
    body = content(reply)
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message"}
    assert body["error"]["message"]
    return reply.status, body["error"]["code"]
