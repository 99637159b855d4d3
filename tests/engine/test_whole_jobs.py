"""Whole jobs in virtual time, seen through their files and through what the service saw."""

from pathlib import Path

import pytest

from batchrun.ports import Request, Response
from tests.support.rehearsal import Rehearsal


def test_every_row_is_sent_once_and_ends_in_one_file(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 60, "fail=0.2", "duration=uniform:1,90")
    summary = rehearsal.run()
    assert summary.exit_code == 3
    assert sorted(rehearsal.row_results()) == list(range(60))
    assert len(rehearsal.posts()) == len({body for _, body in rehearsal.posts()}) == 60
    assert {kind for state, kind in rehearsal.row_results().values() if state != "completed"} == {"run_failed"}


def test_a_finished_job_sends_nothing_and_repeats_its_exit_code(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "fail=0.2")
    first = rehearsal.run()
    before = len(rehearsal.requests)
    again = rehearsal.run()
    assert len(rehearsal.requests) == before
    assert again.exit_code == first.exit_code == 3


def test_transient_refusals_are_tried_again_and_cost_attempts(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 60, "error=0.15", "duration=1")
    summary = rehearsal.run(retries=9)
    assert summary.exit_code == 0
    assert max(row["attempts"] for row in rehearsal.outputs().values()) > 1


def test_a_bad_row_is_exhausted_and_affects_no_other(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 30, "fault=error:id=7", "fault=error:id=28", "fault=error:id=29", "duration=1")
    summary = rehearsal.run(retries=2)
    assert summary.exit_code == 3
    assert {number: row["error_kind"] for number, row in rehearsal.errors().items()} == dict.fromkeys(
        (7, 28, 29), "exhausted"
    )
    assert {row["attempts"] for row in rehearsal.errors().values()} == {3}


def test_rejected_rows_fail_once_the_service_has_shown_that_it_works(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 30, "fault=reject:id=0", "fault=reject:id=1", "fault=reject:id=9", "duration=1")
    assert rehearsal.run().exit_code == 3
    assert {number: row["error_kind"] for number, row in rehearsal.errors().items()} == dict.fromkeys(
        (0, 1, 9), "rejected"
    )


def test_a_job_whose_few_rows_are_all_rejected_still_ends(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 4, "reject=1")
    assert rehearsal.run().exit_code == 3
    assert len(rehearsal.posts()) == 4


def test_ten_identical_first_refusals_stop_the_job_and_the_rows_are_queued_again(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 40, "reject=1")
    summary = rehearsal.run()
    assert (summary.exit_code, summary.queued, summary.failed) == (4, 40, 0)
    assert len(rehearsal.posts()) == 10
    assert "refused alike" in (summary.reason or "")


@pytest.mark.parametrize("status", [401, 403, 404])
def test_refused_credentials_or_workflow_stop_the_job_at_once(tmp_path: Path, status: int) -> None:
    rehearsal = Rehearsal(tmp_path, 40)
    rehearsal.answer = lambda request: (
        Response(status, b'{"error":{"code":"X","message":"no"}}') if request.method == "POST" else None
    )
    summary = rehearsal.run()
    assert (summary.exit_code, summary.queued) == (4, 40)
    assert len(rehearsal.posts()) == 1
    rehearsal.answer = lambda _request: None
    assert rehearsal.run().exit_code == 0
    assert {row["attempts"] for row in rehearsal.outputs().values()} == {1}


