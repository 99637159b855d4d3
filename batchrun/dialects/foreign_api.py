"""Recognises answers of another API than the configured one: which API is it, and did it start a run?

The APIs of this family share a path (POST /v1/workflow/run), and each ignores the fields of the others. A request to
the wrong API may therefore succeed and start a paid run without the inputs. For this reason the first answer is
examined, and the job stops if it comes from another API.

The APIs differ in the fields that they document: `run_id`, or `error` with a code and a message (the documented API);
`execute_id`, `code`, `msg`, `debug_url` (api.coze.cn, api.coze.com and their SDKs, and the self-hosted server, which
adds `BaseResp`); `task_id`, `detail` (projects on coze.site).
"""

from collections.abc import Container
from dataclasses import dataclass

import msgspec

from batchrun.dialects import raw_json
from batchrun.dialects.coze_codes import is_error_code

NO_RUN = frozenset({"4100", "4101", "700012006"})
"""Codes that refuse the token. They prove that no run was started, which other errors of these APIs may not."""

MISSING_SESSION = "missing session_key"
"""Part of the self-hosted server's error for unknown paths, to which the path of a poll of the cloud belongs."""

_API_NAMES = {
    "v1": "the documented workflow API (run_id, status, outputs)",
    "open": "the API of api.coze.cn, api.coze.com and their SDKs",
    "studio": "the API of the self-hosted open-source server",
    "site": "a project deployed on coze.site",
}


@dataclass(frozen=True, slots=True)
class ForeignApi:
    """An answer from another API. `api` is `v1`, `open`, `studio` or `site`."""

    api: str
    code: str | None = None
    """The error code, if the answer is an error."""
    run: str | None = None
    """The run in the answer, if any, such as `execute_id 17`."""

    @property
    def refused(self) -> bool:
        """Whether the answer proves that no run was started."""
        return self.code in NO_RUN

    def advised_options(self, supported: Container[str]) -> str:
        """The options that `advice` names; empty if none."""
        return f"--api {self.api}" if self.api in supported else ""

    def advice(self, supported: Container[str]) -> str:
        """What to do, as one sentence without a full stop. `supported`: the names that `--api` accepts."""
        source = f"the answer is that of {_API_NAMES[self.api]}"
        if options := self.advised_options(supported):
            return f"{source}: use {options}"
        if self.api == "site":
            return f"{source} or of another web application, which batchrun does not speak; is --base-url right?"
        return f"{source} (--api {self.api}, which this version of batchrun does not speak yet); is --base-url right?"


def recognise(status: int, body: bytes) -> ForeignApi | None:
    """The API that this answer comes from; None if it looks like none of them. Never raises."""
    answer = raw_json.members(body)
    if answer is None:
        return None
    if "run_id" in answer:
        run_id = _short(answer["run_id"])
        return ForeignApi("v1", run=f"run_id {run_id}") if run_id else None
    code, execute_id = _short(answer.get("code")), _short(answer.get("execute_id"))
    is_error = is_error_code(code) and "msg" in answer
    is_success = code == "0" and not answer.keys().isdisjoint({"data", "debug_url", "msg"})
    studio = "BaseResp" in answer or MISSING_SESSION in (raw_json.text(answer.get("msg")) or "")
    if execute_id or is_error or is_success or studio or {"msg", "debug_url"} <= answer.keys():
        run = f"execute_id {execute_id}" if execute_id else "debug_url" if _short(answer.get("debug_url")) else None
        return ForeignApi("studio" if studio else "open", code if is_error else None, run)
    if is_documented_error(answer.get("error")):
        return ForeignApi("v1", _short(raw_json.fields(answer["error"])["code"]))
    if task_id := _short(answer.get("task_id")):
        return ForeignApi("site", run=f"task_id {task_id}")
    # Many web applications answer with `detail`. Only these statuses say that the path does not exist there.
    return ForeignApi("site") if status in {404, 405} and answer.keys() == {"detail"} else None


def is_documented_error(error: msgspec.Raw | None) -> bool:
    """Whether this is the error of the documented API. It must have both strings: gateways use similar objects."""
    fields = raw_json.fields(error)
    return raw_json.is_text(fields.get("code")) and raw_json.is_text(fields.get("message"))


def _short(raw: msgspec.Raw | None) -> str | None:
    """The text of a JSON string or number, cut off for a message; None for anything else, and for empty text."""
    return (raw_json.text(raw) or "")[:100] or None
