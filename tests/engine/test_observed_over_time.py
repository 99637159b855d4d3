"""The time series of whole jobs: it adds up to the counts of the job, and shows throttling and outages."""

from pathlib import Path

from batchrun.adapters.checkpoint import connection, session_reader
from batchrun.adapters.checkpoint.time_series import time_series
from batchrun.domain.time_series import MAX_INTERVALS, Interval
from batchrun.ports import Request, Response, TransportError
from tests.support.rehearsal import Rehearsal


def series_of(rehearsal: Rehearsal) -> list[list[Interval]]:
    with connection.open_reader(rehearsal.folder / "job" / "checkpoint.db") as db:
        return list(time_series(db).values())


def total(intervals: list[Interval], name: str) -> float:
    return sum(float(getattr(one, name)) for one in intervals)


def test_it_adds_up_to_what_the_session_counted(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 300, "fail=0.1", "duration=lognormal:5,20")
    summary = rehearsal.run()
    (found,) = series_of(rehearsal)
    for name in ("submissions", "polls", "throttled", "completed", "failed", "timed_out"):
        assert total(found, name) == getattr(summary, name), name
    assert abs(total(found, "observed_ms") / 1000 - summary.elapsed_s) < 1
    assert 0 < max(one.in_flight for one in found) <= 300
    assert max(one.allowed / one.seconds for one in found) == 50
    with connection.open_reader(rehearsal.folder / "job" / "checkpoint.db") as db:
        (session,) = session_reader.sessions(db)
    assert abs(found[0].at - session.started_at) < 1000
    assert found[-1].at <= (session.ended_at or 0)


def test_a_quota_shows_as_a_lower_rate_and_pauses_and_a_job_of_hours_stays_bounded(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 60, "rps=5", "duration=2000", "pending=0")
    rehearsal.run(rps=20, poll_initial=900, poll_max=900)
    (found,) = series_of(rehearsal)
    assert len(found) <= MAX_INTERVALS
    assert total(found, "throttled") > 0
    assert total(found, "paused_ms") > 0
    assert total(found, "outage_ms") == 0
    assert min(one.allowed / one.seconds for one in found) < 10
    assert total(found, "submissions") == 60 + total(found, "throttled")
    assert found[-1].at - found[0].at > 2000 * 1000


def test_pauses_are_as_long_as_the_summary_says(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 200, "rps=10", "duration=2", "pending=0")
    summary = rehearsal.run(rps=20)
    (found,) = series_of(rehearsal)
    assert summary.interruptions.paused_s >= 2
    assert abs(total(found, "paused_ms") / 1000 - summary.interruptions.paused_s) < 0.1


def test_an_outage_shows_and_each_session_has_a_series_of_its_own(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 200, "duration=1")
    rehearsal.run(max_runtime=2)
    out_from = rehearsal.clock.now() + 1000

    def answer(_request: Request) -> Response | TransportError | None:
        is_out = out_from <= rehearsal.clock.now() < out_from + 5000
        return TransportError("refused", sent=False) if is_out else None

    rehearsal.answer = answer
    rehearsal.run()
    first, second = series_of(rehearsal)
    assert total(first, "outage_ms") == 0
    assert total(second, "outage_ms") > 1000
    assert first[-1].at < second[0].at
    assert total(first, "completed") + total(second, "completed") == 200


def test_a_kill_loses_only_the_last_seconds(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 300, "duration=4", "pending=0")
    rehearsal.run(rps=10, kill_after=300)
    (found,) = series_of(rehearsal)
    at = rehearsal.clock.now()
    assert at - (found[-1].at + found[-1].observed_ms) < 5000
