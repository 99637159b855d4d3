"""Carries out the verdicts of `domain.jury` about rows that were refused."""

import logging

from batchrun.domain.answers import Refusal, RefusalKind
from batchrun.domain.events import NotTheRowsFault, RefusedForGood
from batchrun.domain.jury import Jury, Ruling
from batchrun.domain.problems import Kind, Problem
from batchrun.domain.record import copied
from batchrun.domain.row import Row
from batchrun.engine.backlog import Backlog
from batchrun.engine.board import Board
from batchrun.ports import Work

log = logging.getLogger("batchrun")


class Court:
    """Holds refused rows until it is clear whose fault it was; then they fail, are tried again, or pay nothing."""

    def __init__(self, board: Board, backlog: Backlog, retries: int) -> None:
        self._board = board
        self._backlog = backlog
        self._retries = retries
        self._jury = Jury()
        self._held: dict[int, Work] = {}

    @property
    def opened(self) -> bool:
        """Whether the service has accepted a row in this session."""
        return self._jury.opened

    @property
    def holding(self) -> int:
        """How many rows wait for their verdict."""
        return self._jury.holding

    async def refused(self, work: Work, refusal: Refusal, sent_at: float, *, outage: bool) -> bool:
        """A row was refused (`work.row` as it is now); whether all are refused alike, so that the job must stop."""
        self._held[work.row.row] = work
        rulings, alike = self._jury.refused(work.row, refusal, sent_at, outage=outage)
        await self._judge(rulings)
        if outage:
            await self._judge(self._jury.outage())
        return alike

    def trusts(self, row: Row) -> bool:
        """Whether a refusal of this row as busy may be the sign of an outage."""
        return self._jury.trusts(row)

    async def accepted(self, row: Row, sent_at: float) -> None:
        """The service took `row`, whose POST left at `sent_at` (the loop's time)."""
        if rulings := self._jury.accepted(row, sent_at):
            await self._judge(rulings)

    async def unproven(self) -> None:
        """A row was answered otherwise than by a refusal."""
        await self._judge(self._jury.unproven())

    async def outage(self) -> None:
        """An outage is declared."""
        await self._judge(self._jury.outage())

    async def nothing_left(self) -> None:
        """No other row can testify."""
        await self._judge(self._jury.nothing_left())

    async def adjourn(self) -> None:
        """Acquit all: the job stops before their neighbours could testify."""
        for ruling in self._jury.nothing_left():
            await self._board.apply(ruling.row, NotTheRowsFault(self._board.now()))

    async def _judge(self, rulings: list[Ruling]) -> None:
        for ruling in rulings:
            work = self._held.pop(ruling.row.row)
            row, now = work.row, self._board.now()
            if not ruling.guilty:
                innocent = await self._board.apply(row, NotTheRowsFault(now))
                self._backlog.put_back(copied(work, row=innocent))
            elif ruling.refusal.kind is RefusalKind.ROW:
                assert row.problem is not None
                await self._board.apply(row, RefusedForGood(row.problem, now))
            elif row.tries > self._retries:
                self._jury.forget(row)
                await self._board.apply(row, RefusedForGood(exhausted(row), now))
            else:
                log.info("row %d: tried again after %s", row.row, ruling.refusal)
                self._backlog.put_back(work)
        self._backlog.stir()


def exhausted(row: Row) -> Problem:
    """The problem of a row whose attempts are used up."""
    last = row.problem
    assert last is not None
    message = f"refused {row.tries} times, the last time: {last.message}"
    return Problem(Kind.EXHAUSTED, message, last.code, last.http_status)
