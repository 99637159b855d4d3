"""Uploads that are refused, throttled or not answered: what becomes of the rows, and of the session."""

from pathlib import Path

import pytest

from batchrun.ports import Request, Response
from tests.engine.upload_jobs import job, recorded, references, rows_of, uploads_answered, write

# -- the service refuses, or is out


def test_a_refused_file_fails_its_rows_before_anything_is_paid(tmp_path: Path) -> None:
    write(tmp_path, a="alpha", bad="beta")
    rehearsal = job(tmp_path, rows_of(["bad", "a", "bad", "a", "bad"]), "answer=upload:413:name=bad")
    assert rehearsal.run().exit_code == 3
    assert set(rehearsal.outputs()) == {1, 3}
    errors = rehearsal.errors()
    assert {(row["error_kind"], row["http_status"], row["attempts"]) for row in errors.values()} == {
        ("rejected", 413, 0)
    }
    assert set(references(rehearsal)) == {1, 3}
    assert len(rehearsal.uploads()) == 2
    assert "bad: the upload was refused" in errors[0]["error_message"]


def test_a_code_of_the_service_refuses_a_file_too(tmp_path: Path) -> None:
    write(tmp_path, a="alpha", b="beta")
    rehearsal = job(tmp_path, rows_of("ab"), max_connections=1)
    uploads_answered(rehearsal, lambda n: Response(200, b'{"code":4303,"msg":"bad file"}') if n == 1 else None)
    assert rehearsal.run().exit_code == 3
    assert [(row["error_kind"], row["error_code"]) for row in rehearsal.errors().values()] == [("rejected", "4303")]


@pytest.mark.parametrize("throttle", ["retry-after", "429", "4013"])
def test_a_429_pauses_and_costs_no_row_anything(tmp_path: Path, throttle: str) -> None:
    names = [f"f{number}" for number in range(12)]
    write(tmp_path, **{name: name for name in names})
    rehearsal = job(tmp_path, rows_of(names), "upload_rps=3", f"throttle={throttle}")
    summary = rehearsal.run()
    assert (summary.exit_code, summary.completed) == (0, 12)
    assert summary.throttled > 0
    assert len(recorded(rehearsal)) == 12
    assert all(row["attempts"] == 1 for row in rehearsal.outputs().values())


@pytest.mark.parametrize(("plan", "most"), [(None, 10), ("team", 20)])
def test_uploads_go_at_the_rate_of_the_plan(tmp_path: Path, plan: str | None, most: int) -> None:
    names = [f"f{number}" for number in range(60)]
    write(tmp_path, **{name: name for name in names})
    rehearsal = job(tmp_path, rows_of(names), plan=plan)
    assert rehearsal.run().exit_code == 0
    times = rehearsal.uploads()
    assert max(sum(at <= other < at + 1 for other in times) for at in times) <= most
    assert times[-1] - times[0] < 1.2 * 60 / most


def test_an_outage_is_waited_out_and_no_file_is_charged(tmp_path: Path) -> None:
    write(tmp_path, a="alpha", b="beta")
    rehearsal = job(tmp_path, rows_of("abab"), retries=0)
    began = rehearsal.clock.now()

    def answer(request: Request) -> Response | None:
        out = request.content is not None and rehearsal.clock.now() < began + 300_000
        return Response(502, b"bad gateway") if out else None

    rehearsal.answer = answer
    summary = rehearsal.run()
    assert (summary.exit_code, summary.completed) == (0, 4)
    assert 10 < len(rehearsal.uploads()) < 30


def test_an_endless_outage_ends_the_session(tmp_path: Path) -> None:
    write(tmp_path, a="alpha")
    rehearsal = job(tmp_path, rows_of("aa"))
    uploads_answered(rehearsal, lambda _: Response(502, b"bad gateway"))
    assert rehearsal.run(max_outage=60).exit_code == 75
    rehearsal.answer = lambda _request: None
    assert rehearsal.run().exit_code == 0


