"""The rate limiter in virtual time: no window, as the service counts it, has more permits than the limit."""

import asyncio
import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchrun.adapters.rate_limiter import Pacer
from tests.contract.permit_log import Log, holds, virtual
from tests.support.examples import examples

RATES = st.sampled_from([0.2, 0.5, 0.9, 1, 1.5, 2, 7, 10, 33.3, 50, 100]) | st.floats(0.1, 120)


@settings(max_examples=examples(40))
@given(RATES, st.integers(2, 150))
def test_all_at_once_leave_at_the_rate_from_the_first_second_on(rate: float, count: int) -> None:
    async def main() -> None:
        log, pacer = Log(), Pacer(rate)
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(log.one(pacer))
        assert len(log.times) == count
        assert log.times[0] == pytest.approx(0, abs=1e-3)
        assert holds(log.times, rate)
        assert log.times[-1] <= (count - 1) / (0.98 * rate) * 1.001 + 0.01

    virtual(main())


@settings(max_examples=examples(40))
@given(
    RATES,
    st.lists(
        st.tuples(st.floats(0, 5), st.integers(1, 30), st.sampled_from([None, "pause", 0.02, 0.5, 0.8, 1.0])),
        min_size=1,
        max_size=12,
    ),
)
def test_the_limit_holds_after_idle_times_pauses_and_changes_of_the_rate(
    rate: float, steps: list[tuple[float, int, str | float | None]]
) -> None:
    async def main() -> None:
        log, pacer = Log(), Pacer(rate)
        async with asyncio.TaskGroup() as group:
            for wait, count, change in steps:
                for _ in range(count):
                    group.create_task(log.one(pacer))
                await asyncio.sleep(wait)
                if change == "pause":
                    pacer.pause(asyncio.get_running_loop().time() + 3)
                elif isinstance(change, float):
                    pacer.slow_to(change)
        assert len(log.times) == sum(count for _, count, _ in steps)
        assert holds(log.times, rate)

    virtual(main())


@settings(max_examples=examples(20))
@given(RATES, st.floats(0, 0.3), st.integers(0, 100))
def test_with_even_answers_hardly_anything_of_the_rate_is_lost(rate: float, trip: float, seed: int) -> None:
    async def main() -> None:
        loop, log, pacer, draw = asyncio.get_running_loop(), Log(), Pacer(rate), Random(seed)
        arrived, count = list[float](), 20 * math.ceil(rate)

        async def one() -> None:
            at = await pacer.permit()
            log.times.append(log.now)
            await asyncio.sleep(trip + draw.uniform(0, 0.004))
            arrived.append(loop.time())
            await asyncio.sleep(trip)
            pacer.answered(at)

        async with asyncio.TaskGroup() as group:
            for _ in range(1 + count):
                group.create_task(one())
        assert holds(arrived, rate)
        assert count / (log.times[-1] - log.times[0]) >= 0.985 * rate

    virtual(main())


def test_a_pause_is_kept_and_nothing_gathers_during_it() -> None:
    async def main() -> None:
        log, pacer = Log(), Pacer(10)
        pacer.pause(asyncio.get_running_loop().time() + 30)
        pacer.pause(asyncio.get_running_loop().time() + 5)
        async with asyncio.TaskGroup() as group:
            for _ in range(40):
                group.create_task(log.one(pacer))
        assert log.times[0] >= 30
        assert holds(log.times, 10)

    virtual(main())


def test_a_pause_also_holds_back_waiting_requests() -> None:
    async def main() -> None:
        log, pacer = Log(), Pacer(10)
        async with asyncio.TaskGroup() as group:
            for _ in range(40):
                group.create_task(log.one(pacer))
            await asyncio.sleep(1.5)
            before = len(log.times)
            pacer.pause(asyncio.get_running_loop().time() + 60)
            await asyncio.sleep(59)
            assert len(log.times) == before
        assert len(log.times) == 40
        assert log.times[before] >= 61.5
        assert holds(log.times, 10)

    virtual(main())


def test_first_come_first_served() -> None:
    async def main() -> None:
        order, pacer = list[int](), Pacer(100)

        async def one(number: int) -> None:
            await pacer.permit()
            order.append(number)

        async with asyncio.TaskGroup() as group:
            for number in range(200):
                group.create_task(one(number))
        assert order == list(range(200))

    virtual(main())


@settings(max_examples=examples(30))
@given(st.sets(st.integers(0, 29)), st.floats(0, 2))
def test_a_cancelled_request_takes_no_turn_of_another(cancelled: set[int], after: float) -> None:
    async def main() -> None:
        log, pacer = Log(), Pacer(10)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(log.one(pacer)) for _ in range(30)]
            await asyncio.sleep(after)
            for number in cancelled:
                tasks[number].cancel()
            await asyncio.wait(tasks, timeout=60)
            assert all(task.done() for task in tasks)
        assert len(log.times) >= 30 - len(cancelled)
        assert not pacer.saturated
        await log.one(pacer)
        assert holds(log.times, 10)

    virtual(main())


def test_it_is_saturated_while_a_request_waits() -> None:
    async def main() -> None:
        log, pacer = Log(), Pacer(2)
        seen = [pacer.saturated]
        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(log.one(pacer))
            await asyncio.sleep(0.1)
            seen.append(pacer.saturated)
        seen.append(pacer.saturated)
        assert seen == [False, True, False]

    virtual(main())


@pytest.mark.parametrize(("rate", "window"), [(0.1, 10), (0.5, 2), (1, 1), (10, 1)])
def test_the_window_over_which_the_limit_is_counted(rate: float, window: float) -> None:
    async def main() -> None:
        assert Pacer(rate).window == window

    virtual(main())


@settings(max_examples=examples(40))
@given(
    st.sampled_from([1, 2, 5, 10, 30]),
    st.sampled_from([1, 2, 5, 10, 30]),
    st.sampled_from([2, 5, 10, 20]),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_each_keeps_its_own_limit_under_a_shared_one(one: int, two: int, total: int, ones: int, twos: int) -> None:
    async def main() -> None:
        shared = Pacer(total)
        pacers = Pacer(one, shared), Pacer(two, shared)
        logs = Log(), Log()
        async with asyncio.TaskGroup() as group:
            for log, pacer, count in zip(logs, pacers, (ones, twos), strict=True):
                for _ in range(count):
                    group.create_task(log.one(pacer))
        assert [len(log.times) for log in logs] == [ones, twos]
        assert holds(logs[0].times, one)
        assert holds(logs[1].times, two)
        assert max(log.times[-1] for log in logs) <= 1.1 * ((ones + twos) / total + ones / one + twos / two) + 3

    virtual(main())


def test_where_the_shared_limit_is_the_lower_one_it_is_kept() -> None:
    async def main() -> None:
        shared, log = Pacer(5), Log()
        pacers = Pacer(50, shared), Pacer(50, shared)
        async with asyncio.TaskGroup() as group:
            for pacer in pacers:
                for _ in range(30):
                    group.create_task(log.one(pacer))
        assert holds(log.times, 5)

    virtual(main())
