"""`batchrun retry` in virtual time: which rows are retried, which are polled first, and which are left alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batchrun.errors import InputError
from batchrun.ports import Request, Response
from tests.support.rehearsal import Rehearsal

FAST: dict[str, Any] = {
    "rps": 1000, "poll_rps": 1000, "max_in_flight": 2000, "poll_initial": 50, "poll_max": 50, "run_timeout": 55
}  # fmt: skip
"""Many rows, and few polls."""

REFUSED = [f"fault=reject:id={number}" for number in (2, 5, 7)]


def sent(rehearsal: Rehearsal, since: int) -> list[int]:
    """The rows of the POSTs after the first `since`."""
    return [rehearsal.row_of(body) for _, body in rehearsal.posts()[since:]]


def test_only_failed_rows_are_submitted_again(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 10, *REFUSED, "duration=1")
    assert rehearsal.run().failed == 3
    rehearsal.serve("duration=1")
    summary = rehearsal.retry()
    assert (summary.exit_code, summary.completed, summary.failed) == (0, 10, 0)
    assert sent(rehearsal, 10) == [2, 5, 7]
    assert rehearsal.errors() == {}
    assert {row["attempts"] for number, row in rehearsal.outputs().items() if number in {2, 5, 7}} == {2}


def test_only_the_given_rows_are_retried(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 10, *REFUSED, "duration=1")
    rehearsal.run()
    rehearsal.serve("duration=1")
    assert rehearsal.retry({7, 2}).exit_code == 3
    assert sent(rehearsal, 10) == [2, 7]
    assert list(rehearsal.errors()) == [5]


def test_a_retried_row_has_a_new_budget_of_attempts(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 10, "fault=error:id=4", "duration=1")
    rehearsal.run(retries=2)
    assert rehearsal.errors()[4]["attempts"] == 3
    rehearsal.retry(retries=2)
    assert (rehearsal.errors()[4]["attempts"], rehearsal.errors()[4]["error_kind"]) == (6, "exhausted")


def test_rows_without_an_error_are_left_alone(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 10, "duration=1")
    rehearsal.run()
    before = len(rehearsal.requests)
    assert rehearsal.retry().exit_code == 0
    assert len(rehearsal.requests) == before


# -- rows that timed out


def test_a_run_that_has_ended_meanwhile_is_not_paid_for_again(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=100")
    assert rehearsal.run(run_timeout=50).timed_out == 5
    rehearsal.clock.jump(100)
    summary = rehearsal.retry(run_timeout=50)
    assert (summary.exit_code, summary.completed) == (0, 5)
    assert len(rehearsal.posts()) == 5
    assert summary.session.polls == 5


@pytest.mark.parametrize("answer", ["running", "failed", "gone", "strange"])
def test_after_any_other_answer_it_is_submitted_again(tmp_path: Path, answer: str) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "stuck=1")
    assert rehearsal.run(run_timeout=50).timed_out == 5
    rehearsal.clock.jump(100)
    rehearsal.serve("duration=1")
    old = {row["run_id"] for row in rehearsal.errors().values()}
    responses: dict[str, Callable[[Request], Response]] = {
        "running": lambda request: rehearsal.polled(request, status="running"),
        "failed": rehearsal.failed_run,
        "gone": lambda _: Response(404, b'{"error":{"code":"NOT_FOUND","message":"no such run"}}'),
        "strange": lambda request: rehearsal.polled(request, status="dreaming"),
    }
    rehearsal.answer = lambda request: (
        responses[answer](request) if request.method == "GET" and old & _words(request) else None
    )
    asked = len(rehearsal.polls())
    summary = rehearsal.retry(run_timeout=50, max_failures=1)
    assert (summary.exit_code, summary.completed) == (0, 5)
    assert {row["attempts"] for row in rehearsal.outputs().values()} == {2}
    again = [path for _, path in rehearsal.polls()[asked:] if any(run in path for run in old)]
    assert len(again) == len(set(again)) == 5
    first_post = rehearsal.posts()[5][0]
    assert rehearsal.polls()[asked][0] <= first_post, "it is asked before it is sent"


def _words(request: Request) -> set[str]:
    return set(request.path.replace("?", "/").split("/"))


def test_timed_out_and_failed_rows_are_submitted_once_each(tmp_path: Path) -> None:
    """The first pass over the input reads the checkpoint while timed-out rows return from their polls."""
    faults = [f"fault=stuck:id={number}" for number in range(0, 1100, 20)]
    rehearsal = Rehearsal(tmp_path, 1100, *faults, "fail=0.03", "duration=1")
    first = rehearsal.run(**FAST)
    assert first.timed_out == 55
    assert first.failed > 10
    rehearsal.serve("duration=1")
    summary = rehearsal.retry(**FAST)
    assert (summary.exit_code, summary.completed) == (0, 1100)
    again = sent(rehearsal, 1100)
    assert len(again) == len(set(again)) == first.timed_out + first.failed


def test_timed_out_rows_that_are_not_given_are_not_submitted(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 6, *[f"fault=stuck:id={number}" for number in (1, 2, 3)], "duration=1")
    rehearsal.run(run_timeout=50)
    rehearsal.serve("duration=1")
    summary = rehearsal.retry({2}, run_timeout=50)
    assert (summary.completed, summary.timed_out) == (4, 2)
    assert sent(rehearsal, 6) == [2]


def test_timed_out_rows_hold_no_slot_until_they_are_submitted(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 8, "stuck=1")
    rehearsal.run(run_timeout=50)
    rehearsal.serve("duration=20")
    assert rehearsal.retry(max_in_flight=2).exit_code == 0
    times = [at for at, _ in rehearsal.posts()[8:]]
    assert all(later - earlier >= 20 for earlier, later in zip(times, times[2:], strict=False))
    assert times[-1] - times[0] < 120, "places are given back"


def test_a_retried_row_may_time_out_again(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "stuck=1")
    rehearsal.run(run_timeout=50)
    summary = rehearsal.retry(run_timeout=50)
    assert (summary.exit_code, summary.timed_out) == (3, 3)
    assert len(rehearsal.posts()) == 6


def test_a_retry_that_is_stopped_before_the_poll_leaves_the_row_as_it_was(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 30, "stuck=1")
    rehearsal.run(run_timeout=50)
    rehearsal.clock.jump(60)
    stopped = rehearsal.retry(max_runtime="3s", poll_rps=2, run_timeout=50)
    assert stopped.exit_code == 75
    assert 0 < stopped.timed_out < 30
    assert stopped.running + stopped.queued + stopped.timed_out == 30
    rehearsal.serve("duration=1")
    assert rehearsal.retry(run_timeout=50, max_runtime="1h").timed_out == stopped.running, "those are stuck once more"
    assert len(rehearsal.posts()) == 60


FAULTS = ("fault=stuck:id=1", "fault=stuck:id=3", "fault=fail:id=4", "fault=reject:id=6", "duration=uniform:1,6")
CHANGES = 35


@pytest.mark.parametrize("changes", range(1, CHANGES))
def test_a_retry_that_dies_after_any_change_is_repeated_by_another(tmp_path: Path, changes: int) -> None:
    rehearsal = Rehearsal(tmp_path, 8, *FAULTS)
    rehearsal.run(run_timeout=30)
    rehearsal.serve("duration=1")
    died = rehearsal.retry(kill_after=changes, rps=3)
    assert died.exit_code == 74 or changes > 18
    rehearsal.clock.jump(5)
    rehearsal.retry(in_doubt="resubmit", rps=3)
    assert {row: state for row, (state, _) in rehearsal.row_results().items()} == dict.fromkeys(range(8), "completed")
    once = rehearsal.simulator.stats()
    assert once["runs"] <= 7 + 4 + 1, "at most the row that was in the air is paid for twice"


# -- rows in doubt


def in_doubt(folder: Path) -> Rehearsal:
    rehearsal = Rehearsal(
        folder, 8, *[f"fault=garbage:id={number}" for number in (1, 4)], "fault=reject:id=6", "duration=1"
    )
    summary = rehearsal.run()
    assert (summary.in_doubt, summary.failed) == (2, 1)
    rehearsal.serve("duration=1")
    return rehearsal


def test_rows_in_doubt_are_held_by_default(tmp_path: Path) -> None:
    rehearsal = in_doubt(tmp_path)
    summary = rehearsal.retry()
    assert (summary.completed, summary.in_doubt) == (6, 2)
    assert sent(rehearsal, 8) == [6]


def test_rows_in_doubt_are_submitted_again_on_request(tmp_path: Path) -> None:
    rehearsal = in_doubt(tmp_path)
    assert rehearsal.retry(in_doubt="resubmit").exit_code == 0
    assert sorted(sent(rehearsal, 8)) == [1, 4, 6]


def test_rows_in_doubt_fail_on_request_and_are_not_retried(tmp_path: Path) -> None:
    rehearsal = in_doubt(tmp_path)
    summary = rehearsal.retry(in_doubt="fail")
    assert (summary.completed, summary.failed, summary.in_doubt) == (6, 2, 0)
    assert sent(rehearsal, 8) == [6]
    assert {row["error_kind"] for row in rehearsal.errors().values()} == {"in_doubt"}


@pytest.mark.parametrize(("word", "left"), [("resubmit", {4: "in_doubt"}), ("fail", {1: "failed", 4: "in_doubt"})])
def test_only_the_given_rows_in_doubt_are_settled(tmp_path: Path, word: str, left: dict[int, str]) -> None:
    rehearsal = in_doubt(tmp_path)
    rehearsal.retry({1, 6}, word)
    assert {number: row["state"] for number, row in rehearsal.errors().items()} == left
    assert sent(rehearsal, 8) == ([1, 6] if word == "resubmit" else [6])


def test_the_policy_that_was_recorded_stays_in_force(tmp_path: Path) -> None:
    rehearsal = in_doubt(tmp_path)
    rehearsal.options["in_doubt"] = "resubmit"
    assert rehearsal.retry({6}).exit_code == 0
    assert sorted(sent(rehearsal, 8)) == [1, 4, 6]


# -- rows that cannot be tried again


def test_rows_that_cannot_be_retried_are_all_reported_and_nothing_changes(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 40, "fault=garbage:id=3", "fault=reject:id=4", "duration=1000")
    rehearsal.run(max_runtime="4s", rps=5)
    files = {path: path.read_bytes() for path in (tmp_path / "job").iterdir()}
    with pytest.raises(InputError) as refusal:
        rehearsal.retry({-1, 3, 4, 5, 39, 40, 10**20})
    assert refusal.value.problems == (
        "row -1 is not there: the job has 40 rows, and the first of them is row 0",
        "row 3 is in doubt: add --in-doubt resubmit or fail",
        "row 5 is running: batchrun resume polls it",
        "row 39 is queued: batchrun resume submits it",
        "row 40 is not there: the job has 40 rows, and the first of them is row 0",
        f"row {10**20} is not there: the job has 40 rows, and the first of them is row 0",
    )
    assert {path: path.read_bytes() for path in (tmp_path / "job").iterdir()} == files


def test_completed_rows_and_those_beyond_the_limit_are_refused(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 10, *REFUSED, "duration=1")
    rehearsal.run()
    with pytest.raises(InputError) as refusal:
        rehearsal.retry({0, 2, 7}, limit=6)
    assert refusal.value.problems == (
        "row 0 is completed; only failed and timed-out rows can be retried",
        "row 7 is beyond --limit 6: raise it to retry this row",
    )
    with pytest.raises(InputError, match="resubmit or fail"):
        rehearsal.retry(in_doubt="hold")


def test_rows_being_sent_at_a_kill_are_in_doubt(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "latency=5", "duration=1")
    rehearsal.run(kill_after=1)
    with pytest.raises(InputError, match="row 0 is in doubt: add --in-doubt"):
        rehearsal.retry({0})
    assert rehearsal.retry({0}, "resubmit").exit_code == 0


def test_under_a_limit_no_row_beyond_it_is_retried(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 10, *REFUSED, "fault=stuck:id=8", "duration=1")
    rehearsal.run(run_timeout=50)
    rehearsal.serve("duration=1")
    summary = rehearsal.retry(limit=6)
    assert sent(rehearsal, 10) == [2, 5]
    assert (summary.failed, summary.timed_out, summary.queued) == (1, 1, 0)


def test_the_rate_of_a_retry_is_that_of_its_own_rows(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 100, "fail=1", "duration=1")
    rehearsal.run()
    rehearsal.serve("duration=1")
    summary = rehearsal.retry()
    assert summary.rate == pytest.approx(100 / summary.session.elapsed_s, rel=0.01)


def test_a_retry_of_one_kind_polls_no_row_of_another(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 10, "fault=fail:id=1", "fault=stuck:id=2", "duration=1")
    rehearsal.run(run_timeout=30)
    assert {row["error_kind"] for row in rehearsal.errors().values()} == {"run_failed", "timeout"}
    before = len(rehearsal.requests)
    rehearsal.serve("fault=stuck:id=2", "duration=1")
    summary = rehearsal.retry(kinds={"run_failed"})
    assert (summary.completed, summary.timed_out) == (9, 1)
    run_ids = {row["run_id"] for row in rehearsal.errors().values()}
    paths = [request.path for _, request in rehearsal.requests[before:]]
    assert not [path for path in paths if path.rpartition("/")[2] in run_ids]
