"""Runs that cannot be polled, several or first in line: the others are collected, and the job ends.

Each kind of answer that concerns all requests (failures, pauses, refused tokens) is given for some runs alone, and for
all of them.
"""

from collections.abc import Callable, Collection
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from batchrun.domain.summary import Summary
from batchrun.ports import Request, Response, TransportError
from tests.support.rehearsal import Rehearsal

ERROR = b'{"error": {"code": "INTERNAL", "message": "cannot load run"}}'
LONG_PAUSE = Response(429, ERROR, {"retry-after": "3600"})
FAILURES: dict[str, Response | TransportError] = {
    "500": Response(500, ERROR),
    "reset": TransportError("the connection was reset", sent=True),
}
OPTIONS: dict[str, Any] = {
    "run_timeout": 30,
    "max_outage": 60,
    "poll_initial": 1,
    "poll_max": 5,
    "rps": 40,
    "poll_rps": 50,
}
OPTIONS |= {"poll_rps": 50}
MAX_SESSIONS = 12


def odd_polls(
    rehearsal: Rehearsal, odd: Callable[[int], bool], said: Response | TransportError, seconds: float = 0.0
) -> None:
    """Let all polls of these rows' runs be answered in this way, and the other runs end `seconds` after their POST."""
    started = dict[str, float]()

    def answer(request: Request) -> Response | TransportError | None:
        now = rehearsal.clock.now() / 1000
        if request.method == "POST":
            row = rehearsal.row_of(request.body or b"")
            run_id = f"{'odd' if odd(row) else 'run'}-{row}-{len(rehearsal.posts())}"
            started[run_id] = now
            return Response(200, b'{"run_id": "%s", "status": "pending"}' % run_id.encode())
        run_id = request.path.rpartition("/")[2]
        if run_id.startswith("odd-"):
            return said
        if now < started[run_id] + seconds:
            return rehearsal.polled(request, status="running")
        return rehearsal.polled(request, status="completed", outputs={})

    rehearsal.answer = answer


def sessions(rehearsal: Rehearsal, codes: Collection[int] = (3,), pause: float = 10, **options: Any) -> list[Summary]:
    """Run sessions until one ends with one of these codes."""
    found = list[Summary]()
    for _ in range(MAX_SESSIONS):
        found.append(rehearsal.run(**OPTIONS | options))
        if found[-1].exit_code in codes:
            return found
        rehearsal.clock.jump(pause)
    raise AssertionError([(one.exit_code, one.completed, one.timed_out, one.reason) for one in found])


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("odd", [8, 20, 30, 38])
@pytest.mark.parametrize("first", [True, False])
def test_many_runs_of_40_that_cannot_be_polled(tmp_path: Path, name: str, odd: int, first: bool) -> None:
    rehearsal = Rehearsal(tmp_path, 40)
    odd_polls(rehearsal, lambda row: row < odd if first else row >= 40 - odd, FAILURES[name])
    summary = sessions(rehearsal)[-1]
    assert (summary.completed, summary.timed_out) == (40 - odd, odd)


@pytest.mark.parametrize("odd", [20, 38])
def test_many_unpollable_runs_of_an_earlier_session_are_not_the_only_probes(tmp_path: Path, odd: int) -> None:
    """The oldest runs are polled first: all of them fail, and nothing was ever completed."""
    rehearsal = Rehearsal(tmp_path, 40)
    odd_polls(rehearsal, lambda row: row < odd, FAILURES["500"])
    assert rehearsal.run(**OPTIONS | {"max_runtime": 1, "poll_initial": 5}).running == 40
    ended = sessions(rehearsal, run_timeout=3600, max_outage=30, codes=(0, 3, 75))
    while ended[-1].completed < 40 - odd:
        assert len(ended) < 6, ended[-1]
        ended += sessions(rehearsal, run_timeout=3600, max_outage=30, codes=(0, 3, 75))
    assert sessions(rehearsal, pause=3600)[-1].timed_out == odd


