"""What the service says of one run, asked by hand."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from batchrun.adapters.credentials.token import load_token
from batchrun.adapters.http.transport import open_transport
from batchrun.dialects import DIALECTS
from batchrun.dialects.base import head, is_usable_run_id
from batchrun.domain.answers import Refusal
from batchrun.errors import ExitCode, InputError
from batchrun.job import Job
from batchrun.ports import Clock, Request, Response, TransportError


@dataclass(frozen=True, slots=True)
class Told:
    """What came of asking.

    `body`: the service's JSON, to the letter, where `exit_code` is 0; else `trouble` says why there is none: the
    service refused to tell (4), or could not be reached or understood (75).
    """

    exit_code: ExitCode
    body: bytes = b""
    trouble: str = ""


async def history(
    service: Job, token: str | None, clock: Clock, run_id: str, query: Mapping[str, str | int | None]
) -> Told:
    """Ask once. `service`: how it is reached (the rest of the job does not matter); `token`: the environment's.

    `query`: the documented parameters; those that are None are not sent. Raises `InputError`.
    """
    if not is_usable_run_id(run_id):
        raise InputError("RUN_ID: is no run_id that a service could have given (empty, too long, or unprintable)")
    dialect, base_url = service.dialect, service.service_url
    request = Request.of(dialect.history_request(run_id, query), service.poll_timeout)
    credentials = load_token(service.token_file, service.token_command, token, dialect)
    ca_file = None if service.ca_file is None else str(service.ca_file)
    async with open_transport(base_url, credentials, clock, ca_file) as transport:
        try:
            response = await transport.send(request, _at_once)
        except TransportError as error:
            return Told(ExitCode.TRY_AGAIN, trouble=f"{base_url}: {error}")
    answer = dialect.parse_poll(response.status, response.headers, response.body, response.received_at)
    foreign_api = dialect.foreign_api(response.status, response.body)
    refused = f"the service refused to tell of run {run_id}"
    if isinstance(answer, Refusal):
        hint = f"\n{foreign_api.advice(DIALECTS)}" if foreign_api is not None else ""
        return Told(ExitCode.STOPPED, trouble=f"{refused}: {answer}{response.token_hint}{hint}")
    if foreign_api is not None and foreign_api.code is not None:
        return Told(ExitCode.STOPPED, trouble=f"{refused}: {_beginning(response)}\n{foreign_api.advice(DIALECTS)}")
    if not 200 <= response.status < 300 or not _is_json(response):
        trouble = f"{base_url} does not answer as the API documents: {_beginning(response)}"
        return Told(ExitCode.TRY_AGAIN, trouble=trouble)
    return Told(ExitCode.OK, response.body)


async def _at_once() -> None:
    """One request needs no pace."""


def _is_json(response: Response) -> bool:
    """Whether an answer is a JSON object or array, whole; which fields it has is the service's business."""
    try:
        return isinstance(msgspec.json.decode(response.body.decode()), dict | list)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False


def _beginning(response: Response) -> str:
    return f"HTTP {response.status}: {head(response.body)}"
