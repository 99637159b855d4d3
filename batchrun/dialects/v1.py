"""The documented workflow API: run_id, status, outputs.

POST /v1/workflow/run and GET /v1/workflow/history/{run_id}. An error is an HTTP status with the envelope
{"error": {"code", "message"}}. A failed *run* is a successful answer with the status `failed`.
"""

from collections.abc import Mapping

import msgspec

from batchrun.dialects import raw_json
from batchrun.dialects.base import (
    ApiRequest,
    Dialect,
    Inputs,
    encode,
    excerpt,
    head,
    iso_ms,
    path_segment,
    usable_run_id,
    with_query,
)
from batchrun.dialects.foreign_api import is_documented_error
from batchrun.dialects.http_statuses import GONE, refusal_kind
from batchrun.dialects.retry_after import retry_after
from batchrun.dialects.token_refusal import refuses_token
from batchrun.dialects.unique_keys import UniqueKeys
from batchrun.domain.answers import (
    AcceptedAnswer,
    Identity,
    Inconclusive,
    Phase,
    PollAnswer,
    Refusal,
    RefusalKind,
    RunState,
    SubmitAnswer,
    SyncResult,
)
from batchrun.domain.lenient_json import plain
from batchrun.nesting import bounded

_PHASES = {
    "pending": Phase.RUNNING,
    "running": Phase.RUNNING,
    "completed": Phase.COMPLETED,
    "failed": Phase.FAILED,
}
_HISTORY = "/v1/workflow/history/"
_ENDS = frozenset({Phase.COMPLETED, Phase.FAILED})
_NONE = msgspec.Raw()
_UNIQUE = UniqueKeys("run_id", "status", "workflow_id", "inputs", "outputs", "output")


class _Answer(msgspec.Struct, gc=False):
    """The fields of an answer that are used: strings (or the literals of numbers), and raw JSON."""

    run_id: str | None = None
    status: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    output: msgspec.Raw = _NONE
    outputs: msgspec.Raw = _NONE
    error: msgspec.Raw = _NONE
    workflow_id: msgspec.Raw = _NONE
    inputs: msgspec.Raw = _NONE


class _LenientAnswer(_Answer):
    """An answer with fields of other types, or that is not strict JSON."""


_decode_answer = bounded(msgspec.json.Decoder(_Answer).decode)


class V1(Dialect):
    """The dialect that `coze-workflow-api.md` documents."""

    name = "v1"
    default_base_url = "https://api.coze.cn"
    base_url_variable = "COZE_API_BASE"
    token_variable = "COZE_API_TOKEN"
    has_callbacks = True

    def refuses_token(self, status: int, body: bytes) -> bool:
        """By the documented status, or by a code of the cloud, as the dialect may not have been found out yet."""
        return refuses_token(status, body)

    def submit_request(
        self,
        workflow_id: str,
        inputs: Inputs,
        *,
        synchronous: bool = False,
        callback_url: str | None = None,
    ) -> ApiRequest:
        """The documented request. `async` is always sent, because the default of a server may differ."""
        body: dict[str, object] = {"workflow_id": workflow_id, "inputs": inputs, "async": not synchronous}
        if callback_url is not None and not synchronous:
            body["callback_url"] = callback_url
        return ApiRequest("POST", "/v1/workflow/run", encode(body))

    def parse_submit(self, status: int, headers: Mapping[str, str], body: bytes, received_at: int) -> SubmitAnswer:
        """Accepted, refused, or inconclusive."""
        body = plain(body)
        answer, success = _answer(body), 200 <= status < 300
        if success and answer is not None and (run_id := usable_run_id(answer.run_id)) is not None:
            created_at, identity = iso_ms(answer.created_at), _identity(answer, body)
            return AcceptedAnswer(run_id, answer.status or "", created_at, identity=identity)
        refusal = _refusal(status, headers, answer, body, received_at)
        if success:
            if answer is None:
                return Inconclusive(f"HTTP {status} without a JSON object: {head(body)}", status)
            return refusal or Inconclusive(f"HTTP {status} without a usable run_id: {head(body)}", status)
        return refusal or Inconclusive(f"HTTP {status}: {head(body)}", status)

    def parse_synchronous(self, status: int, headers: Mapping[str, str], body: bytes, received_at: int) -> SubmitAnswer:
        """Ended, accepted without a result, refused, or inconclusive.

        The documentation says that the status is *usually* `completed` or `failed`. With any other status, or with an
        HTTP error that proves no refusal, the run has not provably ended. If it has a run_id, it is polled.
        """
        body = plain(body)
        answer, success = _answer(body), 200 <= status < 300
        word = answer.status if answer is not None else None
        if answer is None or not word or refusal_kind(status) is not None:
            return self.parse_submit(status, headers, body, received_at)
        run_id, state = usable_run_id(answer.run_id), _run_state(word, answer, answer.output, answer.outputs, body)
        if success and state.phase in _ENDS and (run_id is not None or _has_result(state)):
            return SyncResult(run_id, state)
        if run_id is not None:
            return AcceptedAnswer(run_id, word, state.created_at, identity=_identity(answer, body))
        if success:
            # An error beside a run without a run_id is no refusal: it may be the error of the run.
            return Inconclusive(f"HTTP {status} without a usable run_id: {head(body)}", status)
        return self.parse_submit(status, headers, body, received_at)

    def poll_request(self, workflow_id: str, run_id: str) -> ApiRequest:  # noqa: ARG002 - others need the workflow
        """The documented request without a query: the documented filters are useless for a single run."""
        return ApiRequest("GET", f"{_HISTORY}{path_segment(run_id)}")

    def history_request(self, run_id: str, query: Mapping[str, str | int | None]) -> ApiRequest:
        """The documented request with the query parameters that are given."""
        return ApiRequest("GET", with_query(f"{_HISTORY}{path_segment(run_id)}", query))

    def parse_poll(self, status: int, headers: Mapping[str, str], body: bytes, received_at: int) -> PollAnswer:
        """The state of the run, a refusal, or inconclusive."""
        body = plain(body)
        answer = _answer(body)
        if 200 <= status < 300 and answer is not None and (word := answer.status):
            return _run_state(word, answer, answer.outputs, answer.output, body)
        refusal = _refusal(status, headers, answer, body, received_at)
        if refusal is None:
            return Inconclusive(f"HTTP {status}: {head(body)}", status)
        if status in GONE:
            return Refusal(RefusalKind.GONE, status, refusal.code, refusal.message)
        return refusal

    def callback_run_id(self, body: bytes) -> str | None:
        """The run_id if the body is an object that has a usable one. The body is not documented."""
        return usable_run_id(raw_json.text((raw_json.members(body) or {}).get("run_id")))


