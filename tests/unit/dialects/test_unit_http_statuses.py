"""What proves a refusal, and of what kind, cell by cell."""

import pytest

from batchrun.dialects.http_statuses import STATUSES, refusal_kind
from batchrun.domain.answers import RefusalKind

CONTRACT = {
    400: RefusalKind.ROW,
    401: RefusalKind.CREDENTIALS,
    403: RefusalKind.CONFIGURATION,
    404: RefusalKind.CONFIGURATION,
    408: None,
    413: RefusalKind.ROW,
    422: RefusalKind.ROW,
    429: RefusalKind.THROTTLED,
    503: RefusalKind.BUSY,
}
"""What the contract says of single statuses, with an envelope or without."""


@pytest.mark.parametrize("status", CONTRACT)
@pytest.mark.parametrize("enveloped", [False, True])
def test_the_statuses_of_the_contract(status: int, enveloped: bool) -> None:
    assert refusal_kind(status, enveloped=enveloped) is CONTRACT[status]


def test_every_other_status_proves_what_its_class_does() -> None:
    for status in range(100, 1000):
        if status in CONTRACT:
            continue
        plain, enveloped = refusal_kind(status), refusal_kind(status, enveloped=True)
        if 400 <= status < 500:
            assert plain is enveloped is not None
        else:
            assert plain is None
            by_envelope = RefusalKind.BUSY if 500 <= status < 600 else RefusalKind.ROW if status == 200 else None
            assert enveloped is by_envelope


def test_every_kind_but_the_polls_own_has_a_status() -> None:
    assert set(STATUSES.values()) - {None} == set(RefusalKind) - {RefusalKind.GONE}
