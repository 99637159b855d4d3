"""How polls follow a run to its end: timeouts, unknown words, runs that are not found."""

from pathlib import Path

import pytest

from batchrun.ports import Request, Response
from tests.support.rehearsal import Rehearsal


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


def test_an_unknown_status_does_not_end_a_run(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 2, "duration=1")
    rehearsal.answer = lambda request: rehearsal.polled(request, status="dreaming") if request.method == "GET" else None
    assert rehearsal.run(run_timeout=60).timed_out == 2
    assert {row["error_kind"] for row in rehearsal.errors().values()} == {"unknown_status"}


def test_a_fresh_run_may_be_unknown_for_a_minute_and_is_lost_after_that(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "hidden=45", "duration=1")
    assert rehearsal.run().exit_code == 0
    (tmp_path / "lost").mkdir()
    lost = Rehearsal(tmp_path / "lost", 3, "hidden=100000")
    assert lost.run().failed == 3
    assert {row["error_kind"] for row in lost.errors().values()} == {"lost"}


def test_failed_polls_prove_nothing_about_the_run(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 30, "poll_error=0.4", "duration=5")
    assert rehearsal.run().exit_code == 0


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


def test_an_unknown_status_causes_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rehearsal = Rehearsal(tmp_path, 3)
    words = iter(["dreaming", "dreaming", "dreaming", "musing", "musing"])

    def answer(request: Request) -> Response | None:
        word = next(words, None) if request.method == "GET" else None
        return None if word is None else Response(200, b'{"status":"%s"}' % word.encode())

    rehearsal.answer = answer
    assert rehearsal.run().completed == 3
    warned = [record.getMessage() for record in caplog.records if "a word we do not know" in record.getMessage()]
    assert [message.split("'")[1] for message in warned] == ["dreaming", "musing"]


def test_words_that_are_long_or_many_are_not_repeated(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rehearsal = Rehearsal(tmp_path, 1)
    rehearsal.answer = lambda request: (
        rehearsal.polled(request, status=f"processing {len(rehearsal.polls())} % {'x' * 100_000}")
        if request.method == "GET"
        else None
    )
    assert rehearsal.run(run_timeout=100).timed_out == 1
    warned = [record.getMessage() for record in caplog.records if "a word we do not know" in record.getMessage()]
    assert len(warned) == 3
    assert warned[-1].endswith("further ones are not reported")
    (error,) = rehearsal.errors().values()
    assert error["error_kind"] == "unknown_status"
    assert "says 'processing " in error["error_message"]
    assert max(map(len, [*warned, error["error_message"]])) < 200


def test_a_run_is_polled_at_its_timeout_however_far_its_next_poll_was(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 1, "stuck=1")
    assert rehearsal.run(run_timeout=100, poll_initial=80, poll_max=3600).timed_out == 1
    accepted, last = rehearsal.posts()[0][0], rehearsal.polls()[-1][0]
    assert 100 <= last - accepted < 105
