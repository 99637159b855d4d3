"""The state of a run: from its record in the answer to a poll, or from the answer to the POST itself."""

from collections.abc import Mapping

from batchrun.dialects import raw_json
from batchrun.dialects.base import unix_ms
from batchrun.dialects.coze_answer import CozeAnswer, Fields, decoded
from batchrun.dialects.coze_codes import INTERRUPTED, code_kind
from batchrun.dialects.coze_output import workflow_output
from batchrun.dialects.unique_keys import UniqueKeys
from batchrun.domain.answers import Identity, Phase, RunState

_WORDS = {Phase.COMPLETED: "Success", Phase.FAILED: "Fail", Phase.INTERRUPTED: "Interrupted"}
"""The status of a run in an answer that has none. The service documents no word for an interrupted run."""

WAITING = "the run waits for a person and does not continue by itself"
_WAITS_FOR = {"1": "a local plugin", "2": "the answer to a question", "5": "input", "6": "a local plugin", "7": "OAuth"}
"""What an interrupted run waits for, by the type of the interrupt."""

UNIQUE = UniqueKeys("code", "data", "execute_id")
_UNIQUE_IN_RECORD = UniqueKeys("execute_id", "execute_status", "workflow_id", "input", "output")


def record_of(answer: CozeAnswer) -> tuple[Fields, bytes] | None:
    """The record in `data`, and its text: a list with one object, or the object itself. None if there is none."""
    text = bytes(answer.fields.data)
    records = raw_json.elements(text)
    if records is not None:
        text = bytes(records[0]) if records else b""
    record = decoded(text)
    return None if record is None else (record, text)


def identity_of(answer: CozeAnswer, record: Fields, text: bytes, phase: Phase) -> Identity:
    """What an answer with this record says about its run."""
    repeated = None if phase is Phase.RUNNING else UNIQUE.repeated(answer.body) or _UNIQUE_IN_RECORD.repeated(text)
    return Identity(
        raw_json.name(record.execute_id),
        raw_json.name(record.workflow_id),
        record.input or None,
        repeated,
    )


def recorded_state(record: Fields, phases: Mapping[str, Phase], *, by_node: bool) -> RunState | None:
    """The state in a record; None if it has no status.

    `phases`: by the status words of the dialect, in lower case; `by_node`: see `workflow_output`.
    """
    word = raw_json.text(record.execute_status) or ""
    waiting = _waiting(record)
    if not word and waiting is None:
        return None
    # The status word of an interrupted run is not documented. Only such a run has interrupt data.
    phase = Phase.INTERRUPTED if waiting is not None else phases.get(word.lower(), Phase.UNKNOWN)
    code = raw_json.text(record.error_code)
    message = raw_json.message(record.error_message) or raw_json.message(record.error_msg) or waiting
    return RunState(
        phase,
        word or _WORDS[phase],
        # The output of a run that has not ended is an envelope without content.
        output=workflow_output(record.output, by_node=by_node) if phase is Phase.COMPLETED else None,
        error_code=code if code not in {"", "0"} else None,
        error_message=message or (WAITING if phase is Phase.INTERRUPTED else None),
        created_at=unix_ms(record.create_time),
        updated_at=unix_ms(record.update_time),
        details=record.details,
    )


def failed_state(answer: CozeAnswer) -> RunState | None:
    """The end of a run that failed, from an error in the answer to a POST. None if the error is not that of a run.

    An error is that of a run if it names the run, by its ID or its debug page, or if the run was interrupted.
    """
    interrupted = answer.code in INTERRUPTED
    has_run = answer.run_id is not None or raw_json.is_text(answer.fields.debug_url)
    if not answer.is_enveloped or not (interrupted or has_run) or code_kind(None, answer.message) is not None:
        return None
    phase = Phase.INTERRUPTED if interrupted else Phase.FAILED
    message = answer.message or (WAITING if interrupted else None)
    return RunState(phase, _WORDS[phase], error_code=answer.code, error_message=message, details=answer.details)


def ended_state(answer: CozeAnswer) -> RunState | None:
    """The end of a run, from the output or the interrupt in the answer to a POST. None if it has neither."""
    fields = answer.fields
    if (waiting := _waiting(fields)) is not None:
        word = _WORDS[Phase.INTERRUPTED]
        return RunState(Phase.INTERRUPTED, word, error_message=waiting, details=answer.details)
    # `data` alone may come from any web application.
    if not raw_json.is_given(fields.data) or not (fields.code or fields.msg or fields.debug_url):
        return None
    output = workflow_output(fields.data, by_node=False)
    return RunState(Phase.COMPLETED, _WORDS[Phase.COMPLETED], output, details=answer.details)


def _waiting(fields: Fields) -> str | None:
    """A message about an interrupted run; None if the run is not interrupted."""
    interrupt = raw_json.fields(fields.interrupt_data)
    if not interrupt:
        return None
    what = _WAITS_FOR.get(raw_json.text(interrupt.get("type")) or "")
    return f"{WAITING} ({what})" if what else WAITING
