"""The effect of each refusal on its row and on the job (chapter 4 of the contract), in whole jobs."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from batchrun.domain.summary import Summary
from batchrun.ports import Request, Response
from tests.support.rehearsal import Rehearsal

ENVELOPE = b'{"error": {"code": "SOME_CODE", "message": "some words"}}'
HTML = b"<html>nginx</html>"


def to_posts(status: int, body: bytes, *ids: int) -> Callable[[Request], Response | None]:
    """Give this answer to every POST, or to the POSTs of these rows."""
    wanted = [b'"id":"%d"' % number for number in ids]

    def answer(request: Request) -> Response | None:
        if request.method != "POST" or (wanted and not any(one in (request.body or b"") for one in wanted)):
            return None
        return Response(status, body)

    return answer


def reason(summary: Summary) -> str:
    """The reason why the job stopped: one sentence."""
    assert summary.reason is not None
    assert "\n" not in summary.reason
    assert len(summary.reason) < 500
    return summary.reason


@pytest.mark.parametrize("body", [ENVELOPE, HTML, b""])
@pytest.mark.parametrize("status", [401, 402, 403, 404, 405, 407, 410, 415])
def test_a_refusal_that_is_not_the_rows_fault_stops_the_job_and_the_row_is_queued_again(
    tmp_path: Path, status: int, body: bytes
) -> None:
    rehearsal = Rehearsal(tmp_path, 5)
    rehearsal.answer = to_posts(status, body)
    summary = rehearsal.run()
    assert (summary.exit_code, summary.queued, summary.failed) == (4, 5, 0)
    assert len(rehearsal.posts()) == 1
    assert f"HTTP {status}" in reason(summary)
    assert rehearsal.row_results() == {}
    rehearsal.answer = lambda _: None
    assert rehearsal.run().completed == 5
    assert {row["attempts"] for row in rehearsal.outputs().values()} == {1}, "it paid nothing"


@pytest.mark.parametrize("status", [401, 403])
def test_a_poll_refused_for_all_runs_stops_the_job_and_the_run_stays_known(tmp_path: Path, status: int) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=5")
    rehearsal.answer = lambda request: Response(status, ENVELOPE) if request.method == "GET" else None
    summary = rehearsal.run()
    assert (summary.exit_code, summary.failed, summary.running + summary.queued) == (4, 0, 3)
    assert f"HTTP {status} SOME_CODE: some words" in reason(summary)
    rehearsal.answer = lambda _: None
    assert rehearsal.run().completed == 3
    assert len(rehearsal.posts()) == 3


@pytest.mark.parametrize("status", [400, 413, 422, 409, 451])
def test_a_refused_row_fails_and_the_others_go_on(tmp_path: Path, status: int) -> None:
    rehearsal = Rehearsal(tmp_path, 15, "duration=1")
    rehearsal.answer = to_posts(status, ENVELOPE, 0, 7)
    summary = rehearsal.run()
    assert (summary.exit_code, summary.completed, summary.failed) == (3, 13, 2)
    assert len(rehearsal.posts()) == 15
    for row in (0, 7):
        error = rehearsal.errors()[row]
        assert (error["state"], error["error_kind"], error["error_code"]) == ("failed", "rejected", "SOME_CODE")
        assert (error["error_message"], error["http_status"], error["attempts"]) == ("some words", status, 1)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_ten_identical_first_refusals_stop_the_job_and_the_rows_are_queued_again(tmp_path: Path, status: int) -> None:
    rehearsal = Rehearsal(tmp_path, 25)
    rehearsal.answer = to_posts(status, ENVELOPE)
    summary = rehearsal.run()
    assert (summary.exit_code, summary.queued, summary.failed) == (4, 25, 0)
    assert len(rehearsal.posts()) == 10
    assert f"the first 10 rows were all refused with the same answer: HTTP {status} SOME_CODE: some words" in reason(
        summary
    )


@pytest.mark.parametrize("odd", [Response(422, ENVELOPE), Response(400, ENVELOPE.replace(b"SOME", b"OTHER"))])
def test_ten_different_refusals_are_ten_bad_rows(tmp_path: Path, odd: Response) -> None:
    rehearsal = Rehearsal(tmp_path, 12)
    usual = to_posts(400, ENVELOPE)
    rehearsal.answer = lambda request: odd if b'"id":"4"' in (request.body or b"") else usual(request)
    summary = rehearsal.run()
    assert (summary.exit_code, summary.failed) == (3, 12)


def test_nine_identical_refusals_and_an_acceptance_are_nine_bad_rows(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 10, "duration=1")
    rehearsal.answer = to_posts(400, ENVELOPE, *range(9))
    summary = rehearsal.run()
    assert (summary.exit_code, summary.failed, summary.completed) == (3, 9, 1)


@pytest.mark.parametrize("body", [ENVELOPE, HTML])
def test_a_408_proves_nothing(tmp_path: Path, body: bytes) -> None:
    _in_doubt(tmp_path, 408, body)


@pytest.mark.parametrize("status", [500, 502, 504, 599])
def test_a_5xx_without_the_envelope_proves_nothing(tmp_path: Path, status: int) -> None:
    _in_doubt(tmp_path, status, HTML)


def _in_doubt(folder: Path, status: int, body: bytes) -> None:
    rehearsal = Rehearsal(folder, 4, "duration=1")
    rehearsal.answer = to_posts(status, body, 2)
    summary = rehearsal.run()
    assert (summary.exit_code, summary.completed, summary.in_doubt) == (3, 3, 1)
    assert len(rehearsal.posts()) == 4, "it is not sent again"
    error = rehearsal.errors()[2]
    assert (error["state"], error["error_kind"], error["http_status"]) == ("in_doubt", "in_doubt", status)


@pytest.mark.parametrize(("status", "body"), [(500, ENVELOPE), (504, ENVELOPE), (503, ENVELOPE), (503, HTML)])
def test_a_busy_service_costs_attempts_and_then_the_row_fails(tmp_path: Path, status: int, body: bytes) -> None:
    rehearsal = Rehearsal(tmp_path, 8, "duration=1")
    rehearsal.answer = to_posts(status, body, 3)
    summary = rehearsal.run(retries=2)
    assert (summary.exit_code, summary.completed, summary.failed) == (3, 7, 1)
    error = rehearsal.errors()[3]
    assert (error["error_kind"], error["http_status"], error["attempts"]) == ("exhausted", status, 3)


@pytest.mark.parametrize("kill_after", [2, 4, 6])
def test_a_row_refused_for_good_is_rejected_also_if_the_job_is_killed_before_its_verdict(
    tmp_path: Path, kill_after: int
) -> None:
    rehearsal = Rehearsal(tmp_path, 6, "duration=1")
    rehearsal.answer = to_posts(400, ENVELOPE, 0, 1)  # held until a row is accepted
    rehearsal.run(kill_after=kill_after, retries=0)
    rehearsal.run(retries=0)
    assert {row: error["error_kind"] for row, error in rehearsal.errors().items()} == {0: "rejected", 1: "rejected"}
    assert {error["error_message"] for error in rehearsal.errors().values()} == {"some words"}


def test_a_429_costs_no_row_an_attempt(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 8, "duration=1")
    rehearsal.answer = lambda request: (
        Response(429, b"", {"retry-after": "2"})
        if request.method == "POST" and len(rehearsal.posts()) in {0, 5}
        else None
    )
    summary = rehearsal.run(retries=0)
    assert (summary.exit_code, summary.completed, summary.throttled) == (0, 8, 2)
    assert {row["attempts"] for row in rehearsal.outputs().values()} == {1}


def test_a_404_on_a_poll_is_waited_out_for_a_minute_and_then_the_run_is_lost(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "hidden=50", "duration=1")
    assert rehearsal.run().completed == 3
    (tmp_path / "lost").mkdir()
    rehearsal = Rehearsal(tmp_path / "lost", 3, "hidden=1e6", "duration=1")
    summary = rehearsal.run()
    assert (summary.exit_code, summary.failed) == (3, 3)
    assert {row["error_kind"] for row in rehearsal.errors().values()} == {"lost"}
    assert len(rehearsal.posts()) == 3
    last = max(at for at, _ in rehearsal.polls())
    assert last - min(at for at, _ in rehearsal.posts()) >= 60


@pytest.mark.parametrize(
    "answer", [Response(400, ENVELOPE), Response(500, ENVELOPE), Response(502, HTML), Response(200, HTML)]
)
def test_a_failed_poll_is_no_failed_run(tmp_path: Path, answer: Response) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1")
    rehearsal.answer = lambda request: answer if request.method == "GET" and len(rehearsal.polls()) < 4 else None
    assert rehearsal.run().completed == 3
    assert len(rehearsal.posts()) == 3


# -- answers of another API

OPEN_RUN = b'{"code":0,"execute_id":"741364","debug_url":"https://x","msg":""}'
OPEN_SYNC = b'{"code":0,"data":"{}","debug_url":"https://x","msg":"Success"}'
FOREIGN = [
    (200, OPEN_RUN, "--api open", "a run was made (execute_id 741364)"),
    (200, OPEN_SYNC, "--api open", "a run was made (debug_url)"),
    (200, b'{"code":4000,"msg":"Missing required parameters"}', "--api open", "is in doubt"),
    (200, b'{"code":4100,"msg":"authentication is invalid"}', "--api open", "is queued again"),
    (400, b'{"code":4000,"msg":"bad"}', "--api open", "is queued again"),
    (401, b'{"code":4100,"msg":"authentication is invalid"}', "--api open", "is queued again"),
    (200, b'{"code":0,"execute_id":"75","BaseResp":null}', "--api studio", "execute_id 75"),
    (
        200,
        b'{"code":700012006,"msg":"authentication failed: missing session_key in cookie"}',
        "--api studio",
        "is queued again",
    ),
    (500, b'{"code":5000,"msg":"internal"}', "--api open", "is in doubt"),
    (200, b'{"task_id":"0d3e","status":"pending"}', "coze.site", "task_id 0d3e"),
    (404, b'{"detail":"Not Found"}', "coze.site", "is queued again"),
]


@pytest.mark.parametrize(("status", "body", "named", "fate"), FOREIGN)
def test_a_first_answer_of_another_api_stops_the_job_and_names_the_api_and_the_state_of_the_row(
    tmp_path: Path, status: int, body: bytes, named: str, fate: str
) -> None:
    rehearsal = Rehearsal(tmp_path, 30)
    rehearsal.answer = to_posts(status, body)
    summary = rehearsal.run()
    assert summary.exit_code == 4
    assert len(rehearsal.posts()) == 1
    assert named in reason(summary)
    assert fate in reason(summary)
    counts = msgspec.to_builtins(summary.as_dict())
    assert (counts["in_doubt"], counts["queued"]) == ((0, 30) if "queued" in fate else (1, 29))


def test_after_an_acceptance_an_unknown_answer_puts_one_row_in_doubt(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=1")
    rehearsal.answer = to_posts(200, OPEN_RUN, 3)
    summary = rehearsal.run()
    assert (summary.exit_code, summary.completed, summary.in_doubt) == (3, 4, 1)


def test_a_429_without_the_envelope_is_waited_for(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1")
    busy = b'{"code":4013,"msg":"rate limit"}'
    rehearsal.answer = lambda request: (
        Response(429, busy) if request.method == "POST" and len(rehearsal.posts()) < 2 else None
    )
    assert rehearsal.run().completed == 3


@pytest.mark.parametrize("body", [OPEN_RUN, OPEN_SYNC])
def test_a_first_answer_of_another_api_stops_a_synchronous_job_too(tmp_path: Path, body: bytes) -> None:
    rehearsal = Rehearsal(tmp_path, 3)
    rehearsal.answer = to_posts(200, body)
    summary = rehearsal.run(mode="sync")
    assert (summary.exit_code, summary.in_doubt, summary.queued, len(rehearsal.posts())) == (4, 1, 2, 1)
    assert "--api open" in reason(summary)


def test_a_429_on_a_poll_slows_every_request_and_proves_nothing_about_the_run(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 60, "duration=10")
    throttled_at: list[float] = []

    def once(request: Request) -> Response | None:
        if request.method == "GET" and len(rehearsal.posts()) >= 20 and not throttled_at:
            throttled_at.append(rehearsal.clock.now() / 1000)
            return Response(429, b"", {"retry-after": "25"})
        return None

    rehearsal.answer = once
    summary = rehearsal.run(rps=5)
    assert (summary.exit_code, summary.completed, summary.throttled) == (0, 60, 1)
    posts, polls = (
        [at - throttled_at[0] for at, _ in requests if at > throttled_at[0]]
        for requests in (rehearsal.posts(), rehearsal.polls())
    )
    assert min(posts) >= 25
    assert min(polls) >= 25


def test_polls_that_are_always_throttled_are_an_outage(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1")
    rehearsal.answer = lambda request: Response(429, b"") if request.method == "GET" else None
    summary = rehearsal.run(max_outage="2m", max_runtime="1h")
    assert (summary.exit_code, summary.running) == (75, 3)
    assert summary.elapsed_s < 200
    assert len(rehearsal.polls()) < 30, "probes, not a storm"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_service_that_redirects_stops_the_job_at_its_first_answer(tmp_path: Path, status: int) -> None:
    rehearsal = Rehearsal(tmp_path, 30)
    rehearsal.answer = to_posts(status, HTML)
    summary = rehearsal.run()
    assert (summary.exit_code, summary.in_doubt, summary.queued) == (4, 1, 29)
    assert len(rehearsal.posts()) == 1
    assert f"HTTP {status}" in reason(summary)
    assert "--base-url" in reason(summary)


@pytest.mark.parametrize("body", [HTML, b"", b"[]", b'{"hello": "world"}'])
def test_a_service_that_never_answers_as_documented_stops_the_job_after_ten_rows(tmp_path: Path, body: bytes) -> None:
    rehearsal = Rehearsal(tmp_path, 30)
    rehearsal.answer = to_posts(200, body)
    summary = rehearsal.run()
    assert (summary.exit_code, summary.in_doubt, summary.queued) == (4, 10, 20)
    assert len(rehearsal.posts()) == 10
    assert "--base-url" in reason(summary)


@pytest.mark.parametrize("status", [200, 302])
def test_after_an_acceptance_undocumented_answers_do_not_stop_the_job(tmp_path: Path, status: int) -> None:
    rehearsal = Rehearsal(tmp_path, 30, "duration=1")
    rehearsal.answer = to_posts(status, HTML, *range(5, 25))
    summary = rehearsal.run()
    assert (summary.exit_code, summary.completed, summary.in_doubt) == (3, 10, 20)
    assert len(rehearsal.posts()) == 30
