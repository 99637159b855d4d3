"""Tasks that are used again: each piece of work is done, given up, or never begun, and told of in each case."""

import asyncio

import pytest

from batchrun.engine.task_pool import Task, TaskPool
from tests.support.virtual import run_virtual


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_task_goes_on_to_other_work_and_is_done_with_each() -> None:
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


def test_those_at_work_when_the_crew_is_dismissed_finish_it_first() -> None:
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
            patient = pool.start(group, work(), "work")
            hurried = pool.start(group, work(), "work")
            await turns()
            pool.close()
            hurried.cancel()
            await turns()
            assert log == ["over"]
            assert not patient.done()
        assert log == ["over", "over"]
        assert {patient, hurried} == set(done)

    run_virtual(main())


@pytest.mark.parametrize("used_before", [False, True])
def test_work_that_is_cancelled_before_its_first_step_is_told_of_and_never_begun(used_before: bool) -> None:
    async def main() -> None:
        done, begun = list[Task](), list[int]()
        pool = TaskPool(done.append)

        async def work(number: int) -> None:
            begun.append(number)

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
        assert begun == [*([0] if used_before else []), 2]

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
