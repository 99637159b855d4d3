"""The body of POST /v1/workflow/run."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeVar

import msgspec

from batchrun.simulator.faults import Inputs
from batchrun.simulator.replies import bad_request
from batchrun.simulator.simulated_run import decode_inputs

_T = TypeVar("_T")
_Body = dict[str, msgspec.Raw]
_decoder = msgspec.json.Decoder(_Body)


@dataclass(frozen=True, slots=True)
class BodyFields:
    """The names of the members; None: there is no such member."""

    inputs: str = "inputs"
    asynchronous: str = "async"
    callback_url: str | None = "callback_url"
    inputs_may_be_text: bool = False
    """Whether the service also takes the inputs as a string of JSON."""


DOCUMENTED = BodyFields()


@dataclass(frozen=True, slots=True)
class Submission:
    """A valid submission. `inputs_text` is the JSON text of the inputs, unchanged; `fields`: the members sent."""

    workflow_id: str
    inputs_text: str
    inputs: Inputs
    asynchronous: bool
    callback_url: str | None
    fields: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        """Hash of the workflow id and the inputs."""
        text = f"{self.workflow_id}\0{self.inputs_text}"
        return blake2b(text.encode(), digest_size=16).hexdigest()


def parse_submission(headers: Mapping[str, str], body: bytes, names: BodyFields = DOCUMENTED) -> Submission:
    """Validate every field. Raises `RefusedError` (400) for the first invalid one."""
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise bad_request(f"Content-Type must be application/json, not {content_type or 'absent'}")
    try:
        body.decode()  # the JSON decoder does not check the encoding of values that it keeps as raw bytes
        fields = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise bad_request("the body is not a JSON object") from None
    workflow_id = _field(fields, "workflow_id", str, "a string")
    if not workflow_id:
        raise bad_request("workflow_id is required")
    text = bytes(fields.get(names.inputs, msgspec.Raw(b"{}"))).strip()
    try:
        if names.inputs_may_be_text and text.startswith(b'"'):
            text = msgspec.json.decode(text, type=str).encode().strip()
        inputs = decode_inputs(text)
    except (msgspec.MsgspecError, RecursionError):
        raise bad_request(f"{names.inputs} must be an object") from None
    return Submission(
        workflow_id=workflow_id,
        inputs_text=text.decode(),
        inputs=inputs,
        asynchronous=bool(_field(fields, names.asynchronous, bool, "a boolean")),
        callback_url=_field(fields, names.callback_url, str, "a string") if names.callback_url else None,
        fields=frozenset(fields),
    )


def _field(fields: _Body, name: str, field_type: type[_T], wanted: str) -> _T | None:
    if name not in fields:
        return None
    try:
        return msgspec.json.decode(bytes(fields[name]), type=field_type)
    except msgspec.MsgspecError:
        raise bad_request(f"{name} must be {wanted}") from None
