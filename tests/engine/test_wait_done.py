"""The wait for requests in progress when a job drains."""

import asyncio
from collections.abc import Coroutine

import pytest

from batchrun.domain.stalls import GRACE
from batchrun.engine.wait_until import wait_done
from tests.support.virtual import VirtualLoop, run_virtual

TURNS = 20
"""Turns of the event loop between the arrival of an answer and its record."""


async def answered_after(seconds: float) -> None:
    await asyncio.sleep(seconds)
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def unfinished_after(
    works: list[Coroutine[None, None, None]], seconds: float, stop: float | None
) -> tuple[int, float]:
    """How many of `works` are not done, and how long they were waited for. At `stop` the process stops for an hour."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    started = loop.time()
    if stop is not None:
        loop.call_later(stop, loop.advance, 3600)
    async with asyncio.TaskGroup() as group:
        unfinished = await wait_done([group.create_task(work) for work in works], seconds)
        took = loop.time() - started
        for task in unfinished:
            task.cancel()
    return len(unfinished), took


@pytest.mark.parametrize("stop", [0.5, 1.0, 5.5, 9.5, 9.999])
def test_an_answer_that_arrives_while_the_process_is_stopped_is_waited_for(stop: float) -> None:
    unfinished, took = run_virtual(unfinished_after([answered_after(0.1), answered_after(stop + 100)], 10, stop))
    assert unfinished == 0
    assert took == pytest.approx(3600 + stop)


@pytest.mark.parametrize(
    ("stop", "most"), [(None, 10.0), (0.5, 3600 + 10), (9.5, 3600 + 9.5 + GRACE), (9.999, 3600 + 9.999 + GRACE)]
)
def test_a_request_that_is_not_answered_is_waited_for_so_long_and_hardly_longer(
    stop: float | None, most: float
) -> None:
    unfinished, took = run_virtual(unfinished_after([answered_after(0.1), answered_after(5000)], 10, stop))
    assert unfinished == 1
    assert most - 1 <= took <= most + 0.001


def test_nothing_to_wait_for_takes_no_time() -> None:
    assert run_virtual(unfinished_after([], 10, None)) == (0, 0.0)
