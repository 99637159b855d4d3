"""A nightly job on a growing table: results of an earlier job are reused, and only the other rows are paid for."""

import sqlite3
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batchrun.app.export import export
from batchrun.app.pinned_job import load_job
from batchrun.app.status import status
from batchrun.errors import InputError
from batchrun.ports import Request
from tests.support.rehearsal import Rehearsal

Table = Sequence[Mapping[str, str]] | int


def night(folder: Path, name: str, rows: Table, *faults: str, reuse: str | None = None) -> Rehearsal:
    """The job of one night. It has its own service, which counts the requests of this night."""
    (folder / name).mkdir()
    quick = () if any(fault.startswith("duration") for fault in faults) else ("duration=1",)
    rehearsal = Rehearsal(folder / name, rows, *quick, *faults)
    rehearsal.options |= {"key": "id"}
    if reuse is not None:
        rehearsal.options |= {"reuse": folder / reuse / "job"}
    return rehearsal


def sources(rehearsal: Rehearsal) -> dict[int, str | None]:
    return {row: record["reused_from"] for row, record in rehearsal.outputs().items()}


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def texts(*values: str) -> list[dict[str, str]]:
    return [{"id": str(number), "text": value} for number, value in enumerate(values)]


# -- what is taken over, and what is paid for


def test_a_growing_table_pays_each_night_for_what_is_new(tmp_path: Path) -> None:
    first = night(tmp_path, "mon", 5)
    assert first.run().reused == 0
    second = night(tmp_path, "tue", 8, reuse="mon")
    summary = second.run()
    assert (summary.rows, summary.completed, summary.reused, summary.submissions) == (8, 8, 5, 3)
    assert len(second.posts()) == 3
    third = night(tmp_path, "wed", 12, reuse="tue")
    assert (third.run().reused, len(third.posts())) == (8, 4)
    here = {name: str(tmp_path / name / "job") for name in ("mon", "tue")}
    assert sources(second) == {row: here["mon"] if row < 5 else None for row in range(8)}
    assert sources(third) == {row: here["tue"] if row < 8 else None for row in range(12)}
    status_of_third = status(tmp_path / "wed" / "job")
    assert (status_of_third.reused, status_of_third.completed) == (8, 12)


def test_a_row_that_is_taken_over_is_as_it_was(tmp_path: Path) -> None:
    night(tmp_path, "mon", 3).run()
    rehearsal = night(tmp_path, "tue", 3, reuse="mon")
    rehearsal.clock.jump(86400)
    assert rehearsal.run().exit_code == 0
    assert rehearsal.requests == []
    before = pq.read_table(tmp_path / "mon" / "job" / "outputs.parquet")
    after = pq.read_table(tmp_path / "tue" / "job" / "outputs.parquet")
    assert after.column_names == [*before.column_names, "reused_from"]
    own = {"attempts": [0] * 3, "polls": [0] * 3, "reused_from": [str(tmp_path / "mon" / "job")] * 3}
    assert after.to_pydict() == before.to_pydict() | own


def test_only_equal_inputs_under_the_same_key_are_taken_over(tmp_path: Path) -> None:
    night(tmp_path, "mon", texts("a", "b", "c")).run()
    changed = night(tmp_path, "tue", texts("a", "B", "c"), reuse="mon")
    assert changed.run().reused == 2
    assert [b'"B"' in body for _, body in changed.posts()] == [True]
    renamed = night(tmp_path, "wed", [{"id": "9", "text": "a"}], reuse="mon")
    assert renamed.run(skip=["id"]).reused == 0


def test_rows_and_columns_may_come_in_another_order(tmp_path: Path) -> None:
    night(tmp_path, "mon", texts("a", "b", "c")).run()
    rows = [{"text": row["text"], "id": row["id"]} for row in reversed([*texts("a", "b", "c", "d")])]
    rehearsal = night(tmp_path, "tue", rows, reuse="mon")
    assert rehearsal.run().reused == 3
    assert {row: record["id"] for row, record in rehearsal.outputs().items()} == {0: "3", 1: "2", 2: "1", 3: "0"}
    assert sources(rehearsal)[0] is None


