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

ALIKE = 10
"""So many first rows refused alike stop the job."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """A verdict about one row: guilty rows pay for their refusal, innocent ones go back as if never sent."""

    row: Row
    refusal: Refusal
    guilty: bool


class Jury:
    """Holds the rows whose verdict is open. Pure but for its own memory; one for each session."""

    def __init__(self) -> None:
        self.opened = False
        """Whether the service has accepted a row in this session."""
        self._alike: list[tuple[Row, Refusal]] | None = []
        self._busy: list[tuple[Row, Refusal, float]] = []
        self._last_sent = -math.inf
        """When the last of those was sent that were heard of."""
        self._last_accepted = -math.inf
        """When the last of those was sent that were accepted."""
        self._guilty: set[int] = set()
        self._acquitted: dict[int, float] = {}

    @property
    def holding(self) -> int:
        """How many rows wait for their verdict."""
        return len(self._alike or ()) + len(self._busy)

    def refused(self, row: Row, refusal: Refusal, sent_at: float, *, outage: bool) -> tuple[list[Ruling], bool]:
        """Hear a refusal of kind ROW or BUSY (`row` as it was while submitting; `outage`: one is declared).

        Returns the verdicts that are now clear, and whether the job must stop because all are refused alike.
        """
        self._last_sent = max(self._last_sent, sent_at)
        if refusal.kind is RefusalKind.BUSY:
            if outage:
                self._busy.append((row, refusal, sent_at))
                return self._release_busy(guilty=False), False
            if not self.trusts(row):
                return [self._ruling(row, refusal, guilty=True)], False
            self._busy.append((row, refusal, sent_at))
            return [], False
        if self._alike is None:
            return [Ruling(row, refusal, guilty=True)], False
        alike = all((r.http_status, r.code) == (refusal.http_status, refusal.code) for _, r in self._alike)
        self._alike.append((row, refusal))
        if not alike:
            return self._release_alike(guilty=True), False
        if len(self._alike) == ALIKE:
            return self._release_alike(guilty=False), True
        return [], False

    def trusts(self, row: Row) -> bool:
        """Whether a refusal of this row as busy may be the sign of an outage."""
        return row.row not in self._guilty and self._last_accepted <= self._acquitted.get(row.row, math.inf)

    def accepted(self, row: Row, sent_at: float) -> list[Ruling]:
        """The service took `row`: it works, and so those refused before were refused for their own sake."""
        self.opened = True
        self._last_sent = max(self._last_sent, sent_at)
        self._last_accepted = max(self._last_accepted, sent_at)
        self.forget(row)
        if not self._alike and not self._busy:  # as nearly always
            self._alike = None
            return []
        return self._release_alike(guilty=True) + self._release_busy(guilty=True, before=sent_at)

    def unproven(self) -> list[Ruling]:
        """A row was answered otherwise than by a refusal: the first ten are not alike."""
        return self._release_alike(guilty=True)

    def outage(self) -> list[Ruling]:
        """It is an outage: nobody's fault."""
        return self._release_busy(guilty=False)

    def nothing_left(self) -> list[Ruling]:
        """No other row can testify."""
        return self._release_alike(guilty=True) + self._release_busy(guilty=True)

    def _release_alike(self, *, guilty: bool) -> list[Ruling]:
        held, self._alike = self._alike or [], None
        return [Ruling(row, refusal, guilty) for row, refusal in held]

    def _release_busy(self, *, guilty: bool, before: float = math.inf) -> list[Ruling]:
        held, self._busy = self._busy, [busy for busy in self._busy if busy[2] >= before]
        return [self._ruling(row, refusal, guilty=guilty) for row, refusal, sent_at in held if sent_at < before]

    def _ruling(self, row: Row, refusal: Refusal, *, guilty: bool) -> Ruling:
        if guilty:
            self._guilty.add(row.row)
        else:
            self._acquitted[row.row] = self._last_sent
        return Ruling(row, refusal, guilty)

    def forget(self, row: Row) -> None:
        """The row was accepted, or has ended: what was judged of it before does not count any more."""
        self._guilty.discard(row.row)
        self._acquitted.pop(row.row, None)
