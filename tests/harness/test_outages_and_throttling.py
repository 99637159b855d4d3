"""Outages, throttling, and the rate to which a job adapts."""

from pathlib import Path

import pytest

from batchrun.ports import Request, Response
from tests.support.rehearsal import Rehearsal


def test_an_outage_costs_no_attempt(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 30, "duration=1")
    began = rehearsal.clock.now()

    def out(request: Request) -> Response | None:
        away = request.method == "POST" and 2 < (rehearsal.clock.now() - began) / 1000 < 200
        return Response(503, b"") if away else None

    rehearsal.answer = out
    summary = rehearsal.run(rps=5, retries=0)
    assert summary.exit_code == 0
    assert {row["attempts"] for row in rehearsal.outputs().values()} == {1}
    assert len(rehearsal.posts()) < 60  # only probes


def test_an_outage_beyond_max_outage_drains_the_job(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 30)
    began = rehearsal.clock.now()
    rehearsal.answer = lambda _request: Response(503, b"")
    summary = rehearsal.run(max_outage="2m")
    assert (summary.exit_code, summary.queued) == (75, 30)
    assert 120 <= (rehearsal.clock.now() - began) / 1000 < 160


def test_throttling_slows_everything_and_costs_no_attempt(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 60, "rps=20", "retry_after=3", "duration=1")
    summary = rehearsal.run(rps=30)
    assert summary.exit_code == 0
    assert summary.throttled > 0
    assert {row["attempts"] for row in rehearsal.outputs().values()} == {1}


def test_retry_after_pauses_submissions_and_polls(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 60, "duration=30")
    throttled_at: list[float] = []

    def once(request: Request) -> Response | None:
        if request.method == "POST" and len(rehearsal.posts()) == 20 and not throttled_at:
            throttled_at.append(rehearsal.clock.now() / 1000)
            return Response(429, b"", {"retry-after": "25"})
        return None

    rehearsal.answer = once
    assert rehearsal.run(rps=10).exit_code == 0
    after = [at - throttled_at[0] for at, _ in rehearsal.requests if at > throttled_at[0] + 0.5]
    assert min(after) >= 25


@pytest.mark.parametrize(("rate_control", "least", "most"), [("adaptive", 0, 14), ("fixed", 18, 20)])
def test_after_a_pause_a_fixed_rate_is_restored_and_an_adaptive_one_is_not(
    tmp_path: Path, rate_control: str, least: int, most: int
) -> None:
    rehearsal = Rehearsal(tmp_path, 120, "duration=1")
    throttled_at: list[float] = []

    def once(request: Request) -> Response | None:
        if request.method == "POST" and len(rehearsal.posts()) == 12 and not throttled_at:
            throttled_at.append(rehearsal.clock.now() / 1000)
            return Response(429, b"", {"retry-after": "5"})
        return None

    rehearsal.answer = once
    assert rehearsal.run(rps=20, rate_control=rate_control).exit_code == 0
    after = [at - throttled_at[0] for at, _ in rehearsal.posts() if at > throttled_at[0] + 0.5]
    assert min(after) >= 5
    assert least <= sum(at < min(after) + 1 for at in after) <= most


@pytest.mark.parametrize("quota", [7, 20])
def test_the_rate_that_a_service_accepts_is_found_and_kept(tmp_path: Path, quota: int) -> None:
    rehearsal = Rehearsal(tmp_path, 40 * quota, f"rps={quota}", "duration=1")
    began = rehearsal.clock.now()
    summary = rehearsal.run(rps=50)
    assert summary.exit_code == 0
    assert summary.throttled <= 10
    assert (rehearsal.clock.now() - began) / 1000 <= 40 / 0.9 + 10


@pytest.mark.parametrize("rate", [0.5, 3, 10, 47, 200])
def test_no_second_sees_more_than_the_rate(tmp_path: Path, rate: float) -> None:
    rehearsal = Rehearsal(tmp_path, max(6, int(rate * 4)), "duration=1")
    rehearsal.run(rps=rate, poll_rps=rate)
    span = max(1.0, 1 / rate)
    for times in ([at for at, _ in rehearsal.posts()], [at for at, _ in rehearsal.polls()]):
        most = max(sum(1 for other in times if at <= other < at + span - 0.002) for at in times)
        assert most <= max(1, rate)


def test_a_rate_that_was_cut_grows_back_to_what_the_user_asked_for(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 1200, "duration=1")
    throttled: list[float] = []

    def once(request: Request) -> Response | None:
        if request.method == "POST" and len(rehearsal.posts()) >= 100 and not throttled:
            throttled.append(rehearsal.clock.now() / 1000)
            return Response(429, b"", {"retry-after": "1"})
        return None

    rehearsal.answer = once
    assert rehearsal.run(rps=20, poll_schedule="exponential").exit_code == 0
    after = [at - throttled[0] for at, _ in rehearsal.posts()]
    assert sum(1 < at <= 3 for at in after) <= 2 * 17, "it was cut"
    assert sum(20 < at <= 30 for at in after) >= 10 * 19, "and has grown back"


def test_a_429_on_a_post_slows_polls_too(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 200, "duration=60")
    throttled: list[float] = []

    def once(request: Request) -> Response | None:
        if request.method == "POST" and len(rehearsal.posts()) >= 150 and not throttled:
            throttled.append(rehearsal.clock.now() / 1000)
            return Response(429, b"", {"retry-after": "1"})
        return None

    rehearsal.answer = once
    assert rehearsal.run(rps=10, poll_rps=10, poll_initial=1, poll_max=1).exit_code == 0
    polls = [at - throttled[0] for at, _ in rehearsal.polls()]
    assert sum(-2 < at <= 0 for at in polls) >= 2 * 9
    assert sum(1 < at <= 3 for at in polls) <= 2 * 9


def test_posts_that_are_always_throttled_are_an_outage(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20)
    rehearsal.answer = lambda _request: Response(429, b"")
    summary = rehearsal.run(max_outage="2m", max_runtime="1h")
    assert (summary.exit_code, summary.queued) == (75, 20)
    assert 120 <= summary.elapsed_s < 200
    assert len(rehearsal.posts()) < 30
