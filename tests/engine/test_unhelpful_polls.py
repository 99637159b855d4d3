"""A run that cannot be polled ends its row in time; it neither keeps the job from ending nor stops it."""

from pathlib import Path
from typing import Any

import pytest

from batchrun.engine.unhelpful_polls import MAX_REFUSED
from batchrun.ports import Request, Response, TransportError
from tests.support.rehearsal import Rehearsal

ERROR = b'{"error": {"code": "INTERNAL", "message": "cannot load run"}}'
ANSWERS: dict[str, Response | TransportError] = {
    **{str(status): Response(status, ERROR) for status in (401, 402, 403, 405, 408, 429, 500, 502, 503, 504)},
    "retry_after": Response(429, ERROR, {"retry-after": "1"}),
    "empty_500": Response(500, b""),
    "redirect": Response(302, b""),
    "page": Response(200, b"<html>sign in</html>"),
    "list": Response(200, b"[]"),
    "not_found_of_a_proxy": Response(418, b"teapot"),
    "reset": TransportError("the connection was reset", sent=True),
    "hang": TransportError("no answer within 30 s", sent=True, timed_out=True),
    "refused": TransportError("connection refused", sent=False),
}
COMPLETED = Response(200, b'{"run_id": "odd", "status": "completed", "outputs": {"late": true}}')
OPTIONS: dict[str, Any] = {"run_timeout": 30, "max_outage": 60, "poll_initial": 1, "poll_max": 5}


def unpollable(rehearsal: Rehearsal, said: Response | TransportError, row: int = 4) -> None:
    """Let every poll of this row's run be answered in this way."""

    def answer(request: Request) -> Response | TransportError | None:
        if request.method == "POST":
            mine = rehearsal.row_of(request.body or b"") == row
            return Response(200, b'{"run_id": "odd", "status": "pending"}') if mine else None
        return said if request.path.endswith("/odd") else None

    rehearsal.answer = answer


@pytest.mark.parametrize("name", ANSWERS)
def test_one_run_of_five_cannot_be_polled(tmp_path: Path, name: str) -> None:
    rehearsal = Rehearsal(tmp_path, 5)
    unpollable(rehearsal, ANSWERS[name])
    summary = rehearsal.run(**OPTIONS)
    assert (summary.exit_code, summary.completed, summary.timed_out) == (3, 4, 1), summary.reason
    (error,) = rehearsal.errors().values()
    assert (error["row"], error["error_kind"]) == (4, "timeout")
    said = ANSWERS[name]
    assert (str(said) if isinstance(said, TransportError) else str(said.status)) in error["error_message"]
    # The ended job can be run again, and the row be retried: it is polled once more, and then submitted again.
    again = rehearsal.run(**OPTIONS)
    assert (again.exit_code, again.timed_out, len(rehearsal.posts())) == (3, 1, 5), again.reason
    unpollable(rehearsal, COMPLETED)
    retried = rehearsal.retry([4], **OPTIONS)
    assert (retried.exit_code, retried.completed) == (0, 5)
    assert len(rehearsal.posts()) == 5  # its run was found completed


@pytest.mark.parametrize("name", ["500", "401", "reset", "429"])
def test_the_only_run_ends_after_the_longest_outage(tmp_path: Path, name: str) -> None:
    """Nothing shows whether it is the run or the service. A refused token is reported meanwhile."""
    rehearsal = Rehearsal(tmp_path, 1)
    unpollable(rehearsal, ANSWERS[name], row=0)
    codes = list[int | None]()
    started = rehearsal.clock.now()
    while not codes or codes[-1] != 3:
        summary = rehearsal.run(**OPTIONS)
        codes.append(summary.exit_code)
        assert rehearsal.clock.now() - started < 300_000
        rehearsal.clock.jump(10)
    assert rehearsal.errors()[0]["error_kind"] == "timeout"
    assert set(codes) <= ({4, 3} if name == "401" else {3})


@pytest.mark.parametrize("name", ["500", "401", "reset", "429"])
def test_a_service_that_is_out_for_all_ends_no_row(tmp_path: Path, name: str) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "duration=5")
    assert rehearsal.run(limit=10, **OPTIONS).completed == 10
    rehearsal.answer = lambda request: ANSWERS[name] if request.method == "GET" else None
    summary = rehearsal.run(**OPTIONS)
    assert (summary.exit_code, summary.running, summary.timed_out) == (4 if name == "401" else 75, 10, 0)
    assert summary.reason is not None
    assert str(ANSWERS[name]) in summary.reason or "INTERNAL" in summary.reason
    rehearsal.answer = lambda _: None
    assert rehearsal.run(**OPTIONS).completed == 20