@pytest.mark.parametrize("completed_before", [0, 5])
def test_an_outage_of_all_polls_sends_one_probe_at_a_time(tmp_path: Path, completed_before: int) -> None:
    rehearsal = Rehearsal(tmp_path, 100, "duration=20")
    if completed_before:
        assert rehearsal.run(limit=completed_before, **OPTIONS).completed == completed_before
    is_out = [True]
    rehearsal.answer = lambda request: FAILURES["500"] if request.method == "GET" and is_out[0] else None
    for _ in range(2):
        before = len(rehearsal.polls())
        summary = rehearsal.run(**OPTIONS | {"run_timeout": 3600})
        assert (summary.exit_code, summary.running) == (75, 100 - completed_before), summary.reason
        assert "service unavailable" in (summary.reason or "")
        assert len(rehearsal.polls()) - before <= 120, "each run fails once at the most, and then there are probes"
    is_out[0] = False
    assert rehearsal.run(**OPTIONS).completed == 100


def test_an_outage_among_runs_that_are_not_visible_yet_is_noticed(tmp_path: Path) -> None:
    """A poll that finds nothing yet was answered: it does not count among the unhelpful ones."""
    rehearsal = Rehearsal(tmp_path, 100, "duration=90", "hidden=10")
    started = rehearsal.clock.now()

    def answer(request: Request) -> Response | TransportError | None:
        is_out = 9 <= (rehearsal.clock.now() - started) / 1000 < 120
        return FAILURES["500"] if request.method == "GET" and is_out else None

    rehearsal.answer = answer
    assert rehearsal.run(**OPTIONS | {"run_timeout": 3600, "max_outage": 900}).completed == 100
    during = [at for at, _ in rehearsal.polls() if 9_000 <= 1000 * at - started < 120_000]
    assert len(during) <= 120, "each run fails once at the most, and then there are probes"


@pytest.mark.parametrize("odd", [{0}, {0, 1, 2}])
def test_a_long_pause_that_one_run_asks_for_does_not_keep_the_others_from_ending(
    tmp_path: Path, odd: set[int], caplog: pytest.LogCaptureFixture
) -> None:
    rehearsal = Rehearsal(tmp_path, 12)
    odd_polls(rehearsal, odd.__contains__, LONG_PAUSE, seconds=3)
    first = rehearsal.run(**OPTIONS | {"rps": 4})
    assert first.exit_code == 75
    assert "row 0: HTTP 429" in (first.reason or "")
    assert "polls pause for 60 min" in caplog.text
    assert "row 0: HTTP 429" in caplog.text
    found = sessions(rehearsal, rps=4)
    assert (found[-1].completed, found[-1].timed_out) == (12 - len(odd), len(odd))
    assert len(found) <= 2 * len(odd)
    assert len(rehearsal.posts()) == 12
    assert {error["error_kind"] for error in rehearsal.errors().values()} == {"timeout"}


def test_before_its_run_timeout_such_a_run_is_polled_last_in_each_session(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 12)
    odd_polls(rehearsal, lambda row: row == 0, LONG_PAUSE, seconds=3)
    options: dict[str, Any] = {"rps": 4, "run_timeout": 600}
    assert rehearsal.run(**OPTIONS | options).exit_code == 75
    second = rehearsal.run(**OPTIONS | options)
    assert (second.exit_code, second.completed, second.running) == (75, 11, 1)
    found = sessions(rehearsal, pause=60, **options)
    assert (found[-1].completed, found[-1].timed_out) == (11, 1)
    assert len(found) <= 6


def test_a_run_that_is_polled_last_is_found_completed(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 12, "duration=3")
    throttled = [LONG_PAUSE]
    rehearsal.answer = lambda request: throttled.pop() if request.method == "GET" and throttled else None
    assert rehearsal.run(**OPTIONS).exit_code == 75
    summary = rehearsal.run(**OPTIONS)
    assert (summary.exit_code, summary.completed, len(rehearsal.posts())) == (0, 12, 12)


def test_the_only_place_in_flight_is_that_of_such_a_run(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3)
    odd_polls(rehearsal, lambda row: row == 0, LONG_PAUSE, seconds=3)
    found = sessions(rehearsal, max_in_flight=1)
    assert (found[-1].completed, found[-1].timed_out) == (2, 1)


def test_a_service_that_asks_all_runs_for_a_long_pause_ends_no_row(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "duration=5")
    assert rehearsal.run(limit=10, **OPTIONS).completed == 10
    rehearsal.answer = lambda request: LONG_PAUSE if request.method == "GET" else None
    for _ in range(MAX_SESSIONS):
        summary = rehearsal.run(**OPTIONS)
        assert (summary.exit_code, summary.timed_out, summary.running) == (75, 0, 10)
    rehearsal.answer = lambda _: None
    assert rehearsal.run(**OPTIONS).completed == 20


