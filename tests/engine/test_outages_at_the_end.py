"""An outage that meets the last rows of a job, or a job whose process is killed: no row pays for it with an attempt."""

from pathlib import Path

import pytest

from batchrun.ports import Request, Response
from tests.support.rehearsal import CALLED_BACK, Rehearsal


def row_sent(request: Request) -> int | None:
    """The row of a POST."""
    return None if request.method != "POST" else int((request.body or b"").partition(b'"id":"')[2].partition(b'"')[0])


def test_the_last_rows_wait_for_the_end_of_an_outage_that_polls_show(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 12, "duration=300")
    began = rehearsal.clock.now()

    def answer(request: Request) -> Response | None:
        is_out = 5_000 < rehearsal.clock.now() - began < 125_000
        return (
            Response(503, b"") if is_out or (row_sent(request) in {10, 11} and rehearsal.clock.now() == began) else None
        )

    rehearsal.answer = answer
    summary = rehearsal.run(rps=2, retries=1, max_in_flight=50)
    assert (summary.exit_code, summary.completed) == (0, 12)
    assert {row["attempts"] for row in rehearsal.outputs().values()} == {1}


def test_a_bad_row_at_the_end_is_exhausted_all_the_same(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 12, "duration=30")
    rehearsal.answer = lambda request: Response(503, b"") if row_sent(request) == 11 else None
    summary = rehearsal.run(rps=2, retries=2)
    assert (summary.completed, summary.failed) == (11, 1)
    assert rehearsal.errors()[11]["attempts"] == 3


@pytest.mark.parametrize("changes", range(1, 12))
def test_killed_in_an_outage_before_the_verdict_no_row_is_charged(tmp_path: Path, changes: int) -> None:
    rehearsal = Rehearsal(tmp_path, 9, "duration=1")
    began = rehearsal.clock.now()

    def answer(request: Request) -> Response | None:
        is_out = 700 < rehearsal.clock.now() - began < 60_000
        return Response(503, b"") if is_out and row_sent(request) is not None else None

    rehearsal.answer = answer
    rehearsal.run(rps=2, retries=0, kill_after=changes)
    summary = rehearsal.run(rps=2, retries=0, in_doubt="resubmit")
    assert (summary.completed, summary.exit_code) == (9, 0)


def test_a_run_that_seems_to_have_taken_days_prolongs_no_wait_for_callbacks(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 6, "duration=20", "fault=lost:id=5", "callback_never=1")
    rehearsal.run(rps=2, kill_after=9, run_timeout=600, **CALLED_BACK)
    rehearsal.clock.jump(3 * 86400)
    began = rehearsal.clock.now()
    assert rehearsal.run(rps=2, run_timeout=600, **CALLED_BACK).exit_code == 3
    assert rehearsal.clock.now() - began < 1_000_000, "at most the run timeout, and not twice three days"


def test_the_rate_holds_across_a_restart_whatever_the_clock_says(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 6, "duration=1")
    rehearsal.run(rps=0.5, kill_after=4)
    before = [at for at, _ in rehearsal.posts()]
    stopped = rehearsal.clock.now() / 1000
    rehearsal.clock.jump(3600)
    rehearsal.run(rps=0.5)
    after = rehearsal.posts()[len(before)][0] - 3600
    assert after - before[-1] >= 2
    assert after - stopped < 5


@pytest.mark.parametrize("longest", [5, 15, 100])
def test_a_job_gives_up_when_the_outage_has_lasted_as_long_as_it_waits(tmp_path: Path, longest: int) -> None:
    rehearsal = Rehearsal(tmp_path, 12, "duration=1")
    rehearsal.answer = lambda _request: Response(503, b"")
    began = rehearsal.clock.now()
    summary = rehearsal.run(rps=2, max_outage=longest)
    assert summary.exit_code == 75
    assert longest <= (rehearsal.clock.now() - began) / 1000 <= longest + 6, "a probe is made at the end of that time"
