"""What the answer to a poll says about its run."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.answers import AcceptedAnswer, Identity, RunState, SyncResult
from tests.unit.dialects.spoken import NOW
from tests.unit.dialects.v1_answers import v1


def identity_in(body: str) -> Identity:
    """What the answer to a poll says about its run, and that to a POST as well if it says so much."""
    polled = v1.parse_poll(200, {}, body.encode(), NOW)
    assert isinstance(polled, RunState)
    for parse in (v1.parse_submit, v1.parse_synchronous):
        submitted = parse(200, {}, body.encode(), NOW)
        assert not isinstance(submitted, AcceptedAnswer | SyncResult) or submitted.identity == polled.identity
    return polled.identity


ENDED = '"status":"completed","outputs":{"run_id":"x","status":"run_id"}'


@pytest.mark.parametrize(
    ("members", "identity"),
    [
        ("", Identity()),
        ('"run_id":"r","workflow_id":"w",', Identity("r", "w")),
        ('"run_id":7,"workflow_id":8,', Identity("7", "8")),
        ('"run_id":null,"workflow_id":null,"inputs":null,', Identity(inputs=msgspec.Raw(b"null"))),
        ('"run_id":"",', Identity()),
        ('"run_id":" ","workflow_id":" ",', Identity()),
        ('"run_id":0,"workflow_id":"0",', Identity("0", "0")),
        ('"run_id":{"id":1},', Identity('{"id":1}')),
        ('"run_id":"r","inputs": {"a":1} ,', Identity("r", inputs=msgspec.Raw(b'{"a":1}'))),
        ('"run_id":"r","run_id":"s",', Identity("s", repeated="run_id")),
        ('"run_id":"s","run\\u005fid":"r",', Identity("r", repeated="run_id")),
        ('"status":"failed",', Identity(repeated="status")),
        ('"outputs":1,', Identity(repeated="outputs")),
        ('"run_id":"r","run_id" :  "r",', Identity("r")),
        ('"error":"\\u0072un",', Identity()),
    ],
)
def test_the_identity_in_an_answer(members: str, identity: Identity) -> None:
    assert identity_in("{" + members + ENDED + "}") == identity


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["run_id", '"run_id"', "\\u0072un_id"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["run_id", "a"]), inner, max_size=2),
    max_leaves=6,
)


@given(
    st.lists(st.tuples(st.sampled_from(["run_id", "inputs", "workflow_id", "other"]), JSON), max_size=4), st.booleans()
)
def test_keys_are_found_twice_only_with_different_values(members: list[tuple[str, object]], escaped: bool) -> None:
    pairs = [f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=escaped)}" for name, value in members]
    found = identity_in("{" + ", ".join([*pairs, '"status":"completed"']) + "}").repeated
    values = dict[str, set[str]]()
    for name, value in members:
        values.setdefault(name, set()).add(json.dumps(value, sort_keys=True))
    repeated = {name for name, different in values.items() if len(different) > 1 and name != "other"}
    assert (found in repeated) if repeated else found is None
