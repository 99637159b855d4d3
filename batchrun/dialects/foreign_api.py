"""Recognises answers of another API than the configured one: which API is it, and did it start a run?

The APIs of this family share a path (POST /v1/workflow/run), and each ignores the fields of the others. A request to
the wrong API may therefore succeed and start a paid run without the inputs. For this reason the first answer is
examined, and the job stops if it comes from another API.

The APIs differ in the fields that they document: `execute_id`, `code`, `msg`, `debug_url` (api.coze.cn, api.coze.com
and their SDKs, and the self-hosted server, which adds `BaseResp`); `task_id`, `detail` (projects on coze.site).
"""

from collections.abc import Container
from dataclasses import dataclass

import msgspec

MIN_CODE = 1000
"""Error codes of these APIs are at least this. Smaller codes are HTTP statuses that a gateway repeats in the body."""

NO_RUN = frozenset({"4100", "4101", "700012006"})
"""Codes that refuse the token. They prove that no run was started, which other errors of these APIs may not."""

_API_NAMES = {
    "open": "the API of api.coze.cn, api.coze.com and their SDKs",
    "studio": "the API of the self-hosted open-source server",
    "site": "a project deployed on coze.site",
}
_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class ForeignApi:
    """An answer from another API. `api` is `open`, `studio` or `site`."""

    api: str
    code: str | None = None
    """The error code, if the answer is an error."""
    run: str | None = None
    """The run in the answer, if any, such as `execute_id 17`."""

    @property
    def refused(self) -> bool:
        """Whether the answer proves that no run was started."""
        return self.code in NO_RUN

    def advice(self, supported: Container[str]) -> str:
        """What to do, as one sentence without a full stop. `supported`: the names that `--api` accepts."""
        source = f"the answer is that of {_API_NAMES[self.api]}"
        if self.api in supported:
            return f"{source}: use --api {self.api}"
        if self.api == "site":
            return f"{source} or of another web application, which batchrun does not speak; is --base-url right?"
        return f"{source} (--api {self.api}, which this version of batchrun does not speak yet); is --base-url right?"


def recognise(status: int, body: bytes) -> ForeignApi | None:
    """The other API that this answer comes from; None if it looks like none of them. Never raises."""
    try:
        answer = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if "run_id" in answer:
        return None
    code = _scalar(answer.get("code"))
    execute_id = _scalar(answer.get("execute_id"))
    is_error = code is not None and code.isdecimal() and int(code[:12]) >= MIN_CODE and "msg" in answer
    is_success = code == "0" and not answer.keys().isdisjoint({"data", "debug_url", "msg"})
    if execute_id or is_error or is_success or {"msg", "debug_url"} <= answer.keys():
        run = f"execute_id {execute_id}" if execute_id else "debug_url" if _scalar(answer.get("debug_url")) else None
        studio = "BaseResp" in answer or code == "700012006"
        return ForeignApi("studio" if studio else "open", code if is_error else None, run)
    if task_id := _scalar(answer.get("task_id")):
        return ForeignApi("site", run=f"task_id {task_id}")
    # Many web applications answer with `detail`. Only these statuses say that the path does not exist there.
    return ForeignApi("site") if status in {404, 405} and answer.keys() == {"detail"} else None


def _scalar(raw: msgspec.Raw | None) -> str | None:
    """The text of a JSON string or number; None for anything else, and for empty text."""
    try:
        value = None if raw is None else msgspec.json.decode(bytes(raw), type=str | int)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return str(value)[:100] or None if value is not None else None
