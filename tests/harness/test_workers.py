"""Limits that count over all workers, and how fast they are together, in virtual time."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from batchrun.cluster.driver import Driver
from batchrun.domain.states import State
from batchrun.engine.engine import Engine
from batchrun.engine.settings import EngineResult
from batchrun.errors import ExitCode
from batchrun.ports import Permit, Request, Response, Transport, TransportError
from tests.harness.simulated.checkpoint import MemoryJournal
from tests.harness.simulated.checks import violations
from tests.harness.simulated.cluster import ClusteredJob
from tests.harness.simulated.job import SimulatedJob
from tests.harness.simulated.plan import Plan
from tests.harness.simulated.seeds import replayed
from tests.support.virtual import run_virtual

T = TypeVar("T")

OPTIONS: dict[str, Any] = {"rps": 20, "poll_rps": 50, "poll_initial": 0.5, "max_connections": 20}


class NoFates(random.Random):
    """Nobody dies, and messages take no time."""

    def choice(self, seq: Sequence[T]) -> T:  # type: ignore[override]  # of a sequence that has no protocol name
        return seq[0]


def plan(rows: int, drains: tuple[float, ...] = (), **options: Any) -> Plan:
    """A job whose service has no faults."""
    return Plan(
        seed=1, rows=rows, options={**OPTIONS, **options}, duration=(1.0, 3.0), post_faults={}, poll_faults={},
        failing=frozenset(), stuck=frozenset(), rejected=frozenset(), unpollable=frozenset(), outages=(), quota=None,
        kills=(), drains=drains, jumps=(), patience=30.0,
    )  # fmt: skip


class OneSession(ClusteredJob):
    """Runs one session on three workers."""

    def __init__(self, plan: Plan, workers: int = 3) -> None:
        super().__init__(plan)
        self._fates, self.workers, self._delay = NoFates(1), workers, 0.005

    def _engine(self, group: asyncio.TaskGroup, journal: MemoryJournal, transport: Transport) -> Engine | Driver:
        self.driver = super()._engine(group, journal, transport)
        return self.driver

    async def session(self) -> EngineResult:
        """Its result."""
        if not self.sessions:
            self._began = asyncio.get_running_loop().time()
        ending = await self._session(len(self.sessions))
        self.sessions.append(ending)
        assert ending.result is not None
        return ending.result


@pytest.mark.parametrize(
    ("most", "rows", "rps", "workers"),
    [
        (1, 100, 20, 3),
        (7, 100, 20, 3),
        (50, 100, 20, 3),
        (9, 60, 50, 3),
        (17, 60, 50, 3),
        (20, 60, 50, 4),
        (59, 60, 9, 5),
    ],
)
def test_submissions_are_limited_over_all_workers(most: int, rows: int, rps: int, workers: int) -> None:
    """Also if all rows that are left are on workers that have used up what they had, and others have no row."""
    job = OneSession(plan(rows, max_submissions=most, rps=rps), workers)

    async def session() -> EngineResult:
        async with asyncio.timeout(300):
            return await job.session()

    result = run_virtual(session())
    assert len(job.service.posts) == most
    assert result.stop is not None
    assert result.stop.exit_code is ExitCode.STOPPED
    assert len(job.checkpoint.found(State.COMPLETED)) == most, "accepted runs are polled to their end"


def test_failures_are_limited_over_all_workers() -> None:
    job = OneSession(replace(plan(200, max_failures="9"), failing=frozenset(range(200))))
    result = run_virtual(job.session())
    assert result.stop is not None
    assert "--max-failures 9 was reached" in result.stop.reason
    assert 9 <= len(job.checkpoint.found(State.FAILED)) < 150


def test_a_drain_leaves_no_row_in_doubt() -> None:
    job = OneSession(plan(200, drains=(4.0,)))
    result = run_virtual(job.session())
    assert result.stop is not None
    assert result.stop.exit_code is ExitCode.SIGTERM
    assert not job.checkpoint.found(State.SUBMITTING, State.IN_DOUBT)
    assert len(job.checkpoint.found(State.COMPLETED, State.RUNNING)) == len(job.service.posts) > 20


def test_a_job_whose_workers_are_all_lost_ends_with_75() -> None:
    job = OneSession(plan(200), workers=2)

    async def main() -> EngineResult:
        async with asyncio.TaskGroup() as group:
            session = group.create_task(job.session())
            await asyncio.sleep(5)
            for link in job.links:
                link.kill()
        return session.result()

    result = run_virtual(main())
    assert result.stop is not None
    assert (result.stop.exit_code, result.finished) == (ExitCode.TRY_AGAIN, False)
    assert "all workers are lost" in result.stop.reason
    assert job.checkpoint.found(State.QUEUED, State.RUNNING)


class NoWay:
    """A `Transport` that reaches nobody from some time on."""

    def __init__(self, transport: Transport, fails_at: float) -> None:
        self._transport, self._time = transport, asyncio.get_running_loop().time
        self._fails_at = self._time() + fails_at

    async def send(self, request: Request, permit: Permit) -> Response:
        """See `Transport`."""
        if self._time() < self._fails_at:
            return await self._transport.send(request, permit)
        await permit()
        raise TransportError("no connection: No route to host", sent=False)


class CutOffFromService(OneSession):
    """One of the workers does not reach the service."""

    def __init__(self, plan: Plan, cut_off: int, fails_at: float) -> None:
        super().__init__(plan)
        self._cut_off, self._fails_at = cut_off, fails_at

    def _way(self, number: int, transport: Transport) -> Transport:
        return NoWay(transport, self._fails_at) if number == self._cut_off else transport


@pytest.mark.parametrize("cut_off", [0, 1])
@pytest.mark.parametrize("fails_at", [0.0, 5.0])
def test_a_worker_that_alone_does_not_reach_the_service_is_given_up(
    cut_off: int, fails_at: float, caplog: pytest.LogCaptureFixture
) -> None:
    job = CutOffFromService(plan(200, max_outage=240), cut_off, fails_at)

    async def main() -> float:
        began = asyncio.get_running_loop().time()
        result = await job.session()
        assert result.finished, result
        return asyncio.get_running_loop().time() - began

    seconds = run_virtual(main())
    assert len(job.checkpoint.found(State.COMPLETED)) == len(job.service.posts) == 200
    assert seconds < 150, "it does not wait for --max-outage"
    assert f"worker w{cut_off} is lost, and its rows go elsewhere: it does not reach the service" in caplog.text


def test_after_an_outage_of_all_no_worker_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    job = OneSession(replace(plan(200, max_outage=400), outages=((2.0, 200.0, "bare_502"),)))
    assert run_virtual(job.session()).finished
    assert "is lost" not in caplog.text


@pytest.mark.parametrize("is_lost", [False, True])
def test_rows_that_timed_out_earlier_are_polled_once_more_and_never_sent_again(is_lost: bool) -> None:
    job = OneSession(replace(plan(30, run_timeout=2.0), duration=(20.0, 20.0)))

    async def main() -> EngineResult:
        first = await job.session()
        assert first.finished
        assert len(job.checkpoint.found(State.TIMED_OUT)) == 30
        await asyncio.sleep(60)
        async with asyncio.TaskGroup() as group:
            session = group.create_task(job.session())
            if is_lost:
                await asyncio.sleep(0.2)
                job.links[0].kill()
        return session.result()

    assert run_virtual(main()).finished
    assert len(job.service.posts) == 30
    assert len(job.checkpoint.found(State.COMPLETED)) + len(job.checkpoint.found(State.TIMED_OUT)) == 30
    assert is_lost or len(job.checkpoint.found(State.COMPLETED)) == 30


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_together_are_as_fast_as_one_process(workers: int) -> None:
    alone, job = SimulatedJob(plan(400)), OneSession(plan(400), workers)
    run_virtual(alone.run())
    assert run_virtual(job.session()).finished
    assert not [*violations(job)]
    assert _span(job) <= 1.05 * _span(alone)


def _span(job: SimulatedJob) -> float:
    return job.service.posts[-1].at - job.service.posts[0].at


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_the_runs_of_a_lost_worker_stay_in_flight_and_take_the_places_of_others(lost: int) -> None:
    job = OneSession(replace(plan(120, rps=40, max_in_flight=12, run_timeout=600), duration=(3.0, 9.0)))

    async def main() -> EngineResult:
        async with asyncio.TaskGroup() as group:
            session = group.create_task(job.session())
            await asyncio.sleep(12.3)
            job.links[lost].kill()
        return session.result()

    assert run_virtual(main()).finished
    runs = list(job.service.runs.values())
    most = max(sum(other.began_at <= run.began_at < other.ends_at for other in runs) for run in runs)
    assert most <= 12
    assert len(job.service.posts) == 120


@pytest.mark.parametrize("quota", [3, 12, 25])
def test_workers_find_the_quota_together_as_one_process_does(quota: int) -> None:
    def measured(workers: int) -> tuple[float, int]:
        job = OneSession(replace(plan(40 * quota, rps=40, max_in_flight=2000), quota=quota), workers)
        job.service._chance = NoFates(1)  # it asks for no certain pause

        async def main() -> float:
            began = asyncio.get_running_loop().time()
            assert (await job.session()).finished
            return asyncio.get_running_loop().time() - began

        seconds = run_virtual(main())
        assert 1 <= job.driver.admission.submits.paused_s < seconds / 2
        return seconds, sum(post.outcome == "throttled" for post in job.service.posts)

    seconds, refused = measured(1)
    for workers in (2, 3) if quota < 5 else (2, 3, 5):  # with fewer permits than workers, they take turns
        their_seconds, their_refused = measured(workers)
        assert their_seconds < 1.1 * seconds
        assert their_refused <= 2 * refused + workers


def test_outages_and_their_length_are_told_of_all_workers() -> None:
    job = OneSession(replace(plan(200), outages=((2.0, 20.0, "bare_502"),)))

    async def main() -> tuple[float, int]:
        await job.session()
        return job.driver.admission.submits.outage_s, job.driver.admission.submits.outages

    seconds, number = run_virtual(main())
    assert 15 < seconds < 40
    assert number == 1


def test_a_row_that_timed_out_and_is_called_back_about_twice_is_polled_by_one_worker() -> None:
    assert not replayed(ClusteredJob, 1092)
