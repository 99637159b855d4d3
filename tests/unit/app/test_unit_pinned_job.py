"""Differences from the job that is pinned in a run directory."""

from typing import Any

import pytest

from batchrun.app.job_differences import differences
from batchrun.app.pinned_job import pinned_options
from batchrun.job import build_job


def options_of(**values: Any) -> dict[str, Any]:
    return pinned_options(build_job({"input": "rows.csv", "workflow_id": "w"} | values))


@pytest.mark.parametrize(("before", "now"), [(1, True), (0, False), (1, 1.0), (1, "1"), ([1], [True]), (None, 0)])
def test_constants_that_are_equal_in_python_but_sent_differently_differ(before: Any, now: Any) -> None:
    found = differences(options_of(const={"n": before}), options_of(const={"n": now}))
    assert len(found) == 1
    was, _, is_now = found[0].partition("; now: ")
    assert was.startswith("was: --const n=" if was[-1].isalnum() else "was: --const 'n=")
    assert was.removeprefix("was: ") != is_now


def test_a_constant_of_text_that_looks_like_a_number_is_told_from_the_number() -> None:
    found = differences(options_of(const={"n": 1, "t": "x"}), options_of(const={"n": "1", "t": "x"}))
    assert found == ["was: --const n=1 --const t=x; now: --const 'n=\"1\"' --const t=x"]


def test_the_order_of_names_does_not_matter() -> None:
    one = options_of(param={"a": "x", "b": "y"}, const={"c": {"d": 1, "e": None}}, skip=["p", "q"])
    other = options_of(param={"b": "y", "a": "x"}, const={"c": {"e": None, "d": 1}}, skip=["q", "p"])
    assert differences(one, other) == []
