"""A workflow service in memory that breaks its promises in every way, and knows the truth."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import msgspec

from tests.harness.simulated.plan import Plan

ENVELOPE = b'{"error":{"code":"E","message":"no"}}'
REFUSED = {"refused", "throttled", "unauthorized", "busy"}
"""The outcomes of a POST that prove to the job that no run was started."""

YOUNG = 40.0
"""Seconds for which a new run may be unknown to polls."""


@dataclass(slots=True)
class Reply:
    """What the transport makes of a request: an answer after `delay`, or none."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.05
    is_lost: bool = False
    """The connection is closed without an answer."""


@dataclass(slots=True)
class Run:
    """A run, and who will hear of it."""

    run_id: str
    row: int
    began_at: float
    ends_at: float
    fails: bool
    callback: str | None = None


@dataclass(slots=True)
class Post:
    """A POST that has arrived, and what became of it in truth."""

    at: float
    row: int
    outcome: str
    """`accepted`, `unknown`, or one of `REFUSED`."""
    run: Run | None
    in_outage: bool


class Service:
    """Takes requests at a virtual time, in seconds. `on_run` is called with each run that is started."""

    def __init__(self, plan: Plan, on_run: Callable[[Run, float], None]) -> None:
        self.plan = plan
        self._chance = random.Random(plan.seed + 1)
        self._on_run = on_run
        self.runs: dict[str, Run] = {}
        self.posts: list[Post] = []
        self.polls: list[tuple[float, str]] = []
        self.asked_to_wait: list[tuple[str, float, float, float]] = []
        """The method, the times of the request and of the answer, and the seconds of each 429 with a Retry-After."""
        self._taken: list[float] = []
        self._has_echoed = False
        """Whether a run was reported with its own inputs: from then on, the job can tell those of others."""

    def refuses_connection(self, method: str, now: float) -> bool:
        """Whether no connection is made now."""
        if (outage := self._outage(now)) is not None:
            return outage == "refused_connection"
        faults = self.plan.post_faults if method == "POST" else self.plan.poll_faults
        return self._chance.random() < faults.get("refused_connection", 0.0)

    def handle(self, method: str, path: str, body: bytes, now: float) -> Reply:
        """Take a request."""
        if method == "POST":
            return self._submit(msgspec.json.decode(body), now)
        return self._poll(unquote(path.rpartition("/")[2]), now)

    def _outage(self, now: float) -> str | None:
        return next((fault for start, end, fault in self.plan.outages if start <= now < end), None)

    def _fault(self, faults: dict[str, float]) -> str:
        drawn = self._chance.random()
        for name, share in faults.items():
            if name == "refused_connection":
                continue
            if drawn < share:
                return name
            drawn -= share
        return ""

    # -- POST

    def _submit(self, body: dict[str, Any], now: float) -> Reply:
        row = int(body["inputs"]["id"])
        outage = self._outage(now)
        fault = outage or self._fault(self.plan.post_faults)
        if not outage and self._is_over_quota(now):
            fault = "throttled"
        elif not outage and row in self.plan.rejected:
            fault = "rejected"
        else:
            self._taken.append(now)
        reply, outcome = self._refusal(fault, now)
        run = None
        if reply is None:
            run = self._start(row, body.get("callback_url"), now)
            reply, outcome = self._answer(fault, run, body, now)
        elif fault == "hangs" and self._chance.random() < 0.5:
            run = self._start(row, body.get("callback_url"), now)
        self.posts.append(Post(now, row, outcome, run, outage is not None))
        return reply

    def _is_over_quota(self, now: float) -> bool:
        quota = self.plan.quota
        return quota is not None and sum(at > now - 1 for at in self._taken[-quota:]) >= quota

    def _refusal(self, fault: str, now: float) -> tuple[Reply | None, str]:
        """The answer to a POST that starts no run; None if it starts one."""
        match fault:
            case "rejected":
                return Reply(400, ENVELOPE), "refused"
            case "enveloped_500":
                return Reply(500, ENVELOPE), "refused"
            case "busy_503":
                return Reply(503, b"busy", {"retry-after": "2"} if self._chance.random() < 0.5 else {}), "busy"
            case "throttled":
                return self._throttled("POST", now), "throttled"
            case "unauthorized":
                return Reply(401, ENVELOPE), "unauthorized"
            case "reset_before" | "refused_connection":
                return Reply(is_lost=True), "unknown"
            case "bare_500" | "bare_502":
                return Reply(500, b"<h1>oops</h1>"), "unknown"
            case "hangs":
                return Reply(delay=1e6), "unknown"
        return None, ""

    def _throttled(self, method: str, now: float) -> Reply:
        wait = self._chance.choice((None, "1", "3", "20", "-5", "soon"))
        reply = Reply(429, ENVELOPE, {} if wait is None else {"retry-after": wait})
        if wait is not None and wait.isdigit():
            self.asked_to_wait.append((method, now, now + reply.delay, float(wait)))
        return reply

    def _start(self, row: int, callback: str | None, now: float) -> Run:
        seconds = self._chance.uniform(*self.plan.duration)
        ends_at = float("inf") if row in self.plan.stuck else now + seconds
        run = Run(f"r{len(self.runs)}-{row}", row, now, ends_at, row in self.plan.failing, callback)
        self.runs[run.run_id] = run
        self._on_run(run, now)
        return run

    def _answer(self, fault: str, run: Run, body: dict[str, Any], now: float) -> tuple[Reply, str]:
        """The answer to a POST that has started a run."""
        is_sync = not body["async"]
        members = self._result(run) if is_sync else {"run_id": run.run_id, "status": "pending"}
        delay = run.ends_at - now if is_sync else self._chance.uniform(0, 0.3)
        match fault:
            case "reset_after":
                return Reply(is_lost=True, delay=min(delay, 1.0)), "unknown"
            case "bare_502_after":
                return Reply(502, b"<h1>oops</h1>"), "unknown"
            case "html_after":
                return Reply(200, b"<p>welcome</p>"), "unknown"
            case "no_run_id_after":
                return Reply(200, b'{"status":"pending"}'), "unknown"
            case "foreign_run_id" if self._has_echoed and not is_sync:
                other = self._chance.choice([one for one in self.runs.values() if one is not run])
                return Reply(200, _json({"run_id": other.run_id, "status": "pending"})), "foreign"
            case "late_after":
                return Reply(200, _json(members), delay=1e6), "unknown"
        return Reply(200, _json(members), delay=delay), "accepted" if delay < self.plan.patience else "unknown"

    # -- GET

    def _result(self, run: Run) -> dict[str, Any]:
        named = {"run_id": run.run_id, "inputs": {"id": str(run.row)}}
        if run.fails:
            return {**named, "status": "failed", "error": {"code": "E", "message": "bad"}}
        return {**named, "status": "completed", "outputs": {"answer": output_of(run.row)}}

    def _poll(self, run_id: str, now: float) -> Reply:
        self.polls.append((now, run_id))
        run, outage = self.runs.get(run_id), self._outage(now)
        if run is None:
            return Reply(404, ENVELOPE)
        fault = outage or self._fault(self.plan.poll_faults)
        if not outage and run.row in self.plan.unpollable:
            fault = "html"
        match fault:
            case "reset_before" | "refused_connection":
                return Reply(is_lost=True)
            case "bare_500" | "bare_502":
                return Reply(500, b"<h1>oops</h1>")
            case "busy_503":
                return Reply(503, b"busy", {"retry-after": "2"})
            case "throttled":
                return self._throttled("GET", now)
            case "unauthorized":
                return Reply(401, ENVELOPE)
            case "html":
                return Reply(200, b"<p>welcome</p>")
            case "another_run" if len(self.runs) > 1:
                return Reply(200, _json(self._result(self._chance.choice([*self.runs.values()]))))
            case "unknown_status":
                return Reply(200, _json({"run_id": run_id, "status": "resting"}))
            case "hangs" | "late":
                return Reply(delay=1e6)
            case "not_found_yet" if now - run.began_at < YOUNG and not any(self.plan.jumps):
                return Reply(404, ENVELOPE)
        if now < run.ends_at:
            return Reply(200, _json({"run_id": run_id, "status": self._chance.choice(("pending", "running"))}))
        members = self._result(run)
        self._has_echoed = self._has_echoed or not fault
        if fault == "anonymous":
            del members["run_id"]
        body = _json(members)
        if fault == "twice":
            body = body[:-1] + b',"status":"running"}'
        return Reply(200, body)


def output_of(row: int) -> str:
    """The right answer to this row."""
    return f"answer {row}"


def _json(members: dict[str, Any]) -> bytes:
    return msgspec.json.encode(members)
