"""The simulator's HTTP responses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from batchrun.simulator.callbacks import PendingCallback


@dataclass(frozen=True, slots=True)
class Reply:
    """One response as plain values.

    The server waits `delay` seconds before it responds. With `drop` it then closes the connection without a response,
    although the request has been carried out.
    """

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    delay: float = 0.0
    drop: bool = False
    callbacks: Sequence[PendingCallback] = ()
    """The callbacks to send as a result of the request."""


TOO_MANY_RUNS = "TOO_MANY_RUNS"
"""The code of a POST that is refused because too many runs are in progress."""


class RefusedError(Exception):
    """The request is refused.

    `missing`: the `path`, `workflow` or `run` that there is not. `injected`: an option asks for this HTTP status.
    """

    def __init__(
        self, status: int, code: str, message: str, *, missing: str = "", injected: bool = False, **headers: str
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.missing = missing
        self.injected = injected
        self.headers = headers

    @property
    def reply(self) -> Reply:
        """The answer of the documented API: {"error": {"code", "message"}}."""
        return json_reply({"error": {"code": self.code, "message": str(self)}}, self.status, **self.headers)


def json_reply(content: Mapping[str, object], status: int = 200, **headers: str) -> Reply:
    """A JSON response. Underscores in the names of `headers` become hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, msgspec.json.encode(content), {"content-type": "application/json", **named})


def bad_request(message: str) -> RefusedError:
    """400: the request does not follow the documentation."""
    return RefusedError(400, "BAD_REQUEST", message)


def not_found(message: str, missing: str = "path") -> RefusedError:
    """404: the `path`, `workflow` or `run` does not exist."""
    return RefusedError(404, "NOT_FOUND", message, missing=missing)


def no_run(run_id: str) -> RefusedError:
    """404: the run does not exist."""
    return not_found(f"no such run: {run_id}", "run")


def internal_error(message: str) -> RefusedError:
    """500 with the service's own error body; the request was not carried out."""
    return RefusedError(500, "INTERNAL_SERVER_ERROR", message)


GARBAGE = Reply(
    200,
    b"<!DOCTYPE html>\n<html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>\n",
    {"content-type": "text/html; charset=utf-8"},
)
"""An HTML page such as a misconfigured proxy returns instead of the service's response."""
