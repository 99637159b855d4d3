"""`--mode sync`: the answer to the POST is the result. Whole jobs in virtual time."""

from collections.abc import Callable
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest

from batchrun.ports import Request, Response, TransportError
from tests.support.rehearsal import Rehearsal


class Sync(Rehearsal):
    """A rehearsal whose jobs are synchronous by default."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.options["mode"] = "sync"
        self.began = self.clock.now()

    @property
    def seconds(self) -> float:
        """Seconds since the rehearsal began."""
        return (self.clock.now() - self.began) / 1000

    def on_posts(self, answer: Callable[[Request], Response | None]) -> None:
        """Let `answer` replace the service for POSTs."""
        self.answer = lambda request: answer(request) if request.method == "POST" else None

    def most_at_once(self) -> int:
        """The largest number of completed rows that were in progress at the same time."""
        spans = [(row["submitted_at"], row["finished_at"]) for row in self.outputs().values()]
        most: int = max(sum(begin <= at < end for begin, end in spans) for at, _ in spans)
        return most


def said(**content: object) -> Response:
    return Response(200, msgspec.json.encode(content))


# -- what comes back


def test_a_row_takes_one_request_and_its_answer_is_the_result(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 30, "duration=uniform:1,90")
    summary = rehearsal.run()
    assert (summary.exit_code, summary.completed, summary.submissions, summary.polls) == (0, 30, 30, 0)
    assert all(msgspec.json.decode(body)["async"] is False for _, body in rehearsal.posts())
    assert rehearsal.polls() == []
    outputs = rehearsal.outputs()
    assert len({row["run_id"] for row in outputs.values()}) == 30
    for number, row in outputs.items():
        assert (row["status"], row["attempts"], row["polls"]) == ("completed", 1, 0)
        assert row["output"] == f'{{"echo":{{"id":"{number}"}}}}'
        assert row["created_at"] < row["updated_at"]
        assert row["submitted_at"] < row["finished_at"]


def test_both_modes_come_to_the_same(tmp_path: Path) -> None:
    results = []
    for mode in ("async", "sync"):
        (tmp_path / mode).mkdir()
        rehearsal = Sync(tmp_path / mode, 30, "fail=0.2", "error=0.1", "duration=5")
        rehearsal.run(mode=mode, retries=9)
        results.append((rehearsal.row_results(), {n: row["run_id"] for n, row in rehearsal.outputs().items()}))
    assert results[0] == results[1]


def test_the_time_of_a_run_is_known_and_that_of_its_acceptance_is_not(tmp_path: Path) -> None:
    summary = Sync(tmp_path, 10, "duration=20").run()
    assert summary.run_s is not None
    assert (summary.run_s.n, summary.run_s.p50) == (10, 20)
    assert summary.submit_s is None


def test_a_run_that_fails_is_no_refusal(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 20, "fail=1", "duration=5")
    summary = rehearsal.run()
    assert (summary.exit_code, summary.failed, summary.errors_by_kind) == (3, 20, {"run_failed": 20})
    assert len(rehearsal.posts()) == 20, "they are not refused alike, and none is sent again"
    for row in rehearsal.errors().values():
        assert row["run_id"].startswith("run_")
        assert (row["status"], row["http_status"]) == ("failed", 200)
        assert (row["error_code"], row["attempts"], row["polls"]) == ("WORKFLOW_EXECUTION_ERROR", 1, 0)
    assert rehearsal.posts()[19][0] - rehearsal.posts()[1][0] < 1, "an answered run shows that the service works"


def test_failed_runs_are_run_again_where_asked(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 12)
    assert rehearsal.run(workflow_id="flaky", retry_failed_runs=True).exit_code == 0
    assert {row["attempts"] for row in rehearsal.outputs().values()} == {2}


def test_failed_runs_are_run_again_no_more_often_than_asked(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 3, "fail=1", "duration=2")
    assert rehearsal.run(retry_failed_runs=True, retries=2).failed == 3
    assert {(row["attempts"], row["error_kind"]) for row in rehearsal.errors().values()} == {(3, "run_failed")}


def test_refusals_are_tried_again_and_cost_attempts(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 60, "error=0.15", "duration=1")
    assert rehearsal.run(retries=9).exit_code == 0
    assert max(row["attempts"] for row in rehearsal.outputs().values()) > 1


def test_a_failure_limit_waits_for_what_is_in_the_air(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 100, "fail=0.3", "duration=uniform:5,60")
    summary = rehearsal.run(max_failures=5, rps=1)
    assert summary.exit_code == 4
    assert (summary.in_doubt, summary.running) == (0, 0)
    assert summary.completed + summary.failed == len(rehearsal.posts()) < 100


def test_a_job_with_a_key_can_be_reused_in_either_mode(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 5, "duration=5")
    rehearsal.run(key="id")
    assert rehearsal.run(key="id", mode="async", out=tmp_path / "next", reuse=tmp_path / "job").reused == 5
    assert len(rehearsal.posts()) == 5


# -- other words, and no names


@pytest.mark.parametrize("word", ["pending", "running", "timeout", "cancelled", "success"])
def test_a_run_that_has_not_provably_ended_is_polled(tmp_path: Path, word: str) -> None:
    rehearsal, number = Sync(tmp_path, 4), count()
    rehearsal.answer = lambda request: (
        said(run_id=f"r{next(number)}", status=word)
        if request.method == "POST"
        else said(run_id="r", status="completed", outputs={"late": 1})
    )
    summary = rehearsal.run()
    assert (summary.exit_code, summary.submissions, summary.polls) == (0, 4, 4)
    assert {(row["output"], row["polls"]) for row in rehearsal.outputs().values()} == {('{"late":1}', 1)}


def test_a_word_that_the_history_does_not_explain_either_is_no_success(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 3)
    rehearsal.answer = lambda _request: said(run_id=f"r{len(rehearsal.posts())}", status="cancelled")
    summary = rehearsal.run(run_timeout=100)
    assert (summary.exit_code, summary.errors_by_kind) == (3, {"unknown_status": 3})
    assert len(rehearsal.posts()) == 3


def test_a_result_without_a_run_id_is_kept_and_paid_for_once(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 4)
    rehearsal.on_posts(lambda request: said(status="completed", output=rehearsal.inputs_of(request.body or b"")))
    assert rehearsal.run(key="id").exit_code == 0
    assert {n: (row["run_id"], row["output"]) for n, row in rehearsal.outputs().items()} == {
        n: (None, f'{{"id":"{n}"}}') for n in range(4)
    }
    assert rehearsal.run(key="id").exit_code == 0
    assert rehearsal.run(key="id", out=tmp_path / "next", reuse=tmp_path / "job").reused == 4
    assert len(rehearsal.posts()) == 4


def test_a_run_id_that_another_row_has_proves_nothing(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 3)
    rehearsal.on_posts(lambda _request: said(run_id="same", status="completed", output={}))
    summary = rehearsal.run()
    assert (summary.completed, summary.in_doubt) == (1, 2)
    assert all("which another row has" in row["error_message"] for row in rehearsal.errors().values())


# -- lost and late answers


def test_lost_answers_are_in_doubt_and_held(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 40, "lost=0.2", "garbage=0.1", "duration=3")
    summary = rehearsal.run()
    assert summary.exit_code == 3
    assert summary.in_doubt == len(rehearsal.errors()) > 0
    assert rehearsal.simulator.stats()["runs_repeated"] == 0
    assert rehearsal.run(in_doubt="resubmit", retries=9).exit_code == 0


@pytest.mark.parametrize(
    ("status", "body"),
    [(408, b""), (500, b"<html>"), (502, b""), (504, b'{"error":"x"}'), (200, b""), (200, b'{"status":"complet')],
)
def test_an_answer_that_proves_nothing_is_in_doubt(tmp_path: Path, status: int, body: bytes) -> None:
    rehearsal = Sync(tmp_path, 3, "duration=1")
    rehearsal.on_posts(lambda _request: Response(status, body) if len(rehearsal.posts()) == 1 else None)
    summary = rehearsal.run()
    assert (summary.completed, summary.in_doubt, len(rehearsal.posts())) == (2, 1, 3)


def test_a_run_may_take_as_long_as_its_run_timeout(tmp_path: Path) -> None:
    assert Sync(tmp_path, 5, "duration=3500").run().exit_code == 0


@pytest.mark.parametrize("options", [{"run_timeout": 100}, {"request_timeout": 100, "run_timeout": 300}])
def test_an_answer_that_comes_too_late_is_lost_and_never_timed_out(tmp_path: Path, options: dict[str, Any]) -> None:
    rehearsal = Sync(tmp_path, 6, "fault=stuck:id=2", "duration=20")
    summary = rehearsal.run(max_in_flight=1, **options)
    assert (summary.completed, summary.in_doubt, summary.timed_out) == (5, 1, 0)
    (late,) = rehearsal.errors().values()
    assert (late["state"], late["error_kind"]) == ("in_doubt", "in_doubt")
    assert "no answer within 100 s" in late["error_message"]
    times = [at for at, _ in rehearsal.posts()]
    assert times[3] - times[2] == pytest.approx(options["run_timeout"], abs=1), "so long it may be under way"


def test_a_late_run_is_there_in_the_services_history(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 2, "duration=50")
    assert rehearsal.run(request_timeout=10).in_doubt == 2
    assert rehearsal.simulator.stats()["runs_stored"] == 2


# -- limits


def test_in_flight_is_the_one_limit(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 400, "duration=30")
    assert rehearsal.run(rps=200, max_in_flight=150).exit_code == 0
    assert rehearsal.most_at_once() == 150


def test_connections_may_be_fewer(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 40, "duration=30")
    assert rehearsal.run(rps=200, max_in_flight=150, max_connections=7).exit_code == 0
    assert rehearsal.most_at_once() == 7


def test_until_the_first_answer_there_is_one_post_at_a_time(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 20, "duration=100")
    rehearsal.run()
    times = [at for at, _ in rehearsal.posts()]
    assert times[1] - times[0] >= 100
    assert times[19] - times[1] < 1


def test_nothing_is_prepared_long_before_it_may_leave(tmp_path: Path) -> None:
    """A prepared request is in doubt if the process is killed, and the first answer may take an hour."""
    rehearsal = Sync(tmp_path, 200, "duration=600")
    rehearsal.run(rps=5, kill_after=16)
    unanswered = len(rehearsal.posts()) - 1
    assert rehearsal.run(in_doubt="fail").failed <= unanswered + 5


def test_throttling_slows_down_and_does_not_stop(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 200, "rps=10", "latency=0.5", "duration=60")
    summary = rehearsal.run(rps=30)
    assert (summary.exit_code, {row["attempts"] for row in rehearsal.outputs().values()}) == (0, {1})
    assert summary.throttled > 0
    # The first row alone, then 200 at up to 10 per second, then the last: slow answers are no sign of an outage.
    assert rehearsal.seconds < 60 + 200 / 5 + 60


# -- outages


def test_an_outage_costs_no_attempt(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 30, "duration=5")
    rehearsal.on_posts(lambda _request: Response(503, b"") if 7 < rehearsal.seconds < 200 else None)
    assert rehearsal.run(rps=5, retries=0).exit_code == 0
    assert {row["attempts"] for row in rehearsal.outputs().values()} == {1}
    assert len(rehearsal.posts()) < 90  # only probes


def test_an_outage_beyond_max_outage_drains_the_job(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 30)
    rehearsal.on_posts(lambda _request: Response(503, b""))
    summary = rehearsal.run(max_outage="2m")
    assert (summary.exit_code, summary.queued) == (75, 30)
    assert 120 <= rehearsal.seconds < 160


def _unreachable(rehearsal: Sync, begin: float, end: float) -> Callable[[Request], None]:
    def answer(_request: Request) -> None:
        if begin < rehearsal.seconds < end:
            raise TransportError("connection refused", sent=False)

    return answer


def test_errors_now_and_then_are_no_outage_though_nothing_is_answered_yet(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 300, "error=0.1", "duration=600")
    assert rehearsal.run(rps=10, retries=9).exit_code == 0
    # The first row alone, 299 at 10 per second, then the refused rows, once it is clear that there is no outage.
    assert rehearsal.seconds < 600 * 5


def test_a_probe_does_not_wait_for_what_left_before_the_outage(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 40, "fault=stuck:id=3", "duration=2")
    rehearsal.on_posts(_unreachable(rehearsal, 4, 60))
    summary = rehearsal.run(rps=5, max_runtime=600, drain_timeout=1)
    assert (summary.completed, summary.in_doubt) == (39, 1)


@pytest.mark.parametrize("share", [0.9, 1.0])
def test_slowness_is_no_outage(tmp_path: Path, share: float) -> None:
    rehearsal = Sync(tmp_path, 60, f"stuck={share}", "duration=300")
    summary = rehearsal.run(run_timeout=1200, max_outage="5m", max_in_flight=20, request_timeout=600)
    assert (summary.exit_code, summary.reason) == (3, None)
    assert summary.completed + summary.in_doubt == 60


def test_two_failures_with_long_runs_between_them_are_no_outage(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 12, "duration=2000")
    rehearsal.on_posts(lambda request: Response(502, b"") if rehearsal.row_of(request.body or b"") in {2, 7} else None)
    summary = rehearsal.run(rps=0.004, max_outage="10m")
    assert (summary.exit_code, summary.completed, summary.in_doubt) == (3, 10, 2)


def test_two_connections_that_are_cut_long_after_each_other_are_no_outage(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 6, "fault=lost:id=2", "fault=lost:id=3", "latency=2000")
    summary = rehearsal.run(max_in_flight=1, max_outage="10m", in_doubt="fail")
    assert (summary.exit_code, summary.completed, summary.failed) == (3, 4, 2)


def test_a_service_that_is_busy_with_our_own_runs_is_not_out(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 30, "duration=1500")
    taken: list[float] = []

    def at_most_two(_request: Request) -> Response | None:
        if sum(rehearsal.seconds - at < 1500 for at in taken) >= 2:
            return Response(503, b"")
        taken.append(rehearsal.seconds)
        return None

    rehearsal.on_posts(at_most_two)
    summary = rehearsal.run(max_outage="10m")
    assert (summary.exit_code, summary.reason) == (3, None), "no evidence can come for the last refused rows"
    assert summary.completed >= 27


def test_a_probe_that_is_never_answered_does_not_extend_the_outage_limit(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 30, "stuck=1")
    rehearsal.on_posts(lambda _request: Response(503, b"") if len(rehearsal.posts()) < 4 else None)
    summary = rehearsal.run(max_outage="15m", run_timeout=600)
    assert summary.exit_code == 75
    assert summary.queued > 20


# -- interruptions


def test_a_drain_waits_for_the_answers(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 100, "duration=20")
    summary = rehearsal.run(max_runtime=30, drain_timeout=25, rps=5)
    assert (summary.exit_code, summary.in_doubt, summary.running) == (75, 0, 0)
    assert summary.completed == len(rehearsal.posts())
    assert rehearsal.run(rps=50).exit_code == 0
    assert len(rehearsal.posts()) == 100


def test_a_drain_waits_no_longer_than_it_may(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 100, "duration=20")
    summary = rehearsal.run(max_runtime=30, drain_timeout=5, rps=5)
    assert (summary.exit_code, summary.running) == (75, 0)
    assert 35 <= rehearsal.seconds < 37
    assert summary.in_doubt > 0
    assert summary.completed + summary.in_doubt == len(rehearsal.posts())


def test_runs_that_were_accepted_asynchronously_are_polled(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 60, "duration=40")
    accepted = rehearsal.run(mode="async", max_runtime=5, rps=5).running
    assert accepted > 0
    assert rehearsal.run().exit_code == 0
    assert len(rehearsal.posts()) == 60
    polled = [row for row in rehearsal.outputs().values() if row["polls"]]
    assert len(polled) == accepted


def test_a_synchronous_job_may_go_on_asynchronously(tmp_path: Path) -> None:
    rehearsal = Sync(tmp_path, 60, "duration=40")
    done = rehearsal.run(max_runtime=50, drain_timeout=40, rps=5).completed
    assert 0 < done < 60
    assert rehearsal.run(mode="async").exit_code == 0
    assert len(rehearsal.posts()) == 60
    assert sum(row["polls"] == 0 for row in rehearsal.outputs().values()) == done


def test_slots_held_by_rows_in_doubt_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rehearsal = Sync(tmp_path, 10, "duration=40")
    rehearsal.run(max_runtime=50, drain_timeout=1, max_in_flight=4)
    rehearsal.run(max_in_flight=4, run_timeout=600)
    assert "hold all 4 places" in caplog.text
    times = [at for at, _ in rehearsal.posts()]
    assert times[5] - times[4] > 500


# -- killed after the k-th change, for every k

ROWS = 7
FAULTS = ("error=0.2", "fault=fail:id=4", "duration=uniform:1,6", "lost=0.15")
CHANGES = 40
"""At least the number of changes in the job, which a test checks."""

RowResults = dict[int, tuple[str, str | None]]


def _rehearsal(folder: Path) -> Sync:
    rehearsal = Sync(folder, ROWS, *FAULTS, seed=11)
    rehearsal.options |= {"rps": 3, "retries": 9, "max_in_flight": 3}
    return rehearsal


@cache
def undisturbed() -> RowResults:
    with TemporaryDirectory() as folder:
        rehearsal = _rehearsal(Path(folder))
        rehearsal.run(in_doubt="resubmit")
        return rehearsal.row_results()


def test_the_job_is_worth_interrupting_and_has_no_more_changes_than_are_tried(tmp_path: Path) -> None:
    rehearsal = _rehearsal(tmp_path)
    assert rehearsal.run(in_doubt="resubmit", kill_after=CHANGES).exit_code == 3, "raise CHANGES"
    assert len(rehearsal.posts()) > ROWS


@pytest.mark.parametrize("changes", range(1, CHANGES))
def test_resubmitting_what_is_in_doubt_gives_the_same_job(tmp_path: Path, changes: int) -> None:
    rehearsal = _rehearsal(tmp_path)
    rehearsal.run(kill_after=changes, in_doubt="resubmit")
    rehearsal.clock.jump(5)
    rehearsal.run(in_doubt="resubmit", mode=("sync", "async")[changes % 2])
    assert rehearsal.row_results() == undisturbed()


@pytest.mark.parametrize("changes", range(1, CHANGES))
def test_holding_what_is_in_doubt_differs_only_there_and_pays_nothing_twice(tmp_path: Path, changes: int) -> None:
    rehearsal = _rehearsal(tmp_path)
    rehearsal.run(kill_after=changes)
    cut_off = len(rehearsal.posts()) - len(rehearsal.row_results())
    rehearsal.clock.jump(5)
    rehearsal.run(run_timeout=30)
    row_results, expected = rehearsal.row_results(), undisturbed()
    assert sorted(row_results) == list(range(ROWS))
    assert {row: result for row, result in row_results.items() if result[0] != "in_doubt"} == {
        row: expected[row] for row, result in row_results.items() if result[0] != "in_doubt"
    }
    ours = [row for row in rehearsal.errors().values() if "the process ended" in (row["error_message"] or "")]
    assert len(ours) <= min(3, max(cut_off, 0) + 3)
    assert rehearsal.simulator.stats()["runs_repeated"] == 0
