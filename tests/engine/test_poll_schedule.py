"""Polls follow the durations of runs in whole jobs: also after a restart, with callbacks, and switched off."""

from pathlib import Path
from statistics import mean
from typing import Any

import msgspec
import pytest

from batchrun.ports import Request, Response
from tests.support.rehearsal import CALLED_BACK, Rehearsal


def lags(rehearsal: Rehearsal, first: int = 0) -> list[float]:
    """The lag of each run from this row on: seconds from its end to the poll that found it."""
    rows = rehearsal.outputs()
    return [(row["finished_at"] - row["updated_at"]).total_seconds() for number, row in rows.items() if number >= first]


def done(folder: Path, rows: int, *faults: str, **options: Any) -> Rehearsal:
    folder.mkdir()
    rehearsal = Rehearsal(folder, rows, *faults)
    assert rehearsal.run(**options).exit_code == 0
    return rehearsal


def test_a_job_learns_and_finds_ends_sooner_with_no_more_polls(tmp_path: Path) -> None:
    learned = done(tmp_path / "l", 130, "duration=normal:20,1", rps=2)
    doubled = done(tmp_path / "d", 130, "duration=normal:20,1", rps=2, poll_schedule="exponential")
    assert mean(lags(learned, 115)) < 0.3 * mean(lags(doubled, 115))
    assert len(learned.polls()) <= len(doubled.polls())


def test_a_small_job_is_polled_as_if_nothing_were_learned(tmp_path: Path) -> None:
    jobs = [
        done(tmp_path / schedule, 30, "duration=uniform:5,60", poll_schedule=schedule)
        for schedule in ("learned", "exponential")
    ]
    assert jobs[0].requests == jobs[1].requests


def test_a_limit_of_polls_is_reached_at_intervals_that_double(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 80, "duration=4")
    rehearsal.scheduled.append((20.0, lambda: rehearsal.serve("duration=25")))
    assert rehearsal.run(rps=3, max_polls=5).exit_code == 0, "1, 3, 7, 15, 31 s"


def test_the_same_seed_learns_the_same(tmp_path: Path) -> None:
    first, second = (done(tmp_path / name, 90, "duration=lognormal:5,15", rps=5) for name in "ab")
    assert first.polls() == second.polls()


@pytest.mark.parametrize("factor", [0.25, 4.0])
def test_a_drift_of_durations_leaves_no_run_unpolled(tmp_path: Path, factor: float) -> None:
    rehearsal = Rehearsal(tmp_path, 160, "duration=normal:20,2")
    rehearsal.scheduled.append((40.0, lambda: rehearsal.serve(f"duration=normal:{20 * factor:g},2")))
    rehearsal.run(rps=5, poll_max=60)
    assert max(lags(rehearsal)) <= 62
    assert mean(lags(rehearsal, 150)) < 0.5 * 20 * factor


def test_runs_of_an_earlier_command_are_polled_by_their_age(tmp_path: Path) -> None:
    """After a kill, running runs are polled at once, and later runs according to what was learned."""
    rehearsal = Rehearsal(tmp_path, 130, "duration=normal:40,2")
    rehearsal.run(rps=2, kill_after=300)
    assert rehearsal.run(rps=2, in_doubt="resubmit").exit_code == 0
    assert mean(lags(rehearsal, 115)) < 5


def test_without_times_of_the_service_our_own_are_used(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 150, "duration=normal:25,2")
    begun: dict[str, float] = {}

    def answer(request: Request) -> Response | None:
        now = rehearsal.clock.now() / 1000
        if request.method == "POST":
            begun[f"r{rehearsal.row_of(request.body or b'')}"] = now
            run_id, status = list(begun)[-1], "pending"
        else:
            run_id = request.path.rpartition("=")[2] if "=" in request.path else request.path.rpartition("/")[2]
            run_id = next(known for known in begun if known == run_id or f"{known}&" in f"{request.path}&")
            status = "completed" if now - begun[run_id] > 25 + len(run_id) % 2 else "running"
        body: dict[str, Any] = {"run_id": run_id, "status": status} | ({"outputs": {}} if status == "completed" else {})
        return Response(200, msgspec.json.encode(body))

    rehearsal.answer = answer
    assert rehearsal.run(rps=3).exit_code == 0
    late = [row["polls"] for number, row in rehearsal.outputs().items() if number >= 110]
    assert max(late) <= 8  # doubling intervals need five polls (1, 3, 7, 15, 31 s), the last one 5 s late
    ends = [
        row["finished_at"].timestamp() - begun[row["run_id"]] - 25
        for number, row in rehearsal.outputs().items()
        if number >= 110
    ]
    assert mean(ends) < 3


def test_callbacks_still_stretch_the_waits(tmp_path: Path) -> None:
    summary = Rehearsal(tmp_path, 120, "duration=normal:20,2").run(rps=5, **CALLED_BACK)
    assert summary.polls < 1.4 * 120


def test_the_schedule_may_change_between_sessions(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 60, "duration=5")
    rehearsal.run(kill_after=80)
    assert rehearsal.run(poll_schedule="exponential", in_doubt="resubmit").exit_code == 0


def test_with_many_runs_polls_leave_together_and_hardly_late(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 700, "duration=5")
    rehearsal.run(rps=2000, poll_rps=10_000, max_in_flight=1000, poll_schedule="exponential")
    first = dict[str, float]()
    for at, path in rehearsal.polls():
        first.setdefault(path, at)
    moments = {round(at, 4) for at in first.values()}
    assert len(first) == 700
    assert len(moments) < 100
    posted = [at for at, _ in rehearsal.posts()]
    assert max(first.values()) < max(posted) + 1.1 + 0.05, "the first poll is due after 1 s, less or more a tenth"


def test_a_poll_that_is_postponed_releases_its_connection(tmp_path: Path) -> None:
    """Callbacks become trusted while a run is due: its poll is postponed for about a minute."""
    rows = [{"id": str(row), "seconds": "12" if row < 3 else "150"} for row in range(12)]
    rehearsal = Rehearsal(tmp_path, rows)
    options = CALLED_BACK | {"workflow_id": "sleepy", "poll_rps": 1, "poll_max": 10, "max_runtime": "20m"}
    summary = rehearsal.run(max_connections=1, **options)
    assert (summary.exit_code, summary.completed) == (0, 12)
