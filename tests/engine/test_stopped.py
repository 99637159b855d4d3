"""What happens to requests and runs in progress when a job stops early."""

from pathlib import Path

from batchrun.ports import Response
from tests.support.rehearsal import Rehearsal


def test_polls_that_are_not_answered_soon_are_left_to_the_next_command(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=4")
    rehearsal.scheduled.append((3.5, lambda: rehearsal.serve("latency=60")))
    summary = rehearsal.run(max_runtime="10s", poll_initial=4, poll_max=4)
    assert (summary.exit_code, summary.running) == (75, 3)
    assert summary.elapsed_s < 14
    rehearsal.serve()
    assert rehearsal.run().completed == 3
    assert len(rehearsal.posts()) == 3


def test_posts_waiting_for_a_permit_in_a_pause_are_not_sent(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 60, "duration=1", "latency=0.5")
    rehearsal.answer = lambda request: (
        Response(429, b"", {"retry-after": "60"}) if request.method == "POST" and len(rehearsal.posts()) == 20 else None
    )
    summary = rehearsal.run(rps=50, max_runtime="5s")
    assert (summary.exit_code, summary.in_doubt) == (75, 0)
    assert summary.elapsed_s < 8, "nothing is in the air that would have to be waited for"
    rehearsal.answer = lambda _: None
    assert rehearsal.run().completed == 60
    assert {row["attempts"] for row in rehearsal.outputs().values()} == {1}


def test_a_row_whose_refusal_is_undecided_when_the_job_stops_is_not_charged(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 10, "duration=1")
    rehearsal.answer = lambda request: Response(400 if b'"id":"0"' in (request.body or b"") else 403, b"")
    summary = rehearsal.run()
    assert (summary.exit_code, summary.queued, len(rehearsal.posts())) == (4, 10, 2)
    rehearsal.answer = lambda _: None
    assert rehearsal.run().completed == 10
    assert {row["attempts"] for row in rehearsal.outputs().values()} == {1}


def test_runs_left_by_a_command_take_slots_in_the_next(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 12, "duration=60")
    assert rehearsal.run(max_in_flight=4, max_runtime="5s").running == 4
    before = len(rehearsal.posts())
    began = rehearsal.clock.now() / 1000
    assert rehearsal.run(max_in_flight=4).completed == 12
    assert min(at for at, _ in rehearsal.posts()[before:]) >= began + 50


def test_a_row_whose_attempts_were_used_up_when_the_process_died_is_not_sent_again(tmp_path: Path) -> None:
    for changes in range(1, 14):
        (tmp_path / str(changes)).mkdir()
        rehearsal = Rehearsal(tmp_path / str(changes), 4, "duration=1")
        rehearsal.answer = lambda request: Response(503, b"") if b'"id":"2"' in (request.body or b"") else None
        rehearsal.run(retries=1, kill_after=changes)
        rehearsal.clock.jump(5)
        rehearsal.run(retries=1)
        sent = [rehearsal.row_of(body) for _, body in rehearsal.posts()]
        assert sent.count(2) <= 2, f"killed after {changes} changes"


def test_a_row_whose_refusal_is_not_judged_yet_when_the_job_stops_is_excused(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1")
    rehearsal.answer = lambda request: Response(400, b"{}") if request.method == "POST" else None
    summary = rehearsal.run(rps=0.2, max_runtime=2)
    assert (summary.exit_code, summary.queued, len(rehearsal.posts())) == (75, 3, 1)
    rehearsal.answer = lambda _: None
    assert rehearsal.run(retries=0).completed == 3
    assert {row["attempts"] for row in rehearsal.outputs().values()} == {1}, "the refusal was not counted"
