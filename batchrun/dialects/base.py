"""What a dialect is, and what all of them share."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Protocol, TypeAlias
from urllib.parse import urlencode

import msgspec

from batchrun.dialects.foreign_api import ForeignApi
from batchrun.domain.answers import PollAnswer, SubmitAnswer
from batchrun.domain.frozen import Frozen

MAX_BODY = 20_000_000
"""Bytes; the service refuses larger requests."""

LONGEST_RUN_ID = 512
"""Characters."""

HEAD = 300
"""So many characters of an answer that we do not understand are kept for the user."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

TokenHeaders: TypeAlias = Callable[[str], Mapping[str, str]]
"""What makes of a token the headers that prove who asks."""


Inputs: TypeAlias = Mapping[str, object] | msgspec.Raw
"""The inputs of a row by their names, or the same as JSON text."""


class UnsendableError(ValueError):
    """The row has no request."""


class ApiRequest(Frozen, frozen=True):
    """What is asked of a service. `path` is appended to its base URL; `body` is JSON text."""

    method: str
    path: str
    body: bytes | None = None


class Dialect(Protocol):
    """One way to speak to a workflow service."""

    name: str
    """What `--api` calls it."""
    default_base_url: str
    base_url_variable: str
    """The environment variable that other tools of the service take the base URL from."""
    token_variable: str
    """The environment variable that holds the token."""

    def headers(self, token: str) -> Mapping[str, str]:
        """The headers of every request that prove who asks."""
        ...

    def submit_request(
        self,
        workflow_id: str,
        inputs: Inputs,
        *,
        synchronous: bool = False,
        callback_url: str | None = None,
    ) -> ApiRequest:
        """The request that submits one row; raises `UnsendableError`.

        `synchronous`: the service shall answer when the run has ended; `callback_url`: where it is asked to tell of
        the end of a run that is not.
        """
        ...

    def parse_submit(self, status: int, headers: Mapping[str, str], body: bytes, received_at: int) -> SubmitAnswer:
        """What the answer to a submission means. Never raises. `received_at` in UTC milliseconds."""
        ...

    def parse_synchronous(self, status: int, headers: Mapping[str, str], body: bytes, received_at: int) -> SubmitAnswer:
        """The same of a submission that was to be answered when the run has ended."""
        ...

    def foreign_api(self, status: int, body: bytes) -> ForeignApi | None:
        """The other API whose answer this is; None where it looks like none of them. Never raises."""
        ...

    def poll_request(self, workflow_id: str, run_id: str) -> ApiRequest:
        """The request for a run's state."""
        ...

    def history_request(self, run_id: str, query: Mapping[str, str | int | None]) -> ApiRequest:
        """The request for one run that a user asks for, with those query parameters that are not None."""
        ...

    def parse_poll(self, status: int, headers: Mapping[str, str], body: bytes, received_at: int) -> PollAnswer:
        """What the answer to a poll means. Never raises."""
        ...

    def contradiction(self, run_id: str, submitted: bytes, told: bytes) -> str | None:
        """Why the answer `told` cannot be about the run `run_id` of what was `submitted`; None: nothing says so.

        Both are whole bodies, of an answered poll and of the POST. Never raises.
        """
        ...

    def callback_run_id(self, body: bytes) -> str | None:
        """The run that the body of a callback names; None where it names none, whatever it is. Never raises."""
        ...


def bearer(token: str) -> dict[str, str]:
    """A bearer token (RFC 6750)."""
    return {"Authorization": f"Bearer {token}"}


def encode(body: Mapping[str, object]) -> bytes:
    """JSON bytes; raises `UnsendableError` for a value that JSON has no word for, and for a body that is too large."""
    try:
        text = msgspec.json.encode(body)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise UnsendableError(f"the row cannot be written as JSON: {error}") from None
    if len(text) > MAX_BODY:
        raise UnsendableError(f"the request would have {len(text):,} bytes; the service takes at most {MAX_BODY:,}")
    return text


def can_be_asked_for(run_id: str) -> bool:
    """Whether this can stand in a path: not empty, not endless, printable, and no step up in it."""
    return bool(run_id) and len(run_id) <= LONGEST_RUN_ID and run_id.isprintable() and bool(run_id.strip("."))


def with_query(path: str, query: Mapping[str, str | int | None]) -> str:
    """`path` with those parameters of `query` that are given."""
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def retry_after(headers: Mapping[str, str], received_at: int) -> float | None:
    """Seconds that `Retry-After` asks for (RFC 9110 §10.2.3: seconds or a date); None where it is absent or garbage."""
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,300}(\.[0-9]+)?", text):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return max(0.0, date.timestamp() - received_at / 1000)
    except (ValueError, OverflowError):
        return None


def iso_ms(text: object) -> int | None:
    """ISO 8601 text as UTC milliseconds since 1970; None for anything else. Without an offset it is taken as UTC."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (moment - _EPOCH + _MILLISECOND / 2) // _MILLISECOND
    except (ValueError, OverflowError):
        return None


def head(body: bytes) -> str:
    """The beginning of an answer, on one line, for a message."""
    text = " ".join(body[: 4 * HEAD].decode("utf-8", "replace").split())
    if not text:
        return "(an empty body)" if len(body) <= 4 * HEAD else "(a body that begins with blanks)"
    return text if len(text) <= HEAD else text[:HEAD] + " …"
