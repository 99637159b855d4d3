"""Simulated jobs over the real transport and real sockets: the fakes of the others do as it does."""

import logging

import pytest

from tests.harness.simulated.checks import violations
from tests.harness.simulated.job import SimulatedJob
from tests.harness.simulated.plan import plan
from tests.harness.simulated.transport import over_http
from tests.support.virtual import run_virtual


@pytest.mark.parametrize("seed", range(10))
def test_no_promise_is_broken_over_http(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "batchrun")
    job = SimulatedJob(plan(seed), over_http)
    run_virtual(job.run())
    assert not [*violations(job)]
    assert job.service.posts


@pytest.mark.parametrize("fault", ["a second POST", "another row's output", "more than the rate"])
def test_a_broken_promise_is_noticed(fault: str) -> None:
    job = SimulatedJob(plan(1))
    run_virtual(job.run())
    assert not [*violations(job)]
    posts, rows = job.service.posts, job.checkpoint
    if fault == "a second POST":
        accepted = next(post for post in posts if post.outcome == "accepted")
        posts.append(accepted)
    elif fault == "another row's output":
        rows.outputs[next(iter(rows.outputs))] = '{"answer":"answer 999"}'
    else:
        posts.extend(post for post in [*posts] for _ in range(100))
    assert [*violations(job)]
