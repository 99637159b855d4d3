"""What HTTP statuses mean: the kinds of refusals, for all dialects.

The first question is whether the service could have accepted the row. A run costs money, and the service has no list of
runs. A refusal therefore counts only if it proves that no run was started; an answer that proves neither leaves the row
in doubt. The second question is who is at fault: a row is charged only for its own faults.

| kind | meaning | the row | the job |
|---|---|---|---|
| THROTTLED | too many requests | is queued again, not charged | slows down; without other answers, it is an outage |
| BUSY | not now | is charged an attempt, unless it is an outage | in an outage, waits for the service |
| ROW | this row is refused | failed (`rejected`) | stops if the first ten refusals are identical; no row is charged |
| CREDENTIALS | the token is refused | is queued again, not charged | refreshes the token once, then stops |
| CONFIGURATION | wrong workflow, address or request | is queued again, not charged | stops |
| QUOTA | the account is used up | is queued again, not charged | stops |
| GONE (polls only) | no such run | `lost`, after its first minute | goes on |
| *doubt* (None) | nothing is proven | held in doubt | before the first acceptance, stops after ten, or one redirect |

The contract defines what proves a refusal: no connection was made; 503; any 4xx except 408; any other 5xx, or a 200,
whose body is the complete error envelope of the dialect. A partial envelope proves nothing, because gateways have
similar error objects and may have forwarded the request. A poll cannot start a run, so it uses the same table, except
for the statuses that say that the run does not exist. The meaning of statuses follows RFC 9110. A dialect whose errors
are codes under HTTP 200 adds a table from its codes to these kinds.
"""

from collections.abc import Mapping

from batchrun.domain.answers import RefusalKind

STATUSES: Mapping[int, RefusalKind | None] = {
    400: RefusalKind.ROW,
    401: RefusalKind.CREDENTIALS,
    402: RefusalKind.QUOTA,
    403: RefusalKind.CONFIGURATION,
    404: RefusalKind.CONFIGURATION,
    405: RefusalKind.CONFIGURATION,
    407: RefusalKind.CONFIGURATION,
    408: None,
    410: RefusalKind.CONFIGURATION,
    413: RefusalKind.ROW,
    415: RefusalKind.CONFIGURATION,
    422: RefusalKind.ROW,
    429: RefusalKind.THROTTLED,
    503: RefusalKind.BUSY,
}
"""What a status proves by itself. Any other 4xx is ROW; any other status proves nothing by itself."""

GONE = frozenset({404, 410})
"""Statuses of a poll that say that the run does not exist."""


def refusal_kind(status: int, *, enveloped: bool = False) -> RefusalKind | None:
    """The kind of refusal that an answer to a POST proves; None if it proves none.

    `enveloped`: the body is the complete error envelope of the dialect.
    """
    if status in STATUSES:
        return STATUSES[status]
    if 400 <= status < 500:
        return RefusalKind.ROW
    if enveloped and 500 <= status < 600:  # other numbers are no statuses of HTTP
        return RefusalKind.BUSY
    return RefusalKind.ROW if enveloped and status == 200 else None
