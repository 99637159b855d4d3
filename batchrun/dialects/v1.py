"""The documented workflow API: run_id, status, outputs.

POST /v1/workflow/run and GET /v1/workflow/history/{run_id}. An error is an HTTP status with the envelope
{"error": {"code", "message"}}. A failed *run* is a successful answer with the status `failed`.
"""

from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from batchrun.dialects.base import (
    ApiRequest,
    Inputs,
    bearer,
    encode,
    head,
    is_usable_run_id,
    iso_ms,
    retry_after,
    with_query,
)
from batchrun.dialects.foreign_api import ForeignApi, recognise
from batchrun.dialects.http_statuses import GONE, refusal_kind
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

_PHASES = {
    "pending": Phase.RUNNING,
    "running": Phase.RUNNING,
    "completed": Phase.COMPLETED,
    "failed": Phase.FAILED,
}
_HISTORY = "/v1/workflow/history/"
_ENDS = frozenset({Phase.COMPLETED, Phase.FAILED})
_NONE = msgspec.Raw()


class _Answer(msgspec.Struct, gc=False):
    """The fields of an answer that are used: strings (or the literals of numbers), and raw JSON."""

    run_id: str | None = None
    status: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    output: msgspec.Raw = _NONE
    outputs: msgspec.Raw = _NONE
    error: msgspec.Raw = _NONE


_Members = dict[str, msgspec.Raw]
_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_members = msgspec.json.Decoder(_Members).decode
_decode_string = msgspec.json.Decoder(str).decode


class V1:
    """The dialect that `coze-workflow-api.md` documents."""

    name = "v1"
    default_base_url = "https://api.coze.cn"
    base_url_variable = "COZE_API_BASE"
    token_variable = "COZE_API_TOKEN"

    def headers(self, token: str) -> Mapping[str, str]:
        """The documented header."""
        return bearer(token)

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
        answer, success = _answer(body), 200 <= status < 300
        if success and answer is not None and (run_id := _usable_run_id(answer.run_id)) is not None:
            return AcceptedAnswer(run_id, answer.status or "", iso_ms(answer.created_at))
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
        answer, success = _answer(body), 200 <= status < 300
        word = answer.status if answer is not None else None
        if answer is None or not word or refusal_kind(status) is not None:
            return self.parse_submit(status, headers, body, received_at)
        run_id, state = _usable_run_id(answer.run_id), _run_state(word, answer, answer.output, answer.outputs)
        if success and state.phase in _ENDS and (run_id is not None or _has_result(state)):
            return SyncResult(run_id, state)
        if run_id is not None:
            return AcceptedAnswer(run_id, word, state.created_at)
        if success:
            # An error beside a run without a run_id is no refusal: it may be the error of the run.
            return Inconclusive(f"HTTP {status} without a usable run_id: {head(body)}", status)
        return self.parse_submit(status, headers, body, received_at)

    def foreign_api(self, status: int, body: bytes) -> ForeignApi | None:
        """The API of the cloud, of the self-hosted server, or of coze.site."""
        return recognise(status, body)

    def poll_request(self, workflow_id: str, run_id: str) -> ApiRequest:  # noqa: ARG002 - others need the workflow
        """The documented request without a query: the documented filters are useless for a single run."""
        plain = run_id.isascii() and run_id.isalnum()  # the common case, in which quoting is a waste of time
        return ApiRequest("GET", f"{_HISTORY}{run_id if plain else quote(run_id, safe='')}")

    def history_request(self, run_id: str, query: Mapping[str, str | int | None]) -> ApiRequest:
        """The documented request with the query parameters that are given."""
        return ApiRequest("GET", with_query(f"{_HISTORY}{quote(run_id, safe='')}", query))

    def parse_poll(self, status: int, headers: Mapping[str, str], body: bytes, received_at: int) -> PollAnswer:
        """The state of the run, a refusal, or inconclusive."""
        answer = _answer(body)
        if 200 <= status < 300 and answer is not None and (word := answer.status):
            return _run_state(word, answer, answer.outputs, answer.output)
        refusal = _refusal(status, headers, answer, body, received_at)
        if refusal is None:
            return Inconclusive(f"HTTP {status}: {head(body)}", status)
        if status in GONE:
            return Refusal(RefusalKind.GONE, status, refusal.code, refusal.message)
        return refusal

    def contradiction(self, run_id: str, submitted: bytes, polled: bytes) -> str | None:
        """If the answer contains the run_id, the workflow_id or the inputs, they must match."""
        sent = _members(submitted) or {}
        answer = {name: raw for name, raw in (_members(polled) or {}).items() if bytes(raw).strip() != b"null"}
        for name, expected in (("run_id", run_id), ("workflow_id", _text(sent.get("workflow_id")))):
            if name in answer and _text(answer[name]) != expected:
                return f"the service tells of another {name}"
        if "inputs" in answer and _value(answer["inputs"]) != _value(sent.get("inputs")):
            return "the service tells of other inputs"
        return None

    def callback_run_id(self, body: bytes) -> str | None:
        """The run_id if the body is an object that has a usable one. The body is not documented."""
        return _usable_run_id(_text((_members(body) or {}).get("run_id")))


