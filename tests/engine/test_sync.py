"""`--mode sync`: the answer to the POST is the result. Whole jobs in virtual time."""

from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from batchrun.ports import Response
from tests.engine.sync_rehearsal import Sync, said

# -- what comes back


def test_a_row_takes_one_request_and_its_answer_is_the_result(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 30, "duration=uniform:1,90")
    summary = rehearsal.run()
    assert (summary.exit_code, summary.completed, summary.submissions, summary.polls) == (0, 30, 30, 0)
    assert all(msgspec.json.decode(body)["async"] is False for _, body in rehearsal.posts())
    assert rehearsal.polls() == []
    outputs = rehearsal.outputs()
    assert len({row["run_id"] for row in outputs.values()}) == 30
    for number, row in outputs.items():
        assert (row["status"], row["attempts"], row["polls"]) == ("completed", 1, 0)
        assert row["output"] == f'{{"echo":{{"id":"{number}"}}}}'
        assert row["created_at"] < row["updated_at"]
        assert row["submitted_at"] < row["finished_at"]


def test_both_modes_give_the_same_results(tmp_path: Path) -> None:
    results = []
    for mode in ("async", "sync"):
        (tmp_path / mode).mkdir()
        rehearsal = Sync(tmp_path / mode, 30, "fail=0.2", "error=0.1", "duration=5")
        rehearsal.run(mode=mode, retries=9)
        results.append((rehearsal.row_results(), {n: row["run_id"] for n, row in rehearsal.outputs().items()}))
    assert results[0] == results[1]


def test_the_time_of_a_run_is_known_and_that_of_its_acceptance_is_not(tmp_path: Path) -> None:
    summary = Sync(tmp_path, 10, "duration=20").run()
    assert summary.run_s is not None
    assert (summary.run_s.n, summary.run_s.p50) == (10, 20)
    assert summary.submit_s is None


def test_a_run_that_fails_is_no_refusal(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 20, "fail=1", "duration=5")
    summary = rehearsal.run()
    assert (summary.exit_code, summary.failed, summary.errors_by_kind) == (3, 20, {"run_failed": 20})
    assert len(rehearsal.posts()) == 20, "they are not refused alike, and none is sent again"
    for row in rehearsal.errors().values():
        assert row["run_id"].startswith("run_")
        assert (row["status"], row["http_status"]) == ("failed", 200)
        assert (row["error_code"], row["attempts"], row["polls"]) == ("WORKFLOW_EXECUTION_ERROR", 1, 0)
    assert rehearsal.posts()[19][0] - rehearsal.posts()[1][0] < 1, "an answered run shows that the service works"


def test_failed_runs_are_submitted_again_on_request(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 12)
    assert rehearsal.run(workflow_id="flaky", retry_failed_runs=True).exit_code == 0
    assert {row["attempts"] for row in rehearsal.outputs().values()} == {2}


def test_failed_runs_are_submitted_again_at_most_as_often_as_allowed(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 3, "fail=1", "duration=2")
    assert rehearsal.run(retry_failed_runs=True, retries=2).failed == 3
    assert {(row["attempts"], row["error_kind"]) for row in rehearsal.errors().values()} == {(3, "run_failed")}


def test_refusals_are_tried_again_and_cost_attempts(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 60, "error=0.15", "duration=1")
    assert rehearsal.run(retries=9).exit_code == 0
    assert max(row["attempts"] for row in rehearsal.outputs().values()) > 1


def test_a_failure_limit_waits_for_posts_in_progress(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 100, "fail=0.3", "duration=uniform:5,60")
    summary = rehearsal.run(max_failures=5, rps=1)
    assert summary.exit_code == 4
    assert (summary.in_doubt, summary.running) == (0, 0)
    assert summary.completed + summary.failed == len(rehearsal.posts()) < 100


def test_a_job_with_a_key_can_be_reused_in_either_mode(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 5, "duration=5")
    rehearsal.run(key="id")
    assert rehearsal.run(key="id", mode="async", out=tmp_path / "next", reuse=tmp_path / "job").reused == 5
    assert len(rehearsal.posts()) == 5


# -- other words, and no names


