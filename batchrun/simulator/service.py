"""The simulated service: takes requests and returns replies. Its only I/O is the store, its only time the clock."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import blake2b

import msgspec

from batchrun.ports import Clock
from batchrun.simulator.callback_plan import plan_callbacks
from batchrun.simulator.callbacks import PendingCallback, is_allowed_callback_url
from batchrun.simulator.dialects import DIALECTS
from batchrun.simulator.dialects.base import Action, Call
from batchrun.simulator.faults import Fault, Faults, Inputs
from batchrun.simulator.injected_statuses import ERROR_CODES, InjectedStatuses
from batchrun.simulator.limits import Limits
from batchrun.simulator.options import SimulatorOptions
from batchrun.simulator.replies import (
    GARBAGE,
    RefusedError,
    Reply,
    bad_request,
    internal_error,
    json_reply,
    no_run,
    not_found,
)
from batchrun.simulator.simulated_run import RunOutcome, SimulatedRun, decode_inputs
from batchrun.simulator.statistics import Statistics
from batchrun.simulator.store import Store
from batchrun.simulator.submit_body import Submission
from batchrun.simulator.tokens import Tokens
from batchrun.simulator.upload_body import parse_upload
from batchrun.simulator.workflows import ECHO, WORKFLOWS, Workflow

STATS = "/simulator/stats"

NEVER = 10 * 365 * 86_400.0
"""Longest duration of a run in seconds, and the delay of the response to a stuck synchronous run."""


class Simulator:
    """A workflow service with injected faults. `api` names the dialect that it speaks.

    All behaviour is a function of the requests, the clock and the seed. Runs are kept in `store`; quotas and
    statistics are kept in memory and start from zero in each process.
    """

    def __init__(
        self, clock: Clock, store: Store, options: SimulatorOptions | None = None, seed: int = 0, api: str = "v1"
    ) -> None:
        self._clock = clock
        self._store = store
        self._options = options or SimulatorOptions()
        self._seed = seed
        self._dialect = DIALECTS[api](clock, self._options)
        self._faults = Faults(self._options.shares(), self._options.fault, seed)
        self._injected_statuses = InjectedStatuses(self._options.answer, seed)
        self._tokens = Tokens(self._options.tokens, self._options.token_seconds, self._options.token_requests)
        self._limits = Limits(self._options, self._dialect.max_runs)
        self._statistics = Statistics()

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
        """Handle one request. `path` and `query` are percent-decoded, the names of `headers` are lower case.

        `arrived` is the arrival time in seconds of any monotonic clock (None: the wall clock); quotas and statistics
        use it. Raises `StorageError` if the store fails.
        """
        when = self._clock.now() / 1000 if arrived is None else arrived
        try:
            if path == STATS:
                _require_method(method, "GET")
                return json_reply(self.stats())
            call = self._dialect.call(path, query)
            if call is None:
                raise not_found(f"no such path: {path}")
            _require_method(method, call.method)
            match call.action:
                case Action.SUBMIT:
                    return self._handle_post(headers, body, when)
                case Action.POLL:
                    return self._handle_poll(call, query, headers, when)
                case Action.UPLOAD:
                    return self._handle_upload(headers, body, when)
            self._check_token(headers, when)
            return self._delayed(self._dialect.described(call.workflow_id, self._find_workflow(call.workflow_id)))
        except RefusedError as refused:
            return self._delayed(self._dialect.refused(refused))

    def stats(self) -> dict[str, int]:
        """See `Statistics.as_dict`."""
        return self._statistics.as_dict(self._limits.throttled, *self._store.counts())

    # Submitting

    def _handle_post(self, headers: Mapping[str, str], body: bytes, arrived: float) -> Reply:
        self._statistics.posts.add(arrived)
        self._check_token(headers, arrived)
        self._limits.check_post(arrived)
        submission = self._dialect.parse_submission(headers, body)
        if submission.asynchronous and submission.callback_url and not is_allowed_callback_url(submission.callback_url):
            raise bad_request(
                "the simulator calls back nobody but this machine: callback_url must be http://127.0.0.1…"
            )
        workflow = self._find_workflow(submission.workflow_id)
        self._dialect.check_inputs(workflow, submission.inputs, self._store.has_file)
        if submission.asynchronous:
            self._limits.check_runs(self._clock.now())
        key, earlier_posts = submission.key, self._store.count_post(submission.key)
        slow = self._faults.applies(Fault.SLOW, submission.inputs, key, earlier_posts)
        try:
            self._raise_fault(submission.inputs, key, earlier_posts)
        except RefusedError as refused:
            return self._delayed(self._dialect.refused(refused), slow)
        run = self._create_run(submission, workflow, key, earlier_posts)
        if submission.asynchronous:
            self._limits.add_run(run)
        reply = self._answer_post(submission, run, slow)
        return replace(reply, callbacks=tuple(self._plan_callbacks(run, submission.inputs)))

    def _answer_post(self, submission: Submission, run: SimulatedRun, slow: bool) -> Reply:
        draw_key = submission.key, run.earlier_posts
        if self._faults.applies(Fault.LOST, submission.inputs, *draw_key):
            return self._delayed(Reply(0, b"", {}, drop=True), slow)
        if self._faults.applies(Fault.GARBAGE, submission.inputs, *draw_key):
            return self._delayed(GARBAGE, slow)
        if submission.asynchronous:
            return self._delayed(self._dialect.accepted(run), slow)
        return self._synchronous_answer(run, slow)

    def _find_workflow(self, workflow_id: str) -> Workflow:
        if found := WORKFLOWS.get(workflow_id):
            return found
        if self._options.any_workflow:
            return ECHO
        raise not_found(
            f"no such workflow: {workflow_id}. The simulator has these ready: {', '.join(WORKFLOWS)}", "workflow"
        )

    def _raise_fault(self, inputs: Inputs, key: str, earlier_posts: int) -> None:
        """Raise `RefusedError` if a fault applies to this POST; no run is created then."""
        self._raise_injected_status("post", inputs, key, earlier_posts)
        if self._faults.applies(Fault.REJECT, inputs, key):
            raise bad_request("the simulator was told to reject these inputs")
        if self._faults.applies(Fault.UNAVAILABLE, inputs, key, earlier_posts):
            raise RefusedError(503, "SERVICE_UNAVAILABLE", "the simulator was told to be unavailable")
        if self._faults.applies(Fault.ERROR, inputs, key, earlier_posts):
            raise internal_error("the simulator was told to answer with an error")

    def _create_run(self, submission: Submission, workflow: Workflow, key: str, earlier_posts: int) -> SimulatedRun:
        outcome = RunOutcome.NORMAL
        if self._faults.applies(Fault.STUCK, submission.inputs, key):
            outcome = RunOutcome.STUCK
        elif self._faults.applies(Fault.FAIL, submission.inputs, key):
            outcome = RunOutcome.FAIL
        elif self._faults.applies(Fault.INTERRUPT, submission.inputs, key):
            outcome = RunOutcome.INTERRUPTED if self._dialect.interrupts else RunOutcome.STUCK
        seconds = workflow.seconds(submission.inputs)
        if seconds is None:
            seconds = self._options.duration.seconds(self._seed, key, earlier_posts)
        # The store counts earlier posts, so ids stay unique across restarts and do not depend on the order of the rows.
        digest = blake2b(f"{self._seed}:{key}:{earlier_posts}".encode(), digest_size=10).digest()
        run = SimulatedRun(
            run_id=self._dialect.run_id(digest),
            workflow_id=submission.workflow_id,
            inputs=submission.inputs_text,
            created_ms=self._clock.now(),
            duration_ms=round(min(seconds, NEVER) * 1000),
            outcome=outcome,
            earlier_posts=earlier_posts,
            callback_url=submission.callback_url if submission.asynchronous else None,
        )
        self._store.add(run)
        self._statistics.runs += 1
        return run

    def _synchronous_answer(self, run: SimulatedRun, slow: bool) -> Reply:
        limit = self._options.sync_limit
        seconds = NEVER if run.outcome is RunOutcome.STUCK else run.duration_ms / 1000
        if limit and seconds > limit:
            return Reply(0, b"", {}, delay=limit, drop=True)
        if run.outcome is RunOutcome.STUCK:
            return replace(json_reply({}), delay=NEVER)
        return self._delayed(self._dialect.ended(run), slow, seconds)

    # Callbacks

    def pending_callbacks(self) -> Iterator[PendingCallback]:
        """The callbacks of runs that an earlier process created and that have not ended yet."""
        for run in self._store.awaiting_callback(self._clock.now()):
            planned = self._plan_callbacks(run, decode_inputs(run.inputs))
            yield from (callback for callback in planned if not callback.before_answer)

    def callback_body(self, callback: PendingCallback) -> bytes:
        """The body of a callback sent now: the answer to a poll.

        The documentation does not specify the body of a callback.
        """
        if callback.garbage:
            return GARBAGE.body
        return json_reply(callback.run.poll_answer(self._clock.now(), self._options.pending)).body

    def count_callback(self, status: int | None) -> None:
        """Count a callback by the HTTP status of its response; None: no response."""
        self._statistics.count_callback(status)

    def _plan_callbacks(self, run: SimulatedRun, inputs: Inputs) -> Iterator[PendingCallback]:
        def applies(fault: Fault) -> bool:
            return self._faults.applies(fault, inputs, run.run_id)

        return plan_callbacks(run, applies, self._options, self._clock.now())

    # Polling

    def _handle_poll(self, call: Call, query: Mapping[str, str], headers: Mapping[str, str], arrived: float) -> Reply:
        self._statistics.polls.add(arrived)
        self._check_token(headers, arrived)
        self._limits.check_poll(arrived)
        self._dialect.check_poll(query)
        now = self._clock.now()
        run = self._store.get(call.run_id)
        if run is None or self._is_forgotten(run, now):
            raise no_run(call.run_id)
        if now - run.created_ms < self._options.hidden * 1000:
            return self._delayed(self._dialect.unseen(call))
        has_fault_rules = self._faults.has_rules(Fault.SLOW, Fault.POLL_ERROR)
        needs_inputs = has_fault_rules or self._injected_statuses.polls_depend_on_inputs
        inputs = decode_inputs(run.inputs) if needs_inputs else {}
        ordinal = self._statistics.polls.total
        slow = self._faults.applies(Fault.SLOW, inputs, "poll", ordinal)
        try:
            self._raise_injected_status("poll", inputs, ordinal)
            if self._faults.applies(Fault.POLL_ERROR, inputs, ordinal):
                raise internal_error("the simulator was told to let this poll fail")
        except RefusedError as refused:
            return self._delayed(self._dialect.refused(refused), slow)
        return self._delayed(self._dialect.polled(run, call, query), slow)

    def _is_forgotten(self, run: SimulatedRun, now: int) -> bool:
        kept = self._options.retention
        return kept is not None and run.outcome is not RunOutcome.STUCK and now - run.ends_ms >= kept * 1000

    # Uploading

    def takes_files(self, path: str) -> bool:
        """Whether files are uploaded to this path."""
        call = self._dialect.call(path, {})
        return call is not None and call.action is Action.UPLOAD

    def _handle_upload(self, headers: Mapping[str, str], body: bytes, arrived: float) -> Reply:
        self._statistics.uploads.add(arrived)
        self._check_token(headers, arrived)
        self._limits.check_upload(arrived)
        file = parse_upload(headers, body)
        described = {"name": msgspec.Raw(msgspec.json.encode(file.name))}
        self._raise_injected_status("upload", described, file.digest.hex(), self._statistics.uploads.total)
        file_id, reply = self._dialect.uploaded(file)
        self._store.add_file(file_id)
        return self._delayed(reply)

    # Shared by all requests

    def _check_token(self, headers: Mapping[str, str], arrived: float) -> None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        token = token.strip()
        if scheme != "Bearer" or not token:
            raise RefusedError(401, "UNAUTHORIZED", "send the header Authorization: Bearer YOUR_ACCESS_TOKEN")
        if token.startswith(("invalid", "expired")) or not self._tokens.accepts(token, arrived):
            raise RefusedError(401, "UNAUTHORIZED", "the access token is invalid or has expired")

    def _raise_injected_status(self, operation: str, inputs: Inputs, *draw_key: object) -> None:
        """Raise `RefusedError` if a status is injected for this request."""
        status = self._injected_statuses.status(operation, inputs, *draw_key)
        if status is not None:
            message = f"the simulator was told to answer this {operation} with {status}"
            if status == 429:
                raise self._limits.rate_limited(message)
            missing = {"post": "workflow", "poll": "run"}.get(operation, "") if status == 404 else ""
            raise RefusedError(status, ERROR_CODES[status], message, missing=missing, injected=True)

    def _delayed(self, reply: Reply, slow: bool = False, extra: float = 0.0) -> Reply:
        delay = self._options.latency + extra + (self._options.slow_seconds if slow else 0.0)
        return replace(reply, delay=delay) if delay else reply


def _require_method(method: str, allowed: str) -> None:
    if method != allowed:
        raise RefusedError(405, "METHOD_NOT_ALLOWED", f"use {allowed} here, not {method}", allow=allowed)
