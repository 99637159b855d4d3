"""`--max-submissions` and `--max-tokens`, over all sessions of a job. Whole jobs in virtual time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from batchrun.app.prepare import PreparedJob
from batchrun.app.status import status
from batchrun.ports import Clock, Permit, Request, Response, Transport, TransportError
from tests.support.detailed_dialect import USED, DetailedDialect, registered
from tests.support.rehearsal import Rehearsal

USED_PER_RUN = USED.total_tokens or 0


# -- submissions


@pytest.mark.parametrize("options", [{}, {"mode": "sync"}, {"rps": 1000, "max_connections": 8}, {"rps": 2}])
def test_no_more_posts_are_sent_than_allowed_over_all_sessions(tmp_path: Path, options: dict[str, Any]) -> None:
    rehearsal = Rehearsal(tmp_path, 30, "duration=uniform:1,20")
    summary = rehearsal.run(max_submissions=12, **options)
    assert (summary.exit_code, summary.reason) == (
        4,
        "--max-submissions 12 was reached; to go on, use --max-submissions 24",
    )
    assert summary.advised_options == status(summary.folder).advised_options == "--max-submissions 24"
    assert (summary.completed, summary.queued, summary.submissions) == (12, 18, 12)
    for _ in range(2):
        assert rehearsal.run(max_submissions=12, **options).exit_code == 4
        assert len(rehearsal.posts()) == 12
    assert rehearsal.run(max_submissions=20, **options).completed == len(rehearsal.posts()) == 20
    assert rehearsal.run(**options).exit_code == 0
    assert len(rehearsal.posts()) == 30


def test_a_job_that_needs_no_more_posts_than_allowed_completes(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 10, "duration=5")
    for _ in range(2):
        summary = rehearsal.run(max_submissions=10)
        assert (summary.exit_code, summary.reason, summary.completed) == (0, None, 10)
    rehearsal.write(range(11))
    assert (rehearsal.run(max_submissions=10).exit_code, len(rehearsal.posts())) == (4, 10)


def test_a_command_that_starts_at_the_limit_polls_what_is_accepted_to_its_end(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "duration=100")
    summary = rehearsal.run(max_runtime=1, rps=10)
    posts = len(rehearsal.posts())
    assert (summary.exit_code, summary.running, posts < 20) == (75, posts, True)
    summary = rehearsal.run(max_submissions=posts)
    assert (summary.exit_code, summary.completed, summary.running, summary.queued) == (4, posts, 0, 20 - posts)
    assert len(rehearsal.posts()) == posts


def test_refused_posts_count_and_failed_connections_do_not(tmp_path: Path) -> None:
    rehearsal, number = Rehearsal(tmp_path, 30, "duration=1"), count()

    def answer(request: Request) -> Response | None:
        if request.method == "GET":
            return None
        match next(number) % 3:
            case 0:
                raise TransportError("connection refused", sent=False)
            case 1:
                return Response(429, b"{}")
            case _:
                return None

    rehearsal.answer = answer
    summary = rehearsal.run(max_submissions=8)
    assert (summary.exit_code, len(rehearsal.posts()), summary.submissions) == (4, 8, 8)
    assert (summary.completed, summary.throttled) == (4, 4)


def test_rows_that_are_submitted_again_count_each_time(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 4, "fail=1", "duration=1")
    summary = rehearsal.run(max_submissions=6, retry_failed_runs=True, retries=9)
    assert (summary.exit_code, len(rehearsal.posts())) == (4, 6)
    assert rehearsal.retry(max_submissions=8).exit_code == 4
    assert len(rehearsal.posts()) == 8


def test_rows_that_cannot_be_sent_do_not_count(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, [{"id": number} for number in ("x", "1", "x", "x", "2", "3")], "duration=1")
    summary = rehearsal.run(max_submissions=2, type={"id": "int"})
    assert (summary.exit_code, summary.failed, summary.completed, len(rehearsal.posts())) == (4, 3, 2, 2)


def test_a_row_that_timed_out_is_only_polled_at_the_limit(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "fault=stuck:id=1", "duration=1")
    assert rehearsal.run(run_timeout=50).timed_out == 1
    polls = len(rehearsal.polls())
    summary = rehearsal.retry(run_timeout=50, max_submissions=3)
    assert (summary.exit_code, len(rehearsal.posts()), len(rehearsal.polls())) == (4, 3, polls + 1)


@pytest.mark.parametrize("mode", ["async", "sync"])
@pytest.mark.parametrize("first", range(1, 14))
def test_no_kill_hides_a_post_from_the_limit(tmp_path: Path, mode: str, first: int) -> None:
    rehearsal = Rehearsal(tmp_path, 60, "duration=uniform:1,9")
    options: dict[str, Any] = {"max_submissions": 25, "in_doubt": "resubmit", "mode": mode, "max_connections": 4}
    for changes in (first, 9, 17):
        rehearsal.run(kill_after=changes, **options)
    summary = rehearsal.run(**options)
    assert summary.exit_code == 4
    assert 25 - 3 * 4 <= len(rehearsal.posts()) <= 25, "POSTs that were being prepared may be counted as well"


class Renewing(Rehearsal):
    """A service that refuses the token of each POST once. The transport sends it again with a renewed token."""

    @asynccontextmanager
    async def _connect(self, job: PreparedJob, clock: Clock) -> AsyncIterator[Transport]:
        async with super()._connect(job, clock) as transport:
            yield _Renewing(self, transport, clock)


class _Renewing:
    def __init__(self, rehearsal: Rehearsal, transport: Transport, clock: Clock) -> None:
        self._rehearsal, self._transport, self._clock = rehearsal, transport, clock

    async def send(self, request: Request, permit: Permit) -> Response:
        if request.method == "POST":
            await permit()
            self._rehearsal.requests.append((self._clock.now() / 1000, request))
        return await self._transport.send(request, permit)


@pytest.mark.parametrize("rps", [0.5, 50])
@pytest.mark.parametrize("most", [1, 6, 7])
def test_a_post_that_is_sent_again_with_a_renewed_token_counts_twice(tmp_path: Path, most: int, rps: float) -> None:
    rehearsal = Renewing(tmp_path, 10, "duration=1")
    summary = rehearsal.run(max_submissions=most, rps=rps)
    assert (summary.exit_code, summary.submissions, len(rehearsal.posts())) == (4, most, most)
    assert (summary.reason or "").startswith(f"--max-submissions {most} was reached")
    assert (summary.in_doubt, summary.completed + summary.queued) == (0, 10)
    assert rehearsal.run().exit_code == 0


# -- tokens


@pytest.fixture
def dialect(monkeypatch: pytest.MonkeyPatch) -> DetailedDialect:
    return registered(monkeypatch)


def test_the_tokens_of_all_sessions_stop_a_job(tmp_path: Path, dialect: DetailedDialect) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "duration=1")
    summary = rehearsal.run(api=dialect.name, max_in_flight=1, max_tokens=100)
    assert (summary.completed, summary.total_tokens) == (7, 7 * USED_PER_RUN)
    assert (summary.exit_code, summary.reason) == (
        4,
        "--max-tokens 100 was reached: the runs took 105; to go on, use --max-tokens 210",
    )
    for limit in (100, 105):
        assert rehearsal.run(api=dialect.name, max_tokens=limit).exit_code == 4
        assert len(rehearsal.posts()) == 7
    summary = rehearsal.run(api=dialect.name, max_in_flight=1, max_tokens=106)
    assert (summary.exit_code, summary.completed, len(rehearsal.posts())) == (4, 8, 8)
    assert rehearsal.run(api=dialect.name).exit_code == 0


def test_accepted_runs_are_polled_to_their_end_when_the_tokens_are_spent(
    tmp_path: Path, dialect: DetailedDialect
) -> None:
    rehearsal = Rehearsal(tmp_path, 40, "duration=uniform:5,60")
    summary = rehearsal.run(api=dialect.name, max_in_flight=5, max_tokens=10 * USED_PER_RUN)
    assert (summary.exit_code, summary.running, summary.queued) == (4, 0, 40 - summary.completed)
    assert 10 <= summary.completed == len(rehearsal.posts()) <= 15


def test_tokens_do_not_stop_a_job_that_has_submitted_its_last_row(tmp_path: Path, dialect: DetailedDialect) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=5")
    for _ in range(2):
        summary = rehearsal.run(api=dialect.name, max_tokens=1)
        assert (summary.exit_code, summary.reason, summary.completed) == (0, None, 5)


def test_tokens_of_failed_runs_count_and_keep_their_rows_from_being_submitted_again(
    tmp_path: Path, dialect: DetailedDialect
) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "fail=1", "duration=1")
    summary = rehearsal.run(api=dialect.name, max_tokens=90, max_in_flight=1, retry_failed_runs=True)
    assert (summary.exit_code, summary.total_tokens, len(rehearsal.posts())) == (4, 90, 90 // USED_PER_RUN)
