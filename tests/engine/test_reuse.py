"""A nightly job on a growing table: results of an earlier job are reused, and only the other rows are paid for."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batchrun.app.export import export
from batchrun.app.status import status
from batchrun.errors import InputError
from tests.engine.nightly_jobs import night, sources, texts

# -- what is taken over, and what is paid for


def test_each_night_pays_only_for_new_rows(tmp_path: Path) -> None:
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


def test_a_reused_row_is_unchanged(tmp_path: Path) -> None:
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


def test_only_equal_inputs_under_the_same_key_are_reused(tmp_path: Path) -> None:
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


def test_the_encoded_inputs_of_the_reuse_key_are_sent_unchanged(tmp_path: Path) -> None:
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


DOUBTED = ("fault=fail:id=1", "fault=reject:id=2", "fault=garbage:id=3")


def test_rows_that_failed_are_paid_for_again_and_those_in_doubt_are_held(tmp_path: Path) -> None:
    first = night(tmp_path, "mon", 6, *DOUBTED)
    assert (first.run().failed, first.errors()[3]["state"]) == (2, "in_doubt")
    second = night(tmp_path, "tue", 6, reuse="mon")
    summary = second.run()
    assert (summary.reused, summary.in_doubt, len(second.posts())) == (3, 1, 2)
    why = "is in doubt, and that job may have paid for it, so nothing was sent here"
    message = f"row 3 of {tmp_path / 'mon' / 'job'} {why}"
    assert (second.errors()[3]["error_kind"], second.errors()[3]["error_message"]) == ("in_doubt", message)
    assert (second.errors()[3]["attempts"], summary.exit_code) == (0, 3)
    third = night(tmp_path, "wed", 6, reuse="tue")
    assert (third.run().in_doubt, len(third.posts())) == (1, 0), "the doubt is handed on"
    assert second.row_results().keys() == set(range(6))


@pytest.mark.parametrize("in_doubt", ["hold", "resubmit"])
@pytest.mark.parametrize("timed_out", [False, True])
def test_a_run_that_has_not_ended_is_polled_here_and_not_paid_for_again(
    tmp_path: Path, in_doubt: str, timed_out: bool
) -> None:
    first = night(tmp_path, "mon", 6, "duration=60")
    summary = first.run(run_timeout=10) if timed_out else first.run(max_runtime="10s")
    assert (summary.timed_out if timed_out else summary.running) == 6
    second = night(tmp_path, "tue", 7, reuse="mon")
    second.store, second.simulator, second.clock = first.store, first.simulator, first.clock
    summary = second.run(max_runtime="5s", in_doubt=in_doubt)
    assert (summary.running, summary.completed, len(second.posts())) == (7, 0, 1)
    summary = second.run(in_doubt=in_doubt)
    assert (summary.completed, summary.reused, len(second.posts())) == (7, 0, 1)
    runs = [row["run_id"] for row in second.outputs().values()]
    assert first.run().completed == 6
    assert runs[:6] == [row["run_id"] for row in first.outputs().values()]
    third = night(tmp_path, "wed", 7, reuse="tue")
    assert (third.run().reused, len(third.posts())) == (7, 0)


def test_a_run_of_an_earlier_job_that_has_failed_here_is_submitted_again_here_and_later(tmp_path: Path) -> None:
    """The earlier job does not know that its run has failed, and never will."""
    first = night(tmp_path, "mon", 6, "duration=60", "fault=fail:id=2", "fault=fail:id=3")
    assert first.run(max_runtime="10s").running == 6
    second = night(tmp_path, "tue", 6, reuse="mon")
    second.store, second.simulator, second.clock = first.store, first.simulator, first.clock
    summary = second.run()
    assert (summary.completed, summary.failed, len(second.posts())) == (4, 2, 0)
    second.serve("duration=1")
    summary = second.retry(rows=[2])
    assert (summary.completed, summary.failed, len(second.posts())) == (5, 1, 1)
    third = night(tmp_path, "wed", 6)
    third.store, third.simulator, third.clock = second.store, second.simulator, second.clock
    summary = third.run(reuse=tmp_path / "*" / "job")
    assert (summary.completed, summary.reused, len(third.posts())) == (6, 5, 1)


def test_a_held_row_is_taken_over_once_the_earlier_job_has_its_result(tmp_path: Path) -> None:
    first = night(tmp_path, "mon", 6, "lost=1")
    assert first.run().in_doubt == 6
    second = night(tmp_path, "tue", 7, reuse="mon")
    summary = second.run()
    assert (summary.in_doubt, summary.completed, len(second.posts())) == (6, 1, 1)
    assert second.retry(in_doubt="fail").failed == 6
    first.serve("duration=1")
    assert first.retry(in_doubt="resubmit").completed == 6
    summary = second.retry(in_doubt="resubmit")
    assert (summary.completed, summary.reused, len(second.posts())) == (7, 6, 1)


def test_rows_that_were_given_up_in_doubt_are_held_too(tmp_path: Path) -> None:
    first = night(tmp_path, "mon", 6, "lost=1")
    assert first.run(in_doubt="fail").failed == 6
    second = night(tmp_path, "tue", 6, reuse="mon")
    assert (second.run().in_doubt, len(second.posts())) == (6, 0)


def test_a_row_that_was_refused_here_is_looked_up_again(tmp_path: Path) -> None:
    first = night(tmp_path, "mon", 3)
    second = night(tmp_path, "tue", 3, "reject=1", reuse="mon")
    second.options["reuse"] = tmp_path / "*" / "job"
    assert second.run().failed == 3
    first.run()
    second.serve("duration=1")
    summary = second.retry()
    assert (summary.completed, summary.reused, len(second.posts())) == (3, 3, 3)


@pytest.mark.parametrize("option", [{"workflow_version": "v0.0.2"}, {"bot_id": "7"}, {"ext": {"a": "b"}}], ids=str)
def test_rows_that_were_sent_with_other_options_are_not_taken_over(tmp_path: Path, option: dict[str, Any]) -> None:
    night(tmp_path, "mon", 3).run()
    second = night(tmp_path, "tue", 3, reuse="mon")
    with pytest.raises(InputError, match="its rows were sent with another --"):
        second.run(**option)
    assert not second.posts()


@pytest.mark.parametrize(("in_doubt", "posts", "failed"), [("resubmit", 3, 2), ("fail", 2, 3)])
def test_in_doubt_decides_on_rows_that_would_be_held(tmp_path: Path, in_doubt: str, posts: int, failed: int) -> None:
    night(tmp_path, "mon", 6, *DOUBTED).run()
    second = night(tmp_path, "tue", 6, *DOUBTED[:2], reuse="mon")
    summary = second.run(in_doubt=in_doubt)
    assert (summary.in_doubt, summary.failed, len(second.posts())) == (0, failed, posts)


@pytest.mark.parametrize(
    "option",
    [{"const": {"model": "large"}}, {"param": {"name": "text"}}, {"rename": {"name": "text"}}, {"skip": ["text"]}],
    ids=str,
)
def test_another_mapping_makes_other_inputs(tmp_path: Path, option: dict[str, Any]) -> None:
    night(tmp_path, "mon", texts("a", "b")).run()
    assert night(tmp_path, "tue", texts("a", "b"), reuse="mon").run(**option).reused == 0


def test_the_same_inputs_from_a_renamed_column_are_reused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    night(tmp_path, "mon", [{"id": "1", "a": "x", "b": "y"}]).run(rename={"text": "a"})
    rows = [{"id": "1", "text": "x", "b": "y"}]
    assert night(tmp_path, "tue", rows, reuse="mon").run().reused == 1
    assert "no row will be taken over" not in caplog.text


def test_the_same_inputs_from_another_mapping_are_reused(tmp_path: Path) -> None:
    night(tmp_path, "mon", texts("a", "b")).run(const={"model": "large"})
    rows = [{**row, "model": "large"} for row in texts("a", "b")]
    assert night(tmp_path, "tue", rows, reuse="mon").run().reused == 2


def test_equal_keys_do_not_make_inputs_of_different_types_equal(tmp_path: Path) -> None:
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


def test_equal_inputs_under_two_keys_are_two_rows(tmp_path: Path) -> None:
    night(tmp_path, "mon", [{"id": "1", "text": "a"}]).run(skip=["id"])
    rows = [{"id": "2", "text": "a"}, {"id": "1", "text": "a"}, {"id": "3", "text": "b"}]
    summary = night(tmp_path, "tue", rows, reuse="mon").run(skip=["id"])
    assert (summary.completed, summary.reused, summary.exit_code) == (3, 1, 0)


def test_a_limit_also_holds_for_reused_rows(tmp_path: Path) -> None:
    night(tmp_path, "mon", 6).run()
    rehearsal = night(tmp_path, "tue", 10, reuse="mon")
    summary = rehearsal.run(limit=4)
    assert (summary.rows, summary.reused, len(rehearsal.posts())) == (4, 4, 0)
    assert rehearsal.run().reused == 6
    assert len(rehearsal.posts()) == 4


def test_a_limited_job_provides_its_rows(tmp_path: Path) -> None:
    night(tmp_path, "mon", 10).run(limit=3)
    assert night(tmp_path, "tue", 10, reuse="mon").run().reused == 3


# -- nothing that is for the service holds it up


def test_reused_rows_wait_for_no_rate_no_slot_and_no_first_acceptance(tmp_path: Path) -> None:
    night(tmp_path, "mon", 1100).run(rps=5000, max_in_flight=5000)
    rehearsal = night(tmp_path, "tue", 1100, reuse="mon")
    summary = rehearsal.run(rps=0.01, max_in_flight=1, max_connections=1)
    assert (summary.reused, summary.elapsed_s < 0.3) == (1100, True)
    assert not summary.rate


def test_rates_and_shares_do_not_count_reused_rows(tmp_path: Path) -> None:
    night(tmp_path, "mon", 200).run()
    rehearsal = night(tmp_path, "tue", 240, *[f"fault=fail:id={number}" for number in range(200, 215)], reuse="mon")
    summary = rehearsal.run(max_failures="20%", rps=5)
    assert (summary.exit_code, summary.reused) == (4, 200), "15 of 40 failed, though only of 240 by all"
    done = summary.completed + summary.failed - summary.reused
    assert summary.rate == pytest.approx(done / summary.elapsed_s, rel=0.01)
    again = rehearsal.run()
    assert (again.exit_code, again.reused) == (3, 200)
    assert again.rate == pytest.approx((240 - 200 - done) / again.session.elapsed_s, rel=0.01)


# -- the files


def test_without_reuse_there_is_no_extra_column(tmp_path: Path) -> None:
    night(tmp_path, "mon", 2).run()
    without = night(tmp_path, "tue", 2)
    without.run()
    assert "reused_from" not in without.outputs()[0]
    without.run(reuse=tmp_path / "mon" / "job")
    assert set(sources(without).values()) == {None}
    without.run()
    assert "reused_from" not in without.outputs()[0]


def test_reused_from_is_the_last_column_of_outputs_and_not_in_errors(tmp_path: Path) -> None:
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
