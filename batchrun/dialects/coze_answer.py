"""The envelope of an answer from api.coze.cn, api.coze.com or the self-hosted server, and what it proves.

The envelope is `{"code", "msg", "data", "detail"}`. `code` is 0 or missing in a success; an error may have any HTTP
status, including 200. A known code determines the kind of refusal. With an unknown code, the HTTP status determines it;
under 200 and 5xx the row is tried again a few times. A 5xx without this envelope proves nothing: it may come from a
gateway that forwarded the request.
"""

from collections.abc import Callable, Mapping

import msgspec

from batchrun.dialects import raw_json
from batchrun.dialects.base import excerpt, head, usable_run_id
from batchrun.dialects.coze_codes import ADVISED_OPTIONS, code_kind, is_error_code
from batchrun.dialects.http_statuses import refusal_kind
from batchrun.dialects.retry_after import retry_after
from batchrun.domain.answers import Inconclusive, Refusal, RefusalKind, RunDetails
from batchrun.domain.frozen import copied
from batchrun.domain.lenient_json import plain
from batchrun.nesting import bounded

LOG_HEADERS = ("x-tt-logid", "x-log-id")
"""The headers with the log ID of a request: of the cloud, and of the self-hosted server."""

_NONE = msgspec.Raw()
_STOPPING = frozenset({RefusalKind.CREDENTIALS, RefusalKind.CONFIGURATION, RefusalKind.QUOTA})


class Fields(msgspec.Struct, gc=False):
    """The fields that are used: of an answer, and of the record of a run in the answer to a poll."""

    code: msgspec.Raw = _NONE
    msg: msgspec.Raw = _NONE
    detail: msgspec.Raw = _NONE
    data: msgspec.Raw = _NONE
    execute_id: msgspec.Raw = _NONE
    execute_status: msgspec.Raw = _NONE
    output: msgspec.Raw = _NONE
    error_code: msgspec.Raw = _NONE
    error_message: msgspec.Raw = _NONE
    error_msg: msgspec.Raw = _NONE
    interrupt_data: msgspec.Raw = _NONE
    create_time: msgspec.Raw = _NONE
    update_time: msgspec.Raw = _NONE
    logid: msgspec.Raw = _NONE
    log_id: msgspec.Raw = _NONE
    debug_url: msgspec.Raw = _NONE
    usage: msgspec.Raw = _NONE
    token: msgspec.Raw = _NONE
    workflow_id: msgspec.Raw = _NONE
    input: msgspec.Raw = _NONE

    @property
    def details(self) -> RunDetails | None:
        """The log ID, the debug page and the token counts; None if there are none of them."""
        usage = raw_json.fields(self.usage)
        details = RunDetails(
            log_id=_text(self.logid) or _text(self.log_id) or _text(raw_json.fields(self.detail).get("logid")),
            debug_url=raw_json.message(self.debug_url) or None,
            input_tokens=raw_json.count(usage.get("input_count")),
            output_tokens=raw_json.count(usage.get("output_count")),
            # `token` is the older field for the total. It is always 0 in newer answers.
            total_tokens=raw_json.count(usage.get("token_count")) if usage else raw_json.count(self.token) or None,
        )
        return None if details == RunDetails() else details


_decode = bounded(msgspec.json.Decoder(Fields).decode)
_NAMES = Fields.__struct_fields__


def decoded(body: bytes) -> Fields | None:
    """The fields of a JSON object; None if `body` is not one."""
    strict = _strictly_decoded(body)
    return _leniently_decoded(body) if strict is None else strict


def _strictly_decoded(body: bytes) -> Fields | None:
    try:
        return _decode(body)
    except raw_json.UNREADABLE:
        return None


def _leniently_decoded(body: bytes) -> Fields | None:
    members = raw_json.members(body)
    return None if members is None else Fields(**{name: members[name] for name in _NAMES if name in members})


class CozeAnswer:
    """One answer. `fields` are empty if the body is not a JSON object. `is_lenient`: it is not strict JSON."""

    __slots__ = ("body", "code", "fields", "headers", "is_lenient", "is_object", "message", "received_at", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, received_at: int) -> None:
        self.status = status
        self.headers = headers
        self.body = body = plain(body)
        self.received_at = received_at
        fields = _strictly_decoded(body)
        self.is_lenient = fields is None
        if fields is None:
            fields = _leniently_decoded(body)
        self.is_object = fields is not None
        self.fields = fields or Fields()
        self.code = raw_json.text(self.fields.code)
        self.message = raw_json.message(self.fields.msg)

    @property
    def is_success(self) -> bool:
        """Whether the request succeeded."""
        has_error = raw_json.is_given(self.fields.code) and self.code not in {"0", ""}
        return 200 <= self.status < 300 and self.is_object and not has_error

    @property
    def is_enveloped(self) -> bool:
        """Whether this is an error of the service itself, with the complete envelope."""
        return is_error_code(self.code) and self.message is not None

    @property
    def run_id(self) -> str | None:
        """The execute_id."""
        return usable_run_id(raw_json.text(self.fields.execute_id))

    @property
    def details(self) -> RunDetails | None:
        """The details in the body; the log ID may also be in a header."""
        details = self.fields.details
        given = (self.headers.get(name, "") for name in LOG_HEADERS)
        log_id = next((text for text in given if text and text.isprintable()), None)
        if log_id is None or (details is not None and details.log_id is not None):
            return details
        return copied(details or RunDetails(), log_id=log_id)

    @property
    def known_kind(self) -> RefusalKind | None:
        """The kind of refusal that the code or the message stands for, if it is known."""
        return code_kind(self.code if self.is_enveloped else None, self.message)

    def refusal(self, advice: Callable[[str | None, str], str | None]) -> Refusal | None:
        """The refusal that this answer proves; None if it proves none. `advice`: from a code and a message."""
        kind = self.refusal_kind
        if kind is None:
            return None
        message = excerpt(self.message) if self.message else head(self.body)
        if (hint := advice(self.code, message)) is not None:
            message = f"{message} ({hint})"
        seconds = retry_after(self.headers, self.received_at)
        code, options = excerpt(self.code or "") or None, ADVISED_OPTIONS.get(self.code or "", "")
        return Refusal(kind, self.status, code, message, seconds, self.details, advised_options=options)

    @property
    def refusal_kind(self) -> RefusalKind | None:
        """The kind of refusal that this answer proves; None if it proves none."""
        by_status = refusal_kind(self.status)
        if by_status is None and not (200 <= self.status < 300 or 500 <= self.status < 600):
            return None  # a redirect or 408 proves nothing, whatever its body says, and 600 is no status of HTTP
        if by_status is RefusalKind.THROTTLED and self.known_kind not in _STOPPING:
            return by_status
        return self.known_kind or by_status or (RefusalKind.BUSY if self.is_enveloped else None)

    def inconclusive(self, why: str = "") -> Inconclusive:
        """This answer as an inconclusive one. `why`: what it lacks."""
        return Inconclusive(f"HTTP {self.status}{why}: {head(self.body)}", self.status)


def _text(raw: msgspec.Raw | None) -> str | None:
    return raw_json.text(raw) or None
