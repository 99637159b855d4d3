"""What members and holder send each other: one JSON object a line."""

from collections.abc import Mapping

import msgspec

from batchrun.domain.frozen import Frozen


class Report(Frozen, frozen=True):
    """A member reports its figures, demands and holdings, each by the name of the limit. It renews its leases."""

    number: int
    received: int
    """The number of the last grant that it has received, 0 before the first one."""
    rates: Mapping[str, float]
    held: Mapping[str, int]
    """The slots that it has, or that the service may still count."""
    wanted: Mapping[str, int]
    pauses: Mapping[str, float]
    """The seconds that pauses go on which the holder may not know of."""


class Grant(Frozen, frozen=True):
    """The holder tells a member its slots, each by the name of the limit."""

    number: int
    """Counts the changes of slots and periods. A grant without a change only renews the lease."""
    report: int
    """The number of the last report received. The leases are valid for `LEASE` seconds from when that was sent."""
    slots: Mapping[str, int]
    periods: Mapping[str, float]
    """The seconds in which a slot allows one request."""
    pauses: Mapping[str, float]


def encode(message: Report | Grant) -> bytes:
    """The message as a line."""
    return msgspec.json.encode(message) + b"\n"


def decode_report(line: bytes) -> Report | None:
    """The report in a line; None if it has none."""
    try:
        report = msgspec.json.decode(line, type=Report)
    except (msgspec.MsgspecError, UnicodeError):
        return None
    is_valid = (
        report.rates.keys() == report.held.keys() == report.wanted.keys()
        and all(rate > 0 for rate in report.rates.values())
        and all(count >= 0 for count in (*report.held.values(), *report.wanted.values()))
    )
    return report if is_valid else None


def decode_grant(line: bytes) -> Grant | None:
    """The grant in a line; None if it has none."""
    try:
        grant = msgspec.json.decode(line, type=Grant)
    except (msgspec.MsgspecError, UnicodeError):
        return None
    is_valid = grant.slots.keys() == grant.periods.keys() and all(period > 0 for period in grant.periods.values())
    return grant if is_valid else None