def test_a_file_that_the_service_cannot_bear_uses_up_its_retries(tmp_path: Path) -> None:
    write(tmp_path, bad="bad", **{f"f{number}": str(number) for number in range(20)})
    names = ["bad", *(f"f{number}" for number in range(20))]
    rehearsal = job(tmp_path, rows_of(names), "answer=upload:500:name=bad", retries=1)
    assert rehearsal.run().exit_code == 3
    assert [(row["row"], row["error_kind"]) for row in rehearsal.errors().values()] == [(0, "exhausted")]
    assert len(rehearsal.uploads()) == 20 + 3


def test_refused_credentials_stop_the_job_and_rows_stay_queued(tmp_path: Path) -> None:
    write(tmp_path, a="alpha")
    rehearsal = job(tmp_path, rows_of("aaa"))
    uploads_answered(rehearsal, lambda _: Response(200, b'{"code":4100,"msg":"no token"}'))
    summary = rehearsal.run()
    assert (summary.exit_code, summary.queued) == (4, 3)
    assert "4100" in (summary.reason or "")
    assert rehearsal.posts() == []
    rehearsal.answer = lambda _request: None
    assert rehearsal.run().exit_code == 0


def test_an_outage_of_submissions_does_not_upload_ahead(tmp_path: Path) -> None:
    names = [f"f{number}" for number in range(300)]
    write(tmp_path, **{name: name for name in names})
    rehearsal = job(tmp_path, rows_of(names))
    began = rehearsal.clock.now()

    def answer(request: Request) -> Response | None:
        out = request.body is not None and rehearsal.clock.now() < began + 300_000
        return Response(503, b"out") if out else None

    rehearsal.answer = answer
    rehearsal.run(limit=300, max_runtime=200)
    assert len(rehearsal.uploads()) < 100


def test_a_drain_waits_for_uploads_and_records_them(tmp_path: Path) -> None:
    write(tmp_path, a="alpha", b="beta")
    rehearsal = job(tmp_path, rows_of("ab"), "latency=5", rps=0.01)
    # The request for the workflow is answered at once, so that the time runs out in the middle of the uploads.
    rehearsal.answer = lambda request: Response(404, b"") if "include_input_output" in request.path else None
    summary = rehearsal.run(max_runtime=2)
    assert (summary.exit_code, summary.queued, len(recorded(rehearsal))) == (75, 2, 2)
    assert rehearsal.run(rps=50).exit_code == 0
    assert len(rehearsal.uploads()) == 2


def test_a_drain_starts_no_further_upload(tmp_path: Path) -> None:
    names = [f"f{number}" for number in range(60)]
    write(tmp_path, **{name: name for name in names})
    rehearsal = job(tmp_path, rows_of(names), rps=0.01)
    assert rehearsal.run(max_runtime=2).exit_code == 75
    assert len(rehearsal.uploads()) == len(recorded(rehearsal)) <= 30
    assert rehearsal.run(rps=50).exit_code == 0
    assert len(rehearsal.uploads()) == 60


def test_a_drain_cuts_uploads_that_take_too_long(tmp_path: Path) -> None:
    write(tmp_path, a="alpha")
    rehearsal = job(tmp_path, rows_of("a"), "latency=25")
    began = rehearsal.clock.now()
    assert rehearsal.run(max_runtime=2, drain_timeout=3).exit_code == 75
    assert rehearsal.clock.now() - began < 1000 * (25 + 2 + 3 + 2), "the request before the first row took 25 s"
    assert recorded(rehearsal) == []


def test_one_connection_is_enough_for_uploads_submissions_and_polls(tmp_path: Path) -> None:
    write(tmp_path, a="alpha", b="beta")
    rehearsal = job(tmp_path, rows_of("abab"), "latency=1", max_connections=1)
    assert rehearsal.run().exit_code == 0
    assert len(rehearsal.uploads()) == 2