def test_a_refused_token_stops_a_job_of_many_runs_soon(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 200, "duration=60")
    rehearsal.answer = lambda request: ANSWERS["401"] if request.method == "GET" else None
    summary = rehearsal.run(**OPTIONS)
    assert summary.exit_code == 4, summary.reason
    assert len(rehearsal.polls()) < 20
    assert len(rehearsal.posts()) < 200


def test_one_refused_run_among_many_is_only_that_run(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 200, "duration=10")
    unpollable(rehearsal, ANSWERS["403"], row=0)
    summary = rehearsal.run(**OPTIONS)
    assert (summary.exit_code, summary.completed, summary.timed_out) == (3, 199, 1)


def test_several_runs_that_are_refused_wait_for_a_health_check(tmp_path: Path) -> None:
    """Six runs of nine are refused for good. The three completed ones prove that the token is valid."""
    rehearsal = Rehearsal(tmp_path, 9)

    def answer(request: Request) -> Response | None:
        if request.method == "POST":
            row = rehearsal.row_of(request.body or b"")
            return Response(200, b'{"run_id": "odd-%d", "status": "pending"}' % row) if row > 2 else None
        return Response(403, ERROR) if "/odd-" in request.path else None

    rehearsal.answer = answer
    summary = rehearsal.run(**OPTIONS)
    assert (summary.exit_code, summary.completed, summary.timed_out) == (3, 3, 6), summary.reason


def test_refused_runs_between_others_that_are_polled_well_stop_nothing(tmp_path: Path) -> None:
    """No run has been completed yet that could be polled as a health check, but polls have been answered in between."""
    rehearsal = Rehearsal(tmp_path, 40, "duration=20")
    refused = set[str]()

    def answer(request: Request) -> Response | None:
        if request.method == "GET" and len(rehearsal.polls()) % 4 == 0 and rehearsal.clock.now() - started < 15_000:
            refused.add(request.path)
        is_refused = request.method == "GET" and request.path in refused
        return Response(403, b'{"error": {"code": "FORBIDDEN", "message": "not yours"}}') if is_refused else None

    started = rehearsal.clock.now()
    rehearsal.answer = answer
    summary = rehearsal.run(**OPTIONS)
    assert len(refused) > MAX_REFUSED
    assert (summary.exit_code, summary.completed + summary.timed_out) == (3, 40), summary.reason
    assert summary.timed_out == len(refused)


def test_an_outage_when_a_late_session_begins_ends_no_row(tmp_path: Path) -> None:
    """All runs have long been over their time, none has been completed, and the network is not back yet."""
    rehearsal = Rehearsal(tmp_path, 2, "duration=100")
    assert rehearsal.run(max_runtime="10s", **OPTIONS | {"run_timeout": 600}).running == 2
    rehearsal.clock.jump(8 * 3600)
    began = rehearsal.clock.now()
    rehearsal.answer = lambda _: (
        TransportError("no route to host", sent=False) if rehearsal.clock.now() - began < 20_000 else None
    )
    summary = rehearsal.run(**OPTIONS | {"run_timeout": 600})
    assert (summary.exit_code, summary.completed) == (0, 2), summary.reason


def test_max_polls_counts_unhelpful_polls(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5)
    unpollable(rehearsal, ANSWERS["500"])
    summary = rehearsal.run(**OPTIONS | {"run_timeout": 3600, "max_polls": 4})
    assert (summary.exit_code, summary.timed_out) == (3, 1)
    assert sum(path.endswith("/odd") for _, path in rehearsal.polls()) <= 6


def test_a_retry_of_a_run_that_cannot_be_polled_submits_it_again(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5)
    unpollable(rehearsal, ANSWERS["500"])
    assert rehearsal.run(**OPTIONS).timed_out == 1
    rehearsal.answer = lambda request: ANSWERS["500"] if request.path.endswith("/odd") else None
    summary = rehearsal.retry([4], **OPTIONS)
    assert (summary.exit_code, summary.completed) == (0, 5), summary.reason
    assert len(rehearsal.posts()) == 6
    assert rehearsal.outputs()[4]["attempts"] == 2


def test_a_single_accident_at_the_deadline_ends_no_row(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "duration=29.9")
    failed = set[str]()

    def answer(request: Request) -> Response | None:
        if request.method == "GET" and rehearsal.clock.now() - started > 29_000 and request.path not in failed:
            failed.add(request.path)
            return Response(502, b"")
        return None

    rehearsal.answer = answer
    started = rehearsal.clock.now()
    assert rehearsal.run(**OPTIONS).completed == 20
    assert failed
