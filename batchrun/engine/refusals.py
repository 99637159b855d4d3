"""Applies the verdicts of `domain.fault_attribution` to rows that were refused."""

import logging

from batchrun.domain.answers import Refusal, RefusalKind
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.events import Refunded, RefusedForGood
from batchrun.domain.fault_attribution import FaultAttribution, Verdict
from batchrun.domain.frozen import copied
from batchrun.domain.row import Row
from batchrun.engine.context import Context
from batchrun.ports import Work

log = logging.getLogger("batchrun")


class RefusalHandler:
    """Holds refused rows until it is clear who is at fault. Then they fail, are retried, or are refunded."""

    def __init__(self, context: Context) -> None:
        self._transitions = context.transitions
        self._backlog = context.backlog
        self._retries = context.settings.retries
        self._attribution = FaultAttribution()
        self._held: dict[int, Work] = {}

    @property
    def has_accepted(self) -> bool:
        """Whether the service has accepted a row in this session."""
        return self._attribution.has_accepted

    def open(self) -> None:
        """The service has accepted a row of another process of this job."""
        self._attribution.has_accepted = True

    @property
    def held(self) -> int:
        """The number of rows that wait for a verdict."""
        return self._attribution.held

    @property
    def held_as_busy(self) -> int:
        """The number of those that were refused as busy."""
        return self._attribution.held_as_busy

    async def refused(self, work: Work, refusal: Refusal, sent_at: float, *, outage: bool) -> bool:
        """A row was refused; `work.row` is its record after that. Returns whether the job must stop.

        It must stop if all first refusals are identical.
        """
        self._held[work.row.row] = work
        verdicts, identical = self._attribution.refused(work.row, refusal, sent_at, outage=outage)
        await self._apply_verdicts(verdicts)
        return identical

    async def hold(self, work: Work, problem: Problem, now: float, *, outage: bool) -> None:
        """An earlier command recorded this refusal of the row, and was killed before the verdict."""
        kind = RefusalKind.ROW if problem.kind is ErrorKind.REJECTED else RefusalKind.BUSY
        refusal = Refusal(kind, problem.http_status or 0, problem.code, problem.message)
        await self.refused(work, refusal, now, outage=outage)

    def may_signal_outage(self, row: Row) -> bool:
        """Whether a refusal of this row as busy may be a sign of an outage."""
        return self._attribution.may_signal_outage(row)

    async def accepted(self, row: Row, sent_at: float) -> None:
        """The service accepted `row`, whose POST was sent at `sent_at` (event loop time)."""
        if verdicts := self._attribution.accepted(row, sent_at):
            await self._apply_verdicts(verdicts)

    async def inconclusive(self) -> None:
        """A row got an answer other than a refusal."""
        await self._apply_verdicts(self._attribution.inconclusive())

    async def outage(self) -> None:
        """The circuit is open: excuse the rows that were refused as busy."""
        await self._apply_verdicts(self._attribution.outage())

    async def conclude(self) -> None:
        """No further evidence can come: charge all held rows."""
        await self._apply_verdicts(self._attribution.conclude())

    async def excuse_all(self) -> None:
        """The job stops before the evidence is complete: excuse all held rows."""
        for verdict in self._attribution.conclude():
            await self._transitions.apply(verdict.row, Refunded(self._transitions.now()))

    async def _apply_verdicts(self, verdicts: list[Verdict]) -> None:
        for verdict in verdicts:
            work = self._held.pop(verdict.row.row)
            row, now = work.row, self._transitions.now()
            if not verdict.charged:
                refunded = await self._transitions.apply(row, Refunded(now))
                self._backlog.put_back(copied(work, row=refunded))
            elif verdict.refusal.kind is RefusalKind.ROW:
                assert row.problem is not None
                await self._transitions.apply(row, RefusedForGood(row.problem, now))
            elif row.tries > self._retries:
                self._attribution.forget(row)
                await self._transitions.apply(row, RefusedForGood(exhausted(row), now))
            else:
                log.info("row %d: tried again after %s", row.row, verdict.refusal)
                self._backlog.put_back(work)
        self._backlog.notify()


def exhausted(row: Row) -> Problem:
    """The problem of a row whose attempts are used up."""
    last = row.problem
    assert last is not None
    message = f"refused {row.tries} times, the last time: {last.message}"
    return Problem(ErrorKind.EXHAUSTED, message, last.code, last.http_status)
