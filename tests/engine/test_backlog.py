"""The queue of rows, and how many of them are in memory."""

import asyncio
from collections import deque

from batchrun.domain.events import Adopted, Held, Reused
from batchrun.domain.frozen import copied
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.engine.backlog import Backlog
from batchrun.ports import Work
from tests.support.virtual import VirtualClock, run_virtual


async def nothing(_row: Row, _event: Reused | Adopted | Held) -> None:
    raise NotImplementedError


class Rows:
    """A source of `count` rows."""

    is_open = False

    def __init__(self, count: int, state: State = State.QUEUED) -> None:
        self._left = deque(Work(Row(number, state), ()) for number in range(count))

    async def next(self) -> Work | None:
        return self._left.popleft() if self._left else None

    @property
    def exhausted(self) -> bool:
        return not self._left

    def recall(self, row: Row) -> None:
        raise NotImplementedError(row)


def test_rows_being_rechecked_count_as_waiting_and_as_work_to_do() -> None:
    async def main() -> None:
        backlog = Backlog(Rows(5, State.TIMED_OUT), VirtualClock(), max_waiting=2, take_over=nothing)
        for number in (0, 1):
            work = await backlog.take()
            assert work is not None
            assert work.row.row == number
            backlog.hold()
        assert await backlog.take() is None, "as many are being rechecked as may wait"
        backlog.give_back(Work(Row(1), ()))
        assert await backlog.take() == Work(Row(1), ())
        backlog.give_back(None)
        rest = [work.row.row for _ in range(3) if (work := await backlog.take()) is not None]
        assert rest == [2, 3, 4]
        backlog.hold()
        assert await backlog.take() is None
        assert not backlog.empty
        backlog.give_back(None)
        assert backlog.empty

    run_virtual(main())


def test_a_waiting_task_is_woken_when_a_recheck_is_done() -> None:
    async def main() -> None:
        backlog = Backlog(Rows(1, State.TIMED_OUT), VirtualClock(), max_waiting=2, take_over=nothing)
        await backlog.take()
        backlog.hold()
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            waiting = group.create_task(backlog.wait())
            await asyncio.sleep(1)
            assert not waiting.done()
            backlog.give_back(None)

    run_virtual(main())


def test_probes_look_twice_as_far_ahead_and_then_spread_over_the_waiting_rows() -> None:
    async def main() -> None:
        backlog = Backlog(Rows(20), VirtualClock(), max_waiting=100, take_over=nothing)
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


def test_reused_rows_are_not_submitted_waited_for_or_used_as_probes() -> None:
    class Alternating(Rows):
        async def next(self) -> Work | None:
            work = await super().next()
            if work is None or work.row.row % 2:
                return work
            return copied(work, earlier=Reused("run", None, None, "/jobs/last", b""))

    async def main() -> None:
        taken: list[int] = []

        async def take_over(row: Row, _event: Reused | Adopted | Held) -> None:
            taken.append(row.row)

        backlog = Backlog(Alternating(12), VirtualClock(), max_waiting=4, take_over=take_over)
        found = [await backlog.take(), await backlog.probe(2), *[await backlog.take() for _ in range(5)]]
        assert [None if work is None else work.row.row for work in found] == [1, 5, 3, 7, 9, 11, None]
        assert taken == [0, 2, 4, 6, 8, 10]
        assert backlog.empty

    run_virtual(main())
