"""Pauses that the service asks for: they are kept, reported, and bounded; and clocks that are set meanwhile."""

import logging
from pathlib import Path
from typing import Any

import pytest

from batchrun.ports import Request, Response
from tests.support.rehearsal import Answer, Rehearsal

LONG = ["86400", "1" + "0" * 300, "Fri, 31 Dec 2100 23:59:59 GMT"]
OPTIONS: dict[str, Any] = {"run_timeout": 600, "max_outage": 120, "poll_initial": 1, "poll_max": 5}


def once(rehearsal: Rehearsal, method: str, response: Response, row: int = 3) -> Answer:
    """Answer the first request of this method for this row in this way."""
    answered = list[Request]()

    def answer(request: Request) -> Response | None:
        about_row = method == "GET" or (request.method == "POST" and rehearsal.row_of(request.body or b"") == row)
        if request.method != method or answered or not about_row:
            return None
        answered.append(request)
        return response

    return answer


@pytest.mark.parametrize("retry_after", LONG)
def test_a_long_pause_of_submissions_ends_the_session_and_lets_polls_go_on(
    tmp_path: Path, retry_after: str, caplog: pytest.LogCaptureFixture
) -> None:
    rehearsal = Rehearsal(tmp_path, 10, "duration=40")
    rehearsal.answer = once(rehearsal, "POST", Response(429, b"", {"retry-after": retry_after}))
    started = rehearsal.clock.now()
    with caplog.at_level(logging.WARNING):
        summary = rehearsal.run(rps=5, **OPTIONS)
    assert summary.exit_code == 75, summary.reason
    assert summary.reason is not None
    assert "asked for pauses for 2 min" in summary.reason
    assert "HTTP 429" in summary.reason
    assert 115_000 < rehearsal.clock.now() - started < 130_000
    assert summary.completed > 0  # polls went on
    assert "submissions pause for" in caplog.text
    assert rehearsal.run(**OPTIONS).completed == 10
    assert len(rehearsal.posts()) == 11  # the refused one is not charged


def test_a_long_pause_of_polls_lets_submissions_go_on(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 10)
    rehearsal.answer = once(rehearsal, "GET", Response(429, b"", {"retry-after": "100000"}))
    summary = rehearsal.run(rps=0.2, **OPTIONS)
    assert (summary.exit_code, summary.queued) == (75, 0), summary.reason
    assert len(rehearsal.posts()) == 10


def test_a_pause_within_the_longest_outage_is_waited_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rehearsal = Rehearsal(tmp_path, 10)
    rehearsal.answer = once(rehearsal, "POST", Response(429, b"", {"retry-after": "100"}))
    with caplog.at_level(logging.WARNING):
        assert rehearsal.run(**OPTIONS).exit_code == 0
    assert "submissions pause for 100 s, until 2025-" in caplog.text


@pytest.mark.parametrize(("retry_after", "most"), [("300", 400), ("86400", 3700), ("1" + "0" * 300, 3700)])
def test_a_busy_service_delays_one_row_alone_an_hour_at_most(
    tmp_path: Path, retry_after: str, most: int, caplog: pytest.LogCaptureFixture
) -> None:
    rehearsal = Rehearsal(tmp_path, 10)
    rehearsal.answer = once(rehearsal, "POST", Response(503, b"", {"retry-after": retry_after}))
    started = rehearsal.clock.now()
    with caplog.at_level(logging.WARNING):
        summary = rehearsal.run(**OPTIONS)
    assert (summary.exit_code, summary.completed) == (0, 10), summary.reason
    assert 250 < (rehearsal.clock.now() - started) / 1000 < most
    assert "row 3 waits" in caplog.text
    others = [at for at, body in rehearsal.posts() if rehearsal.row_of(body) != 3]
    assert max(others) - started / 1000 < 10


def test_a_date_counts_from_the_clock_of_the_service(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 10)
    headers = {"date": "Fri, 31 Dec 2100 23:59:00 GMT", "retry-after": "Fri, 31 Dec 2100 23:59:20 GMT"}
    rehearsal.answer = once(rehearsal, "POST", Response(429, b"", headers))
    started = rehearsal.clock.now()
    assert rehearsal.run(**OPTIONS).exit_code == 0
    assert 20_000 < rehearsal.clock.now() - started < 40_000


@pytest.mark.parametrize("seconds", [-3600, -86_400, 3600])
def test_a_clock_that_is_set_between_sessions_delays_nothing(tmp_path: Path, seconds: int) -> None:
    rehearsal = Rehearsal(tmp_path, 80, "duration=5")
    rehearsal.answer = lambda request: Response(503, b"") if request.method == "POST" else None
    rehearsal.run(max_runtime=3, **OPTIONS)
    rehearsal.answer = lambda _: None
    rehearsal.keep_service_clock()
    rehearsal.clock.jump(seconds)
    started = rehearsal.clock.now()
    assert rehearsal.run(**OPTIONS).completed == 80
    assert rehearsal.clock.now() - started < 60_000


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_the_grace_of_a_404_is_a_minute_whatever_the_clock_says(tmp_path: Path, seconds: int) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=5")
    rehearsal.run(max_runtime=1, **OPTIONS)
    rehearsal.keep_service_clock()
    rehearsal.clock.jump(seconds)
    started = rehearsal.clock.now()
    gone = b'{"error": {"code": "NOT_FOUND", "message": "no such run"}}'
    rehearsal.answer = lambda request: Response(404, gone) if request.method == "GET" else None
    summary = rehearsal.run(**OPTIONS | {"run_timeout": 7200})
    assert summary.errors_by_kind == {"lost": 3}
    assert rehearsal.clock.now() - started < (120_000 if seconds < 0 else 10_000)
