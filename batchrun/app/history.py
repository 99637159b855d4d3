"""Asks the service about a single run."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from batchrun.adapters.http.transport import open_transport
from batchrun.app.credentials import credentials_of
from batchrun.app.service_probe import ProbeFailedError, probe
from batchrun.dialects import AUTO, DIALECTS, Dialect
from batchrun.dialects.base import UnsendableError, head, is_usable_run_id
from batchrun.domain import lenient_json
from batchrun.domain.answers import Refusal
from batchrun.engine.parsed import foreign_api_of, parsed
from batchrun.errors import ExitCode, InputError
from batchrun.job import Job
from batchrun.nesting import bounded
from batchrun.ports import Clock, NoTokenError, Request, Response, Transport, TransportError

_decode = bounded(msgspec.json.Decoder().decode)


@dataclass(frozen=True, slots=True)
class HistoryAnswer:
    """The result of the request.

    If `exit_code` is 0, `body` is the service's JSON, unchanged. Otherwise `error` says why there is none: the service
    refused (4), or it could not be reached or its answer was not understood (75).
    """

    exit_code: ExitCode
    body: bytes = b""
    error: str = ""


async def history(
    service: Job, token: str | None, clock: Clock, run_id: str, query: Mapping[str, str | int | None]
) -> HistoryAnswer:
    """Send one request about the run `run_id`. Raises `InputError`.

    `service`: only the options to reach the service are used; `token`: the token from the environment; `query`: the
    documented parameters, of which those that are None are not sent.
    """
    if not is_usable_run_id(run_id):
        raise InputError("RUN_ID: is no run_id that a service could have given (empty, too long, or unprintable)")
    base_url = service.service_url
    credentials = credentials_of(service, token)
    ca_file = None if service.ca_file is None else str(service.ca_file)
    async with open_transport(
        base_url, credentials, clock, ca_file, refuses_token=service.dialect.refuses_token
    ) as transport:
        try:
            dialect = await _dialect(service, query, transport)
            request = Request.of(dialect.history_request(run_id, query), service.poll_timeout)
            response = await transport.send(request, _no_wait)
        except UnsendableError as error:
            raise InputError(str(error)) from None
        except ProbeFailedError as error:
            return HistoryAnswer(error.exit_code, error=f"{base_url}: {error}")
        except TransportError as error:
            code = ExitCode.STOPPED if isinstance(error, NoTokenError) else ExitCode.TRY_AGAIN
            return HistoryAnswer(code, error=f"{base_url}: {error}")
    answer, foreign_api = parsed(dialect.parse_poll, response), foreign_api_of(dialect, response)
    refused = f"the service gave nothing for run {run_id}"
    if isinstance(answer, Refusal):
        hint = f"\n{foreign_api.advice(DIALECTS)}" if foreign_api is not None else ""
        if service.api == AUTO and query.get("workflow_id") is None:
            hint = "\nWith --workflow-id ID, batchrun finds out which API the service speaks, and asks in that."
        return HistoryAnswer(ExitCode.STOPPED, error=f"{refused}: {answer}{response.token_hint}{hint}")
    if foreign_api is not None and foreign_api.code is not None:
        return HistoryAnswer(ExitCode.STOPPED, error=f"{refused}: {_excerpt(response)}\n{foreign_api.advice(DIALECTS)}")
    if not 200 <= response.status < 300 or not _is_json(response):
        undocumented = f"{base_url} does not answer as the API documents: {_excerpt(response)}"
        return HistoryAnswer(ExitCode.TRY_AGAIN, error=undocumented)
    return HistoryAnswer(ExitCode.OK, response.body)


async def _dialect(service: Job, query: Mapping[str, str | int | None], transport: Transport) -> Dialect:
    """The dialect to ask in. With `auto` it is found out by the workflow; without one it is the documented API."""
    workflow_id = query.get("workflow_id")
    if service.api != AUTO or workflow_id is None:
        return service.dialect
    timeout = service.poll_timeout
    found = await probe(transport, str(workflow_id), None, request_timeout=timeout, patience=0.0)
    return DIALECTS[found.api]


async def _no_wait() -> None:
    """The permit of the only request, which needs no rate limit."""


def _is_json(response: Response) -> bool:
    """Whether the body is a complete JSON object or array. Its fields are not checked."""
    try:
        return isinstance(_decode(response.body.decode()), dict | list)
    except RecursionError:
        return lenient_json.structure(response.body) is not None
    except (msgspec.MsgspecError, UnicodeError):
        return False


def _excerpt(response: Response) -> str:
    return f"HTTP {response.status}: {head(response.body)}"
