"""Decides whether a row or the service is at fault for a refusal.

A single answer does not show this. A refused row may be a bad row, or the first of many that fail because of a wrong
configuration. A server error may be caused by this row, or be part of an outage. The answers to other rows show which.
Refused rows are therefore held until there is enough evidence; only a few rows are held at any time:

* Refused for good (400 …). These rows are held until the service has accepted a row in this session. If the first ten
  answers are all refusals with the same status and code, the job stops and the rows are excused: they return to the
  queue. If a row is accepted or gets a different answer first, all held rows are charged.
* Busy (provable 5xx). These rows are held until the next acceptance, which charges each of them an attempt. If the
  refusals become an outage instead, the held rows are excused and keep their attempt. A refusal does not count as a
  sign of an outage if the row was charged before, or if it was excused and is refused again although the service has
  accepted rows since. Otherwise, bad rows that retry among themselves would look like an outage forever.

Only a row that was sent later is evidence about a row that was refused as busy. The answer to a synchronous run may
arrive in the middle of an outage, and reflects the time before it. When no more evidence can come, all held rows are
charged, unless the polls show an outage. Times are event loop time, in seconds.
"""

import math
from dataclasses import dataclass

from batchrun.domain.answers import Refusal, RefusalKind
from batchrun.domain.row import Row

IDENTICAL_REFUSALS = 10
"""If the first this many answers are identical refusals, the job stops."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision about one refused row: it is charged for the refusal, or excused as if it had never been sent."""

    row: Row
    refusal: Refusal
    charged: bool


class FaultAttribution:
    """Holds refused rows until it can decide about them. Pure except for its own state; one per session."""

    def __init__(self) -> None:
        self.has_accepted = False
        """Whether the service has accepted a row in this session."""
        self._rejected: list[tuple[Row, Refusal]] | None = []
        """Held rows that were refused for good; None once such rows are charged immediately."""
        self._busy: list[tuple[Row, Refusal, float]] = []
        """Held rows that were refused as busy, with the time when they were sent."""
        self._last_sent = -math.inf
        """The latest send time among the rows that were refused or accepted."""
        self._last_accepted = -math.inf
        """The latest send time among the rows that were accepted."""
        self._charged: set[int] = set()
        self._excused: dict[int, float] = {}

    @property
    def held(self) -> int:
        """The number of rows that wait for a verdict."""
        return len(self._rejected or ()) + len(self._busy)

    @property
    def held_as_busy(self) -> int:
        """The number of those that were refused as busy."""
        return len(self._busy)

    def refused(self, row: Row, refusal: Refusal, sent_at: float, *, outage: bool) -> tuple[list[Verdict], bool]:
        """Record a refusal of kind ROW or BUSY. `row` is the row in state `submitting`; `outage`: the circuit is open.

        Returns the verdicts that this refusal makes possible, and whether the job must stop because all refusals are
        identical.
        """
        self._last_sent = max(self._last_sent, sent_at)
        if refusal.kind is RefusalKind.BUSY:
            if outage:
                self._busy.append((row, refusal, sent_at))
                return self._release_busy(charged=False), False
            if not self.may_signal_outage(row):
                return [self._verdict(row, refusal, charged=True)], False
            self._busy.append((row, refusal, sent_at))
            return [], False
        if self._rejected is None:
            return [Verdict(row, refusal, charged=True)], False
        identical = all((r.http_status, r.code) == (refusal.http_status, refusal.code) for _, r in self._rejected)
        self._rejected.append((row, refusal))
        if not identical:
            return self._release_rejected(charged=True), False
        if len(self._rejected) == IDENTICAL_REFUSALS:
            return self._release_rejected(charged=False), True
        return [], False

    def may_signal_outage(self, row: Row) -> bool:
        """Whether a refusal of this row as busy may be a sign of an outage."""
        return row.row not in self._charged and self._last_accepted <= self._excused.get(row.row, math.inf)

    def accepted(self, row: Row, sent_at: float) -> list[Verdict]:
        """The service accepted `row`, so it works: rows that it refused before are charged."""
        self.has_accepted = True
        self._last_sent = max(self._last_sent, sent_at)
        self._last_accepted = max(self._last_accepted, sent_at)
        self.forget(row)
        if not self._rejected and not self._busy:  # the common case
            self._rejected = None
            return []
        return self._release_rejected(charged=True) + self._release_busy(charged=True, before=sent_at)

    def inconclusive(self) -> list[Verdict]:
        """A row got an answer other than a refusal, so the first answers are not identical refusals."""
        return self._release_rejected(charged=True)

    def outage(self) -> list[Verdict]:
        """The refusals are an outage: excuse the rows that were refused as busy."""
        return self._release_busy(charged=False)

    def conclude(self) -> list[Verdict]:
        """No further evidence can come: charge all held rows."""
        return self._release_rejected(charged=True) + self._release_busy(charged=True)

    def _release_rejected(self, *, charged: bool) -> list[Verdict]:
        held, self._rejected = self._rejected or [], None
        return [Verdict(row, refusal, charged) for row, refusal in held]

    def _release_busy(self, *, charged: bool, before: float = math.inf) -> list[Verdict]:
        held, self._busy = self._busy, [busy for busy in self._busy if busy[2] >= before]
        return [self._verdict(row, refusal, charged=charged) for row, refusal, sent_at in held if sent_at < before]

    def _verdict(self, row: Row, refusal: Refusal, *, charged: bool) -> Verdict:
        if charged:
            self._charged.add(row.row)
        else:
            self._excused[row.row] = self._last_sent
        return Verdict(row, refusal, charged)

    def forget(self, row: Row) -> None:
        """The row was accepted or has ended: earlier verdicts about it no longer count."""
        self._charged.discard(row.row)
        self._excused.pop(row.row, None)
