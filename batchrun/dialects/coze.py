"""The common part of the dialects of api.coze.cn, api.coze.com and the self-hosted server.

POST /v1/workflow/run starts a run. The answer has an `execute_id`, or in synchronous mode the output of the run. The
dialects differ in the request of a poll and in the status words; the record of a run is the same.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Self

from batchrun.dialects import raw_json
from batchrun.dialects.base import (
    NO_OPTIONS,
    ApiRequest,
    Dialect,
    Inputs,
    SubmitOptions,
    UnsendableError,
    UploadRequest,
    encode,
)
from batchrun.dialects.coze_answer import CozeAnswer
from batchrun.dialects.coze_codes import ADVICE, GONE
from batchrun.dialects.coze_record import UNIQUE, ended_state, failed_state, identity_of, record_of, recorded_state
from batchrun.dialects.coze_workflow import workflow_info, workflow_request
from batchrun.dialects.file_upload import multipart_request
from batchrun.dialects.foreign_api import ForeignApi, recognise
from batchrun.dialects.http_statuses import GONE as GONE_STATUSES
from batchrun.dialects.token_refusal import refuses_token
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
    UploadAnswer,
    Uploaded,
)
from batchrun.domain.frozen import copied
from batchrun.domain.workflow_info import WorkflowInfo


class CozeDialect(Dialect):
    """A dialect of this family. A subclass defines the addresses, the words, and the request of a poll."""

    base_url_variable = "COZE_API_BASE"
    token_variable = "COZE_API_TOKEN"
    tells_details = True
    polls_first = True

    version_field: str
    """The field of a submission for the version of the workflow."""
    phases: ClassVar[Mapping[str, Phase]]
    """The phases by the status words of the service, in lower case."""
    outputs_by_node: bool
    """Whether the output in a poll is inside an object of nodes."""

    def __init__(self, options: SubmitOptions = NO_OPTIONS) -> None:
        self.options = options

    def with_options(self, options: SubmitOptions) -> Self:
        """The dialect with these options for its submissions."""
        return type(self)(options)

    def refuses_token(self, status: int, body: bytes) -> bool:
        """By the status, or by a code under any status."""
        return refuses_token(status, body)

    def probe_request(self, workflow_id: str) -> ApiRequest:
        """The request for the description of a workflow."""
        return workflow_request(workflow_id)

    def parse_workflow(
        self, status: int, headers: Mapping[str, str], body: bytes, received_at: int
    ) -> WorkflowInfo | Refusal | Inconclusive:
        """The description, a refusal, or inconclusive."""
        answer = CozeAnswer(status, headers, body, received_at)
        if not answer.is_success:
            return answer.refusal(self.advice) or answer.inconclusive()
        return workflow_info(answer) or answer.inconclusive(" without a workflow")

    def submit_request(
        self,
        workflow_id: str,
        inputs: Inputs,
        *,
        synchronous: bool = False,
        callback_url: str | None = None,
    ) -> ApiRequest:
        """The documented request. `callback_url` is ignored: these services have no callbacks."""
        del callback_url
        options = self.options
        body: dict[str, object] = {"workflow_id": workflow_id, "parameters": inputs, "is_async": not synchronous}
        given = {"bot_id": options.bot_id, "app_id": options.app_id, self.version_field: options.workflow_version}
        body |= {name: value for name, value in given.items() if value is not None}
        if options.ext:
            body["ext"] = dict(options.ext)
        return ApiRequest("POST", "/v1/workflow/run", encode(body))

    def parse_submit(self, status: int, headers: Mapping[str, str], body: bytes, received_at: int) -> SubmitAnswer:
        """Accepted, refused, inconclusive, or ended, if the service executed the run synchronously nevertheless."""
        return self._submit_answer(CozeAnswer(status, headers, body, received_at), synchronous=False)

    def parse_synchronous(self, status: int, headers: Mapping[str, str], body: bytes, received_at: int) -> SubmitAnswer:
        """Ended, refused, inconclusive, or accepted without a result. An accepted run is polled."""
        return self._submit_answer(CozeAnswer(status, headers, body, received_at), synchronous=True)

    def _submit_answer(self, answer: CozeAnswer, *, synchronous: bool) -> SubmitAnswer:
        run_id = answer.run_id
        if answer.is_success and (repeated := UNIQUE.repeated(answer.body)) is not None:
            return answer.inconclusive(f" with two different values of {repeated}")
        if (state := failed_state(answer)) is not None:
            return SyncResult(run_id, state)
        if not answer.is_success:
            return answer.refusal(self.advice) or answer.inconclusive()
        if (synchronous or run_id is None) and (state := ended_state(answer)) is not None:
            return SyncResult(run_id, copied(state, is_irregular=_is_irregular(state, answer)))
        if run_id is not None:
            return AcceptedAnswer(run_id, "", details=answer.details)
        return answer.refusal(self.advice) or answer.inconclusive(" without a usable execute_id")

    def upload_request(self, name: str, digest: str) -> UploadRequest:
        """The documented request."""
        return multipart_request("/v1/files/upload", "file", name, digest)

    def parse_upload(self, status: int, headers: Mapping[str, str], body: bytes, received_at: int) -> UploadAnswer:
        """Uploaded, refused, or inconclusive. An input refers to a file by an object, written as text."""
        answer = CozeAnswer(status, headers, body, received_at)
        if not answer.is_success:
            return answer.refusal(self.advice) or answer.inconclusive()
        if not (file_id := raw_json.text(raw_json.fields(answer.fields.data).get("id"))):
            return answer.inconclusive(" without the id of the file")
        return Uploaded(encode({"file_id": file_id}).decode())

    def foreign_api(self, status: int, body: bytes) -> ForeignApi | None:
        """The documented API, or that of coze.site. The answers of this family to a submission are the same."""
        found = recognise(status, body)
        return found if found is not None and found.api not in {"open", "studio"} else None

    @abstractmethod
    def poll_request(self, workflow_id: str, run_id: str) -> ApiRequest:
        """The request for the record of a run."""

    def history_request(self, run_id: str, query: Mapping[str, str | int | None]) -> ApiRequest:
        """The request of a poll, which has no filters. Raises `UnsendableError` if the workflow is not given."""
        if not (workflow_id := query.get("workflow_id")):
            raise UnsendableError("this API needs the workflow to look up a run; add --workflow-id")
        return self.poll_request(str(workflow_id), run_id)

    def parse_poll(self, status: int, headers: Mapping[str, str], body: bytes, received_at: int) -> PollAnswer:
        """The state of the run, a refusal, or inconclusive, as long as the run is not visible yet (an empty list)."""
        answer = CozeAnswer(status, headers, body, received_at)
        if not answer.is_success:
            return self._poll_refusal(answer) or answer.inconclusive()
        if (found := record_of(answer)) is None:
            not_visible = bytes(answer.fields.data).translate(None, b" \t\r\n") == b"[]"
            return copied(answer.inconclusive(" without a record of the run"), is_not_visible=not_visible)
        record, text = found
        state = recorded_state(record, self.phases, by_node=self.outputs_by_node)
        if state is None:
            return answer.inconclusive(" without a status of the run")
        identity = identity_of(answer, record, text, state.phase)
        return copied(state, identity=identity, is_irregular=_is_irregular(state, answer))

    def _poll_refusal(self, answer: CozeAnswer) -> Refusal | None:
        refusal = answer.refusal(self.advice)
        if refusal is None:
            return None
        if (explanation := GONE.get(refusal.code or "")) is not None:
            return copied(refusal, kind=RefusalKind.GONE, message=f"{refusal.message} ({explanation})")
        if answer.status in GONE_STATUSES and answer.known_kind is None:
            return copied(refusal, kind=RefusalKind.GONE)
        return refusal

    def advice(self, code: str | None, message: str) -> str | None:  # noqa: ARG002 - subclasses use the message
        """Advice about an error with this code and message, if there is any."""
        return ADVICE.get(code or "")


def _is_irregular(state: RunState, answer: CozeAnswer) -> bool:
    """Whether there is an output that is not strict JSON, or that was in an answer which is not."""
    output = state.output
    return output is not None and (answer.is_lenient or raw_json.output_text(output.encode())[1])
