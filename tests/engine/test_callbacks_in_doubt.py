"""Callbacks settle rows in doubt, after a poll has confirmed them."""

from collections.abc import Callable, Sequence
from itertools import count, pairwise
from pathlib import Path

import msgspec
import pytest

from batchrun.ports import Request, Response
from tests.engine.called_back import run_of
from tests.support.rehearsal import CALLED_BACK, Rehearsal


def test_rows_in_doubt_are_settled_by_callbacks(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 60, "duration=lognormal:20,75", "lost=0.2", "garbage=0.1")
    summary = rehearsal.run(**CALLED_BACK)
    assert (summary.exit_code, summary.completed, summary.in_doubt) == (0, 60, 0)
    assert rehearsal.simulator.stats()["runs_repeated"] == 0
    assert {row["attempts"] for row in rehearsal.outputs().values()} == {1}


def test_a_failed_run_settles_doubt_too(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=5", "fault=lost:id=3", "fault=fail:id=3")
    assert rehearsal.run(**CALLED_BACK).failed == 1
    assert rehearsal.errors()[3]["error_kind"] == "run_failed"


def test_a_settled_row_may_be_tried_again_if_its_run_failed(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=5", "fault=lost:id=3")
    summary = rehearsal.run(workflow_id="flaky", retry_failed_runs=True, **CALLED_BACK)
    assert (summary.completed, rehearsal.outputs()[3]["attempts"]) == (5, 2)


def test_a_callback_that_names_no_run_settles_nothing(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=5", "fault=lost:id=3", "callback_garbage=1")
    summary = rehearsal.run(**CALLED_BACK)
    assert (summary.exit_code, summary.in_doubt) == (3, 1)
    assert summary.polls <= 4 * 4


def claiming(rehearsal: Rehearsal, named: Callable[[], str]) -> None:
    """Make the callback of row 3, which is in doubt, name this run."""

    def deliver(path: str, body: bytes) -> Sequence[tuple[str, bytes]]:
        return [(path, msgspec.json.encode({"run_id": named()}) if path.startswith("/hooks/3.") else body)]

    rehearsal.deliver = deliver


@pytest.mark.parametrize("named", ["unheard-of", "row 2's", "another job's"])
def test_a_callback_that_names_the_wrong_run_settles_nothing(tmp_path: Path, named: str) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=5", "fault=lost:id=3")
    if named == "another job's":
        (tmp_path / "other").mkdir()
        foreign = Rehearsal(tmp_path / "other", [{"id": "elsewhere"}], "duration=1")
        foreign.store = rehearsal.store
        foreign.serve("duration=1")
        foreign.run()
        claiming(rehearsal, lambda: foreign.outputs()[0]["run_id"])
    else:
        claiming(rehearsal, lambda: run_of(rehearsal, 2) if named == "row 2's" else named)
    summary = rehearsal.run(**CALLED_BACK)
    assert (summary.exit_code, summary.completed, summary.in_doubt) == (3, 4, 1)
    assert rehearsal.errors()[3]["state"] == "in_doubt"


def test_a_run_of_another_workflow_settles_nothing(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=5", "fault=lost:id=3")
    rehearsal.answer = lambda request: (
        Response(200, b'{"run_id":"r","workflow_id":"other","status":"completed","outputs":{}}')
        if request.path.endswith("/r")
        else None
    )
    claiming(rehearsal, lambda: "r")
    assert rehearsal.run(**CALLED_BACK).in_doubt == 1


@pytest.mark.parametrize("names_others", [False, True])
def test_an_answer_that_names_no_run_settles_doubt_only_where_none_does(tmp_path: Path, names_others: bool) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=5", "fault=lost:id=3")
    begun = rehearsal.clock.now()

    def answer(request: Request) -> Response | None:
        if request.method == "POST" or (names_others and not request.path.endswith("/r")):
            return None
        status = b"completed" if rehearsal.clock.now() - begun > 5000 else b"running"
        return Response(200, b'{"status":"%b","outputs":{"a":1}}' % status)

    rehearsal.answer = answer
    claiming(rehearsal, lambda: "r")
    summary = rehearsal.run(**CALLED_BACK)
    assert (summary.completed, summary.in_doubt) == ((4, 1) if names_others else (5, 0))
    if not names_others:
        assert (rehearsal.outputs()[3]["run_id"], rehearsal.outputs()[3]["output"]) == ("r", '{"a":1}')


@pytest.mark.parametrize("named", [True, False])
def test_a_claim_that_a_later_answer_contradicts_gives_no_output(tmp_path: Path, named: bool) -> None:
    """The first answer confirms the claim, as it echoes no inputs. The last one is about another row."""
    rehearsal = Rehearsal(tmp_path, 5, "duration=5", "fault=lost:id=3")
    polls = count()

    def answer(request: Request) -> Response | None:
        if not request.path.endswith("/r"):
            return None
        if next(polls) == 0:
            return rehearsal.polled(request, status="running")
        if named:
            return rehearsal.polled(request, status="completed", inputs={"id": "2"}, outputs={"foreign": 1})
        return Response(200, b'{"run_id":"s","status":"completed","outputs":{"foreign":1}}')

    rehearsal.answer = answer
    claiming(rehearsal, lambda: "r")
    summary = rehearsal.run(run_timeout=60, **CALLED_BACK)
    assert (summary.exit_code, summary.completed, summary.timed_out) == (3, 4, 1)
    error = rehearsal.errors()[3]
    assert (error["run_id"], len(rehearsal.posts())) == ("r", 5)
    assert ("with other inputs than were sent" if named else "about another run") in error["error_message"]


def test_a_run_that_is_not_visible_yet_is_polled_again(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=5", "fault=lost:id=3", "hidden=7")
    assert rehearsal.run(**CALLED_BACK).completed == 5


def test_a_wrong_run_id_does_not_prevent_the_right_one(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=5", "fault=lost:id=3")
    rehearsal.deliver = lambda path, body: [(path, b'{"run_id":"wrong"}'), (path, b"?"), (path, body)]
    assert rehearsal.run(**CALLED_BACK).completed == 5


def test_a_forbidden_run_does_not_stop_the_job(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=5", "fault=lost:id=3")
    rehearsal.answer = lambda request: (
        Response(403, b'{"error":{"code":"FORBIDDEN","message":"not yours"}}') if request.path.endswith("/r") else None
    )
    claiming(rehearsal, lambda: "r")
    summary = rehearsal.run(**CALLED_BACK)
    assert (summary.exit_code, summary.completed, summary.in_doubt) == (3, 4, 1)


@pytest.mark.parametrize("policy", ["resubmit", "fail"])
def test_a_callback_does_not_change_what_the_user_settled(tmp_path: Path, policy: str) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=5", "fault=lost:id=3")
    rehearsal.run(in_doubt=policy, retries=1, **CALLED_BACK)
    state = "failed" if policy == "fail" else "in_doubt"
    assert rehearsal.row_results()[3][0] in {state, "completed"}
    assert policy == "resubmit" or rehearsal.row_results()[3][0] == "failed"


def test_the_slot_of_a_row_in_doubt_is_kept_by_its_run_and_released_with_it(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 4, "fault=lost:id=1", "duration=30")
    assert rehearsal.run(max_in_flight=1, **CALLED_BACK).completed == 4
    times = [when for when, _ in rehearsal.posts()]
    assert all(30 <= later - earlier < 35 for earlier, later in pairwise(times))


def test_a_session_waits_for_callbacks_of_rows_in_doubt_as_long_as_runs_take(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "duration=20", "fault=lost:id=19", "fault=callback_never:id=19")
    summary = rehearsal.run(**CALLED_BACK)
    assert (summary.exit_code, summary.in_doubt) == (3, 1)
    assert 38 < summary.elapsed_s < 45
    rehearsal.clock.jump(3600)
    assert rehearsal.run(**CALLED_BACK).session.elapsed_s < 1


def test_the_job_does_not_wait_if_callbacks_do_not_come(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "duration=20", "fault=lost:id=19", "callback_never=1")
    assert rehearsal.run(**CALLED_BACK).elapsed_s < 38