def test_what_the_reuse_key_was_made_of_is_sent_and_not_encoded_again(tmp_path: Path) -> None:
    rehearsal = night(tmp_path, "mon", [{"text": "b", "id": "1", "lang": "c"}])
    rehearsal.run()
    ((_, body),) = rehearsal.posts()
    assert b'"inputs":{"id":"1","lang":"c","text":"b"},' in body, "the reuse key has the inputs in this order"


def test_the_order_within_an_object_is_sent_as_it_is(tmp_path: Path) -> None:
    rehearsal = night(tmp_path, "mon", 0)
    pq.write_table(pa.table({"id": ["1"], "turn": [{"question": "b", "answer": "a"}]}), tmp_path / "rows.parquet")
    rehearsal.run(input=tmp_path / "rows.parquet")
    ((_, body),) = rehearsal.posts()
    assert b'"turn":{"question":"b","answer":"a"}' in body


def test_what_did_not_complete_is_paid_for_again(tmp_path: Path) -> None:
    first = night(tmp_path, "mon", 6, "fault=fail:id=1", "fault=reject:id=2", "fault=garbage:id=3")
    assert (first.run().failed, first.errors()[3]["state"]) == (2, "in_doubt")
    second = night(tmp_path, "tue", 6, reuse="mon")
    assert (second.run().reused, len(second.posts())) == (3, 3)
    assert second.row_results().keys() == set(range(6))


@pytest.mark.parametrize(
    "option", [{"const": {"model": "large"}}, {"param": {"name": "text"}}, {"skip": ["text"]}], ids=str
)
def test_another_mapping_makes_other_inputs(tmp_path: Path, option: dict[str, Any]) -> None:
    night(tmp_path, "mon", texts("a", "b")).run()
    assert night(tmp_path, "tue", texts("a", "b"), reuse="mon").run(**option).reused == 0


def test_the_same_inputs_by_another_mapping_are_taken_over(tmp_path: Path) -> None:
    night(tmp_path, "mon", texts("a", "b")).run(const={"model": "large"})
    rows = [{**row, "model": "large"} for row in texts("a", "b")]
    assert night(tmp_path, "tue", rows, reuse="mon").run().reused == 2


def test_a_key_of_the_same_text_does_not_make_inputs_of_another_type_the_same(tmp_path: Path) -> None:
    night(tmp_path, "mon", [{"id": "1", "n": "5"}]).run(param={"n": "n"})
    rehearsal = night(tmp_path, "tue", 0, reuse="mon")
    for name, n in (("number", 5), ("text", "5")):
        table = tmp_path / f"{name}.parquet"
        pq.write_table(pa.table({"id": [1], "n": [n]}), table)
        summary = rehearsal.run(input=table, out=tmp_path / name, param={"n": "n"})
        assert summary.reused == (name == "text")


def test_json_values_are_compared_as_they_are_written(tmp_path: Path) -> None:
    for name, one in (("mon", '{"b": 1.0, "a": [1, 2]}'), ("tue", '{"b": 1.00, "a": [1, 2]}')):
        (tmp_path / f"{name}.jsonl").write_text(f'{{"id": "a", "v": {one}}}\n{{"v": null, "id": "b"}}\n{{"id": "c"}}\n')
    night(tmp_path, "mon", 0).run(input=tmp_path / "mon.jsonl")
    rehearsal = night(tmp_path, "tue", 0, reuse="mon")
    assert rehearsal.run(input=tmp_path / "tue.jsonl").reused == 2


def test_equal_inputs_under_two_keys_are_two_rows_although_a_simulator_gives_both_one_run(tmp_path: Path) -> None:
    night(tmp_path, "mon", [{"id": "1", "text": "a"}]).run(skip=["id"])
    rows = [{"id": "2", "text": "a"}, {"id": "1", "text": "a"}, {"id": "3", "text": "b"}]
    summary = night(tmp_path, "tue", rows, reuse="mon").run(skip=["id"])
    assert (summary.completed, summary.reused, summary.exit_code) == (3, 1, 0)


