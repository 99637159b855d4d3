"""Regression tests: whole jobs that once hung, gave wrong results or stopped."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from batchrun.app.run_directory import locked_directory
from batchrun.errors import InputError
from batchrun.job import build_job
from batchrun.ports import Request, Response
from tests.support.rehearsal import Rehearsal


def _between(rehearsal: Rehearsal, begin: float, end: float, status: int) -> Callable[[Request], Response | None]:
    began = rehearsal.clock.now()

    def answer(request: Request) -> Response | None:
        away = request.method == "POST" and begin <= (rehearsal.clock.now() - began) / 1000 < end
        return Response(status, b"") if away else None

    return answer


def test_collecting_ends_although_the_last_event_is_a_refusal(tmp_path: Path) -> None:
    faults = [f"fault=reject:id={number}" for number in range(1, 30)]
    rehearsal = Rehearsal(tmp_path, 30, *faults, "latency=10", "duration=1")
    assert rehearsal.run(max_failures=1, rps=2).exit_code == 4


def test_a_row_in_doubt_releases_its_slot_when_its_run_would_have_timed_out(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "fault=garbage:id=1", "duration=1")
    summary = rehearsal.run(max_in_flight=1, run_timeout=100)
    assert (summary.completed, summary.in_doubt) == (4, 1)
    times = [at for at, _ in rehearsal.posts()]
    assert times[2] - times[1] >= 100


def test_rows_that_are_failed_or_submitted_again_hold_no_slot(tmp_path: Path) -> None:
    for policy in ("fail", "resubmit"):
        (tmp_path / policy).mkdir()
        rehearsal = Rehearsal(tmp_path / policy, 5, "fault=garbage:id=1", "duration=1")
        rehearsal.run(max_in_flight=1, run_timeout=3600, in_doubt=policy, retries=1)
        others = [at for at, body in rehearsal.posts() if b'"id":"1"' not in body]
        assert policy == "resubmit" or max(others) - min(others) < 60


def test_bad_rows_that_retry_are_not_an_endless_outage(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 40, *[f"fault=error:id={number}" for number in range(10, 14)], "duration=1")
    assert rehearsal.run().exit_code == 3
    assert {row["error_kind"] for row in rehearsal.errors().values()} == {"exhausted"}
    assert sorted(rehearsal.errors()) == [10, 11, 12, 13]


def test_the_reason_with_the_highest_precedence_gives_the_exit_code(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 100, "fail=1", "duration=1", "stuck=0.3")
    summary = rehearsal.run(max_failures=5, max_runtime="30s", rps=5)
    assert summary.exit_code == 4
    assert summary.running > 0


@pytest.mark.parametrize("rows", [70, 120])
def test_a_long_block_of_bad_rows_is_no_outage(tmp_path: Path, rows: int) -> None:
    rehearsal = Rehearsal(tmp_path, rows, *[f"fault=error:id={number}" for number in range(10, 60)], "duration=1")
    summary = rehearsal.run()
    assert (summary.exit_code, summary.completed, summary.failed) == (3, rows - 50, 50)
    assert {row["error_kind"] for row in rehearsal.errors().values()} == {"exhausted"}


def test_with_one_connection_slow_submissions_do_not_block_polls(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 4, "duration=2")
    assert rehearsal.run(max_connections=1, rps=0.05, poll_initial=1, poll_max=1).exit_code == 0
    accepted = [at for at, _ in rehearsal.posts()]
    assert all(any(at < poll < at + 5 for poll, _ in rehearsal.polls()) for at in accepted)


def test_under_a_shared_limit_neither_submissions_nor_polls_starve(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 40, "duration=120")
    assert rehearsal.run(total_rps=5, rps=5, poll_rps=50, poll_initial=1, poll_max=2).exit_code == 0
    posts, polls = ([at for at, _ in requests] for requests in (rehearsal.posts(), rehearsal.polls()))
    assert posts[-1] - posts[0] < 40 / (5 / 2) + 5, "half of the permits, while both want them"
    assert max(later - earlier for earlier, later in pairwise(polls)) < 5


def test_a_simulator_that_cannot_be_opened_leaves_a_summary(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3)
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "simulator.db").write_text("no database, but a rather long text " * 100)
    summary = rehearsal.run(simulate=True)
    assert (summary.exit_code, summary.queued) == (74, 3)
    assert "simulator.db" in (summary.reason or "")
    assert '"exit_code": 74' in (tmp_path / "job" / "summary.json").read_text()
    assert rehearsal.row_results() == {}


def test_the_rows_are_the_sum_of_the_states_also_under_a_lowered_limit(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 30, "duration=1")
    rehearsal.run(limit=12)
    summary = rehearsal.run(limit=7)
    assert (summary.rows, summary.completed, summary.queued) == (12, 12, 0)


def test_a_mistake_restores_the_directory_that_was_set_aside(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=1")
    rehearsal.run()
    before = sorted(tmp_path.rglob("*"))
    rehearsal.input.write_text(rehearsal.input.read_text() + "1,2,3\n")
    with pytest.raises(InputError, match="line 7"):
        rehearsal.run(fresh=True)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_signal_before_the_first_request_leaves_no_more_than_a_mistake_does(tmp_path: Path, elsewhere: bool) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=1")
    if elsewhere:
        rehearsal.options["checkpoint_dir"] = tmp_path / "local"
    rehearsal.run()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(KeyboardInterrupt), locked_directory(build_job(rehearsal.options), fresh=True, now=0):
        raise KeyboardInterrupt
    assert sorted(tmp_path.rglob("*")) == before


def test_a_mistake_leaves_nothing_in_a_directory_that_was_there(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=1")
    (tmp_path / "job").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="no column"):
        rehearsal.run(key="nothing")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_checkpoint_elsewhere_can_be_set_aside_too(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=1")
    elsewhere = tmp_path / "local"
    rehearsal.run(checkpoint_dir=elsewhere)
    assert not (tmp_path / "job" / "checkpoint.db").exists()
    assert rehearsal.run(checkpoint_dir=elsewhere, fresh=True).completed == 5
    assert len(rehearsal.posts()) == 10
    (aside,) = elsewhere.glob("job.*/checkpoint.db")
    assert rehearsal.run(checkpoint_dir=elsewhere, fresh=True).completed == 5
    assert len(list(elsewhere.glob("job.*/checkpoint.db"))) == 2
    assert aside.exists(), "what was set aside once stays where it is"


def test_failed_runs_submitted_again_in_an_outage_cost_no_attempt(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 12, "duration=1")
    rehearsal.answer = _between(rehearsal, 1, 60, 503)
    assert rehearsal.run(workflow_id="flaky", retry_failed_runs=True).exit_code == 0
    assert {row["attempts"] for number, row in rehearsal.outputs().items() if number != 5} == {2}


def test_an_outage_that_begins_with_a_lost_answer_excuses_the_held_rows(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 12, "duration=1")
    rehearsal.answer = lambda request: (
        Response({1: 503, 2: 503, 3: 503, 4: 502}[len(rehearsal.posts()) + 1], b"")
        if request.method == "POST" and len(rehearsal.posts()) < 4
        else None
    )
    assert rehearsal.run().in_doubt == 1
    assert {row["attempts"] for row in rehearsal.outputs().values()} == {1}


def test_silence_between_two_polls_is_no_outage(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=7200")
    rehearsal.answer = lambda request: Response(502, b"") if b'"id":"2"' in (request.body or b"") else None
    summary = rehearsal.run(poll_initial=1000, poll_max=1200, run_timeout=20000)
    assert (summary.completed, summary.in_doubt) == (2, 1)


def test_a_summary_that_cannot_be_written_changes_the_exit_code(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1")
    (tmp_path / "job" / "summary.json").mkdir(parents=True)
    assert rehearsal.run().exit_code == 74


def test_a_clock_that_jumps_back_loses_no_run(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "duration=40")
    rehearsal.run(max_runtime="10s", rps=5)
    rehearsal.keep_service_clock()
    rehearsal.clock.jump(-3600)
    rehearsal.run(run_timeout=7200)
    assert len(rehearsal.posts()) == 20
    assert not [row for row in rehearsal.errors().values() if row["error_kind"] == "lost"]


def test_errors_are_an_input_again(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 10, "fault=reject:id=3", "fault=reject:id=4", "duration=1")
    rehearsal.run()
    (tmp_path / "again").mkdir()
    again = Rehearsal(tmp_path / "again", 0)
    summary = again.run(input=tmp_path / "job" / "errors.parquet")
    assert (summary.rows, summary.exit_code) == (2, 0)
    table = pq.read_table(tmp_path / "again" / "job" / "outputs.parquet")
    assert table.column("id").to_pylist() == ["3", "4"]
    assert table.column("row").to_pylist() == [0, 1]


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 9])
def test_a_job_does_not_end_while_verdicts_are_being_recorded(tmp_path: Path, rows: int) -> None:
    rehearsal = Rehearsal(tmp_path, rows, "reject=1")
    summary = rehearsal.run(rps=200)
    assert (summary.exit_code, summary.failed, summary.queued) == (3, rows, 0)
    assert len(rehearsal.errors()) == rows


def test_the_recorded_folder_of_the_checkpoint_is_found_again(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 10, "duration=1")
    rehearsal.run(checkpoint_dir=tmp_path / "local", limit=5)
    assert rehearsal.run().completed == 10
    assert len(rehearsal.posts()) == 10
    with pytest.raises(InputError, match="local"):
        rehearsal.run(checkpoint_dir=tmp_path / "other")


def test_giving_the_values_in_force_is_no_difference(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=1")
    rehearsal.run()
    assert rehearsal.run(format="csv", encoding="UTF8", delimiter=",").exit_code == 0
    assert len(rehearsal.posts()) == 5


def test_polls_keep_their_rate_across_a_kill(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=60")
    rehearsal.run(kill_after=8, poll_rps=0.2)
    rehearsal.clock.jump(0.1)
    rehearsal.run(poll_rps=0.2)
    times = [at for at, _ in rehearsal.polls()]
    assert min(later - earlier for earlier, later in pairwise(times)) >= 5


def test_a_slower_rate_holds_from_the_next_permit_on(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 40, "duration=1")
    rehearsal.answer = lambda request: (
        Response(429, b"", {"retry-after": "1"}) if request.method == "POST" and len(rehearsal.posts()) == 10 else None
    )
    rehearsal.run(rps=10)
    after = [at for at, _ in rehearsal.posts()][12:18]
    assert (after[-1] - after[0]) / 5 > 0.11


def test_an_input_with_other_rows_while_the_job_runs_drains_it(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, [{"id": f"{number:>1000}"} for number in range(1200)], "latency=3", "duration=1")

    def change(_request: Request) -> None:
        if len(rehearsal.posts()) >= 300 and rehearsal.input.stat().st_size > 1_000_000:
            rehearsal.write(range(10))

    rehearsal.answer = change
    summary = rehearsal.run(rps=200, max_connections=700)
    assert (summary.exit_code, summary.in_doubt) == (74, 0)
    assert "changed" in (summary.reason or "")
    assert len(rehearsal.outputs()) == summary.completed > 0


def test_a_lowered_limit_sends_nothing_beyond_it(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "duration=100")
    rehearsal.run(max_runtime="2s", rps=4)
    sent = len(rehearsal.posts())
    assert 5 < sent < 20
    rehearsal.run(limit=5)
    assert len(rehearsal.posts()) == sent


def test_a_resumed_job_polls_the_oldest_runs_first(tmp_path: Path) -> None:
    """Services keep results for some days only. The first row is accepted last."""
    rehearsal = Rehearsal(tmp_path, 30, "duration=1000")
    rehearsal.answer = lambda request: (
        Response(503, b"") if request.method == "POST" and rehearsal.row_of(request.body or b"") == 0 else None
    )
    rehearsal.scheduled.append((3.0, lambda: setattr(rehearsal, "answer", lambda _: None)))
    rehearsal.run(max_runtime=30, rps=10)
    with closing(sqlite3.connect(tmp_path / "job" / "checkpoint.db")) as db:
        accepted = [
            f"/v1/workflow/history/{run_id}" for (run_id,) in db.execute("SELECT run_id FROM rows ORDER BY row")
        ]
    polled_before = len(rehearsal.polls())
    rehearsal.run(max_runtime=5)
    first = [path for _, path in rehearsal.polls()[polled_before:][:30]]
    assert first == [*accepted[1:], accepted[0]]
