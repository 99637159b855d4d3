"""The interface of a dialect, and functions that dialects share."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Protocol, TypeAlias
from urllib.parse import quote, urlencode

import msgspec

from batchrun.dialects import raw_json
from batchrun.dialects.foreign_api import ForeignApi, recognise
from batchrun.domain.answers import Inconclusive, PollAnswer, Refusal, SubmitAnswer, UploadAnswer
from batchrun.domain.frozen import Frozen
from batchrun.domain.lenient_json import plain
from batchrun.domain.user_info import without_user_info
from batchrun.domain.workflow_info import WorkflowInfo

MAX_BODY = 20_000_000
"""The largest request body in bytes. The service refuses larger ones."""

DEFAULT_MAX_IN_FLIGHT = 500
"""Runs in flight at most where the service documents no limit."""

MAX_RUN_ID = 512
"""The longest run_id in characters."""

MAX_HEAD = 300
"""The number of characters of an unexpected answer that are shown to the user."""

MAX_EXCERPT = 2000
"""The number of characters of the reason of a refusal that are kept."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LATEST = 253_402_300_799
"""The end of the year 9999, in seconds since 1970."""

TokenHeaders: TypeAlias = Callable[[str], Mapping[str, str]]
"""A function from a token to the headers that authenticate a request."""


Inputs: TypeAlias = Mapping[str, object] | msgspec.Raw
"""The inputs of a row by name, or the same as JSON text."""


class UnsendableError(ValueError):
    """No request can be built for the row."""


class ApiRequest(Frozen, frozen=True):
    """A request to a service. `path` is appended to the base URL; `body` is JSON text."""

    method: str
    path: str
    body: bytes | None = None


class FileLimits(Frozen, frozen=True):
    """What a service says about uploaded files: the largest size, and how long it keeps them at least."""

    max_bytes: int
    kept_ms: int


class UploadRequest(Frozen, frozen=True):
    """A request whose body is the content of a file between `before` and `after`."""

    method: str
    path: str
    content_type: str
    before: bytes
    after: bytes


class SubmitOptions(Frozen, frozen=True):
    """What all submissions of a job have in common besides the workflow. A dialect ignores what it does not support."""

    bot_id: str | None = None
    app_id: str | None = None
    workflow_version: str | None = None
    ext: Mapping[str, str] = MappingProxyType({})
    """Further values by name, such as `user_id`."""


NO_OPTIONS = SubmitOptions()


class Dialect(Protocol):
    """The API of one workflow service. A dialect inherits what it does not define: a bearer token, and no extras."""

    name: str
    """Its name in `--api`."""
    default_base_url: str
    base_url_variable: str
    """The environment variable from which other tools of the service take the base URL."""
    token_variable: str
    """The environment variable that holds the token."""
    default_total_rps: float | None = None
    """Requests per second that the service allows at least, submissions and polls together; None: not documented."""
    default_max_in_flight: int = DEFAULT_MAX_IN_FLIGHT
    """Asynchronous runs that a job has in flight at most, unless the user says otherwise."""
    synchronous_limit: float | None = None
    """Seconds after which the service drops the connection of a synchronous submission; None: not documented."""
    tells_details: bool = False
    """Whether its answers have `RunDetails`. If so, the results have columns for them."""
    polls_first: bool = False
    """Whether only a poll shows that this is the right dialect. One run is then polled before more are submitted."""
    has_async_mode: bool = True
    """Whether it can start a run without waiting for the end."""
    has_callbacks: bool = False
    """Whether the service can report the end of a run to a callback URL."""
    file_limits: FileLimits | None = None
    """The limits of uploaded files; None: files cannot be uploaded."""

    def with_options(self, options: SubmitOptions) -> "Dialect":  # noqa: ARG002 - none is supported by default
        """The dialect with these options for its submissions."""
        return self

    def headers(self, token: str) -> Mapping[str, str]:
        """The headers that authenticate a request."""
        return bearer(token)

    def refuses_token(self, status: int, body: bytes) -> bool:  # noqa: ARG002 - the status is enough by default
        """Whether the answer to any request refuses its token, which proves that no run was started. Never raises."""
        return status == 401

    def probe_request(self, workflow_id: str) -> ApiRequest | None:  # noqa: ARG002 - none by default
        """The request for the description of a workflow; None if the service has none. It starts no run."""
        return None

    def parse_workflow(
        self,
        status: int,
        headers: Mapping[str, str],  # noqa: ARG002 - by default there are no descriptions
        body: bytes,
        received_at: int,  # noqa: ARG002 - likewise
    ) -> WorkflowInfo | Refusal | Inconclusive:
        """The meaning of the answer to `probe_request`. Never raises."""
        return Inconclusive(f"HTTP {status}: {head(body)}", status)

    @abstractmethod
    def submit_request(
        self,
        workflow_id: str,
        inputs: Inputs,
        *,
        synchronous: bool = False,
        callback_url: str | None = None,
    ) -> ApiRequest:
        """The request that submits one row. Raises `UnsendableError`.

        `synchronous`: the service is to answer when the run has ended. `callback_url`: the address to which it is to
        report the end of an asynchronous run.
        """
        ...

    @abstractmethod
    def parse_submit(self, status: int, headers: Mapping[str, str], body: bytes, received_at: int) -> SubmitAnswer:
        """The meaning of the answer to a submission. Never raises. `received_at` in UTC milliseconds."""
        ...

    def parse_synchronous(self, status: int, headers: Mapping[str, str], body: bytes, received_at: int) -> SubmitAnswer:
        """The meaning of the answer to a synchronous submission. Never raises."""
        return self.parse_submit(status, headers, body, received_at)

    def upload_request(self, name: str, digest: str) -> UploadRequest:  # noqa: ARG002 - no uploads by default
        """The request that uploads a file of this name. `digest`: the SHA-256 of its content, in hexadecimal.

        It is only called if there are `file_limits`.
        """
        raise UnsendableError("this API takes no files")

    def parse_upload(
        self,
        status: int,
        headers: Mapping[str, str],  # noqa: ARG002 - by default there are no uploads
        body: bytes,
        received_at: int,  # noqa: ARG002 - likewise
    ) -> UploadAnswer:
        """The meaning of the answer to an upload. Never raises."""
        return Inconclusive(f"HTTP {status}: {head(body)}", status)

    def foreign_api(self, status: int, body: bytes) -> ForeignApi | None:
        """The other API that this answer comes from; None if it looks like none that we know. Never raises."""
        found = recognise(status, body)
        return found if found is not None and found.api != self.name else None

    @abstractmethod
    def poll_request(self, workflow_id: str, run_id: str) -> ApiRequest:
        """The request for the state of a run."""
        ...

    def history_request(self, run_id: str, query: Mapping[str, str | int | None]) -> ApiRequest:
        """The request for one run that a user asks about, with the query parameters that are not None.

        Raises `UnsendableError` if a required parameter is missing.
        """
        return self.poll_request(str(query.get("workflow_id") or ""), run_id)

    @abstractmethod
    def parse_poll(self, status: int, headers: Mapping[str, str], body: bytes, received_at: int) -> PollAnswer:
        """The meaning of the answer to a poll. Never raises.

        A `RunState` has what the answer says about its run. The engine compares that with the run it asked for.
        """
        ...

    def callback_run_id(self, body: bytes) -> str | None:  # noqa: ARG002 - there are no callbacks by default
        """The run_id in the body of a callback; None if there is none. Never raises, whatever the body is."""
        return None


