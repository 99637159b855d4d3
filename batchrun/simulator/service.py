"""The simulated service itself: requests in, replies out, no I/O but its store, no time but its clock."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import blake2b

from batchrun.ports import Clock
from batchrun.simulator.callbacks import Call, forged, may_be_called
from batchrun.simulator.faults import Fault, Faults, Inputs
from batchrun.simulator.injected_statuses import CODES, InjectedStatuses
from batchrun.simulator.options import SimulatorOptions
from batchrun.simulator.rate_window import Peak, Quota
from batchrun.simulator.replies import (
    GARBAGE,
    RefusedError,
    Reply,
    bad_request,
    internal_error,
    json_reply,
    not_found,
)
from batchrun.simulator.simulated_run import Outcome, Run, decode_inputs, iso
from batchrun.simulator.store import Store
from batchrun.simulator.submit_body import Submission, parse_submission
from batchrun.simulator.tokens import Tokens
from batchrun.simulator.workflows import ECHO, WORKFLOWS, Workflow

SUBMIT = "/v1/workflow/run"
HISTORY = "/v1/workflow/history/"
STATS = "/simulator/stats"

NEVER = 10 * 365 * 86_400.0
"""Seconds: no run takes longer, and so long takes the answer to a synchronous run that is stuck."""


class Simulator:
    """The documented API (`v1`), field by field, with faults on demand.

    Everything that happens is a function of the requests, the clock and the seed. Runs live in `store`; what is
    counted (quotas, statistics) lives in memory and begins anew with each process, as `options` may too.
    """

    def __init__(self, clock: Clock, store: Store, options: SimulatorOptions | None = None, seed: int = 0) -> None:
        self._clock = clock
        self._store = store
        self._options = options or SimulatorOptions()
        self._seed = seed
        self._faults = Faults(self._options.shares(), self._options.fault, seed)
        self._answers = InjectedStatuses(self._options.answer, seed)
        self._tokens = Tokens(self._options.tokens, self._options.token_seconds, self._options.token_requests)
        self._post_quota, self._poll_quota = Quota(self._options.rps), Quota(self._options.poll_rps)
        self._posts, self._polls = Peak(), Peak()
        self._created = 0
        self._throttled = 0
        self._called = {True: 0, False: 0}

    def handle(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
        *,
        arrived: float | None = None,
    ) -> Reply:
        """Answer one request. `path` and `query` are percent-decoded, the names of `headers` are lower case.

        `arrived` is when it came, in seconds of any clock that only goes forward (the wall clock if None); quotas and
        statistics go by it. Raises `StorageError` when the store fails.
        """
        when = self._clock.now() / 1000 if arrived is None else arrived
        try:
            if path == STATS:
                _require(method, "GET")
                return json_reply(self.stats())
            if path == SUBMIT:
                _require(method, "POST")
                return self._post(headers, body, when)
            if path.startswith(HISTORY):
                _require(method, "GET")
                return self._poll(path.removeprefix(HISTORY), query, headers, when)
            raise not_found(f"no such path: {path}")
        except RefusedError as refused:
            return self._later(refused.reply)

    def stats(self) -> dict[str, int]:
        """What the service has counted since it was started, refused requests included.

        `posts`, `polls`; `most_posts_in_a_second`, `most_polls_in_a_second` (in any half-open second, by arrival);
        `throttled` (answers 429); `callbacks` that were taken (answered 2xx), and `callbacks_refused`;
        `runs` made; and of the whole store `runs_stored` and `runs_repeated`, those whose
        workflow and inputs had a run already: what a real service would have been paid twice for.
        """
        stored, repeated = self._store.counts()
        return {
            "posts": self._posts.total,
            "polls": self._polls.total,
            "most_posts_in_a_second": self._posts.most,
            "most_polls_in_a_second": self._polls.most,
            "throttled": self._throttled,
            "callbacks": self._called[True],
            "callbacks_refused": self._called[False],
            "runs": self._created,
            "runs_stored": stored,
            "runs_repeated": repeated,
        }

    # Submitting

    def _post(self, headers: Mapping[str, str], body: bytes, arrived: float) -> Reply:
        self._posts.add(arrived)
        self._authorize(headers, arrived)
        self._throttle(self._post_quota, arrived)
        submission = parse_submission(headers, body)
        if submission.asynchronous and submission.callback_url and not may_be_called(submission.callback_url):
            raise bad_request(
                "the simulator calls back nobody but this machine: callback_url must be http://127.0.0.1…"
            )
        workflow = self._workflow(submission.workflow_id)
        key, before = submission.key, self._store.count_post(submission.key)
        slow = self._faults.strikes(Fault.SLOW, submission.inputs, key, before)
        try:
            self._refuse(submission.inputs, key, before)
        except RefusedError as refused:
            return self._later(refused.reply, slow)
        run = self._create(submission, workflow, key, before)
        return replace(
            self._answer(submission, run, key, before, slow), calls=tuple(self._calls(run, submission.inputs))
        )

    def _answer(self, submission: Submission, run: Run, key: str, before: int, slow: bool) -> Reply:
        if self._faults.strikes(Fault.LOST, submission.inputs, key, before):
            return self._later(Reply(0, b"", {}, drop=True), slow)
        if self._faults.strikes(Fault.GARBAGE, submission.inputs, key, before):
            return self._later(GARBAGE, slow)
        if submission.asynchronous:
            answer = {"run_id": run.run_id, "status": "pending", "created_at": iso(run.created_ms)}
            return self._later(json_reply(answer), slow)
        return self._synchronous(run, slow)

    def _workflow(self, workflow_id: str) -> Workflow:
        if found := WORKFLOWS.get(workflow_id):
            return found
        if self._options.any_workflow:
            return ECHO
        raise not_found(f"no such workflow: {workflow_id}. The simulator has these ready: {', '.join(WORKFLOWS)}")

    def _refuse(self, inputs: Inputs, key: str, before: int) -> None:
        """Raise the refusal that this POST meets, if it meets one; no run is made then."""
        self._demanded("post", inputs, key, before)
        if self._faults.strikes(Fault.REJECT, inputs, key):
            raise bad_request("the simulator was told to reject these inputs")
        if self._faults.strikes(Fault.UNAVAILABLE, inputs, key, before):
            raise RefusedError(503, "SERVICE_UNAVAILABLE", "the simulator was told to be unavailable")
        if self._faults.strikes(Fault.ERROR, inputs, key, before):
            raise internal_error("the simulator was told to answer with an error")

    def _create(self, submission: Submission, workflow: Workflow, key: str, before: int) -> Run:
        outcome = Outcome.RUN
        if self._faults.strikes(Fault.STUCK, submission.inputs, key):
            outcome = Outcome.STUCK
        elif self._faults.strikes(Fault.FAIL, submission.inputs, key):
            outcome = Outcome.FAIL
        seconds = workflow.seconds(submission.inputs)
        if seconds is None:
            seconds = self._options.duration.seconds(self._seed, key, before)
        # `before` is counted in the store, so neither a restart nor another order of the rows makes an id twice.
        name = blake2b(f"{self._seed}:{key}:{before}".encode(), digest_size=10).hexdigest()
        run = Run(
            run_id=f"run_{name}",
            workflow_id=submission.workflow_id,
            inputs=submission.inputs_text,
            created_ms=self._clock.now(),
            duration_ms=round(min(seconds, NEVER) * 1000),
            outcome=outcome,
            before=before,
            callback_url=submission.callback_url if submission.asynchronous else None,
        )
        self._store.add(run)
        self._created += 1
        return run

    def _synchronous(self, run: Run, slow: bool) -> Reply:
        if run.outcome is Outcome.STUCK:
            return replace(json_reply({}), delay=NEVER)
        result = run.result()
        answer = {
            "run_id": run.run_id,
            "status": "failed" if "error" in result else "completed",
            **({"error": result["error"]} if "error" in result else {"output": result["outputs"]}),
            "created_at": iso(run.created_ms),
            "updated_at": iso(run.ends_ms),
        }
        return self._later(json_reply(answer), slow, run.duration_ms / 1000)

    # Calling back

    def calls_left(self) -> Iterator[Call]:
        """The callbacks of the runs that an earlier process made and that have not ended yet."""
        for run in self._store.uncalled(self._clock.now()):
            yield from (call for call in self._calls(run, decode_inputs(run.inputs)) if not call.first)

    def body_of(self, call: Call) -> bytes:
        """What a callback holds that is sent now: the documentation does not say, so the answer to a poll."""
        reply = GARBAGE if call.garbage else json_reply(call.run.at(self._clock.now(), self._options.pending))
        return reply.body

    def called_back(self, status: int | None) -> None:
        """A callback was answered with this status; None: not at all."""
        self._called[status is not None and 200 <= status < 300] += 1

    def _calls(self, run: Run, inputs: Inputs) -> Iterator[Call]:
        if not run.callback_url:
            return

        def strikes(fault: Fault) -> bool:
            return self._faults.strikes(fault, inputs, run.run_id)

        url, garbage = run.callback_url, strikes(Fault.CALLBACK_GARBAGE)
        if strikes(Fault.CALLBACK_EARLY):
            yield Call(url, 0.0, run, garbage, first=True)
        if run.outcome is Outcome.STUCK or strikes(Fault.CALLBACK_NEVER):
            return
        delay = max(0.0, (run.ends_ms - self._clock.now()) / 1000) + self._options.callback_delay
        if strikes(Fault.CALLBACK_LATE):
            delay += self._options.callback_late_seconds
        if strikes(Fault.CALLBACK_FORGED):
            yield Call(forged(url), delay, run, garbage)
        yield Call(url, delay, run, garbage)
        if strikes(Fault.CALLBACK_DOUBLE):
            yield Call(url, delay, run, garbage)

    # Polling

    def _poll(self, run_id: str, query: Mapping[str, str], headers: Mapping[str, str], arrived: float) -> Reply:
        self._polls.add(arrived)
        self._authorize(headers, arrived)
        self._throttle(self._poll_quota, arrived)
        for name in ("limit", "offset"):
            if name in query and not (query[name].isascii() and query[name].isdigit()):
                raise bad_request(f"{name} must be a whole number, 0 or more")
        now = self._clock.now()
        run = self._store.get(run_id)
        if run is None or now - run.created_ms < self._options.hidden * 1000:
            raise not_found(f"no such run: {run_id}")
        by_rule = self._faults.has_rules(Fault.SLOW, Fault.POLL_ERROR) or self._answers.poll_inputs_matter
        inputs = decode_inputs(run.inputs) if by_rule else {}
        ordinal = self._polls.total
        slow = self._faults.strikes(Fault.SLOW, inputs, "poll", ordinal)
        try:
            self._demanded("poll", inputs, ordinal)
        except RefusedError as refused:
            return self._later(refused.reply, slow)
        if self._faults.strikes(Fault.POLL_ERROR, inputs, ordinal):
            return self._later(internal_error("the simulator was told to let this poll fail").reply, slow)
        answer = run.at(now, self._options.pending)
        # The documentation does not say what its filters mean for a single run. Here they narrow what is found, so
        # that a run which does not match is not there; of one run, `limit` and `offset` leave nothing out.
        for name in ("workflow_id", "status"):
            if name in query and query[name] != answer[name]:
                raise not_found(f"no such run: {run_id} with {name} {query[name]}")
        return self._later(json_reply(answer), slow)

    # Both

    def _authorize(self, headers: Mapping[str, str], arrived: float) -> None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        token = token.strip()
        if scheme != "Bearer" or not token:
            raise RefusedError(401, "UNAUTHORIZED", "send the header Authorization: Bearer YOUR_ACCESS_TOKEN")
        if token.startswith(("invalid", "expired")) or not self._tokens.takes(token, arrived):
            raise RefusedError(401, "UNAUTHORIZED", "the access token is invalid or has expired")

    def _throttle(self, quota: Quota, arrived: float) -> None:
        if not quota.take(arrived):
            raise self._too_fast("too many requests in one second")

    def _too_fast(self, message: str) -> RefusedError:
        self._throttled += 1
        return RefusedError(429, "RATE_LIMITED", message, retry_after=f"{self._options.retry_after:g}")

    def _demanded(self, sort: str, inputs: Inputs, *what: object) -> None:
        """Raise the refusal that was demanded for this request, if one was."""
        status = self._answers.status(sort, inputs, *what)
        if status is not None:
            message = f"the simulator was told to answer this {sort} with {status}"
            raise self._too_fast(message) if status == 429 else RefusedError(status, CODES[status], message)

    def _later(self, reply: Reply, slow: bool = False, extra: float = 0.0) -> Reply:
        delay = self._options.latency + extra + (self._options.slow_seconds if slow else 0.0)
        return replace(reply, delay=delay) if delay else reply


def _require(method: str, allowed: str) -> None:
    if method != allowed:
        raise RefusedError(405, "METHOD_NOT_ALLOWED", f"use {allowed} here, not {method}", allow=allowed)
