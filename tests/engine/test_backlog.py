"""What is queued, and how much of it is held in memory."""

import asyncio

from batchrun.domain.events import Reused
from batchrun.domain.frozen import copied
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.engine.backlog import Backlog
from batchrun.ports import Work
from tests.support.virtual import VirtualClock, run_virtual


async def nothing(_row: Row, _event: Reused) -> None:
    raise NotImplementedError


class Rows:
    """A source of so many rows."""

    def __init__(self, count: int, state: State = State.QUEUED) -> None:
        self._left = iter([Work(Row(number, state), ()) for number in range(count)])

    async def next(self) -> Work | None:
        return next(self._left, None)

    def recall(self, row: Row) -> None:
        raise NotImplementedError(row)


def test_what_is_lent_counts_as_held_and_as_work_to_be_done() -> None:
    async def main() -> None:
        backlog = Backlog(Rows(5, State.TIMED_OUT), VirtualClock(), most_waiting=2, take_over=nothing)
        for number in (0, 1):
            work = await backlog.take()
            assert work is not None
            assert work.row.row == number
            backlog.lend()
        assert await backlog.take() is None, "as many are lent as may be held"
        backlog.rechecked(Work(Row(1), ()))
        assert await backlog.take() == Work(Row(1), ())
        backlog.rechecked(None)
        rest = [work.row.row for _ in range(3) if (work := await backlog.take()) is not None]
        assert rest == [2, 3, 4]
        backlog.lend()
        assert await backlog.take() is None
        assert not backlog.empty
        backlog.rechecked(None)
        assert backlog.empty

    run_virtual(main())


def test_the_one_who_waits_is_woken_by_what_comes_back() -> None:
    async def main() -> None:
        backlog = Backlog(Rows(1, State.TIMED_OUT), VirtualClock(), most_waiting=2, take_over=nothing)
        await backlog.take()
        backlog.lend()
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            waiting = group.create_task(backlog.wait())
            await asyncio.sleep(1)
            assert not waiting.done()
            backlog.rechecked(None)

    run_virtual(main())


def test_probes_leap_ever_further_ahead_and_then_jump_about_among_those_that_wait() -> None:
    async def main() -> None:
        backlog = Backlog(Rows(20), VirtualClock(), most_waiting=100, take_over=nothing)
        probed = []
        for number in range(1, 13):
            work = await backlog.probe(number)
            assert work is not None
            probed.append(work.row.row)
            backlog.put_back(work)
        assert probed[:4] == [0, 2, 6, 14]
        assert len(set(probed)) >= 10
        rest = {work.row.row for _ in range(20) if (work := await backlog.take()) is not None}
        assert rest == set(range(20)), "none is lost"
        assert await backlog.probe(1) is None

    run_virtual(main())


def test_what_is_taken_over_is_nothing_to_submit_to_wait_for_or_to_probe_with() -> None:
    class Alternating(Rows):
        async def next(self) -> Work | None:
            work = await super().next()
            if work is None or work.row.row % 2:
                return work
            return copied(work, reused=Reused("run", None, None, "/jobs/last", b""))

    async def main() -> None:
        taken: list[int] = []

        async def take_over(row: Row, _event: Reused) -> None:
            taken.append(row.row)

        backlog = Backlog(Alternating(12), VirtualClock(), most_waiting=4, take_over=take_over)
        found = [await backlog.take(), await backlog.probe(2), *[await backlog.take() for _ in range(5)]]
        assert [None if work is None else work.row.row for work in found] == [1, 5, 3, 7, 9, 11, None]
        assert taken == [0, 2, 4, 6, 8, 10]
        assert backlog.empty

    run_virtual(main())
