"""Scores and comparisons of whole jobs: what is not sent, what is missing, and who is better."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from batchrun.app.compare import compare
from batchrun.app.job_file import read_options
from batchrun.app.score import score
from batchrun.app.scored_jobs import scored_job
from batchrun.errors import InputError
from batchrun.views.verdicts import score_of
from tests.support.rehearsal import Rehearsal

ROWS = [{"id": f"k{row}", "text": str(row % 2), "expected": "1", "group": str(row // 4)} for row in range(12)]
SCORED: dict[str, Any] = {
    "vary": {"answer": ["1", "0"]},
    "repeat": 2,
    "key": "id",
    "score": {"right": "exact:echo.answer:expected"},
}


def scores(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / "scores.parquet").to_pylist()
    return rows


def test_a_job_is_scored_at_its_end_and_does_not_send_the_target(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, ROWS, "duration=1", "fault=fail:id=k3")
    assert rehearsal.run(**SCORED).exit_code == 3
    assert all("expected" not in rehearsal.inputs_of(body) for _, body in rehearsal.posts())
    assert all(row["expected"] == "1" for row in rehearsal.outputs().values())
    found = scores(tmp_path / "job")
    assert [row["row"] for row in found] == list(range(48))
    for row in found:
        assert row["key"] == f"k{row['input_row']}"
        right = None if row["input_row"] == 3 else float(row["variant"] == "answer=1")
        assert row["right"] == right
    by = compare(tmp_path / "job").as_dict()
    one = by["variants"]["answer=1"]["right"]
    assert (one["n"], one["missing"], one["mean"], one["pass_all"]) == (22, 2, 1.0, 1.0)
    difference = by["differences"]["answer=0"]["right"]
    assert (by["baseline"], difference["rows"], difference["mean"], difference["worse"]) == ("answer=1", 11, -1.0, 11)
    assert difference["p"] < 0.01


def test_an_interrupted_job_has_the_same_scores_at_its_end(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    once, twice = (Rehearsal(tmp_path / name, ROWS, "duration=20") for name in "ab")
    once.run(**SCORED)
    assert twice.run(**SCORED, rps=5, max_runtime=5).exit_code == 75
    assert any(row["right"] is None for row in scores(tmp_path / "b" / "job"))
    twice.run(**SCORED)
    assert scores(tmp_path / "a" / "job") == scores(tmp_path / "b" / "job")


def test_a_job_without_scorers_is_scored_later_and_sends_nothing(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, ROWS, "duration=1")
    rehearsal.run()
    sent, job = len(rehearsal.posts()), tmp_path / "job"
    with pytest.raises(InputError, match="has no scorers"):
        score(job)
    with pytest.raises(InputError, match="has no scores"):
        compare(job)
    score(job, {"odd": "exact:echo.text:'1'", "long": {"kind": "value", "output": "length(echo.id) > `2`"}})
    assert [row["odd"] for row in scores(job)] == [0.0, 1.0] * 6
    found = compare(job, cluster="group").as_dict()
    assert found["variants"][str(job)]["odd"]["mean"] == 0.5
    assert len(rehearsal.posts()) == sent


def test_a_target_that_was_sent_cannot_become_one_later(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, ROWS, "duration=1")
    rehearsal.run()
    with pytest.raises(InputError, match="targets of --score"):
        rehearsal.run(score={"right": "exact:echo.text:expected"})
    assert rehearsal.run(score={"right": "exact:echo.text:'1'"}).exit_code == 0


def test_requirements_tell_the_rows_that_fail_them(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, ROWS, "duration=1")
    rehearsal.run(**SCORED)
    job = tmp_path / "job"
    assert compare(job, require=["right[answer=1]>=0.9", "missing right<=0%"]).requirements_met
    found = compare(job, require=["right>=0.5", "no-worse right"])
    assert [verdict.met for verdict in found.verdicts] == [False, False]
    assert found.as_dict()["requirements"][0]["rows"] == {"answer=0": list(range(12))}


def test_figures_are_split_by_a_column(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, ROWS, "duration=1")
    rehearsal.run(score={"odd": "exact:echo.text:'1'"}, repeat=2)
    parts = compare(tmp_path / "job", by="text").parts
    assert {value: part.by_scorer["odd"].figures[0].mean for value, part in parts.items()} == {"0": 0.0, "1": 1.0}
    with pytest.raises(InputError, match="no column 'colour'"):
        compare(tmp_path / "job", by="colour")


def test_several_jobs_are_matched_by_key(tmp_path: Path) -> None:
    for name, rows in (("a", ROWS), ("b", ROWS[::-1][:8])):
        (tmp_path / name).mkdir()
        Rehearsal(tmp_path / name, rows, "duration=1").run(key="id", score={"odd": "exact:echo.text:'1'"})
    one, other = tmp_path / "a" / "job", tmp_path / "b" / "job"
    difference = compare(one, other).as_dict()["differences"][str(other)]["odd"]
    assert (difference["rows"], difference["mean"], difference["same"]) == (8, 0.0, 8)


def test_jobs_without_a_common_key_are_not_compared(tmp_path: Path) -> None:
    for name, rows in (("a", ROWS[:5]), ("b", ROWS[5:])):
        (tmp_path / name).mkdir()
        Rehearsal(tmp_path / name, rows, "duration=1").run(key="id", score={"odd": "exact:echo.text:'1'"})
    with pytest.raises(InputError, match="no key is in all of the jobs"):
        compare(tmp_path / "a" / "job", tmp_path / "b" / "job")


def test_rows_without_a_value_are_no_cluster_and_a_part_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(
        "".join(
            json.dumps({"id": row, "group": None if row < 4 else "" if row < 6 else "a"}) + "\n" for row in range(8)
        )
    )
    Rehearsal(tmp_path).run(input=tmp_path / "rows.jsonl", score={"low": "regex:to_string(echo.id):'[0-3]'"})
    job = tmp_path / "job"
    parts = compare(job, by="group").parts
    assert {name: part.by_scorer["low"].figures[0].n for name, part in parts.items()} == {"(null)": 4, "": 2, "a": 2}
    alone, clustered = (compare(job, cluster=cluster).by_scorer["low"].figures[0] for cluster in (None, "group"))
    assert (clustered.low or 0) <= (alone.low or 0)
    with_nulls = scored_job(job, alone=True, by=None, cluster="group").cluster
    assert with_nulls is not None
    assert len(set(with_nulls.tolist())) == 6


def test_several_jobs_without_keys_need_the_same_input(tmp_path: Path) -> None:
    for name, rows in (("a", ROWS), ("b", ROWS[:5])):
        (tmp_path / name).mkdir()
        Rehearsal(tmp_path / name, rows, "duration=1").run(score={"odd": "exact:echo.text:'1'"})
    with pytest.raises(InputError, match="different inputs"):
        compare(tmp_path / "a" / "job", tmp_path / "b" / "job")


def test_a_judge_is_a_job_and_scores_what_it_has_seen(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, ROWS, "duration=1", "fault=fail:id=k3")
    rehearsal.run()
    job = tmp_path / "job"
    judged(tmp_path)
    outputs = pq.read_table(tmp_path / "judge" / "outputs.parquet")
    assert outputs.column("input.row").to_pylist() == [row for row in range(12) if row != 3]
    score(job, {"seen": "contains:echo.id:'k'"}, judge=tmp_path / "judge")
    assert [row["seen"] for row in scores(job)] == [None if row == 3 else 1.0 for row in range(12)]
    rehearsal.serve("duration=1")
    rehearsal.retry()
    score(job, {"seen": "contains:echo.id:'k'"}, judge=tmp_path / "judge")
    assert [row["seen"] for row in scores(job)] == [None if row == 3 else 1.0 for row in range(12)], "not judged yet"


def test_a_verdict_on_another_run_of_the_row_does_not_count(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, ROWS, "duration=1")
    rehearsal.run()
    judged(tmp_path)
    rehearsal.run(out=tmp_path / "again")
    seen = {"seen": "contains:echo.id:'k'"}
    for folder, value in (("job", 1.0), ("again", None)):
        score(tmp_path / folder, seen, judge=tmp_path / "judge")
        assert {row["seen"] for row in scores(tmp_path / folder)} == {value}


def judged(folder: Path) -> None:
    """Let a job judge the outputs of the one in `folder`."""
    (folder / "its").mkdir()
    judge = Rehearsal(folder / "its", 0, "duration=1")
    judge.run(input=folder / "job" / "outputs.parquet", out=folder / "judge", param={"answer": "output", "id": "id"})


def test_a_job_that_does_not_judge_is_told_how_to(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, ROWS, "duration=1")
    rehearsal.run()
    with pytest.raises(InputError, match="--param answer=output"):
        score(tmp_path / "job", {"seen": "value:"}, judge=tmp_path / "job")


def test_comparing_executes_no_function(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def judge(value, row):\n    return 1\n")
    Rehearsal(tmp_path, ROWS, "duration=1").run(score={"mine": f"python:echo:{tmp_path / 'mine.py'}:judge"})
    (tmp_path / "job" / "scores.parquet").unlink()
    with pytest.raises(InputError, match=r"has no scores; make them with: batchrun score \S+$"):
        compare(tmp_path / "job")


def test_a_file_of_python_is_found_from_wherever_the_job_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text("def judge(value, row):\n    return 1\n")
    monkeypatch.chdir(tmp_path)
    rehearsal = Rehearsal(tmp_path, ROWS, "duration=1")
    rehearsal.run(score={"mine": "python:echo:mine.py:judge"})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    score(tmp_path / "job")
    assert {row["mine"] for row in scores(tmp_path / "job")} == {1.0}
    for text in (
        '[score]\nmine = "python:echo:mine.py:judge"',
        '[score.mine]\nkind = "python"\nexpected = "mine.py:judge"',
    ):
        (tmp_path / "options.toml").write_text(text)
        read = read_options(tmp_path / "options.toml").values
        assert read["score"]["mine"]["expected"] == f"{tmp_path / 'mine.py'}:judge"


def test_a_missing_file_of_python_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, ROWS, "duration=1")
    with pytest.raises(InputError, match=r"--score mine: .*gone\.py: no such file"):
        rehearsal.run(score={"mine": "python:echo:gone.py:judge"})
    assert not rehearsal.posts()


def test_a_function_of_python_may_fail_for_a_row(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(
        "print(1)\ndef judge(value, row):\n    print(2)\n    return 1 / int(row['text'])\n"
    )
    rehearsal = Rehearsal(tmp_path, ROWS, "duration=1")
    rehearsal.run(score={"mine": f"python:echo:{tmp_path / 'mine.py'}:judge"})
    assert [row["mine"] for row in scores(tmp_path / "job")] == [None, 1.0] * 6
    assert "6 rows could not be scored: 6 × ZeroDivisionError" in caplog.text
    assert capsys.readouterr().out == "", "what it prints is no result"


def test_a_file_of_python_may_define_dataclasses_with_annotations_as_text(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Answer:\n    right: bool\n"
        "def judge(value, row):\n    return Answer(True).right\n"
    )
    Rehearsal(tmp_path, ROWS, "duration=1").run(score={"mine": f"python:echo:{tmp_path / 'mine.py'}:judge"})
    assert {row["mine"] for row in scores(tmp_path / "job")} == {1.0}


def test_a_file_of_python_that_ends_the_process_when_it_is_loaded_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import sys\nsys.exit(0)\n")
    Rehearsal(tmp_path, ROWS, "duration=1").run()
    with pytest.raises(InputError, match=r"mine\.py: cannot be loaded: SystemExit: 0"):
        score(tmp_path / "job", {"mine": f"python:echo:{tmp_path / 'mine.py'}:judge"})


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("exact:echo:nowhere", "the input has no column 'nowhere'"),
        ("exakt:echo:expected", "Did you mean exact"),
        ("exact:echo[:expected", "EXPR"),
    ],
)
def test_scorers_that_cannot_be_used_are_refused_before_anything_is_sent(
    tmp_path: Path, option: str, message: str
) -> None:
    rehearsal = Rehearsal(tmp_path, ROWS, "duration=1")
    with pytest.raises(InputError, match=message):
        rehearsal.run(score={"right": option})
    assert not rehearsal.posts()


def test_the_rows_that_flipped_are_shown_with_both_outputs_and_the_runs_with_their_times(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, ROWS, "duration=2")
    rehearsal.run(**SCORED)
    found = compare(tmp_path / "job", show=2)
    outputs = rehearsal.outputs()
    assert [flip.label for flip in found.flips] == ["k0", "k1"]
    for flip in found.flips:
        assert (flip.scorer, flip.variant, flip.better) == ("right", "answer=0", False)
        for side, answer in ((flip.baseline_run, "1"), (flip.variant_run, "0")):
            row = outputs[side.row]
            assert (row["answer"], row["run_id"], row["output"]) == (answer, side.run_id, side.output)
            assert score_of(side) == f"score {answer}, mean of 2 repeats {answer}"
    assert {name: (one.completed, one.p50_s) for name, one in found.runs.items()} == {
        "answer=1": (24, 2.0),
        "answer=0": (24, 2.0),
    }


def test_messages_of_a_scorer_are_counted_in_bounded_space(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "mine.py").write_text("def judge(value, row):\n    raise ValueError(row['id'])\n")
    rehearsal = Rehearsal(tmp_path, 150, "duration=1")
    rehearsal.run(score={"mine": f"python:echo:{tmp_path / 'mine.py'}:judge"})
    assert "150 rows could not be scored: 50 × other messages; 1 × ValueError" in caplog.text


def test_an_expression_that_finds_nothing_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rehearsal = Rehearsal(tmp_path, [{"id": "1", "truth": "a"}, {"id": "2", "truth": ""}], "duration=1")
    rehearsal.run(score={"typo": "exact:ech.id:truth", "right": "exact:echo.id:truth"}, skip=["truth"])
    (said,) = [line for line in caplog.messages if "is null in all" in line]
    assert said.startswith("--score typo: its expression is null in all ")
