"""The interfaces through which the engine uses the outside world. `adapters` implements them; `tests` has fakes."""

from batchrun.ports.files import Files, OpenFile, UnusableFileError
from batchrun.ports.http import (
    HEADERS_READ,
    Content,
    NoTokenError,
    Permit,
    Request,
    Response,
    Transport,
    TransportError,
)
from batchrun.ports.pace import Clock, RateLimiter
from batchrun.ports.rows import Callbacks, DuplicateRunError, Hint, Journal, Lookup, RowSource, Work

__all__ = [
    "HEADERS_READ",
    "Callbacks",
    "Clock",
    "Content",
    "DuplicateRunError",
    "Files",
    "Hint",
    "Journal",
    "Lookup",
    "NoTokenError",
    "OpenFile",
    "Permit",
    "RateLimiter",
    "Request",
    "Response",
    "RowSource",
    "Transport",
    "TransportError",
    "UnusableFileError",
    "Work",
]