def _run_state(word: str, answer: _Answer, output: msgspec.Raw, other: msgspec.Raw) -> RunState:
    """The state of a run. `output`: the field with the documented name; `other`: the fallback."""
    error = _fields(answer.error) if answer.error else {}
    raw_output = bytes(output) or bytes(other)
    return RunState(
        phase=_PHASES.get(word) or _PHASES.get(word.lower(), Phase.UNKNOWN),
        status=word,
        output=raw_output.decode("utf-8", "replace").strip() if raw_output else None,
        error_code=_text(error.get("code")) if error else None,
        error_message=_text(error.get("message")) if error else None,
        created_at=iso_ms(answer.created_at),
        updated_at=iso_ms(answer.updated_at),
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
    error = _fields(raw_error)
    # The envelope must be complete, with two strings: gateways use similar error objects.
    kind = refusal_kind(status, enveloped=_is_text(error.get("code")) and _is_text(error.get("message")))
    if kind is None:
        return None
    message = _text(error.get("message")) or _text(raw_error) or head(body)
    return Refusal(kind, status, _text(error.get("code")), message, retry_after(headers, received_at))


def _answer(body: bytes) -> _Answer | None:
    """The decoded answer; None if it is not a JSON object."""
    try:
        return _decode_answer(body)  # the common case: all string fields are strings
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        members = _members(body)
    if members is None:
        return None
    return _Answer(
        run_id=_text(members.get("run_id")),
        status=_text(members.get("status")),
        created_at=_text(members.get("created_at")),
        updated_at=_text(members.get("updated_at")),
        output=members.get("output", _NONE),
        outputs=members.get("outputs", _NONE),
        error=members.get("error", _NONE),
    )


def _members(body: bytes) -> _Members | None:
    try:
        return _decode_members(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _fields(raw: msgspec.Raw | None) -> _Members:
    return _members(bytes(raw)) or {} if raw else {}


def _text(raw: msgspec.Raw | None) -> str | None:
    """The value of a JSON string, or the literal of a number; None for anything else."""
    if not raw:
        return None
    literal = bytes(raw).strip()
    if literal[:1] == b'"':
        try:
            return _decode_string(literal)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
    return literal.decode("ascii", "replace") if literal[:1] in b"-0123456789" and literal else None


def _value(raw: msgspec.Raw | None) -> object:
    """The decoded JSON value. Texts that differ only in white space or the order of keys give equal values."""
    if raw is None:
        return None
    try:
        return msgspec.json.decode(bytes(raw))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return raw


def _is_text(raw: msgspec.Raw | None) -> bool:
    return raw is not None and bytes(raw).strip()[:1] == b'"' and bool(_text(raw))


def _usable_run_id(run_id: str | None) -> str | None:
    """The run_id if it can be polled, otherwise None."""
    return run_id if run_id is not None and is_usable_run_id(run_id) else None
