"""The error codes of api.coze.cn, api.coze.com and the self-hosted server: the kind of refusal, and advice.

The server sends both its own long codes and the short codes of the cloud, to which it maps most of them. A code that is
not in the table is unknown: the row is tried again a few times, and if it fails, it keeps the code and the message.
"""

import re
from collections.abc import Mapping

from batchrun.domain.answers import RefusalKind

_ERROR_CODE = re.compile(r"[4-6][0-9]{3}|[1-9][0-9]{6,8}")
_TOO_MANY_RUNS = re.compile(r"concurrency exceeds the maximum limit", re.IGNORECASE)


def is_error_code(code: str | None) -> bool:
    """Whether this is an error code of these services: 4xxx to 6xxx, or 7 to 9 digits.

    Other numbers are HTTP statuses that a gateway repeats in the body, or the gateway's own codes.
    """
    return code is not None and _ERROR_CODE.fullmatch(code) is not None


def _codes(kind: RefusalKind, *codes: str) -> dict[str, RefusalKind]:
    return dict.fromkeys(codes, kind)


KINDS: Mapping[str, RefusalKind] = {
    **_codes(RefusalKind.THROTTLED, "4009", "4013", "4020"),
    # Internal errors, network errors of plugins, and risk control, which is temporary.
    **_codes(RefusalKind.BUSY, "5000", "720701013", "720701001", "720701002", "4102"),
    # Daily limit, balance, credit, arrears.
    **_codes(RefusalKind.QUOTA, "4008", "4011", "4019", "4022", "4027", "4028", "788788103"),
    **_codes(RefusalKind.CREDENTIALS, "4100", "700012006"),
    # No permission; workflow or bot missing, not published or not configured; no asynchronous runs in the plan (6003).
    **_codes(RefusalKind.CONFIGURATION, "4101", "6003", "4200", "6031", "720702011", "4015", "4021"),
    # Parameters; the length or the content of a prompt; files; time limits of nodes; questions to a person.
    **_codes(RefusalKind.ROW, "4000", "720702001", "720702002", "720712014", "4010", "4014", "4105"),
    **_codes(RefusalKind.ROW, *(f"430{digit}" for digit in range(10))),
    **_codes(RefusalKind.ROW, "6006", "6023", "720702085", "777777776", "6039", "720702078"),
}
"""The kind of refusal by error code, whatever the HTTP status is."""

INTERRUPTED = frozenset({"6039", "720702078"})
"""The run asks a person a question, which a synchronous request cannot answer."""

GONE: Mapping[str, str] = {
    "4314": "either the execute_id is wrong, or the run is older than 7 days: results are kept for 7 days",
    "777777775": "the server has no run with this execute_id",
}
"""Codes of a poll whose run does not exist, with an explanation."""

_WRONG_REGION = "a token of api.coze.cn is not valid at api.coze.com and vice versa; is --base-url right?"
_NOT_PUBLISHED = "is --workflow-id right, and is the workflow published?"
ADVICE: Mapping[str, str] = {
    "4100": _WRONG_REGION,
    "4101": f"{_WRONG_REGION} If it is, the token lacks a permission, or the workflow is in another workspace",
    "4200": _NOT_PUBLISHED,
    "6031": _NOT_PUBLISHED,
    "720702011": _NOT_PUBLISHED,
    "4015": "publish the bot as an API first",
    "6003": "asynchronous runs need a paid plan; use --mode sync",
}
"""Advice by error code, where the message of the service has none."""

ADVISED_OPTIONS: Mapping[str, str] = {"6003": "--mode sync"}
"""The options that `ADVICE` names."""


def code_kind(code: str | None, message: str | None) -> RefusalKind | None:
    """The kind of refusal that this code or message stands for; None if both are unknown.

    Too many concurrent runs are recognised by the message: their code is not documented.
    """
    if message is not None and _TOO_MANY_RUNS.search(message):
        return RefusalKind.THROTTLED
    return KINDS.get(code or "")
