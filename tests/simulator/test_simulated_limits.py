"""Rate limits and statistics of the simulated service."""

import msgspec
import pytest

from batchrun.simulator.dialects.v1 import HISTORY, SUBMIT
from batchrun.simulator.rate_window import PeakCounter, Quota, take_all
from batchrun.simulator.service import STATS, Simulator
from tests.simulator.simulated import AUTHORIZED, JSON, Service, content, refusal

BODY = b'{"workflow_id": "echo", "async": true}'


def _statuses(simulator: Simulator, arrivals: list[float]) -> list[int]:
    return [simulator.handle("POST", SUBMIT, {}, JSON, BODY, arrived=arrived).status for arrived in arrivals]


def test_more_than_rps_posts_in_any_second_are_refused() -> None:
    arrivals = [0.0, 0.5, 0.9, 0.99, 1.0, 1.1, 1.5, 1.6]
    assert _statuses(Service("rps=3").simulator, arrivals) == [200, 200, 200, 429, 200, 429, 200, 429]


def test_a_refused_post_has_an_error_body_and_retry_after_and_creates_no_run() -> None:
    service = Service("rps=1", "retry_after=2.5")
    service.post()
    reply = service.post()
    assert refusal(reply) == (429, "RATE_LIMITED")
    assert reply.headers["retry-after"] == "2.5"
    assert service.simulator.stats()["runs"] == 1


def test_retry_after_is_a_whole_second_by_default() -> None:
    service = Service("rps=1")
    service.post()
    assert service.post().headers["retry-after"] == "1"


def test_without_an_arrival_time_the_clock_is_used() -> None:
    service = Service("rps=1")
    assert service.post().status == 200
    service.clock.advance(0.999)
    assert service.post().status == 429
    service.clock.advance(0.001)
    assert service.post().status == 200


def test_polls_have_a_limit_of_their_own() -> None:
    service = Service("rps=1", "poll_rps=2")
    run_id = service.submit()
    assert [service.poll(run_id).status for _ in range(3)] == [200, 200, 429]


def test_posts_and_polls_have_a_limit_together() -> None:
    service = Service("poll_rps=2", "total_rps=4")
    run_id = service.submit()
    assert [service.poll(run_id).status for _ in range(3)] == [200, 200, 429]
    # The refused poll has used nothing of the common limit.
    assert [service.post().status for _ in range(2)] == [200, 429]
    service.clock.advance(1)
    assert [service.post().status for _ in range(4)] == [200] * 4
    assert service.poll(run_id).status == 429
    assert service.simulator.stats()["throttled"] == 3


def test_asynchronous_runs_in_progress_have_a_limit() -> None:
    service = Service("max_runs=2", "duration=10")
    service.submit({"a": 1})
    service.clock.advance(5)
    service.submit({"a": 2})
    assert refusal(service.post({"a": 3})) == (429, "TOO_MANY_RUNS")
    assert service.send(b'{"workflow_id": "echo", "async": false}').status == 200
    service.clock.advance(5)
    assert service.post({"a": 3}).status == 200
    assert refusal(service.post({"a": 4})) == (429, "TOO_MANY_RUNS")
    stats = service.simulator.stats()
    assert (stats["runs"], stats["throttled"]) == (4, 2)


def test_a_stuck_run_is_in_progress_for_ever() -> None:
    service = Service("max_runs=1", "fault=stuck:a=1", "duration=1")
    service.submit({"a": 1})
    service.clock.advance(1e6)
    assert service.post({"a": 2}).status == 429


def test_v1_has_no_limit_of_runs_by_default() -> None:
    service = Service("duration=10")
    assert {service.post({"a": number}).status for number in range(1001)} == {200}


def test_a_rate_below_one_allows_one_request_per_inverse() -> None:
    assert _statuses(Service("rps=0.25").simulator, [0, 3.99, 4, 7.5, 8]) == [200, 429, 200, 429, 200]


@pytest.mark.parametrize(("rate", "accepted"), [(2.5, 3), (3, 3), (1, 1), (None, 50)])
def test_a_quota_is_the_rate_rounded_up(rate: float | None, accepted: int) -> None:
    quota = Quota(rate)
    assert sum(take_all(number / 100, quota) for number in range(50)) == accepted


def test_the_peak_is_of_any_half_open_second() -> None:
    counter = PeakCounter()
    for arrived in (0.0, 0.6, 0.9, 1.0, 1.5, 1.6, 3.0):
        counter.add(arrived)
    assert (counter.total, counter.peak) == (7, 4)


def test_an_arrival_that_is_reported_late_counts_at_its_own_time() -> None:
    counter = PeakCounter()
    for arrived in (10.0, 10.9, 10.5, 11.4):
        counter.add(arrived)
    assert (counter.total, counter.peak) == (4, 3)


def test_statistics_count_everything_and_need_no_credentials() -> None:
    service = Service("rps=2", "duration=0")
    run_id = service.submit({"a": 1})
    service.submit({"a": 1})
    service.post()
    service.clock.advance(5)
    service.send(b"{}")
    service.send(BODY, AUTHORIZED)
    service.poll(run_id)
    reply = service.simulator.handle("GET", STATS, {}, {}, b"")
    assert content(reply) == {
        "posts": 5,
        "polls": 1,
        "uploads": 0,
        "most_posts_in_a_second": 3,
        "most_polls_in_a_second": 1,
        "most_uploads_in_a_second": 0,
        "throttled": 1,
        "callbacks": 0,
        "callbacks_refused": 0,
        "runs": 2,
        "runs_stored": 2,
        "runs_repeated": 1,
    }
    assert reply.body == msgspec.json.encode(service.simulator.stats())


def test_the_peak_of_polls_is_counted_separately() -> None:
    simulator = Service().simulator
    for arrived in (0.0, 0.4, 0.8, 1.0):
        simulator.handle("GET", f"{HISTORY}x", {}, AUTHORIZED, b"", arrived=arrived)
    assert (simulator.stats()["most_polls_in_a_second"], simulator.stats()["most_posts_in_a_second"]) == (3, 0)
