"""Recognises an answer that refuses the token, whatever the request was."""

from batchrun.dialects.coze_answer import CozeAnswer
from batchrun.dialects.coze_codes import KINDS
from batchrun.dialects.coze_record import failed_state
from batchrun.dialects.foreign_api import MISSING_SESSION
from batchrun.domain.answers import RefusalKind

_CODES = tuple(code.encode() for code, kind in KINDS.items() if kind is RefusalKind.CREDENTIALS)


def refuses_token(status: int, body: bytes) -> bool:
    """Whether the answer is a 401, or an error of the cloud or the self-hosted server about the token. Never raises.

    The error of a run is none: its token was accepted. Nor is that of a path that the self-hosted server does not have,
    which has the same code.
    """
    if status == 401:
        return True
    if not any(code in body for code in _CODES):  # the common case, in which the body need not be parsed
        return False
    answer = CozeAnswer(status, {}, body, 0)
    if answer.refusal_kind is not RefusalKind.CREDENTIALS or failed_state(answer) is not None:
        return False
    return MISSING_SESSION not in (answer.message or "")