def test_a_limit_holds_for_what_is_taken_over_too(tmp_path: Path) -> None:
    night(tmp_path, "mon", 6).run()
    rehearsal = night(tmp_path, "tue", 10, reuse="mon")
    summary = rehearsal.run(limit=4)
    assert (summary.rows, summary.reused, len(rehearsal.posts())) == (4, 4, 0)
    assert rehearsal.run().reused == 6
    assert len(rehearsal.posts()) == 4


def test_a_limited_job_gives_what_it_has(tmp_path: Path) -> None:
    night(tmp_path, "mon", 10).run(limit=3)
    assert night(tmp_path, "tue", 10, reuse="mon").run().reused == 3


# -- nothing that is for the service holds it up


def test_reused_rows_wait_for_no_rate_no_slot_and_no_first_acceptance(tmp_path: Path) -> None:
    night(tmp_path, "mon", 3000).run(rps=5000, max_in_flight=5000)
    rehearsal = night(tmp_path, "tue", 3000, reuse="mon")
    summary = rehearsal.run(rps=0.01, max_in_flight=1, max_connections=1)
    assert (summary.reused, summary.elapsed_s < 1) == (3000, True)
    assert not summary.rate


def test_rates_and_shares_are_of_the_rows_that_were_worked_on(tmp_path: Path) -> None:
    night(tmp_path, "mon", 200).run()
    rehearsal = night(tmp_path, "tue", 240, *[f"fault=fail:id={number}" for number in range(200, 215)], reuse="mon")
    summary = rehearsal.run(max_failures="20%", rps=5)
    assert (summary.exit_code, summary.reused) == (4, 200), "15 of 40 failed, though only of 240 by all"
    done = summary.completed + summary.failed - summary.reused
    assert summary.rate == pytest.approx(done / summary.elapsed_s, rel=0.01)
    again = rehearsal.run()
    assert (again.exit_code, again.reused) == (3, 200)
    assert again.rate == pytest.approx((240 - 200 - done) / again.session.elapsed_s, rel=0.01)


# -- the earlier job


def test_a_job_that_is_under_way_gives_what_it_has_completed_and_is_not_changed(tmp_path: Path) -> None:
    first = night(tmp_path, "mon", 30, "stuck=0.4")
    first.run(max_runtime="10s", rps=5)
    completed = len(first.outputs())
    assert 0 < completed < 30
    before = files(tmp_path / "mon")
    second = night(tmp_path, "tue", 30, reuse="mon")
    assert second.run().reused == completed
    assert len(second.posts()) == 30 - completed
    assert files(tmp_path / "mon") == before


def test_it_may_be_given_changed_and_dropped_on_the_way(tmp_path: Path) -> None:
    night(tmp_path, "mon", 4).run()
    night(tmp_path, "tue", [{"id": str(number)} for number in range(4, 8)]).run()
    rehearsal = night(tmp_path, "wed", 10)
    rehearsal.run(limit=2)
    assert rehearsal.run(limit=4, reuse=tmp_path / "mon" / "job").reused == 2
    assert rehearsal.run(limit=6, reuse=tmp_path / "tue" / "job").reused == 4
    summary = rehearsal.run()
    assert (summary.reused, len(rehearsal.posts())) == (4, 6)
    mon, tue = (str(tmp_path / name / "job") for name in ("mon", "tue"))
    assert list(sources(rehearsal).values()) == [None, None, mon, mon, tue, tue, None, None, None, None]


def test_its_checkpoint_may_be_elsewhere(tmp_path: Path) -> None:
    night(tmp_path, "mon", 4).run(checkpoint_dir=tmp_path / "local")
    assert night(tmp_path, "tue", 4, reuse="mon").run().reused == 4


