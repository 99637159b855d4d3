"""Whole jobs with callbacks: they make polls rarer and settle doubt, but a poll confirms everything that they say."""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from batchrun.adapters.checkpoint import connection, reader
from batchrun.errors import InputError
from batchrun.ports import Response
from tests.support.rehearsal import CALLED_BACK, Rehearsal

REAL = "duration=lognormal:20,75"


def address_of(body: bytes) -> str:
    """The path of the callback address in this POST body."""
    url: str = msgspec.json.decode(body)["callback_url"]
    return url.removeprefix("http://127.0.0.1")


def run_of(rehearsal: Rehearsal, row: int) -> str:
    """The run that the service has for a row."""
    addresses = [address_of(body) for _, body in rehearsal.posts() if rehearsal.row_of(body) == row]
    (run,) = [run for run in rehearsal.store.awaiting_callback(0) if (run.callback_url or "").endswith(addresses[-1])]
    return run.run_id


def key_of(rehearsal: Rehearsal) -> str:
    """The secret of the job."""
    with connection.open_reader(rehearsal.folder / "job" / "checkpoint.db") as db:
        return reader.meta(db)["callback_key"]


# -- what reliable callbacks are worth


def test_reliable_callbacks_leave_little_to_poll(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 300, REAL)
    summary = rehearsal.run(rps=10, **CALLED_BACK)
    assert summary.completed == 300
    assert summary.polls <= 1.2 * 300


def test_the_end_is_known_as_soon_as_the_callback_arrives(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 40, "duration=25", "callback_delay=0.5")
    rehearsal.run(**CALLED_BACK)
    for row in list(rehearsal.outputs().values())[10:]:
        assert 25 <= (row["finished_at"] - row["submitted_at"]).total_seconds() < 27


