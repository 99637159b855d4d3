"""Calls the parsers of a dialect, so that no answer can end the job, whatever it is."""

import logging
from collections.abc import Callable, Mapping
from typing import TypeAlias, TypeVar

from batchrun.dialects.base import Dialect, head
from batchrun.dialects.foreign_api import ForeignApi
from batchrun.domain.answers import Inconclusive
from batchrun.ports import Response

log = logging.getLogger("batchrun")

T = TypeVar("T")

Parse: TypeAlias = Callable[[int, Mapping[str, str], bytes, int], T]


def parsed(parse: Parse[T], response: Response) -> T | Inconclusive:
    """The meaning of an answer. It is inconclusive if the parser raises, which it must not."""
    try:
        return parse(response.status, response.headers, response.body, response.received_at)
    except Exception as error:
        log.info("a parser failed", exc_info=True)
        is_full = isinstance(error, MemoryError)
        reason = "memory ran out" if is_full else f"{type(error).__name__}, please report it"
        why = f"which batchrun fails to read ({reason})"
        return Inconclusive(f"HTTP {response.status}, {why}: {head(response.body)}", response.status)


def foreign_api_of(dialect: Dialect, response: Response) -> ForeignApi | None:
    """The other API that an answer comes from; None if there is none, or if this cannot be found out."""
    try:
        return dialect.foreign_api(response.status, response.body)
    except Exception:
        log.info("a parser failed", exc_info=True)
        return None