EVERY: dict[str, Response | TransportError] = FAILURES | {
    "429": Response(429, ERROR),
    "long pause": LONG_PAUSE,
    "401": Response(401, ERROR),
    "hang": TransportError("no answer within 30 s", sent=True, timed_out=True),
}


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("rows", [1, 4, 20])
def test_a_job_of_which_no_run_can_be_polled_ends(tmp_path: Path, name: str, rows: int) -> None:
    rehearsal = Rehearsal(tmp_path, rows)
    odd_polls(rehearsal, lambda _: True, EVERY[name])
    found = list[int | None]()
    for _ in count():
        found.append(rehearsal.run(**OPTIONS).exit_code)
        if found[-1] == 3:
            break
        assert len(found) <= 2 * rows + 3, found
        rehearsal.clock.jump(30)
    assert rehearsal.run(**OPTIONS).timed_out == rows, "the rows have ended"
    assert set(found) <= ({4, 3} if name == "401" else {75, 3})
    assert len(rehearsal.posts()) == rows


@pytest.mark.parametrize("name", EVERY)
def test_rows_that_have_ended_keep_no_job_from_ending(tmp_path: Path, name: str) -> None:
    """They are polled once more, though nothing is answered, or only after a long pause."""
    rehearsal = Rehearsal(tmp_path, 30, "duration=1000")
    assert rehearsal.run(**OPTIONS, limit=20).timed_out == 20
    rehearsal.answer = lambda request: EVERY[name] if request.method == "GET" else None
    for _ in range(3):
        started = rehearsal.clock.now()
        summary = rehearsal.run(**OPTIONS, limit=20)
        assert (summary.exit_code, summary.timed_out) == (3, 20), summary.reason
        assert rehearsal.clock.now() - started < 70_000
    # New rows are polled before those that have ended.
    odd_polls(rehearsal, lambda row: row < 20, EVERY[name])
    answer = rehearsal.answer
    rehearsal.answer = lambda request: (
        answer(request) if request.method == "POST" or "/run-" in request.path else (EVERY[name])
    )
    found = sessions(rehearsal)
    assert (found[-1].completed, found[-1].timed_out) == (10, 20)
    assert len(found) <= 2


REFUSED = [401, 402, 403, 405, 407, 415]


@pytest.mark.parametrize("status", REFUSED)
@pytest.mark.parametrize("odd", [1, 4])
def test_the_first_runs_alone_are_refused(tmp_path: Path, status: int, odd: int) -> None:
    rehearsal = Rehearsal(tmp_path, 8)
    odd_polls(rehearsal, lambda row: row < odd, Response(status, ERROR))
    (summary,) = sessions(rehearsal, codes=(3, 4), rps=0.5)
    assert (summary.exit_code, summary.completed, summary.timed_out) == (3, 8 - odd, odd), summary.reason


@pytest.mark.parametrize("status", REFUSED)
def test_a_token_that_may_not_poll_costs_few_runs(tmp_path: Path, status: int) -> None:
    rehearsal = Rehearsal(tmp_path, 50)
    odd_polls(rehearsal, lambda _: True, Response(status, ERROR))
    for _ in range(4):
        summary = rehearsal.run(**OPTIONS | {"rps": 0.5, "run_timeout": 3600})
        assert summary.exit_code == 4, summary.reason
        assert f"HTTP {status}" in (summary.reason or "")
        assert len(rehearsal.posts()) == 5


def test_a_503_delays_the_polls_of_its_run_and_not_beyond_its_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rehearsal = Rehearsal(tmp_path, 5)
    odd_polls(rehearsal, lambda row: row == 2, Response(503, ERROR, {"retry-after": "3000"}))
    started = rehearsal.clock.now()
    summary = sessions(rehearsal)[-1]
    assert (summary.completed, summary.timed_out) == (4, 1)
    assert rehearsal.clock.now() - started < 45_000
    assert "row 2: its next poll waits " in caplog.text
    assert sum("its next poll waits" in line for line in caplog.text.splitlines()) == 1


def test_an_outage_that_asks_for_long_waits_ends_the_session_in_time(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5)
    odd_polls(rehearsal, lambda _: True, Response(503, ERROR, {"retry-after": "3600"}))
    started = rehearsal.clock.now()
    summary = rehearsal.run(**OPTIONS | {"run_timeout": 7200})
    assert (summary.exit_code, summary.running) == (75, 5), summary.reason
    assert rehearsal.clock.now() - started < 80_000
