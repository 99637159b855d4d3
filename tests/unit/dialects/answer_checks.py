"""Checks of the parsers of a dialect: they never raise, and their results can be recorded and shown."""

import json
from collections.abc import Mapping

from batchrun.dialects.base import Dialect, head, is_usable_run_id
from batchrun.domain.answers import (
    AcceptedAnswer,
    Inconclusive,
    Phase,
    PollAnswer,
    Refusal,
    RefusalKind,
    RunDetails,
    RunState,
    SubmitAnswer,
    SyncResult,
)
from batchrun.domain.workflow_info import WorkflowInfo
from tests.unit.dialects.spoken import NO_HEADERS, NOW

LATEST = 253_402_300_799_000


def check_text(text: str | None) -> None:
    assert text is None or text.encode() or text == "", "it can be encoded"


def check_details(details: RunDetails | None) -> None:
    if details is None:
        return
    assert details != RunDetails(), "empty details are None"
    check_text(details.log_id)
    check_text(details.debug_url)
    for count in (details.input_tokens, details.output_tokens, details.total_tokens):
        assert count is None or 0 <= count < 2**63


def check_state(state: RunState) -> None:
    check_text(state.status)
    check_text(state.error_code)
    check_text(state.error_message)
    check_details(state.details)
    assert state.status
    if state.output is not None:
        assert state.phase is Phase.COMPLETED
        json.loads(state.output, parse_int=str, parse_constant=int)
        check_text(state.output)
    for time in (state.created_at, state.updated_at):
        assert time is None or 0 < time <= LATEST


def check_answer(answer: SubmitAnswer | PollAnswer | WorkflowInfo, status: int, body: bytes) -> None:
    match answer:
        case RunState():
            check_state(answer)
        case SyncResult():
            assert answer.run_id is None or is_usable_run_id(answer.run_id)
            assert answer.state.phase in {Phase.COMPLETED, Phase.FAILED, Phase.INTERRUPTED}
            check_state(answer.state)
        case AcceptedAnswer():
            assert is_usable_run_id(answer.run_id)
            check_details(answer.details)
        case Refusal():
            assert (answer.http_status, bool(answer.message)) == (status, True)
            check_text(answer.message)
            check_text(answer.code)
            check_details(answer.details)
            assert answer.message.startswith(head(body)) or _has_message(body), "of the service, or its answer"
        case Inconclusive():
            assert answer.http_status == status
            assert head(body) in answer.message, "the beginning of the answer is kept"
        case WorkflowInfo():
            check_text(answer.name)


def _has_message(body: bytes) -> bool:
    """Whether the answer may contain a message of the service, under one of the names that dialects use."""
    return b'"msg"' in body or b'"message"' in body


def check_parsers(dialect: Dialect, status: int, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> None:
    """Call all the functions of the dialect that read what a server sends."""
    for parse in (dialect.parse_submit, dialect.parse_synchronous):
        answer = parse(status, headers, body, NOW)
        check_answer(answer, status, body)
        assert not isinstance(answer, Refusal) or answer.kind is not RefusalKind.GONE, "only polls have this kind"
        assert not isinstance(answer, AcceptedAnswer) or 200 <= status < 300
    check_answer(dialect.parse_poll(status, headers, body, NOW), status, body)
    check_answer(dialect.parse_workflow(status, headers, body, NOW), status, body)
    dialect.callback_run_id(body)
    foreign_api = dialect.foreign_api(status, body)
    assert foreign_api is None or foreign_api.advice(())
