"""Sweeps as whole jobs: the rows of the product, their columns, and what is sent for them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from batchrun.app.export import export
from batchrun.errors import InputError
from batchrun.job import Job
from tests.support.rehearsal import Rehearsal

VARY: dict[str, Any] = {"vary": {"lang": ["en", "de"], "n": [1, None]}, "repeat": 2}


def sent(rehearsal: Rehearsal) -> list[dict[str, Any]]:
    return [rehearsal.inputs_of(body) for _, body in rehearsal.posts()]


def test_each_row_is_sent_under_each_variant_as_often_as_asked(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1")
    summary = rehearsal.run(**VARY)
    assert (summary.exit_code, summary.rows, summary.completed) == (0, 24, 24)
    times = Counter((one["id"], one["lang"], one["n"]) for one in sent(rehearsal))
    assert times == {(str(row), lang, n): 2 for row in range(3) for lang in ("en", "de") for n in (1, None)}
    outputs = rehearsal.outputs()
    assert list(outputs) == list(range(24))
    for row, found in outputs.items():
        assert (
            row
            == (found["input_row"] * 4 + ["en", "de"].index(found["lang"]) * 2 + (found["n"] is None)) * 2
            + (found["repeat"])
        )
        n = "null" if found["n"] is None else found["n"]
        assert found["variant"] == f"lang={found['lang']}, n={n}"
        assert json.loads(found["output"])["echo"]["lang"] == found["lang"]
    schema = pq.read_schema(tmp_path / "job" / "errors.parquet")
    assert [str(schema.field(name).type) for name in ("input_row", "variant", "repeat")] == ["int64", "string", "int32"]


def test_neighbours_are_submitted_beside_each_other(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=1")
    rehearsal.run(**VARY)
    assert [one["id"] for one in sent(rehearsal)] == [str(row) for row in range(5) for _ in range(8)]


def test_an_interrupted_sweep_is_resumed(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "duration=30", "fail=0.2")
    assert rehearsal.run(**VARY, rps=10, max_runtime=8).exit_code == 75
    summary = rehearsal.run(**VARY)
    assert (summary.rows, summary.completed + summary.failed) == (160, 160)
    assert len(rehearsal.posts()) == 160
    assert {**rehearsal.outputs(), **rehearsal.errors()}.keys() == set(range(160))
    failed = summary.failed
    rehearsal.serve("duration=30")
    assert rehearsal.retry(**VARY).completed == 160
    assert len(rehearsal.posts()) == 160 + failed


def test_variants_may_have_workflows_of_their_own(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 4, "duration=1")
    variants = [{"name": "a", "const": {"style": "short"}}, {"name": "b", "workflow-id": "slow"}]
    summary = rehearsal.run(variant=variants)
    assert summary.rows == 8
    workflows = [json.loads(body)["workflow_id"] for _, body in rehearsal.posts()]
    assert workflows == ["echo", "slow"] * 4
    outputs, errors = rehearsal.outputs(), rehearsal.errors()
    assert {row["variant"] for row in outputs.values()} >= {"a"}
    assert all(row["style"] == ("short" if row["variant"] == "a" else None) for row in (outputs | errors).values())


@pytest.mark.parametrize(("limit", "rows"), [({"limit": 2}, {0, 1}), ({"sample": 2}, None)])
def test_a_limit_counts_input_rows(tmp_path: Path, limit: dict[str, Any], rows: set[int] | None) -> None:
    rehearsal = Rehearsal(tmp_path, 50, "duration=20")
    assert rehearsal.run(**VARY, **limit, rps=2, max_runtime=5).exit_code == 75
    summary = rehearsal.run(**VARY, **limit, seed=99)
    assert (summary.exit_code, summary.rows, summary.completed) == (0, 16, 16)
    found = {row["input_row"] for row in rehearsal.outputs().values()}
    assert len(found) == 2
    assert found == rows if rows is not None else found != {0, 1}
    assert len(rehearsal.posts()) == 16


def test_a_sample_is_the_same_although_rows_were_appended(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 50, "duration=1")
    rehearsal.run(sample=5)
    rehearsal.write(range(500))
    summary = rehearsal.run(sample=5)
    assert (summary.exit_code, summary.rows, len(rehearsal.posts())) == (0, 5, 5)
    assert len(rehearsal.outputs()) == 5


def test_what_makes_the_sweep_is_pinned(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1")
    rehearsal.run(**VARY)
    for other in ({"vary": {"lang": ["en"]}, "repeat": 2}, {"vary": VARY["vary"]}, {**VARY, "sample": 2}):
        with pytest.raises(InputError, match="was begun differently"):
            rehearsal.run(**other)
    assert len(rehearsal.posts()) == 24


def test_without_its_input_a_sweep_has_its_columns_still(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1")
    rehearsal.run(**VARY)
    before = rehearsal.outputs()
    rehearsal.input.unlink()
    export(tmp_path / "job")
    assert rehearsal.outputs() == before
    assert rehearsal.run(**VARY).exit_code == 0
    assert rehearsal.outputs() == before


def test_a_sweep_that_grows_pays_for_what_is_new(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1")
    rehearsal.run(vary={"lang": ["en"]}, key="id", repeat=2)
    assert len(rehearsal.posts()) == 6
    summary = rehearsal.run(
        vary={"lang": ["de", "en"]}, key="id", repeat=3, out=tmp_path / "more", reuse=tmp_path / "job"
    )
    assert (summary.completed, summary.reused, len(rehearsal.posts())) == (18, 6, 6 + 12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vary": {"id": ["a"]}}, "the variants give the input 'id'"),
        ({"vary": {"text": ["a"]}, "param": {"x": "id"}}, "the variants give the input 'text', and the column"),
    ],
)
def test_a_column_of_the_input_is_not_varied(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Rehearsal(tmp_path, [{"id": "1", "text": "a"}]).run(**options)


def test_each_workflow_is_asked_for_before_anything_is_sent(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, api="open")
    with pytest.raises(InputError, match="do not fit workflow penguin"):
        rehearsal.run(vary={"workflow-id": ["echo", "penguin"]}, out=tmp_path / "other")
    assert not rehearsal.posts()
    assert rehearsal.run(vary={"workflow-id": ["echo", "flaky"]}, out=tmp_path / "third", limit=1).rows == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": [{"name": "a", "consts": {}}]}, "variant 1: consts is none of its keys"),
        ({"variant": [{"name": "a"}, {"const": {}}]}, "variant 2: name is missing"),
        ({"vary": {"n": [1, "1"]}}, "two variants are named 'n=1'"),
        ({"vary": {"n": [1]}, "const": {"n": 2}}, "also given by const"),
        ({"vary": {"n": [1]}, "variant": [{"name": "a"}]}, "exclude each other"),
        ({"variant": [{"name": "a"}, {"name": "a"}]}, "two variants are named 'a'"),
        ({"vary": {"n": []}}, "holds no values"),
        ({"sample": 3, "limit": 2}, "exclude each other"),
        ({"repeat": 0}, "must be more than 0"),
        ({"vary": "no table"}, "expected a table|valid dictionary|dict"),
        ({"variant": "no list"}, "list"),
        ({"vary": {"workflow-id": "7,"}}, "holds an empty value"),
    ],
)
def test_options_that_contradict_each_other(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Job(input=tmp_path / "in.csv", workflow_id="w", **options)


def test_a_job_that_varies_its_workflow_needs_no_other() -> None:
    assert Job(input="in.csv", vary={"workflow-id": ["7", "8"]}).workflow_id == "7"