def test_without_the_options_nothing_is_asked_for(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1")
    rehearsal.run()
    assert all(b"callback_url" not in body for _, body in rehearsal.posts())


def test_each_attempt_of_each_row_has_an_address_of_its_own(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "error=0.3", "duration=1")
    rehearsal.run(retries=9, **CALLED_BACK)
    addresses = [address_of(body) for _, body in rehearsal.posts()]
    assert len(addresses) == len(set(addresses)) > 20
    named = [re.fullmatch(r"/hooks/(\d+)\.(\d+)\.[\w-]{22}", address) for address in addresses]
    assert [match and int(match[1]) for match in named] == [rehearsal.row_of(body) for _, body in rehearsal.posts()]


# -- what unreliable ones cost


@pytest.mark.parametrize("fault", ["callback_never=1", "callback_late=1", "callback_never=0.5"])
def test_callbacks_that_fail_cost_no_more_than_having_none(tmp_path: Path, fault: str) -> None:
    for folder in ("with", "without"):
        (tmp_path / folder).mkdir()
    called, plain = Rehearsal(tmp_path / "with", 200, REAL, fault), Rehearsal(tmp_path / "without", 200, REAL)
    summary, expected = called.run(rps=10, **CALLED_BACK), plain.run(rps=10)
    assert summary.completed == 200
    assert summary.polls <= 1.1 * expected.polls
    assert summary.elapsed_s < expected.elapsed_s + 15


def test_a_short_job_does_not_wait_for_callbacks_that_never_come(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "duration=uniform:1,3", "callback_never=1")
    assert rehearsal.run(**CALLED_BACK).elapsed_s < 12


def test_when_callbacks_stop_polls_are_frequent_again(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 400, "duration=10")
    ceased: list[bool] = []

    def deliver(path: str, body: bytes) -> Sequence[tuple[str, bytes]]:
        return [] if ceased else [(path, body)]

    rehearsal.deliver = deliver
    rehearsal.scheduled.append((60, lambda: ceased.append(True)))
    assert rehearsal.run(rps=2, **CALLED_BACK).completed == 400
    waits = [
        (row["submitted_at"].timestamp(), (row["finished_at"] - row["submitted_at"]).total_seconds())
        for row in rehearsal.outputs().values()
    ]
    began = rehearsal.requests[0][0]
    assert max(wait for sent, wait in waits if 3 < sent - began < 45) < 11
    assert max(wait for _, wait in waits) <= 121, "no wait is beyond four times the longest interval"
    assert max(wait for sent, wait in waits if sent - began > 130) < 20, "and then they are as if there were none"
    assert sum(wait > 20 for _, wait in waits) < 110


def test_polls_of_a_run_without_a_callback_are_never_further_apart_than_documented(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 30, "duration=1", "fault=stuck:id=20")
    rehearsal.run(run_timeout=1000, poll_max=20, **CALLED_BACK)
    stuck = rehearsal.errors()[20]
    times = [when for when, path in rehearsal.polls() if path.endswith(stuck["run_id"])]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert 70 < max(gaps) <= 80.5, "four times --poll-max"
    assert stuck["error_kind"] == "timeout"


def test_callbacks_that_are_always_slower_than_the_polls_are_trusted_all_the_same(tmp_path: Path) -> None:
    """They come 1.5 s after the end. Without trust, a run is polled every second, 40 times in all."""
    for folder in ("slow", "never"):
        (tmp_path / folder).mkdir()
    slow = Rehearsal(tmp_path / "slow", 40, "duration=40", "callback_delay=1.5")
    never = Rehearsal(tmp_path / "never", 40, "duration=40", "callback_never=1")
    summary, without = (one.run(rps=0.2, poll_initial=1, poll_max=1, **CALLED_BACK) for one in (slow, never))
    assert summary.completed == without.completed == 40
    assert summary.polls < 0.6 * without.polls


# -- twice, early, late, garbage, forged


def test_early_double_and_garbage_callbacks_change_nothing(tmp_path: Path) -> None:
    faults = ["latency=0.5", "callback_early=0.5", "callback_double=1", "callback_garbage=0.3", "fail=0.1"]
    (tmp_path / "plain").mkdir()
    plain = Rehearsal(tmp_path / "plain", 60, "duration=3", "fail=0.1")
    plain.run()
    rehearsal = Rehearsal(tmp_path, 60, "duration=3", *faults)
    summary = rehearsal.run(**CALLED_BACK)
    assert rehearsal.row_results() == plain.row_results()
    assert summary.polls < 4 * 60


def test_a_callback_before_the_answer_of_the_post_is_kept_until_then(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=1", "fault=slow:id=4", "slow_seconds=10")
    rehearsal.run(poll_initial=30, **CALLED_BACK)
    row = rehearsal.outputs()[4]
    assert (row["finished_at"] - row["submitted_at"]).total_seconds() < 21, "10 for the POST, and 10 for the poll"


def test_a_replayed_callback_wakes_one_poll_in_some_seconds(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 1, "duration=60", "callback_never=1")

    def replay() -> None:
        for _ in range(1000):
            rehearsal.receive_callback(address_of(rehearsal.posts()[0][1]))

    for second in range(1, 50):
        rehearsal.scheduled.append((second, replay))
    summary = rehearsal.run(poll_initial=1000, poll_max=1000, **CALLED_BACK)
    assert summary.polls <= 60 / 5 + 1


def test_a_thousand_callbacks_after_the_end_cause_no_poll(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 2, "duration=1", "fault=stuck:id=1")

    def replay() -> None:
        for _ in range(1000):
            rehearsal.receive_callback(address_of(rehearsal.posts()[0][1]))

    rehearsal.scheduled.append((20, replay))
    rehearsal.run(run_timeout=100, **CALLED_BACK)
    first = rehearsal.outputs()[0]["run_id"]
    assert sum(path.endswith(first) for _, path in rehearsal.polls()) <= 2


def test_a_callback_of_an_earlier_attempt_wakes_nothing(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 1, "duration=20", "callback_never=1")
    rehearsal.answer = lambda request: (
        Response(502, b"") if request.method == "POST" and not rehearsal.posts() else None
    )
    rehearsal.scheduled.append(
        (10, lambda: rehearsal.receive_callback(address_of(rehearsal.posts()[0][1]), b'{"run_id":"x"}'))
    )
    summary = rehearsal.run(in_doubt="resubmit", poll_initial=200, poll_max=200, **CALLED_BACK)
    assert (summary.completed, summary.polls) == (1, 1)
    assert rehearsal.outputs()[0]["attempts"] == 2


def test_forged_callbacks_change_nothing_and_wake_nothing(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "duration=30", "callback_never=1")

    def forge() -> None:
        for _, body in rehearsal.posts():
            path = address_of(body)
            head, _, proof = path.rpartition(".")
            for forged in (f"{head}.{proof[::-1]}", f"{head}.{'A' * 22}", path.replace("/", "/1", 2), path + "x", head):
                for _ in range(100):
                    rehearsal.receive_callback(
                        forged, b'{"run_id":"run_1","status":"completed","outputs":{"paid":"me"}}'
                    )

    rehearsal.scheduled.append((15, forge))
    summary = rehearsal.run(poll_initial=40, poll_max=40, **CALLED_BACK)
    assert (summary.completed, summary.polls) == (20, 20)
    assert all("paid" not in row["output"] for row in rehearsal.outputs().values())


def test_the_body_of_a_callback_is_not_believed(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=5")
    rehearsal.deliver = lambda path, _body: [
        (path, b'{"run_id":"another","status":"failed","outputs":{"x":1},"error":{"code":"E","message":"m"}}')
    ]
    assert rehearsal.run(**CALLED_BACK).completed == 3
    assert "another" not in {row["run_id"] for row in rehearsal.outputs().values()}


def test_a_run_that_timed_out_is_polled_once_more_after_a_callback(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 30, "duration=uniform:1,200")
    summary = rehearsal.run(rps=1, run_timeout=100, **CALLED_BACK)
    assert summary.timed_out + summary.completed == 30
    late = [
        row for row in rehearsal.outputs().values() if (row["finished_at"] - row["submitted_at"]).total_seconds() > 100
    ]
    assert late, "some were completed after they had timed out"


# -- doubt


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


def test_an_answer_that_echoes_nothing_contradicts_nothing(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=5", "fault=lost:id=3")
    rehearsal.answer = lambda request: (
        Response(200, b'{"status":"completed","outputs":{"a":1}}') if request.path.endswith("/r") else None
    )
    claiming(rehearsal, lambda: "r")
    assert rehearsal.run(**CALLED_BACK).completed == 5
    assert (rehearsal.outputs()[3]["run_id"], rehearsal.outputs()[3]["output"]) == ("r", '{"a":1}')


def test_a_run_that_is_not_visible_yet_is_asked_for_again(tmp_path: Path) -> None:
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
def test_what_the_user_settled_is_settled(tmp_path: Path, policy: str) -> None:
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


def test_a_session_waits_for_callbacks_of_doubt_as_long_as_runs_take_and_no_longer(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "duration=20", "fault=lost:id=19", "fault=callback_never:id=19")
    summary = rehearsal.run(**CALLED_BACK)
    assert (summary.exit_code, summary.in_doubt) == (3, 1)
    assert 38 < summary.elapsed_s < 45
    rehearsal.clock.jump(3600)
    assert rehearsal.run(**CALLED_BACK).session.elapsed_s < 1


def test_the_job_does_not_wait_if_callbacks_do_not_come(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "duration=20", "fault=lost:id=19", "callback_never=1")
    assert rehearsal.run(**CALLED_BACK).elapsed_s < 38


# -- from session to session


def test_after_a_kill_the_same_addresses_are_valid(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 30, "duration=30", "latency=1")
    rehearsal.run(kill_after=40, **CALLED_BACK)
    rehearsal.clock.jump(5)
    before = len(rehearsal.posts())
    summary = rehearsal.run(**CALLED_BACK)
    assert (summary.exit_code, summary.completed) == (0, 30), "also the 20 that were in doubt"
    assert len(rehearsal.posts()) == before == 30
    assert rehearsal.simulator.stats()["runs_repeated"] == 0


@pytest.mark.parametrize("changes", range(1, 60, 3))
def test_killed_anywhere_and_called_back_nothing_is_lost_paid_twice_or_left_in_doubt(
    tmp_path: Path, changes: int
) -> None:
    rehearsal = Rehearsal(tmp_path, 12, "duration=uniform:20,40", "latency=0.5", "lost=0.2", "callback_double=0.5")
    rehearsal.run(kill_after=changes, **CALLED_BACK)
    rehearsal.clock.jump(2)
    summary = rehearsal.run(**CALLED_BACK)
    assert summary.completed + summary.in_doubt == 12
    assert rehearsal.simulator.stats()["runs_repeated"] == 0
    sent = {rehearsal.row_of(body) for _, body in rehearsal.posts()}
    assert set(rehearsal.errors()) == set(range(12)) - sent, "only what was killed before its POST had left"


def test_callbacks_may_come_and_go_between_sessions(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 30, "duration=10")
    rehearsal.run(max_runtime="1s", rps=10, **CALLED_BACK)
    rehearsal.run(max_runtime="2s", rps=10)
    assert rehearsal.run(**CALLED_BACK).completed == 30
    addresses = [msgspec.json.decode(body).get("callback_url") for _, body in rehearsal.posts()]
    assert len(addresses) == 30
    assert 5 < addresses.count(None) < 20


def test_runs_that_ended_between_sessions_are_no_reason_for_distrust(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 220, "duration=30")
    rehearsal.run(max_runtime="5s", rps=10, **CALLED_BACK)
    rehearsal.clock.jump(600)
    summary = rehearsal.run(rps=10, **CALLED_BACK)
    assert summary.completed == 220
    assert summary.session.polls < 1.3 * 220


def test_the_secret_is_in_the_checkpoint_alone(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1")
    rehearsal.run(**CALLED_BACK)
    key = key_of(rehearsal)
    assert len(key) == 64
    for path in (tmp_path / "job").iterdir():
        if not path.name.startswith("checkpoint"):
            assert key.encode() not in path.read_bytes()
    rehearsal.run(fresh=True, **CALLED_BACK)
    assert key_of(rehearsal) != key


def test_a_mistake_in_the_options_is_reported(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1")
    with pytest.raises(InputError, match="--callback-url needs --callback-listen"):
        rehearsal.run(callback_url=CALLED_BACK["callback_url"])
    assert not rehearsal.requests
