"""Whose fault a refusal is: the row's, or everybody's?

One answer cannot tell. A row that the service refuses may be a bad row or the first of ten thousand that a wrong
configuration dooms; an error of the server may be the row's poison or an outage. The neighbours know. So a verdict
waits until they have shown it, and only a handful of rows ever wait:

* Refused for good (400 …). Until the service has accepted something in this session, such rows are held; if the
  first ten answered are all refused with the same status and code, the job stops and they go back to the queue. The
  first acceptance, or a different answer, finds all those held guilty.
* Busy (5xx with proof). Held until the next acceptance, which finds them guilty: they pay an attempt. When it becomes
  an outage instead, they are innocent and pay nothing. A row found guilty before is not believed again, nor is one
  that was acquitted and refused once more though the service has taken others since: so the poisonous rows of a job,
  retrying among themselves, are not mistaken for an outage for ever.

Only a row that was sent later testifies against one that was refused as busy: the answer to a synchronous run may come
in the middle of an outage, and tells of the time before it. When nothing is left that could testify, the held are
guilty. Times are the loop's, in seconds.
"""

import math
from dataclasses import dataclass

from batchrun.domain.answers import Refusal, RefusalKind
from batchrun.domain.row import Row

IDENTICAL_REFUSALS = 10
"""So many first rows refused alike stop the job."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verdict about one row: guilty rows pay for their refusal, innocent ones go back as if never sent."""

    row: Row
    refusal: Refusal
    charged: bool


class FaultAttribution:
    """Holds the rows whose verdict is open. Pure but for its own memory; one for each session."""

    def __init__(self) -> None:
        self.has_accepted = False
        """Whether the service has accepted a row in this session."""
        self._identical: list[tuple[Row, Refusal]] | None = []
        self._busy: list[tuple[Row, Refusal, float]] = []
        self._last_sent = -math.inf
        """When the last of those was sent that were heard of."""
        self._last_accepted = -math.inf
        """When the last of those was sent that were accepted."""
        self._charged: set[int] = set()
        self._excused: dict[int, float] = {}

    @property
    def held(self) -> int:
        """How many rows wait for their verdict."""
        return len(self._identical or ()) + len(self._busy)

    def refused(self, row: Row, refusal: Refusal, sent_at: float, *, outage: bool) -> tuple[list[Verdict], bool]:
        """Hear a refusal of kind ROW or BUSY (`row` as it was while submitting; `outage`: one is declared).

        Returns the verdicts that are now clear, and whether the job must stop because all are refused alike.
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
        if self._identical is None:
            return [Verdict(row, refusal, charged=True)], False
        identical = all((r.http_status, r.code) == (refusal.http_status, refusal.code) for _, r in self._identical)
        self._identical.append((row, refusal))
        if not identical:
            return self._release_identical(charged=True), False
        if len(self._identical) == IDENTICAL_REFUSALS:
            return self._release_identical(charged=False), True
        return [], False

    def may_signal_outage(self, row: Row) -> bool:
        """Whether a refusal of this row as busy may be the sign of an outage."""
        return row.row not in self._charged and self._last_accepted <= self._excused.get(row.row, math.inf)

    def accepted(self, row: Row, sent_at: float) -> list[Verdict]:
        """The service took `row`: it works, and so those refused before were refused for their own sake."""
        self.has_accepted = True
        self._last_sent = max(self._last_sent, sent_at)
        self._last_accepted = max(self._last_accepted, sent_at)
        self.forget(row)
        if not self._identical and not self._busy:  # as nearly always
            self._identical = None
            return []
        return self._release_identical(charged=True) + self._release_busy(charged=True, before=sent_at)

    def inconclusive(self) -> list[Verdict]:
        """A row was answered otherwise than by a refusal: the first ten are not alike."""
        return self._release_identical(charged=True)

    def outage(self) -> list[Verdict]:
        """It is an outage: nobody's fault."""
        return self._release_busy(charged=False)

    def conclude(self) -> list[Verdict]:
        """No other row can testify."""
        return self._release_identical(charged=True) + self._release_busy(charged=True)

    def _release_identical(self, *, charged: bool) -> list[Verdict]:
        held, self._identical = self._identical or [], None
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
        """The row was accepted, or has ended: what was judged of it before does not count any more."""
        self._charged.discard(row.row)
        self._excused.pop(row.row, None)