def _run_state(word: str, answer: _Answer, output: msgspec.Raw, other: msgspec.Raw, body: bytes) -> RunState:
    """The state of a run. `output`: the field with the documented name; `other`: the fallback."""
    phase = _PHASES.get(word) or _PHASES.get(word.lower(), Phase.UNKNOWN)
    error = raw_json.fields(answer.error) if answer.error else {}
    raw_output = bytes(output) or bytes(other)
    text, is_irregular = raw_json.output_text(raw_output) if raw_output else (None, False)
    return RunState(
        phase=phase,
        status=word,
        output=None if text is None else text.strip(),
        error_code=raw_json.message(error.get("code")) if error else None,
        error_message=raw_json.message(error.get("message")) if error else None,
        created_at=iso_ms(answer.created_at),
        updated_at=iso_ms(answer.updated_at),
        is_irregular=is_irregular
        or (isinstance(answer, _LenientAnswer) and raw_output not in body),  # it was corrected
        identity=_identity(answer, body, phase),
    )


def _identity(answer: _Answer, body: bytes, phase: Phase | None = None) -> Identity:
    """What an answer says about its run."""
    run_id = answer.run_id
    if run_id is None and b"run_id" in body:  # it may be something else than text
        run_id = raw_json.name((raw_json.members(body) or {}).get("run_id"))
    return Identity(
        raw_json.identifier(run_id),
        raw_json.name(answer.workflow_id),
        answer.inputs or None,
        None if phase is Phase.RUNNING else _UNIQUE.repeated(body),
    )


def _has_result(state: RunState) -> bool:
    """Whether the documented output or error is present. The result is then accepted without a run_id."""
    if state.phase is Phase.COMPLETED:
        return state.output not in {None, "null"}
    return state.error_code is not None or state.error_message is not None


def _refusal(
    status: int, headers: Mapping[str, str], answer: _Answer | None, body: bytes, received_at: int
) -> Refusal | None:
    """The refusal that this answer proves; None if it proves none."""
    raw_error = answer.error if answer is not None else None
    error = raw_json.fields(raw_error)
    kind = refusal_kind(status, enveloped=is_documented_error(raw_error))
    if kind is None:
        return None
    message = raw_json.message(error.get("message")) or raw_json.message(raw_error)
    code = excerpt(raw_json.message(error.get("code")) or "") or None
    message = excerpt(message) if message else head(body)
    return Refusal(kind, status, code, message, retry_after(headers, received_at))


def _answer(body: bytes) -> _Answer | None:
    """The decoded answer; None if it is not a JSON object."""
    try:
        return _decode_answer(body)  # the common case: all string fields are strings
    except raw_json.UNREADABLE:
        members = raw_json.members(body)
    if members is None:
        return None
    return _LenientAnswer(
        run_id=raw_json.text(members.get("run_id")),
        status=raw_json.text(members.get("status")),
        created_at=raw_json.text(members.get("created_at")),
        updated_at=raw_json.text(members.get("updated_at")),
        output=members.get("output", _NONE),
        outputs=members.get("outputs", _NONE),
        error=members.get("error", _NONE),
        workflow_id=members.get("workflow_id", _NONE),
        inputs=members.get("inputs", _NONE),
    )
