"""What can go wrong with a request, in eight kinds, whatever dialect it was told in.

The question that decides everything is: *could the service have the row?* A run costs money, and nobody can ask the
service later which runs there are. So a refusal counts only if it proves that no run was made, and whatever proves
neither leaves the row in doubt. The second question is whose fault it is: the row pays for its own alone.

| kind | what it says | the row | the job |
|---|---|---|---|
| THROTTLED | too fast | goes back at no cost | slows down; if nothing else is answered, an outage |
| BUSY | not now | pays an attempt, unless it is an outage | waits for the service if it is an outage |
| ROW | not this row | failed (`rejected`) | stops if the first ten are refused alike: then it is not the row |
| CREDENTIALS | not with this token | goes back at no cost | one refresh of the token, then stops |
| CONFIGURATION | not this workflow, address or request | goes back at no cost | stops |
| QUOTA | the account is used up | goes back at no cost | stops |
| GONE (polls only) | no such run | `lost`, once its first minute is over | goes on |
| *doubt* (None) | nothing | held in doubt | stops if it is told so before anything is accepted |

What proves a refusal is the contract's decision: no connection at all; 503; any 4xx but 408; any other 5xx, or a 200,
whose body is the dialect's own error envelope and nothing less, since gateways in between have error objects of their
own and may have handed the request on. On a poll nothing is at stake, so the same table serves, but for the statuses
that say that the run is not there. Statuses are RFC 9110's. A dialect whose errors are codes under HTTP 200 brings a
table of its codes; their kinds are these.
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
"""What a status proves by itself; every other 4xx is the row's, and all the rest prove nothing."""

GONE = frozenset({404, 410})
"""Statuses by which a poll is told that there is no such run."""


def refusal_kind(status: int, *, enveloped: bool = False) -> RefusalKind | None:
    """The kind of refusal that an answer to a POST proves; None where it proves none.

    `enveloped`: its body is the dialect's own error envelope, whole.
    """
    if status in STATUSES:
        return STATUSES[status]
    if 400 <= status < 500:
        return RefusalKind.ROW
    if enveloped and status >= 500:
        return RefusalKind.BUSY
    return RefusalKind.ROW if enveloped and status == 200 else None
