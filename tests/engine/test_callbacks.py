"""Whole jobs with callbacks: they make polls rarer, but a poll confirms everything that they say."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from batchrun.ports import Response
from batchrun.views.closing_summary import summary_lines
from tests.engine.called_back import REAL, address_of
from tests.support.rehearsal import CALLED_BACK, Rehearsal

# -- what reliable callbacks are worth


def test_reliable_callbacks_leave_little_to_poll(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 300, REAL)
    summary = rehearsal.run(rps=10, **CALLED_BACK)
    assert summary.completed == 300
    assert summary.polls <= 1.2 * 300
    assert "callbacks  told the end of 300 of 300 runs" in summary_lines(summary)


def test_the_end_is_known_as_soon_as_the_callback_arrives(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 40, "duration=25", "callback_delay=0.5")
    rehearsal.run(**CALLED_BACK)
    for row in list(rehearsal.outputs().values())[10:]:
        assert 25 <= (row["finished_at"] - row["submitted_at"]).total_seconds() < 27


def test_without_the_options_no_callback_is_requested(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1")
    assert rehearsal.run().callbacks is None
    assert all(b"callback_url" not in body for _, body in rehearsal.posts())


def test_each_attempt_of_each_row_has_an_address_of_its_own(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "error=0.3", "duration=1")
    rehearsal.run(retries=9, **CALLED_BACK)
    addresses = [address_of(body) for _, body in rehearsal.posts()]
    assert len(addresses) == len(set(addresses)) > 20
    named = [re.fullmatch(r"/hooks/(\d+)\.(\d+)\.[\w-]{22}", address) for address in addresses]
    assert [match and int(match[1]) for match in named] == [rehearsal.row_of(body) for _, body in rehearsal.posts()]


@pytest.mark.parametrize("api", ["open", "studio"])
def test_a_service_without_callbacks_is_said_to_have_none(
    tmp_path: Path, api: str, caplog: pytest.LogCaptureFixture
) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1", api=api)
    summary = rehearsal.run(**CALLED_BACK)
    assert f"--callback-url has no effect: --api {api} has no callbacks" in caplog.messages
    assert (summary.completed, summary.callbacks) == (3, None)
    assert not [line for line in summary_lines(summary) if line.startswith("callbacks")]


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
    summary = rehearsal.run(**CALLED_BACK)
    assert summary.elapsed_s < 12
    assert any(line.startswith("callbacks  none for 20 runs: does --callback-url") for line in summary_lines(summary))


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


def test_callbacks_slower_than_the_polls_are_still_trusted(tmp_path: Path) -> None:
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


def test_replayed_callbacks_wake_few_polls(tmp_path: Path) -> None:
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


def test_the_body_of_a_callback_is_not_trusted(tmp_path: Path) -> None:
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


def test_a_few_lost_callbacks_do_not_prolong_the_job_by_minutes(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 300, "duration=uniform:1,3", "callback_never=0.05")
    began = rehearsal.clock.now()
    summary = rehearsal.run(rps=50, **CALLED_BACK)
    assert summary.completed == 300
    assert rehearsal.clock.now() - began < 20_000
    assert summary.polls < 1.3 * 300
