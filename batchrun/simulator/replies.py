"""What the simulator answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from batchrun.simulator.callbacks import Call


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer as plain values.

    `delay` is how many seconds the server waits before it answers. With `drop` it then closes the connection without
    an answer: whatever the request asked for has been done, only the word of it is lost.
    """

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    delay: float = 0.0
    drop: bool = False
    calls: Sequence[Call] = ()
    """The callbacks that follow from the request."""


class RefusedError(Exception):
    """The request is refused with the documented envelope: {"error": {"code", "message"}}."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        content = {"error": {"code": code, "message": message}}
        self.reply = json_reply(content, status, **headers)


def json_reply(content: Mapping[str, object], status: int = 200, **headers: str) -> Reply:
    """An answer in JSON; in the names of `headers`, an underscore stands for a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, msgspec.json.encode(content), {"content-type": "application/json", **named})


def bad_request(message: str) -> RefusedError:
    """400: the request is not what the documentation asks for."""
    return RefusedError(400, "BAD_REQUEST", message)


def not_found(message: str) -> RefusedError:
    """404: no such path, workflow or run."""
    return RefusedError(404, "NOT_FOUND", message)


def internal_error(message: str) -> RefusedError:
    """500, in the service's own envelope: nothing was done."""
    return RefusedError(500, "INTERNAL_SERVER_ERROR", message)


GARBAGE = Reply(
    200,
    b"<!DOCTYPE html>\n<html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>\n",
    {"content-type": "text/html; charset=utf-8"},
)
"""What a proxy in a bad mood puts in the place of the service's answer."""