def test_a_row_that_was_sent_is_not_taken_over(tmp_path: Path) -> None:
    """Its own run may be in progress: the row is polled, or in doubt, as usual."""
    night(tmp_path, "mon", 20).run()
    rehearsal = night(tmp_path, "tue", 20, "duration=30", "fault=garbage:id=1")
    rehearsal.run(max_runtime="1s", rps=5)
    sent = len(rehearsal.posts())
    assert 2 < sent < 20
    summary = rehearsal.run(reuse=tmp_path / "mon" / "job")
    assert (summary.reused, summary.in_doubt, len(rehearsal.posts())) == (20 - sent, 1, sent)


# -- mistakes


def _resumed(folder: Path) -> dict[str, Any]:
    return load_job(folder / "job").model_dump()


def test_a_job_that_is_gone_is_missed_only_while_rows_were_never_sent(tmp_path: Path) -> None:
    night(tmp_path, "mon", 4).run()
    rehearsal = night(tmp_path, "tue", 8, reuse="mon")
    rehearsal.run(limit=6)
    (tmp_path / "mon").rename(tmp_path / "gone")
    with pytest.raises(InputError, match=r"(?s)--reuse .*mon/job: holds no job.*leave it out"):
        rehearsal.run(**_resumed(tmp_path / "tue") | {"limit": None})
    assert rehearsal.run(**_resumed(tmp_path / "tue")).exit_code == 0
    del rehearsal.options["reuse"]
    assert rehearsal.run().completed == 8
    assert "reuse" not in (tmp_path / "tue" / "job" / "job.toml").read_text()
    assert rehearsal.run(**_resumed(tmp_path / "tue")).reused == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"key": None}, "needs --key COLUMN"),
        ({"reuse": Path("{}/tue/job")}, "is this job's own directory"),
        ({"reuse": Path("{}/nowhere")}, "nowhere: holds no job"),
        ({"reuse": Path("{}/keyless")}, "keyless: its job has no --key"),
        ({"workflow_id": "penguin"}, "--workflow-id was 'echo', now it is 'penguin'"),
        ({"base_url": "https://other"}, "--base-url was 'https://api.coze.cn', now it is 'https://other'"),
        ({"simulate": True}, "--simulate was False, now it is True"),
        ({"reuse": Path("{}/old")}, "a version of batchrun that did not mark them"),
    ],
    ids=str,
)
def test_what_cannot_be_reused_is_refused_before_anything_is_made(
    tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    first = night(tmp_path, "mon", 3)
    first.run()
    first.run(out=tmp_path / "keyless", key=None)
    first.run(out=tmp_path / "old")
    with sqlite3.connect(tmp_path / "old" / "checkpoint.db") as db:
        db.execute("DELETE FROM reuse_keys")
    db.close()
    rehearsal = night(tmp_path, "tue", 3, reuse="mon")
    before = files(tmp_path)
    for name, value in options.items():
        rehearsal.options[name] = Path(str(value).format(tmp_path)) if isinstance(value, Path) else value
    with pytest.raises(InputError, match=words) as refused:
        rehearsal.run(skip=["nope"])
    assert "--skip nope" in str(refused.value), "all mistakes at once"
    assert files(tmp_path) == before
    assert not (tmp_path / "tue" / "job").exists()
    assert rehearsal.requests == []


# -- the files


def test_jobs_that_take_nothing_over_have_the_columns_they_always_had(tmp_path: Path) -> None:
    night(tmp_path, "mon", 2).run()
    without = night(tmp_path, "tue", 2)
    without.run()
    assert "reused_from" not in without.outputs()[0]
    without.run(reuse=tmp_path / "mon" / "job")
    assert set(sources(without).values()) == {None}
    without.run()
    assert "reused_from" not in without.outputs()[0]


def test_the_column_is_the_last_of_the_outputs_and_not_in_the_errors(tmp_path: Path) -> None:
    night(tmp_path, "mon", texts("a")).run()
    rows = [{"id": str(number), "text": text, "reused_from": "here"} for number, text in enumerate("ab")]
    rehearsal = night(tmp_path, "tue", rows, "fault=fail:id=1", reuse="mon")
    rehearsal.run(skip=["reused_from"])
    outputs, errors = (pq.read_table(tmp_path / "tue" / "job" / f"{name}.parquet") for name in ("outputs", "errors"))
    assert (outputs.column_names[-1], outputs.schema.field("reused_from").type) == ("reused_from", pa.string())
    assert outputs.column("input.reused_from").to_pylist() == errors.column("input.reused_from").to_pylist() == ["here"]
    assert "reused_from" not in errors.column_names
    export(tmp_path / "tue" / "job", tmp_path / "exported")
    assert pq.read_table(tmp_path / "exported" / "outputs.parquet") == outputs
    again = night(tmp_path, "wed", 0)
    again.run(input=tmp_path / "tue" / "job" / "outputs.parquet", skip=["reused_from"])
    names = pq.read_table(tmp_path / "wed" / "job" / "outputs.parquet").column_names
    assert [name for name in names if "reused" in name] == ["reused_from"], "ours is dropped, theirs is what it was"


# -- interruptions

OLD, NEW = 6, 10
CHANGES = 30


def _two_nights(folder: Path) -> Rehearsal:
    rows = [{"id": str(number)} for number in (8, 0, 1, 6, 2, 3, 7, 4, 5, 9)]
    night(folder, "mon", OLD).run()
    rehearsal = night(folder, "tue", rows, "fault=fail:id=7", reuse="mon")
    rehearsal.options |= {"rps": 3}
    return rehearsal


@cache
def undisturbed() -> tuple[dict[int, tuple[str, str | None]], dict[int, str | None]]:
    with TemporaryDirectory() as folder:
        rehearsal = _two_nights(Path(folder))
        rehearsal.run()
        return rehearsal.row_results(), {row: source and "mon" for row, source in sources(rehearsal).items()}


def test_the_job_is_worth_interrupting_and_has_no_more_changes_than_are_tried(tmp_path: Path) -> None:
    rehearsal = _two_nights(tmp_path)
    summary = rehearsal.run(kill_after=CHANGES)
    assert (summary.exit_code, summary.reused) == (3, OLD), "raise CHANGES"


@pytest.mark.parametrize("changes", range(1, CHANGES))
def test_a_job_that_dies_while_it_takes_over_goes_on_and_pays_nothing_twice(tmp_path: Path, changes: int) -> None:
    rehearsal = _two_nights(tmp_path)
    rehearsal.run(kill_after=changes)
    rehearsal.clock.jump(5)
    summary = rehearsal.run()
    row_results, taken = undisturbed()
    doubtful = {row for row, result in rehearsal.row_results().items() if result[0] == "in_doubt"}
    assert {row: result for row, result in rehearsal.row_results().items() if row not in doubtful} == {
        row: result for row, result in row_results.items() if row not in doubtful
    }
    assert {row: source and "mon" for row, source in sources(rehearsal).items()} == {
        row: source for row, source in taken.items() if row not in doubtful
    }
    assert (summary.rows, summary.reused) == (NEW, OLD)
    assert len(rehearsal.posts()) == summary.submissions <= NEW - OLD
    assert rehearsal.simulator.stats()["runs_repeated"] == 0


def test_the_earlier_job_may_vanish_while_its_rows_are_taken_over(tmp_path: Path) -> None:
    """It is already open then. The next command finds it missing."""
    night(tmp_path, "mon", 4).run()
    rehearsal = night(tmp_path, "tue", [{"id": str(number)} for number in (9, 0, 1, 2, 3)], reuse="mon")

    def remove(_request: Request) -> None:
        if (tmp_path / "mon").exists():
            (tmp_path / "mon").rename(tmp_path / "gone")

    rehearsal.answer = remove
    assert rehearsal.run().reused == 4
