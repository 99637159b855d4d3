"""A simulator with a clock that the test moves, and short ways to speak to it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from batchrun.simulator.options import parse_options
from batchrun.simulator.replies import Reply
from batchrun.simulator.service import HISTORY, SUBMIT, Simulator
from batchrun.simulator.store import Store

START = 1_761_667_120_000
"""2025-10-28T15:58:40Z, the moment of the documentation's examples."""

SAMPLES = Path(__file__).parents[2] / "samples"
AUTHORIZED = {"authorization": "Bearer t0ken"}
JSON = {**AUTHORIZED, "content-type": "application/json"}


class FakeClock:
    """A wall clock that stands still until it is moved."""

    def __init__(self, now: int = START) -> None:
        self.ms = now

    def now(self) -> int:
        return self.ms

    def advance(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


class Service:
    """The simulator under test; `options` as people write them."""

    def __init__(self, *options: str, seed: int = 1, path: Path | None = None, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.store = Store(path)
        self.simulator = Simulator(self.clock, self.store, parse_options(options), seed)

    def send(self, body: bytes, headers: Mapping[str, str] = JSON, arrived: float | None = None) -> Reply:
        return self.simulator.handle("POST", SUBMIT, {}, headers, body, arrived=arrived)

    def post(self, inputs: object = None, workflow_id: str = "echo", *, asynchronous: bool = True) -> Reply:
        content = {"workflow_id": workflow_id, "inputs": inputs or {}, "async": asynchronous}
        return self.send(msgspec.json.encode(content))

    def submit(self, inputs: object = None, workflow_id: str = "echo") -> str:
        """Submit a run that must be accepted; returns its id."""
        run_id = content(self.post(inputs, workflow_id))["run_id"]
        assert isinstance(run_id, str)
        return run_id

    def poll(
        self, run_id: str, query: Mapping[str, str] | None = None, headers: Mapping[str, str] = AUTHORIZED
    ) -> Reply:
        return self.simulator.handle("GET", HISTORY + run_id, query or {}, headers, b"")

    def run(self, run_id: str) -> dict[str, Any]:
        """The answer to a poll that must succeed."""
        reply = self.poll(run_id)
        assert reply.status == 200, reply.body
        return content(reply)

    def finish(self, inputs: object = None, workflow_id: str = "echo") -> dict[str, Any]:
        """Submit a run, wait long enough, and return how it ended."""
        run_id = self.submit(inputs, workflow_id)
        self.clock.advance(1e6)
        return self.run(run_id)


def content(reply: Reply) -> dict[str, Any]:
    """The JSON object of an answer."""
    return msgspec.json.decode(reply.body, type=dict[str, Any])


def refusal(reply: Reply) -> tuple[int, str]:
    """Status and code of an answer that must be the documented envelope and nothing else."""
    body = content(reply)
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message"}
    assert body["error"]["message"]
    return reply.status, body["error"]["code"]
