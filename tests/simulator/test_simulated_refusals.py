"""Injected HTTP statuses, and tokens that expire."""

import pytest

from batchrun.errors import InputError
from batchrun.simulator.injected_statuses import ERROR_CODES
from batchrun.simulator.options import parse_options
from batchrun.simulator.tokens import Tokens
from tests.simulator.simulated import JSON, Service, content, refusal

ROWS = [{"id": number} for number in range(200)]


@pytest.mark.parametrize("status", ERROR_CODES)
def test_each_status_can_be_injected_into_a_post_and_no_run_is_created(status: int) -> None:
    service = Service(f"answer=post:{status}:1")
    reply = service.post({"id": 1})
    assert refusal(reply) == (status, ERROR_CODES[status])
    assert ("retry-after" in reply.headers) == (status == 429)
    assert service.simulator.stats()["runs"] == 0
    assert service.simulator.stats()["throttled"] == int(status == 429)


@pytest.mark.parametrize("status", ERROR_CODES)
def test_each_status_can_be_injected_into_a_poll_and_the_run_continues(status: int) -> None:
    service = Service(f"answer=poll:{status}:50%", "duration=0")
    run_id = service.submit()
    outcomes = [service.poll(run_id) for _ in range(40)]
    assert {reply.status for reply in outcomes} == {200, status}


def test_a_share_is_drawn_for_each_request_and_depends_on_the_seed() -> None:
    def statuses(seed: int) -> list[int]:
        service = Service("answer=post:403:20%", seed=seed)
        return [service.post(row).status for row in ROWS]

    assert statuses(1) == statuses(1) != statuses(2)
    assert 20 < statuses(1).count(403) < 60
    again = Service("answer=post:403:50%")
    assert {again.post({"id": 1}).status for _ in range(20)} == {200, 403}


def test_several_rules_by_value_each_have_their_own_status() -> None:
    service = Service("answer=post:413:id=1", "answer=post:422:id=2", "answer=poll:401:id=3", "duration=0")
    assert [service.post({"id": number}).status for number in (1, 2, 3, 1)] == [413, 422, 200, 413]
    assert service.poll(service.submit({"id": 3})).status == 401
    assert service.poll(service.submit({"id": 4})).status == 200


@pytest.mark.parametrize(
    "text", ["403", "post:403", "post:403:", "get:403:1", "post:418:1", "post:403:2", "post:403:x", "post:403:=1", ""]
)
def test_an_invalid_rule_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="post:403:5%"):
        parse_options([f"answer={text}"])


def test_rules_are_shown_in_the_form_they_were_given() -> None:
    rules = parse_options(["answer=post:403:0.05", "answer=poll:401:id=17"]).answer
    assert list(map(str, rules)) == ["post:403:0.05", "poll:401:id=17"]


# -- tokens


def accepted(tokens: Tokens, *requests: tuple[str, float]) -> list[bool]:
    return [tokens.accepts(token, at) for token, at in requests]


def test_any_token_is_always_accepted_by_default() -> None:
    assert accepted(Tokens((), None, None), ("a", 0), ("a", 1e9), ("b", 1e9)) == [True] * 3


def test_a_token_expires_a_number_of_seconds_after_its_first_use() -> None:
    tokens = Tokens((), 10, None)
    assert accepted(tokens, ("a", 5), ("a", 14.9), ("b", 15), ("a", 15), ("b", 24), ("b", 25)) == [
        True, True, True, False, True, False,
    ]  # fmt: skip


def test_a_token_expires_after_a_number_of_requests() -> None:
    assert accepted(Tokens((), None, 2), *[("a", 0)] * 3, ("b", 0)) == [True, True, False, True]


def test_the_next_token_of_a_list_is_valid_when_the_previous_one_has_expired() -> None:
    tokens = Tokens(("a", "b"), None, 2)
    requests = [("b", 0), ("x", 0), ("a", 0), ("a", 0), ("a", 0), ("b", 0), ("a", 0), ("b", 0), ("b", 0)]
    assert accepted(tokens, *requests) == [
        False, False, True, True, False, True, False, True, False,
    ]  # fmt: skip


def test_without_an_expiry_only_the_first_token_of_a_list_is_valid() -> None:
    assert accepted(Tokens(("a", "b"), None, None), ("a", 0), ("b", 0), ("a", 9)) == [True, False, True]


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
def test_an_invalid_token_option_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="write"):
        parse_options([text])
