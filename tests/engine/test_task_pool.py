"""Tasks are reused. Work that is finished, cancelled or never started is reported in each case."""

import asyncio

import pytest

from batchrun.engine.task_pool import Task, TaskPool
from tests.support.virtual import run_virtual


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_task_is_reused_and_reports_the_end_of_each_work() -> None:
    async def main() -> None:
        done, log = list[Task](), list[int]()
        pool = TaskPool(done.append)

        async def work(number: int) -> None:
            await asyncio.sleep(1)
            log.append(number)

        async with asyncio.TaskGroup() as group:
            first, second = (pool.start(group, work(number), "work") for number in range(2))
            assert first is not second, "at once, so in two tasks"
            await asyncio.sleep(1.5)
            assert done == [first, second]
            third = pool.start(group, work(2), "work")
            assert third in {first, second}
            await asyncio.sleep(1.5)
            assert done == [first, second, third]
            pool.close()
        assert log == [0, 1, 2]

    run_virtual(main())


def test_busy_tasks_finish_their_work_when_the_pool_is_closed() -> None:
    async def main() -> None:
        done, log = list[Task](), list[str]()
        pool = TaskPool(done.append)

        async def work() -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                assert task is not None
                task.uncancel()
            log.append("over")

        async with asyncio.TaskGroup() as group:
            waiting = pool.start(group, work(), "work")
            cancelled = pool.start(group, work(), "work")
            await turns()
            pool.close()
            cancelled.cancel()
            await turns()
            assert log == ["over"]
            assert not waiting.done()
        assert log == ["over", "over"]
        assert {waiting, cancelled} == set(done)

    run_virtual(main())


@pytest.mark.parametrize("used_before", [False, True])
def test_work_cancelled_before_its_first_step_is_reported_and_never_started(used_before: bool) -> None:
    async def main() -> None:
        done, started = list[Task](), list[int]()
        pool = TaskPool(done.append)

        async def work(number: int) -> None:
            started.append(number)

        async with asyncio.TaskGroup() as group:
            if used_before:
                pool.start(group, work(0), "work")
                await turns()
                done.clear()
            task = pool.start(group, work(1), "work")
            task.cancel()
            await turns()
            assert task.cancelled()
            assert set(done) == {task}
            again = pool.start(group, work(2), "work")
            assert again is not task
            await turns()
            pool.close()
        assert started == [*([0] if used_before else []), 2]

    run_virtual(main())


def test_work_that_fails_fails_the_group() -> None:
    async def main() -> None:
        pool = TaskPool(lambda _: None)

        async def work() -> None:
            raise ValueError("no")

        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                pool.start(group, work(), "work")
        assert caught.group_contains(ValueError, match="no")

    run_virtual(main())
