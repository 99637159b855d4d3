"""Answers in the shape of another API than the one that was spoken: which one is it, and has it made a run?

The APIs of this family share a path (POST /v1/workflow/run), and each passes over the fields of the others. So a job
that speaks the wrong one does not always get an error: it may get a run, made without the inputs, and paid for. Hence
the first answer is looked at closely, and nothing more is sent to where another API is spoken.

Told apart by what the others document: `execute_id`, `code`, `msg`, `debug_url` (api.coze.cn, api.coze.com and their
SDKs, and the self-hosted server, which adds `BaseResp`); `task_id`, `detail` (projects deployed on coze.site).
"""

from collections.abc import Container
from dataclasses import dataclass

import msgspec

LEAST_CODE = 1000
"""Codes of these APIs are 0 or larger than this; smaller ones are HTTP statuses that a gateway repeats in its body."""

NO_RUN = frozenset({"4100", "4101", "700012006"})
"""Codes that refuse the token: whatever else is unsure about an error of these APIs, then no run was made."""

_SPEAKERS = {
    "open": "the API of api.coze.cn, api.coze.com and their SDKs",
    "studio": "the API of the self-hosted open-source server",
    "site": "a project deployed on coze.site",
}
_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class ForeignApi:
    """An answer of another API: `open`, `studio` or `site`."""

    api: str
    code: str | None = None
    """Its error code, where it tells of an error."""
    run: str | None = None
    """What it calls the run that it tells of, such as `execute_id 17`."""

    @property
    def refused(self) -> bool:
        """Whether it proves that no run was made."""
        return self.code in NO_RUN

    def advice(self, spoken: Container[str]) -> str:
        """What to do about it, in one sentence without its full stop; `spoken`: the APIs that `--api` can name."""
        speaker = f"the answer is that of {_SPEAKERS[self.api]}"
        if self.api in spoken:
            return f"{speaker}: use --api {self.api}"
        if self.api == "site":
            return f"{speaker} or of another web application, which batchrun does not speak; is --base-url right?"
        return f"{speaker} (--api {self.api}, which this version of batchrun does not speak yet); is --base-url right?"


def recognise(status: int, body: bytes) -> ForeignApi | None:
    """The other API whose answer this is; None where it looks like none of them. Never raises."""
    try:
        answer = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if "run_id" in answer:
        return None
    code = _scalar(answer.get("code"))
    execute_id = _scalar(answer.get("execute_id"))
    is_error = code is not None and code.isdecimal() and int(code[:12]) >= LEAST_CODE and "msg" in answer
    is_told = code == "0" and not answer.keys().isdisjoint({"data", "debug_url", "msg"})
    if execute_id or is_error or is_told or {"msg", "debug_url"} <= answer.keys():
        run = f"execute_id {execute_id}" if execute_id else "debug_url" if _scalar(answer.get("debug_url")) else None
        studio = "BaseResp" in answer or code == "700012006"
        return ForeignApi("studio" if studio else "open", code if is_error else None, run)
    if task_id := _scalar(answer.get("task_id")):
        return ForeignApi("site", run=f"task_id {task_id}")
    # Many a web application says `detail`, with a meaning in its status; only these are what it says of this path.
    return ForeignApi("site") if status in {404, 405} and answer.keys() == {"detail"} else None


def _scalar(raw: msgspec.Raw | None) -> str | None:
    """The text of a JSON string or number; None for anything else, and for empty text."""
    try:
        value = None if raw is None else msgspec.json.decode(bytes(raw), type=str | int)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return str(value)[:100] or None if value is not None else None
