"""`--mode sync`: limits, throttling, and what counts as an outage."""

from collections.abc import Callable
from pathlib import Path

import pytest

from batchrun.ports import Request, Response, TransportError
from tests.engine.sync_rehearsal import Sync

# -- limits


def test_max_in_flight_is_the_only_limit(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 400, "duration=30")
    assert rehearsal.run(rps=200, max_in_flight=150).exit_code == 0
    assert rehearsal.most_at_once() == 150


def test_connections_may_be_fewer(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 40, "duration=30")
    assert rehearsal.run(rps=200, max_in_flight=150, max_connections=7).exit_code == 0
    assert rehearsal.most_at_once() == 7


def test_until_the_first_answer_there_is_one_post_at_a_time(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 20, "duration=100")
    rehearsal.run()
    times = [at for at, _ in rehearsal.posts()]
    assert times[1] - times[0] >= 100
    assert times[19] - times[1] < 1


def test_no_post_is_prepared_long_before_its_permit(tmp_path: Path) -> None:
    """A prepared request is in doubt if the process is killed, and the first answer may take an hour."""
    rehearsal = Sync(tmp_path, 200, "duration=600")
    rehearsal.run(rps=5, kill_after=16)
    unanswered = len(rehearsal.posts()) - 1
    assert rehearsal.run(in_doubt="fail").failed <= unanswered + 5


def test_throttling_slows_down_and_does_not_stop(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 200, "rps=10", "latency=0.5", "duration=60")
    summary = rehearsal.run(rps=30)
    assert (summary.exit_code, {row["attempts"] for row in rehearsal.outputs().values()}) == (0, {1})
    assert summary.throttled > 0
    # The first row alone, then 200 at up to 10 per second, then the last: slow answers are no sign of an outage.
    assert rehearsal.seconds < 60 + 200 / 5 + 60


# -- outages


def test_an_outage_costs_no_attempt(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 30, "duration=5")
    rehearsal.on_posts(lambda _request: Response(503, b"") if 7 < rehearsal.seconds < 200 else None)
    assert rehearsal.run(rps=5, retries=0).exit_code == 0
    assert {row["attempts"] for row in rehearsal.outputs().values()} == {1}
    assert len(rehearsal.posts()) < 90  # only probes


def test_an_outage_beyond_max_outage_drains_the_job(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 30)
    rehearsal.on_posts(lambda _request: Response(503, b""))
    summary = rehearsal.run(max_outage="2m")
    assert (summary.exit_code, summary.queued) == (75, 30)
    assert 120 <= rehearsal.seconds < 160


def _unreachable(rehearsal: Sync, begin: float, end: float) -> Callable[[Request], None]:
    def answer(_request: Request) -> None:
        if begin < rehearsal.seconds < end:
            raise TransportError("connection refused", sent=False)

    return answer


def test_occasional_errors_before_the_first_answer_are_no_outage(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 300, "error=0.1", "duration=600")
    assert rehearsal.run(rps=10, retries=9).exit_code == 0
    # The first row alone, 299 at 10 per second, then the refused rows, once it is clear that there is no outage.
    assert rehearsal.seconds < 600 * 5


def test_a_probe_does_not_wait_for_posts_sent_before_the_outage(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 40, "fault=stuck:id=3", "duration=2")
    rehearsal.on_posts(_unreachable(rehearsal, 4, 60))
    summary = rehearsal.run(rps=5, max_runtime=600, drain_timeout=1)
    assert (summary.completed, summary.in_doubt) == (39, 1)


@pytest.mark.parametrize("share", [0.9, 1.0])
def test_slowness_is_no_outage(tmp_path: Path, share: float) -> None:
    rehearsal = Sync(tmp_path, 60, f"stuck={share}", "duration=300")
    summary = rehearsal.run(run_timeout=1200, max_outage="5m", max_in_flight=20, request_timeout=600)
    assert (summary.exit_code, summary.reason) == (3, None)
    assert summary.completed + summary.in_doubt == 60


def test_two_failures_with_long_runs_between_them_are_no_outage(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 12, "duration=2000")
    rehearsal.on_posts(lambda request: Response(502, b"") if rehearsal.row_of(request.body or b"") in {2, 7} else None)
    summary = rehearsal.run(rps=0.004, max_outage="10m")
    assert (summary.exit_code, summary.completed, summary.in_doubt) == (3, 10, 2)


def test_two_lost_connections_long_apart_are_no_outage(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 6, "fault=lost:id=2", "fault=lost:id=3", "latency=2000")
    summary = rehearsal.run(max_in_flight=1, max_outage="10m", in_doubt="fail")
    assert (summary.exit_code, summary.completed, summary.failed) == (3, 4, 2)


def test_a_service_busy_with_our_own_runs_is_no_outage(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 30, "duration=1500")
    taken: list[float] = []

    def at_most_two(_request: Request) -> Response | None:
        if sum(rehearsal.seconds - at < 1500 for at in taken) >= 2:
            return Response(503, b"")
        taken.append(rehearsal.seconds)
        return None

    rehearsal.on_posts(at_most_two)
    summary = rehearsal.run(max_outage="10m")
    assert (summary.exit_code, summary.reason) == (3, None), "no evidence can come for the last refused rows"
    assert summary.completed >= 27


def test_a_probe_that_is_never_answered_does_not_extend_the_outage_limit(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 30, "stuck=1")
    rehearsal.on_posts(lambda _request: Response(503, b"") if len(rehearsal.posts()) < 4 else None)
    summary = rehearsal.run(max_outage="15m", run_timeout=600)
    assert summary.exit_code == 75
    assert summary.queued > 20
