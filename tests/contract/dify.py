"""A dialect that is not part of batchrun: the workflow API of Dify.

POST /v1/workflows/run with the response mode `blocking`, and GET /v1/workflows/run/{workflow_run_id}. The key selects
the workflow. An error is an HTTP status with {"code", "message", "status"}.
"""

from collections.abc import Mapping

import msgspec

from batchrun.dialects import raw_json
from batchrun.dialects.base import (
    ApiRequest,
    Dialect,
    Inputs,
    encode,
    head,
    path_segment,
    unix_ms,
    usable_run_id,
)
from batchrun.dialects.http_statuses import GONE, refusal_kind
from batchrun.dialects.raw_json import Members
from batchrun.dialects.retry_after import retry_after
from batchrun.domain.answers import (
    AcceptedAnswer,
    Inconclusive,
    Phase,
    PollAnswer,
    Refusal,
    RefusalKind,
    RunState,
    SubmitAnswer,
    SyncResult,
)

RUN = "/v1/workflows/run"
PHASES = {
    "running": Phase.RUNNING,
    "succeeded": Phase.COMPLETED,
    "partial-succeeded": Phase.COMPLETED,  # a node failed, and the workflow has a branch for that
    "failed": Phase.FAILED,
    "stopped": Phase.FAILED,
    "paused": Phase.INTERRUPTED,
}


class Dify(Dialect):
    """The response mode `blocking`. The mode `streaming` would need an answer that is read while it arrives."""

    name = "dify"
    default_base_url = "https://api.dify.ai"
    base_url_variable = "DIFY_BASE_URL"
    token_variable = "DIFY_API_KEY"
    has_async_mode = False

    def submit_request(
        self, workflow_id: str, inputs: Inputs, *, synchronous: bool = False, callback_url: str | None = None
    ) -> ApiRequest:
        del workflow_id, synchronous, callback_url
        return ApiRequest("POST", RUN, encode({"inputs": inputs, "response_mode": "blocking", "user": "batchrun"}))

    def parse_submit(self, status: int, headers: Mapping[str, str], body: bytes, received_at: int) -> SubmitAnswer:
        answer = raw_json.members(body) or {}
        if 200 <= status < 300 and (run_id := usable_run_id(raw_json.text(answer.get("workflow_run_id")))):
            state = _state(raw_json.fields(answer.get("data")))
            if state is not None and state.phase not in {Phase.RUNNING, Phase.UNKNOWN}:
                return SyncResult(run_id, state)
            return AcceptedAnswer(run_id, "" if state is None else state.status)
        return _refusal(status, headers, answer, body, received_at) or _inconclusive(status, body)

    def poll_request(self, workflow_id: str, run_id: str) -> ApiRequest:
        del workflow_id
        return ApiRequest("GET", f"{RUN}/{path_segment(run_id)}")

    def parse_poll(self, status: int, headers: Mapping[str, str], body: bytes, received_at: int) -> PollAnswer:
        answer = raw_json.members(body) or {}
        if 200 <= status < 300:
            return _state(answer) or _inconclusive(status, body)
        refusal = _refusal(status, headers, answer, body, received_at)
        if refusal is not None and status in GONE:
            return Refusal(RefusalKind.GONE, status, refusal.code, refusal.message)
        return refusal or _inconclusive(status, body)


def _state(data: Members) -> RunState | None:
    if not (word := raw_json.text(data.get("status"))):
        return None
    phase = PHASES.get(word, Phase.UNKNOWN)
    output = data.get("outputs", msgspec.Raw())
    return RunState(
        phase,
        word,
        output=bytes(output).decode("utf-8", "replace") or None if phase is Phase.COMPLETED else None,
        error_message=raw_json.text(data.get("error")),
        created_at=unix_ms(data.get("created_at")),
        updated_at=unix_ms(data.get("finished_at")),
    )


def _refusal(status: int, headers: Mapping[str, str], answer: Members, body: bytes, received_at: int) -> Refusal | None:
    """A 429 means too many requests at one time, unless its code says that the quota is used up."""
    code, message = raw_json.text(answer.get("code")), raw_json.text(answer.get("message"))
    kind = refusal_kind(status, enveloped=bool(code and message))
    if status == 429 and code == "rate_limit_error":
        kind = RefusalKind.QUOTA
    if kind is None:
        return None
    return Refusal(kind, status, code, message or head(body), retry_after(headers, received_at))


def _inconclusive(status: int, body: bytes) -> Inconclusive:
    return Inconclusive(f"HTTP {status}: {head(body)}", status)
