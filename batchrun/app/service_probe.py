"""Finds out, with one request before the first POST, which dialect a service speaks and what its workflow declares.

The request asks for the description of the workflow and starts no run. The dialect is known only after an answer that
proves its origin. A missing answer, a 429, a 5xx and the refusal of a proxy prove nothing. The probe is then repeated,
as in any outage.
"""

import asyncio
import logging
from dataclasses import dataclass

from batchrun.dialects import DIALECTS, Dialect
from batchrun.dialects.base import head
from batchrun.dialects.detect import detected
from batchrun.dialects.retry_after import retry_after
from batchrun.domain.answers import Refusal, RefusalKind
from batchrun.domain.backoff import doubled
from batchrun.domain.time_words import in_words
from batchrun.domain.workflow_info import WorkflowInfo
from batchrun.engine.parsed import parsed
from batchrun.errors import ExitCode
from batchrun.ports import NoTokenError, Request, Response, Transport, TransportError

log = logging.getLogger("batchrun")

MAX_ANSWER = 1_000_000
"""The longest answer in bytes that is examined. A longer one proves nothing."""

MIN_TIMEOUT = 0.5
"""Seconds that one request has at least, however little time is left."""

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""The first and the longest wait between two probes, in seconds. The wait doubles each time."""


@dataclass(frozen=True, slots=True)
class Probed:
    """The dialect that the probe found, and the description of the workflow if the service gives one."""

    api: str
    workflow: WorkflowInfo | None = None


class ProbeFailedError(Exception):
    """The service cannot be used now. `exit_code` is that of the command; `collect`: runs can still be polled.

    `is_mistake`: see `batchrun.engine.settings.Stop`.
    """

    def __init__(self, exit_code: ExitCode, message: str, *, collect: bool = False, is_mistake: bool = False) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.collect = collect
        self.is_mistake = is_mistake


async def probe(
    transport: Transport, workflow_id: str, dialect: Dialect | None, *, request_timeout: float, patience: float
) -> Probed:
    """Send the probe until an answer proves which dialect the service speaks, for at most `patience` seconds.

    `dialect`: the dialect if it is known; None to find it out. `request_timeout`: seconds for one request.
    Raises `ProbeFailedError`.
    """
    asked = (dialect or DIALECTS["open"]).probe_request(workflow_id)
    if asked is None:
        assert dialect is not None
        return Probed(dialect.name)
    loop, count = asyncio.get_running_loop(), 0
    started = loop.time()
    while True:
        asked_to_wait = 0.0
        left = max(MIN_TIMEOUT, patience - (loop.time() - started))
        try:
            response = await transport.send(Request.of(asked, min(request_timeout, left)), _no_wait)
            found, trouble = _interpret(response, dialect), f"HTTP {response.status}: {head(response.body)}"
            asked_to_wait = retry_after(response.headers, response.received_at) or 0.0
            del response  # see `Response`
        except NoTokenError as error:
            raise ProbeFailedError(ExitCode.STOPPED, str(error)) from None
        except TransportError as error:
            if error.permanent:
                raise ProbeFailedError(ExitCode.STOPPED, str(error), is_mistake=True) from None
            found, trouble = None, str(error)
        if found is not None:
            return found
        wait = max(doubled(count, FIRST_WAIT, LONGEST_WAIT), asked_to_wait)
        left = patience - (loop.time() - started)
        if wait >= left:
            await asyncio.sleep(max(0.0, left))
            missing = "which API it speaks" if dialect is None else "what it knows of the workflow"
            message = f"the service has not shown {_within(patience)}{missing} (last answer: {trouble})"
            raise ProbeFailedError(ExitCode.TRY_AGAIN, message)
        if count == 0:
            log.warning("no usable answer yet, waiting up to %s: %s", in_words(patience), trouble)
        count += 1
        await asyncio.sleep(wait)


def _within(patience: float) -> str:
    return f"within {in_words(patience)} " if patience >= 1 else ""


def _interpret(response: Response, dialect: Dialect | None) -> Probed | None:
    """The result that an answer proves; None if it proves nothing. Raises `ProbeFailedError` if waiting cannot help."""
    if len(response.body) > MAX_ANSWER:
        if dialect is None:
            return None
        log.warning("the inputs of the workflow cannot be compared beforehand: its description is too long")
        return Probed(dialect.name)
    api = detected(response.status, response.body)
    if dialect is None:
        if api is None and response.status == 401:
            message = f"the service refused the token: HTTP 401{response.token_hint}"
            raise ProbeFailedError(ExitCode.STOPPED, message)
        if api is None:
            return None
        dialect = DIALECTS[api]
    if api == "v1":
        return Probed(dialect.name)  # the documented API has no descriptions of workflows
    answer = parsed(dialect.parse_workflow, response)
    match answer:
        case WorkflowInfo():
            return Probed(dialect.name, answer)
        case Refusal(kind=RefusalKind.THROTTLED):
            return None
        case Refusal(kind=RefusalKind.BUSY) if response.status >= 500:
            return None
        case Refusal(code="4101") | Refusal(kind=RefusalKind.BUSY):
            log.warning("the inputs of the workflow cannot be compared beforehand: %s", answer)
            return Probed(dialect.name)
        case Refusal(kind=RefusalKind.CREDENTIALS):
            message = f"the service refused the token: {answer}{response.token_hint}"
            raise ProbeFailedError(ExitCode.STOPPED, message)
        case Refusal() if api is not None:
            message = f"the service refused the workflow: {answer}"
            raise ProbeFailedError(ExitCode.STOPPED, message, collect=True, is_mistake=True)
        case _:
            return Probed(dialect.name) if api is not None else None


async def _no_wait() -> None:
    """Grant a permit at once: a single request needs no rate limit."""
