"""A pause that the service has asked of another job with the same limits counts as one of this job."""

import asyncio
import logging

import pytest

from batchrun.adapters.rate_limiter import Pacer
from batchrun.engine.admission import Admission
from batchrun.engine.request_class import RequestClass
from tests.support.virtual import run_virtual


def test_the_pause_of_another_job_is_reported_and_bounded(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> tuple[list[str | None], float]:
        loop = asyncio.get_running_loop()
        started = loop.time()
        submits, polls = Pacer(10), Pacer(10)
        admission = Admission(
            RequestClass("submission", submits, 1, 120.0), RequestClass("poll", polls, 1, 120.0), 120.0
        )
        reasons = list[str | None]()
        submits.pause_for_others(started + 300)
        for _ in range(3):
            admission.tick()
            reasons.append(admission.pause_too_long())
            await asyncio.sleep(119)
        await polls.permit()
        assert loop.time() == pytest.approx(started + 3 * 119)
        await submits.permit()
        return reasons, loop.time() - started

    with caplog.at_level(logging.WARNING):
        (first, second, third), sent_after = run_virtual(main())
    assert (first, second) == (None, None)
    assert third is not None
    assert "another process with the same limits" in third
    assert sent_after >= 300
    assert [record.getMessage() for record in caplog.records] == [
        "submissions pause for 5 min: another process with the same limits was asked to wait"
    ]


def test_the_rate_is_found_for_all_jobs_that_share_the_limit() -> None:
    async def main() -> list[float]:
        """The service takes 20 of 40 a second, and this job has half of the limit."""
        loop, pacer = asyncio.get_running_loop(), Pacer(40, is_leased=True)
        pacer.lease(20, loop.time() + 1e6)
        requests = RequestClass("submission", pacer, 1, 900.0)
        admission = Admission(requests, RequestClass("poll", Pacer(10), 1, 900.0), 900.0)
        for _ in range(2):
            for number in range(20):
                at = loop.time() + number / 10
                requests.adaptive_rate.on_sent(at)
            await asyncio.sleep(2)
            requests.adaptive_rate.on_throttled(loop.time(), at, pacer.part)
            admission.submits.apply_rate(is_cut=True)
        return [requests.adaptive_rate.rate, pacer._rate]

    rate, own = run_virtual(main())
    assert rate == pytest.approx(2 * own)
    assert 17 <= rate <= 20


def test_the_measured_rate_is_compared_with_the_mean_share_of_this_job() -> None:
    async def main() -> float:
        """This job has half of the limit first, and then a quarter for as long."""
        loop, pacer = asyncio.get_running_loop(), Pacer(40, is_leased=True)
        requests = RequestClass("submission", pacer, 1, 900.0)
        for rate in (20, 10):
            pacer.lease(rate, loop.time() + 1e6)
            until = loop.time() + 20
            while loop.time() < until:
                requests.on_prepared()
                await requests.permit(loop.time())
        return requests.mean_part

    assert run_virtual(main()) == pytest.approx(0.375, abs=0.01)
