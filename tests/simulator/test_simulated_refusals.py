"""Refusals on demand, and tokens that expire."""

import pytest

from batchrun.errors import InputError
from batchrun.simulator.injected_statuses import CODES
from batchrun.simulator.options import parse_options
from batchrun.simulator.tokens import Tokens
from tests.simulator.simulated import JSON, Service, content, refusal

ROWS = [{"id": number} for number in range(200)]


@pytest.mark.parametrize("status", CODES)
def test_each_status_can_be_demanded_of_a_post_and_no_run_is_made(status: int) -> None:
    service = Service(f"answer=post:{status}:1")
    reply = service.post({"id": 1})
    assert refusal(reply) == (status, CODES[status])
    assert ("retry-after" in reply.headers) == (status == 429)
    assert service.simulator.stats()["runs"] == 0
    assert service.simulator.stats()["throttled"] == int(status == 429)


@pytest.mark.parametrize("status", CODES)
def test_each_status_can_be_demanded_of_a_poll_and_the_run_goes_on(status: int) -> None:
    service = Service(f"answer=poll:{status}:50%", "duration=0")
    run_id = service.submit()
    outcomes = [service.poll(run_id) for _ in range(40)]
    assert {reply.status for reply in outcomes} == {200, status}


def test_a_share_is_drawn_for_every_request_anew_and_by_the_seed() -> None:
    def met(seed: int) -> list[int]:
        service = Service("answer=post:403:20%", seed=seed)
        return [service.post(row).status for row in ROWS]

    assert met(1) == met(1) != met(2)
    assert 20 < met(1).count(403) < 60
    again = Service("answer=post:403:50%")
    assert {again.post({"id": 1}).status for _ in range(20)} == {200, 403}


def test_several_can_be_demanded_by_value_and_each_has_its_own() -> None:
    service = Service("answer=post:413:id=1", "answer=post:422:id=2", "answer=poll:401:id=3", "duration=0")
    assert [service.post({"id": number}).status for number in (1, 2, 3, 1)] == [413, 422, 200, 413]
    assert service.poll(service.submit({"id": 3})).status == 401
    assert service.poll(service.submit({"id": 4})).status == 200


@pytest.mark.parametrize(
    "text", ["403", "post:403", "post:403:", "get:403:1", "post:418:1", "post:403:2", "post:403:x", "post:403:=1", ""]
)
def test_a_demand_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="post:403:5%"):
        parse_options([f"answer={text}"])


def test_demands_are_shown_as_they_are_written() -> None:
    rules = parse_options(["answer=post:403:0.05", "answer=poll:401:id=17"]).answer
    assert list(map(str, rules)) == ["post:403:0.05", "poll:401:id=17"]


# -- tokens


def used(tokens: Tokens, *requests: tuple[str, float]) -> list[bool]:
    return [tokens.takes(token, at) for token, at in requests]


def test_any_token_is_taken_for_ever_by_default() -> None:
    assert used(Tokens((), None, None), ("a", 0), ("a", 1e9), ("b", 1e9)) == [True] * 3


def test_a_token_expires_some_seconds_after_its_first_use() -> None:
    tokens = Tokens((), 10, None)
    assert used(tokens, ("a", 5), ("a", 14.9), ("b", 15), ("a", 15), ("b", 24), ("b", 25)) == [
        True, True, True, False, True, False,
    ]  # fmt: skip


def test_a_token_expires_after_some_requests() -> None:
    assert used(Tokens((), None, 2), *[("a", 0)] * 3, ("b", 0)) == [True, True, False, True]


def test_of_a_list_the_next_is_valid_when_the_one_before_has_expired() -> None:
    tokens = Tokens(("a", "b"), None, 2)
    requests = [("b", 0), ("x", 0), ("a", 0), ("a", 0), ("a", 0), ("b", 0), ("a", 0), ("b", 0), ("b", 0)]
    assert used(tokens, *requests) == [
        False, False, True, True, False, True, False, True, False,
    ]  # fmt: skip


def test_of_a_list_without_an_end_the_first_is_the_token() -> None:
    assert used(Tokens(("a", "b"), None, None), ("a", 0), ("b", 0), ("a", 9)) == [True, False, True]


def test_the_service_refuses_an_expired_token_with_the_documented_error() -> None:
    service = Service("tokens=t0ken,next", "token_requests=1")
    assert service.post().status == 200
    assert refusal(service.post()) == (401, "UNAUTHORIZED")
    assert refusal(service.poll("x")) == (401, "UNAUTHORIZED")
    body = b'{"workflow_id":"echo"}'
    assert service.send(body, JSON | {"authorization": "Bearer next"}).status == 200
    assert content(service.send(body, JSON | {"authorization": "Bearer next"}))["error"]["code"] == "UNAUTHORIZED"


@pytest.mark.parametrize(
    "text", ["tokens=a,,b", "tokens=", "token_requests=0", "token_requests=1.5", "token_seconds=0"]
)
def test_an_option_of_tokens_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="write"):
        parse_options([text])