@pytest.mark.parametrize("word", ["pending", "running", "timeout", "cancelled", "success"])
def test_a_run_that_has_not_provably_ended_is_polled(tmp_path: Path, word: str) -> None:
    rehearsal, number = Sync(tmp_path, 4), count()
    rehearsal.answer = lambda request: (
        said(run_id=f"r{next(number)}", status=word)
        if request.method == "POST"
        else rehearsal.polled(request, status="completed", outputs={"late": 1})
    )
    summary = rehearsal.run()
    assert (summary.exit_code, summary.submissions, summary.polls) == (0, 4, 4)
    assert {(row["output"], row["polls"]) for row in rehearsal.outputs().values()} == {('{"late":1}', 1)}


def test_a_status_that_polls_do_not_explain_either_is_no_success(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 3)
    rehearsal.answer = lambda request: (
        said(run_id=f"r{len(rehearsal.posts())}", status="cancelled")
        if request.method == "POST"
        else rehearsal.polled(request, status="cancelled")
    )
    summary = rehearsal.run(run_timeout=100)
    assert (summary.exit_code, summary.errors_by_kind) == (3, {"unknown_status": 3})
    assert len(rehearsal.posts()) == 3


def test_a_result_without_a_run_id_is_kept_and_paid_for_once(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 4)
    rehearsal.on_posts(lambda request: said(status="completed", output=rehearsal.inputs_of(request.body or b"")))
    assert rehearsal.run(key="id").exit_code == 0
    assert {n: (row["run_id"], row["output"]) for n, row in rehearsal.outputs().items()} == {
        n: (None, f'{{"id":"{n}"}}') for n in range(4)
    }
    assert rehearsal.run(key="id").exit_code == 0
    assert rehearsal.run(key="id", out=tmp_path / "next", reuse=tmp_path / "job").reused == 4
    assert len(rehearsal.posts()) == 4


def test_a_run_id_that_another_row_has_proves_nothing(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 3)
    rehearsal.on_posts(lambda _request: said(run_id="same", status="completed", output={}))
    summary = rehearsal.run()
    assert (summary.completed, summary.in_doubt) == (1, 2)
    assert all("which another row has" in row["error_message"] for row in rehearsal.errors().values())


# -- lost and late answers


def test_lost_answers_are_in_doubt_and_held(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 40, "lost=0.2", "garbage=0.1", "duration=3")
    summary = rehearsal.run()
    assert summary.exit_code == 3
    assert summary.in_doubt == len(rehearsal.errors()) > 0
    assert rehearsal.simulator.stats()["runs_repeated"] == 0
    assert rehearsal.run(in_doubt="resubmit", retries=9).exit_code == 0


@pytest.mark.parametrize(
    ("status", "body"),
    [(408, b""), (500, b"<html>"), (502, b""), (504, b'{"error":"x"}'), (200, b""), (200, b'{"status":"complet')],
)
def test_an_answer_that_proves_nothing_is_in_doubt(tmp_path: Path, status: int, body: bytes) -> None:
    rehearsal = Sync(tmp_path, 3, "duration=1")
    rehearsal.on_posts(lambda _request: Response(status, body) if len(rehearsal.posts()) == 1 else None)
    summary = rehearsal.run()
    assert (summary.completed, summary.in_doubt, len(rehearsal.posts())) == (2, 1, 3)


def test_a_run_may_take_as_long_as_its_run_timeout(tmp_path: Path) -> None:
    assert Sync(tmp_path, 5, "duration=3500").run().exit_code == 0


@pytest.mark.parametrize("options", [{"run_timeout": 100}, {"request_timeout": 100, "run_timeout": 300}])
def test_an_answer_that_comes_too_late_is_lost_and_never_timed_out(tmp_path: Path, options: dict[str, Any]) -> None:
    rehearsal = Sync(tmp_path, 6, "fault=stuck:id=2", "duration=20")
    summary = rehearsal.run(max_in_flight=1, **options)
    assert (summary.completed, summary.in_doubt, summary.timed_out) == (5, 1, 0)
    (late,) = rehearsal.errors().values()
    assert (late["state"], late["error_kind"]) == ("in_doubt", "in_doubt")
    assert "no answer within 100 s" in late["error_message"]
    times = [at for at, _ in rehearsal.posts()]
    assert times[3] - times[2] == pytest.approx(options["run_timeout"], abs=1), "so long it may be under way"


def test_a_late_run_is_in_the_history_of_the_service(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 2, "duration=50")
    assert rehearsal.run(request_timeout=10).in_doubt == 2
    assert rehearsal.simulator.stats()["runs_stored"] == 2
