"""What differs from the job that a directory holds."""

from typing import Any

import pytest

from batchrun.app.pinned_job import differences, pinned_facts
from batchrun.job import build_job


def facts(**values: Any) -> dict[str, Any]:
    return pinned_facts(build_job({"input": "rows.csv", "workflow_id": "w"} | values))


@pytest.mark.parametrize(("before", "now"), [(1, True), (0, False), (1, 1.0), (1, "1"), ([1], [True]), (None, 0)])
def test_constants_that_python_takes_for_equal_are_others_where_they_are_sent_otherwise(before: Any, now: Any) -> None:
    found = differences(facts(const={"n": before}), facts(const={"n": now}))
    assert len(found) == 1
    assert found[0].startswith("--const was ")


def test_the_order_of_names_is_no_difference() -> None:
    one = facts(param={"a": "x", "b": "y"}, const={"c": {"d": 1, "e": None}}, skip=["p", "q"])
    other = facts(param={"b": "y", "a": "x"}, const={"c": {"e": None, "d": 1}}, skip=["q", "p"])
    assert differences(one, other) == []
