"""How long before its permit a request is prepared, in virtual time and in a busy loop."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchrun.adapters.rate_limiter import Pacer
from tests.contract.permit_log import Log, virtual
from tests.support.examples import examples
from tests.support.virtual import run_virtual

# -- approach


def test_a_free_permit_needs_no_wait_before_it() -> None:
    async def main() -> None:
        log, pacer = Log(), Pacer(1)
        await pacer.approach(lambda: 0, 0.02)
        assert log.now == 0

    virtual(main())


@settings(max_examples=examples(30))
@given(st.sampled_from([0.5, 1, 2, 10, 50]), st.floats(0.02, 1), st.integers(0, 20))
def test_one_comes_near_no_earlier_than_so_long_before_the_permit(rate: float, lead: float, ahead: int) -> None:
    async def main() -> None:
        log, pacer = Log(), Pacer(rate)
        async with asyncio.TaskGroup() as group:
            for _ in range(ahead + 1):
                group.create_task(log.one(pacer))
            await asyncio.sleep(0)
            await pacer.approach(lambda: ahead + 1 - len(log.times), lead)
            near = log.now
            await log.one(pacer)
        assert log.times[-1] - near <= lead + 0.05 + 0.03 * (ahead + 1) / rate

    virtual(main())


def test_one_does_not_come_near_during_a_pause() -> None:
    async def main() -> None:
        log, pacer = Log(), Pacer(10)
        pacer.pause(asyncio.get_running_loop().time() + 20)
        await pacer.approach(lambda: 0, 0.5)
        assert log.now == pytest.approx(19.5)

    virtual(main())


# -- a busy loop


def test_in_real_time_too_the_first_moments_bring_no_burst() -> None:
    async def main() -> None:
        log, pacer = Log(), Pacer(40)
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(log.one(pacer))
        assert log.times[-1] >= 6 / 40

    asyncio.run(main())


def test_nothing_is_prepared_long_before_its_permit_neither_at_the_start_nor_after_a_rest() -> None:
    async def main() -> None:
        pacer = Pacer(400)
        for _ in range(2):
            near = [ahead for ahead in range(400) if pacer.is_near(ahead, 0.02)]
            assert near == list(range(len(near)))
            assert 1 <= len(near) <= 0.02 * 1.1 * 400 + 1
            await pacer.permit()
            await asyncio.sleep(10)

    run_virtual(main())
