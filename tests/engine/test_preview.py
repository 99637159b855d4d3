"""What `check` says of the rows of a job before and after it has begun."""

from pathlib import Path
from typing import Any

import pytest

from batchrun.app.check import check
from batchrun.domain.preview import Preview
from batchrun.job import build_job
from tests.support.rehearsal import Rehearsal


def _preview(rehearsal: Rehearsal, **options: Any) -> Preview:
    return check(build_job(rehearsal.options | options), "token")


def _ids(preview: Preview) -> list[str]:
    return [body.split('"id":"')[1].split('"')[0] for body in preview.bodies]


def test_only_requests_that_are_left_are_shown(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 6, "fault=reject:id=1", "duration=1")
    assert _ids(_preview(rehearsal)) == ["0", "1", "2"]
    rehearsal.run(limit=3)
    assert _ids(_preview(rehearsal)) == ["3", "4", "5"]
    assert _ids(_preview(rehearsal, limit=4)) == ["3"]
    rehearsal.run()
    assert _ids(_preview(rehearsal)) == []


def test_a_queued_row_that_was_tried_before_comes_first(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 6, "duration=1")
    rehearsal.run(kill_after=1)
    rehearsal.run(max_submissions=1, in_doubt="resubmit")
    preview = _preview(rehearsal)
    assert preview.left == 5
    assert _ids(preview) == ["1", "2", "3"]


def test_reused_rows_are_not_among_the_requests(tmp_path: Path) -> None:
    earlier = Rehearsal(tmp_path, 4, "duration=1")
    earlier.run(key="id")
    later = {"key": "id", "out": tmp_path / "later", "reuse": tmp_path / "job"}
    assert (_preview(earlier, **later).reused, _ids(_preview(earlier, **later))) == (4, [])
    earlier.write(range(6))
    assert (_preview(earlier, **later).reused, _ids(_preview(earlier, **later))) == (4, ["4", "5"])


@pytest.mark.parametrize(
    ("suffix", "text"),
    [("csv", "x" * 21_000_000), ("csv", '"' * 10_500_000), ("jsonl", "\\u0001" * 3_500_000)],
    ids=["long", "quotes", "control characters"],
)
def test_a_row_that_is_too_large_is_told_with_its_line(tmp_path: Path, suffix: str, text: str) -> None:
    rehearsal = Rehearsal(tmp_path, 1)
    path = tmp_path / f"large.{suffix}"
    if suffix == "csv":
        cell = text.replace('"', '""')
        path.write_text(f'id,text\n1,a\n2,"{cell}"\n3,b\n')
    else:
        path.write_text(f'{{"id": 1, "text": "a"}}\n{{"id": 2, "text": "{text}"}}\n{{"id": 3}}\n')
    preview = _preview(rehearsal, input=path)
    assert preview.unsendable_rows == 1
    (row,) = preview.unsendable
    assert (row.row, row.line) == (1, 3 if suffix == "csv" else 2)
    assert "the service takes at most 20,000,000" in row.reason


def test_all_rows_of_a_sweep_over_a_large_row_are_counted(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, [{"id": "1", "text": "a"}, {"id": "2", "text": "x" * 21_000_000}])
    preview = _preview(rehearsal, vary={"model": ["a", "b"]}, repeat=2)
    assert preview.unsendable_rows == 4
    assert [row.row for row in preview.unsendable] == [4, 5, 6, 7]


def _sent(rehearsal: Rehearsal, **options: Any) -> list[str]:
    """The ids of the rows that such a job sends."""
    rehearsal.run(**options)
    return sorted(str(row["id"]) for row in rehearsal.outputs().values())


def test_only_the_rows_of_the_job_are_judged(tmp_path: Path) -> None:
    ids = ["0", "1", "two", "3", "four", "5", "6", "7"]
    rehearsal = Rehearsal(tmp_path, [{"id": one} for one in ids], "duration=1")
    typed: dict[str, Any] = {"type": {"id": "int"}}
    for limit, failing in ((2, 0), (3, 1), (8, 2)):
        preview = _preview(rehearsal, limit=limit, **typed)
        assert (preview.unsendable_rows, preview.estimates[0].submissions) == (failing, limit - failing)
    swept = _preview(rehearsal, limit=3, repeat=2, **typed)
    assert (swept.unsendable_rows, swept.estimates[0].submissions) == (2, 4)
    rehearsal.run(limit=4, **typed)
    preview = _preview(rehearsal, **typed)
    assert (preview.unsendable_rows, preview.estimates[0].submissions) == (2, 3), "row 2 has failed already"


def test_the_requests_of_a_sample_are_shown(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 40, "duration=1")
    del rehearsal.options["seed"]
    preview = _preview(rehearsal, sample=3)
    assert preview.sample_seed is not None
    known = {"sample": 3, "seed": preview.sample_seed}
    assert _ids(_preview(rehearsal, **known)) == _ids(preview)
    assert _preview(rehearsal, **known).sample_seed is None
    assert _sent(rehearsal, **known) == sorted(_ids(preview))
    assert _preview(rehearsal, **known).bodies == []
    assert _preview(rehearsal, sample=3).sample_seed is None, "the job has one"
