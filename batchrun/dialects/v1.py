"""The documented workflow API: run_id, status, outputs.

POST /v1/workflow/run and GET /v1/workflow/history/{run_id}. Errors are an HTTP status with the envelope
{"error": {"code", "message"}}; a failed *run* is an ordinary answer whose status says so.
"""

from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from batchrun.dialects.base import (
    ApiRequest,
    Inputs,
    bearer,
    can_be_asked_for,
    encode,
    head,
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
    """What we read of an answer: the values of strings (or the literals of numbers), and raw what is kept as it is."""

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
        """The documented one."""
        return bearer(token)

    def submit_request(
        self,
        workflow_id: str,
        inputs: Inputs,
        *,
        synchronous: bool = False,
        callback_url: str | None = None,
    ) -> ApiRequest:
        """The documented request. `async` is always sent: a server may have another default than the documented one."""
        body: dict[str, object] = {"workflow_id": workflow_id, "inputs": inputs, "async": not synchronous}
        if callback_url is not None and not synchronous:
            body["callback_url"] = callback_url
        return ApiRequest("POST", "/v1/workflow/run", encode(body))

    def parse_submit(self, status: int, headers: Mapping[str, str], body: bytes, received_at: int) -> SubmitAnswer:
        """Taken, refused, or unproven."""
        answer, good = _answer(body), 200 <= status < 300
        if good and answer is not None and (run_id := _usable(answer.run_id)) is not None:
            return AcceptedAnswer(run_id, answer.status or "", iso_ms(answer.created_at))
        refusal = _refusal(status, headers, answer, body, received_at)
        if good:
            if answer is None:
                return Inconclusive(f"HTTP {status} without a JSON object: {head(body)}", status)
            return refusal or Inconclusive(f"HTTP {status} without a usable run_id: {head(body)}", status)
        return refusal or Inconclusive(f"HTTP {status}: {head(body)}", status)

    def parse_synchronous(self, status: int, headers: Mapping[str, str], body: bytes, received_at: int) -> SubmitAnswer:
        """Ended, taken after all, refused, or unproven.

        The documentation says that the status is *usually* `completed` or `failed`. With any other word, or beside an
        HTTP error that proves no refusal, the run has not provably ended; if it has a name, the history tells.
        """
        answer, good = _answer(body), 200 <= status < 300
        word = answer.status if answer is not None else None
        if answer is None or not word or refusal_kind(status) is not None:
            return self.parse_submit(status, headers, body, received_at)
        run_id, state = _usable(answer.run_id), _run_state(word, answer, answer.output, answer.outputs)
        if good and state.phase in _ENDS and (run_id is not None or _is_told(state)):
            return SyncResult(run_id, state)
        if run_id is not None:
            return AcceptedAnswer(run_id, word, state.created_at)
        if good:
            # Whatever this says of a run without a name is no refusal: the error beside it may be the run's own.
            return Inconclusive(f"HTTP {status} without a usable run_id: {head(body)}", status)
        return self.parse_submit(status, headers, body, received_at)

    def foreign_api(self, status: int, body: bytes) -> ForeignApi | None:
        """The API of the cloud, of the self-hosted server, or of coze.site."""
        return recognise(status, body)

    def poll_request(self, workflow_id: str, run_id: str) -> ApiRequest:  # noqa: ARG002 - others need the workflow
        """The documented request with no query: the documented filters say nothing of a single run."""
        plain = run_id.isascii() and run_id.isalnum()  # as nearly all are; to quote one takes a while
        return ApiRequest("GET", f"{_HISTORY}{run_id if plain else quote(run_id, safe='')}")

    def history_request(self, run_id: str, query: Mapping[str, str | int | None]) -> ApiRequest:
        """The documented request with those of its query parameters that are given."""
        return ApiRequest("GET", with_query(f"{_HISTORY}{quote(run_id, safe='')}", query))

    def parse_poll(self, status: int, headers: Mapping[str, str], body: bytes, received_at: int) -> PollAnswer:
        """The run's state, a refusal, or nothing that can be understood."""
        answer = _answer(body)
        if 200 <= status < 300 and answer is not None and (word := answer.status):
            return _run_state(word, answer, answer.outputs, answer.output)
        refusal = _refusal(status, headers, answer, body, received_at)
        if refusal is None:
            return Inconclusive(f"HTTP {status}: {head(body)}", status)
        if status in GONE:
            return Refusal(RefusalKind.GONE, status, refusal.code, refusal.message)
        return refusal

    def contradiction(self, run_id: str, submitted: bytes, told: bytes) -> str | None:
        """The run, the workflow and the inputs that the answer echoes, where it does, must be the right ones."""
        sent = _members(submitted) or {}
        answer = {name: raw for name, raw in (_members(told) or {}).items() if bytes(raw).strip() != b"null"}
        for name, expected in (("run_id", run_id), ("workflow_id", _text(sent.get("workflow_id")))):
            if name in answer and _text(answer[name]) != expected:
                return f"the service tells of another {name}"
        if "inputs" in answer and _value(answer["inputs"]) != _value(sent.get("inputs")):
            return "the service tells of other inputs"
        return None

    def callback_run_id(self, body: bytes) -> str | None:
        """What a callback holds is not documented; if it is an object with a usable run_id, that one."""
        return _usable(_text((_members(body) or {}).get("run_id")))


def _run_state(word: str, answer: _Answer, output: msgspec.Raw, other: msgspec.Raw) -> RunState:
    """What is said of a run; its output by the documented name, or else by the one of the other answer (`other`)."""
    error = _fields(answer.error) if answer.error else {}
    told = bytes(output) or bytes(other)
    return RunState(
        phase=_PHASES.get(word) or _PHASES.get(word.lower(), Phase.UNKNOWN),
        status=word,
        output=told.decode("utf-8", "replace").strip() if told else None,
        error_code=_text(error.get("code")) if error else None,
        error_message=_text(error.get("message")) if error else None,
        created_at=iso_ms(answer.created_at),
        updated_at=iso_ms(answer.updated_at),
    )


def _is_told(state: RunState) -> bool:
    """Whether the end is there with what the documentation puts beside it: then it is believed without a run_id."""
    if state.phase is Phase.COMPLETED:
        return state.output not in {None, "null"}
    return state.error_code is not None or state.error_message is not None


def _refusal(
    status: int, headers: Mapping[str, str], answer: _Answer | None, body: bytes, received_at: int
) -> Refusal | None:
    """The refusal that this answer proves, if it does."""
    raw_error = answer.error if answer is not None else None
    error = _fields(raw_error)
    # The whole envelope as documented, two strings: gateways in between have error objects of their own.
    kind = refusal_kind(status, enveloped=_is_text(error.get("code")) and _is_text(error.get("message")))
    if kind is None:
        return None
    message = _text(error.get("message")) or _text(raw_error) or head(body)
    return Refusal(kind, status, _text(error.get("code")), message, retry_after(headers, received_at))


def _answer(body: bytes) -> _Answer | None:
    """What an answer says; None where it is no JSON object."""
    try:
        return _decode_answer(body)  # nearly always what should be a string is one
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
    """A JSON string's value, or the literal of a number; None for anything else."""
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
    """What the JSON text stands for; texts that differ in spaces or in the order of keys stand for the same."""
    if raw is None:
        return None
    try:
        return msgspec.json.decode(bytes(raw))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return raw


def _is_text(raw: msgspec.Raw | None) -> bool:
    return raw is not None and bytes(raw).strip()[:1] == b'"' and bool(_text(raw))


def _usable(run_id: str | None) -> str | None:
    """A run_id that can be asked for again."""
    return run_id if run_id is not None and can_be_asked_for(run_id) else None