def bearer(token: str) -> dict[str, str]:
    """The header of a bearer token (RFC 6750)."""
    return {"Authorization": f"Bearer {token}"}


def encode(body: Mapping[str, object]) -> bytes:
    """`body` as JSON. Raises `UnsendableError` if JSON cannot represent a value or the result is too large."""
    try:
        text = msgspec.json.encode(body)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise UnsendableError(f"the row cannot be written as JSON: {error}") from None
    if len(text) > MAX_BODY:
        raise UnsendableError(f"the request would have {len(text):,} bytes; the service takes at most {MAX_BODY:,}")
    return text


def is_usable_run_id(run_id: str) -> bool:
    """Whether this can be a path segment: not empty, not too long, printable, and not `.` or `..`."""
    return bool(run_id) and len(run_id) <= MAX_RUN_ID and run_id.isprintable() and bool(run_id.strip("."))


def usable_run_id(run_id: str | None) -> str | None:
    """The run_id if it can be polled, otherwise None."""
    return run_id if run_id is not None and is_usable_run_id(run_id) else None


def path_segment(text: str) -> str:
    """`text` as a segment of a path, percent-encoded, slashes included."""
    plain = text.isascii() and text.isalnum()  # the common case, in which quoting is a waste of time
    return text if plain else quote(text, safe="")


def with_query(path: str, query: Mapping[str, str | int | None]) -> str:
    """`path` with the parameters of `query` that are not None."""
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def iso_ms(text: object) -> int | None:
    """ISO 8601 text as UTC milliseconds since 1970; None for anything else. Times without an offset are UTC."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        # Not every time within the years 1 to 9999 is so in UTC, and no reader of the results could represent it.
        return ((moment.astimezone(UTC) + _MILLISECOND / 2) - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        return None


def unix_ms(raw: msgspec.Raw | None) -> int | None:
    """Seconds since 1970, as a number or digits, in milliseconds; None for anything else, and for 0."""
    seconds = raw_json.count(raw)
    return seconds * 1000 if seconds and seconds <= _LATEST else None


def head(body: bytes) -> str:
    """The beginning of an answer, on one line and without user info in addresses, for a message."""
    body = plain(body)
    text = without_user_info(" ".join(body[: 4 * MAX_HEAD].decode("utf-8", "replace").split()))
    if not text:
        return "(an empty body)" if len(body) <= 4 * MAX_HEAD else "(a body that begins with blanks)"
    return text if len(text) <= MAX_HEAD else text[:MAX_HEAD] + " …"


def excerpt(text: str) -> str:
    """A code or a message of the service, without what is too long to be read."""
    return text if len(text) <= MAX_EXCERPT else text[:MAX_EXCERPT] + " …"
