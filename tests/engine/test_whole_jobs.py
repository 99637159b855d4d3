"""Whole jobs in virtual time, seen through their files and through what the service saw."""

from pathlib import Path

import pytest

from batchrun.ports import Response
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
    assert "refused with the same answer" in (summary.reason or "")


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


def test_rows_in_doubt_are_submitted_again_only_on_request(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 40, "lost=0.2", "duration=1")
    rehearsal.run()
    assert rehearsal.run(in_doubt="resubmit").exit_code == 0
    assert sorted(rehearsal.outputs()) == list(range(40))


def test_failed_runs_are_submitted_again_on_request(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 12)
    assert rehearsal.run(workflow_id="flaky", retry_failed_runs=True).exit_code == 0
    assert {row["attempts"] for row in rehearsal.outputs().values()} == {2}


def test_a_limit_may_be_raised_and_dropped(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 30, "duration=1")
    assert rehearsal.run(limit=7).rows == 7
    assert rehearsal.run(limit=12).completed == 12
    assert rehearsal.run().completed == 30
    assert len(rehearsal.posts()) == 30


def test_only_appended_rows_are_sent(tmp_path: Path) -> None:
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
