"""Injected faults: how often they occur, for which rows, and that they are reproducible."""

from collections.abc import Callable

import pytest

from batchrun.simulator.replies import Reply
from tests.simulator.simulated import Service, content, refusal

ROWS = [{"id": number} for number in range(400)]


def _lost(reply: Reply) -> bool:
    return reply.drop


def _garbage(reply: Reply) -> bool:
    return reply.status == 200 and reply.headers["content-type"].startswith("text/html") and b"<html>" in reply.body


def _refused(status: int, code: str) -> Callable[[Reply], bool]:
    return lambda reply: reply.status == status and refusal(reply) == (status, code)


POST_FAULTS = [
    ("error", _refused(500, "INTERNAL_SERVER_ERROR"), False),
    ("unavailable", _refused(503, "SERVICE_UNAVAILABLE"), False),
    ("reject", _refused(400, "BAD_REQUEST"), False),
    ("lost", _lost, True),
    ("garbage", _garbage, True),
]


@pytest.mark.parametrize(("name", "has_fault", "accepted"), POST_FAULTS)
def test_a_post_gets_its_fault_and_a_run_is_created_or_not(
    name: str, has_fault: Callable[[Reply], bool], accepted: bool
) -> None:
    service = Service(f"{name}=1")
    assert has_fault(service.post({"id": 1}))
    assert service.simulator.stats()["runs"] == int(accepted)


@pytest.mark.parametrize(("name", "has_fault"), [fault[:2] for fault in POST_FAULTS])
def test_a_share_of_the_rows_is_hit_and_the_same_seed_hits_the_same_rows(
    name: str, has_fault: Callable[[Reply], bool]
) -> None:
    def hit(seed: int, rows: list[dict[str, int]]) -> set[int]:
        service = Service(f"{name}=20%", seed=seed)
        return {row["id"] for row in rows if has_fault(service.post(row))}

    first = hit(1, ROWS)
    assert 50 < len(first) < 110
    assert hit(1, ROWS[::-1]) == first, "the order of the rows does not matter"
    assert hit(2, ROWS) != first


@pytest.mark.parametrize("name", ["fail", "stuck"])
def test_runs_fail_or_are_stuck_by_share_and_by_seed(name: str) -> None:
    def hit(seed: int) -> list[bool]:
        service = Service(f"{name}=0.2", "duration=0", seed=seed)
        return [service.poll_ok(service.submit(row))["status"] != "completed" for row in ROWS[:200]]

    assert 20 < sum(hit(1)) < 60
    assert hit(1) == hit(1)
    assert hit(1) != hit(2)


@pytest.mark.parametrize("name", ["reject", "fail", "stuck"])
def test_row_faults_occur_each_time_the_row_is_sent(name: str) -> None:
    service = Service(f"{name}=0.5", "duration=0")

    def status(row: dict[str, int]) -> object:
        reply = service.post(row)
        return service.poll_ok(content(reply)["run_id"])["status"] if reply.status == 200 else reply.status

    for row in ROWS[:20]:
        assert len({status(row) for _ in range(5)}) == 1


@pytest.mark.parametrize(("name", "has_fault"), [fault[:2] for fault in POST_FAULTS if fault[0] != "reject"])
def test_request_faults_are_drawn_for_each_request(name: str, has_fault: Callable[[Reply], bool]) -> None:
    service = Service(f"{name}=0.5")
    assert {has_fault(service.post({"id": 1})) for _ in range(20)} == {True, False}


def test_polls_fail_by_share_and_the_run_goes_on() -> None:
    service = Service("poll_error=0.5", "duration=0")
    run_id = service.submit()
    outcomes = [service.poll(run_id) for _ in range(50)]
    assert {reply.status for reply in outcomes} == {200, 500}
    assert {refusal(reply) for reply in outcomes if reply.status == 500} == {(500, "INTERNAL_SERVER_ERROR")}


def test_slow_answers_are_delayed_in_addition_to_the_latency() -> None:
    service = Service("slow=0.5", "slow_seconds=7", "latency=0.5", "duration=0")
    assert {service.post(row).delay for row in ROWS[:30]} == {0.5, 7.5}
    run_id = service.submit()
    assert {service.poll(run_id).delay for _ in range(30)} == {0.5, 7.5}


def test_every_answer_has_the_latency_even_refusals_and_lost_answers() -> None:
    assert Service("latency=2").poll("run_0").delay == 2
    assert Service("latency=2", "error=1").post().delay == 2
    assert Service("latency=2", "lost=1").post().delay == 2
    assert Service("latency=2", "duration=3").post(asynchronous=False).delay == 5


@pytest.mark.parametrize(
    ("value", "value_sent"),
    [("17", 17), ("17", "17"), ("1.50", 1.5), ("true", True), ("null", None), ("[1,2]", [1, 2])],
)
def test_a_fault_by_the_value_of_an_input_compares_text(value: str, value_sent: object) -> None:
    service = Service(f"fault=error:id={value}")
    matched = service.post({"id": value_sent}).status == 500
    assert matched == (value != "1.50"), "1.5 was sent, and 1.50 is a different text"
    assert service.post({"id": "other"}).status == 200
    assert service.post({"di": value_sent}).status == 200


def test_faults_by_value_can_be_repeated_and_always_occur() -> None:
    service = Service("fault=error:id=1", "fault=lost:id=2", "fault=stuck:name=a=b", "duration=0")
    assert [service.post({"id": 1}).status for _ in range(3)] == [500] * 3
    assert [service.post({"id": 2}).drop for _ in range(3)] == [True] * 3
    assert service.poll_ok(service.submit({"name": "a=b"}))["status"] == "running"


def test_faults_by_value_apply_to_polls() -> None:
    service = Service("fault=poll_error:id=1", "fault=slow:id=2", "slow_seconds=9", "duration=0")
    assert service.poll(service.submit({"id": 1})).status == 500
    assert service.poll(service.submit({"id": 2})).delay == 9
    assert service.poll(service.submit({"id": 3})).delay == 0


def test_durations_are_drawn_for_each_run_by_the_seed() -> None:
    def durations(seed: int) -> list[float]:
        service = Service("duration=uniform:1,5", seed=seed)
        return [service.post({**row, "x": 1}, asynchronous=False).delay for row in ROWS[:50]]

    assert durations(1) == durations(1) != durations(2)
    assert all(1 <= duration <= 5 for duration in durations(1))
    assert len(set(durations(1))) > 40