def test_until_the_first_acceptance_there_is_one_post_at_a_time(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "latency=5", "duration=1")
    assert rehearsal.run().exit_code == 0
    times = [at for at, _ in rehearsal.posts()]
    assert times[1] - times[0] >= 5
    assert times[19] - times[1] < 1


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
def test_a_fixed_rate_is_back_when_the_pause_is_over_and_an_adaptive_one_is_not(
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
def test_the_rate_that_a_service_takes_is_found_and_kept_to(tmp_path: Path, quota: int) -> None:
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


def test_lost_answers_are_in_doubt_and_held(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 40, "lost=0.2", "garbage=0.1", "duration=1")
    summary = rehearsal.run()
    assert summary.exit_code == 3
    assert summary.in_doubt == len(rehearsal.errors()) > 0
    assert {row["error_kind"] for row in rehearsal.errors().values()} == {"in_doubt"}
    assert rehearsal.simulator.stats()["runs_repeated"] == 0


def test_rows_in_doubt_are_settled_as_the_user_says(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 40, "lost=0.2", "duration=1")
    held = rehearsal.run().in_doubt
    assert held > 0
    failed = rehearsal.run(in_doubt="fail")
    assert (failed.in_doubt, failed.failed, failed.exit_code) == (0, held, 3)
    assert {row["error_kind"] for row in rehearsal.errors().values()} == {"in_doubt"}


def test_rows_in_doubt_are_submitted_again_only_when_asked(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 40, "lost=0.2", "duration=1")
    rehearsal.run()
    assert rehearsal.run(in_doubt="resubmit").exit_code == 0
    assert sorted(rehearsal.outputs()) == list(range(40))


def test_runs_that_never_end_time_out_after_one_more_poll(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "stuck=1")
    summary = rehearsal.run(run_timeout=100)
    assert (summary.exit_code, summary.timed_out) == (3, 5)
    accepted = rehearsal.posts()[0][0]
    assert max(at for at, _ in rehearsal.polls()) >= accepted + 100
    assert {row["error_kind"] for row in rehearsal.errors().values()} == {"timeout"}


def test_a_run_that_timed_out_and_ended_later_is_completed_by_the_next_command(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=100")
    assert rehearsal.run(run_timeout=50).timed_out == 5
    rehearsal.clock.jump(100)
    summary = rehearsal.run(run_timeout=50)
    assert (summary.exit_code, summary.completed) == (0, 5)
    assert len(rehearsal.posts()) == 5


def test_max_polls_ends_a_run(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "stuck=1")
    assert rehearsal.run(max_polls=4).timed_out == 3
    assert {row["polls"] for row in rehearsal.errors().values()} == {4}


def test_a_word_we_do_not_know_is_not_the_end(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 2, "duration=1")
    rehearsal.answer = lambda request: (
        Response(200, b'{"run_id":"x","status":"dreaming"}') if request.method == "GET" else None
    )
    assert rehearsal.run(run_timeout=60).timed_out == 2
    assert {row["error_kind"] for row in rehearsal.errors().values()} == {"unknown_status"}


def test_a_fresh_run_may_be_unknown_for_a_minute_and_is_lost_after_that(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "hidden=45", "duration=1")
    assert rehearsal.run().exit_code == 0
    (tmp_path / "lost").mkdir()
    lost = Rehearsal(tmp_path / "lost", 3, "hidden=100000")
    assert lost.run().failed == 3
    assert {row["error_kind"] for row in lost.errors().values()} == {"lost"}


def test_failed_polls_say_nothing_of_the_run(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 30, "poll_error=0.4", "duration=5")
    assert rehearsal.run().exit_code == 0


def test_failed_runs_are_run_again_where_asked(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 12)
    assert rehearsal.run(workflow_id="flaky", retry_failed_runs=True).exit_code == 0
    assert {row["attempts"] for row in rehearsal.outputs().values()} == {2}


def test_a_limit_may_be_raised_and_dropped(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 30, "duration=1")
    assert rehearsal.run(limit=7).rows == 7
    assert rehearsal.run(limit=12).completed == 12
    assert rehearsal.run().completed == 30
    assert len(rehearsal.posts()) == 30


def test_appended_rows_are_sent_and_no_other(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 10, "duration=1")
    rehearsal.run()
    rehearsal.write(range(14))
    assert rehearsal.run().completed == 14
    assert len(rehearsal.posts()) == 14


def test_in_flight_is_bounded(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 30, "duration=20")
    assert rehearsal.run(max_in_flight=4).exit_code == 0
    times = [at for at, _ in rehearsal.posts()]
    assert all(later - earlier >= 20 for earlier, later in zip(times, times[4:], strict=False))


def test_the_failure_limit_collects_what_was_accepted(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 200, "fail=1", "duration=5")
    summary = rehearsal.run(max_failures=10, rps=5)
    assert summary.exit_code == 4
    assert summary.running == 0
    assert summary.queued > 0
    assert summary.failed == len(rehearsal.posts())


def test_a_share_of_failures_counts_from_twenty_rows_on(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 200, "fail=0.5", "duration=5")
    summary = rehearsal.run(max_failures="5%", max_in_flight=1)
    assert summary.exit_code == 4
    assert summary.completed + summary.failed == 20


def test_a_time_limit_drains(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 200, "duration=40")
    summary = rehearsal.run(max_runtime="10s", rps=5)
    assert summary.exit_code == 75
    assert summary.running > 0
    assert rehearsal.run().exit_code == 0
    assert len(rehearsal.posts()) == 200


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


def test_posts_that_are_throttled_without_end_are_an_outage(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20)
    rehearsal.answer = lambda _request: Response(429, b"")
    summary = rehearsal.run(max_outage="2m", max_runtime="1h")
    assert (summary.exit_code, summary.queued) == (75, 20)
    assert 120 <= summary.elapsed_s < 200
    assert len(rehearsal.posts()) < 30


def test_run_durations_are_those_of_completed_runs(tmp_path: Path) -> None:
    rows = [{"id": str(row), "seconds": "20" if row < 6 else "1"} for row in range(12)]
    rehearsal = Rehearsal(tmp_path, rows, *(f"fault=fail:id={row}" for row in range(6, 12)))
    summary = rehearsal.run(workflow_id="sleepy")
    assert (summary.completed, summary.failed) == (6, 6)
    assert summary.run_s is not None
    assert (summary.run_s.n, summary.run_s.p50) == (6, 20)


def test_if_the_service_reports_no_times_run_durations_are_measured(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3)
    began = rehearsal.clock.now()

    def answer(request: Request) -> Response:
        if request.method == "POST":
            return Response(200, b'{"run_id":"r%d","status":"pending"}' % rehearsal.row_of(request.body or b""))
        run_id = request.path.rpartition("/")[2].encode()
        if rehearsal.clock.now() - began < 20_000:
            return Response(200, b'{"run_id":"%s","status":"running"}' % run_id)
        return Response(200, b'{"run_id":"%s","status":"completed","outputs":{}}' % run_id)

    rehearsal.answer = answer
    summary = rehearsal.run(poll_max=1)
    assert summary.completed == 3
    assert summary.run_s is not None
    assert 18 <= summary.run_s.p50 <= 22


def test_a_word_we_do_not_know_is_warned_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rehearsal = Rehearsal(tmp_path, 3)
    words = iter(["dreaming", "dreaming", "dreaming", "musing", "musing"])

    def answer(request: Request) -> Response | None:
        word = next(words, None) if request.method == "GET" else None
        return None if word is None else Response(200, b'{"status":"%s"}' % word.encode())

    rehearsal.answer = answer
    assert rehearsal.run().completed == 3
    warned = [record.getMessage() for record in caplog.records if "a word we do not know" in record.getMessage()]
    assert [message.split("'")[1] for message in warned] == ["dreaming", "musing"]


def test_a_run_is_polled_at_its_timeout_however_far_its_next_poll_was(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 1, "stuck=1")
    assert rehearsal.run(run_timeout=100, poll_initial=80, poll_max=3600).timed_out == 1
    accepted, last = rehearsal.posts()[0][0], rehearsal.polls()[-1][0]
    assert 100 <= last - accepted < 105
