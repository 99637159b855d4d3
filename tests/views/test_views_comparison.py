"""How comparisons look in a terminal."""

from pathlib import Path

import pytest
from rich.cells import cell_len

from batchrun.app.compare import compare
from batchrun.views.comparison import show_comparison
from tests.support.rehearsal import Rehearsal

HOSTILE = "\x1b[31mred\u202e"


def test_names_that_are_wide_keep_pictures_in_line_and_hostile_ones_control_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    rows = [{"id": str(row), "expected": "1"} for row in range(6)]
    rehearsal = Rehearsal(tmp_path, rows, "duration=1", f"fault=fail:answer={HOSTILE}")
    rehearsal.run(
        vary={"answer": ["1", "一个非常长的变体名称" * 4, HOSTILE, "2"]}, score={"r": "exact:echo.answer:expected"}
    )
    show_comparison(compare(tmp_path / "job"))
    shown = capsys.readouterr().out
    assert not {"\x1b", "\u202e"} & set(shown)
    assert "note: r: the variants differ in missing scores" in shown
    lines = shown.splitlines()
    assert all(cell_len(line) <= 80 for line in lines)
    dots = {cell_len(line[: line.index("●")]) for line in lines if "●" in line and "answer=1" not in line}
    assert len(dots) == 1


def test_scores_that_are_all_0_raise_the_question_whether_the_scorer_is_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    rehearsal = Rehearsal(tmp_path, [{"id": str(row), "expected": "1"} for row in range(4)], "duration=1")
    rehearsal.run(
        vary={"answer": ["1", "2"]},
        score={"right": "exact:echo.answer:expected", "typo": "exact:echo.anwser:expected"},
    )
    show_comparison(compare(tmp_path / "job"))
    notes = [line.strip() for line in capsys.readouterr().out.splitlines() if "note:" in line]
    assert notes == ["note: typo: every score is 0; is its expression right? batchrun score says if it is null"]


def test_the_verdicts_come_first_and_a_variant_without_scores_does_not_blur_what_the_rows_can_show(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    rows = [{"id": str(row), "expected": str(row % 2)} for row in range(40)]
    rehearsal = Rehearsal(tmp_path, rows, "duration=1", "fault=fail:answer=none")
    rehearsal.run(
        vary={"answer": ["0", "1", "2", "none"]}, score={"r": "exact:echo.answer:expected", "n": "value:echo.answer"}
    )
    show_comparison(compare(tmp_path / "job"))
    shown = capsys.readouterr().out
    first, _ = shown.split("\n\n", 1)
    assert [line.strip() for line in first.splitlines()] == [
        "r: answer=1 and answer=0 score the same over 40 rows.",
        "r: answer=2 is worse than answer=0 by 0.500 over 40 rows; unlikely to be chance (p < 0.001).",
        "r: answer=none and answer=0 have no row in common with a score, so nothing can be said.",
        "n: answer=1 and answer=0 have no row in common with a score, so nothing can be said.",
        "n: answer=2 and answer=0 have no row in common with a score, so nothing can be said.",
        "n: answer=none and answer=0 have no row in common with a score, so nothing can be said.",
    ]
    (power,) = [line for line in shown.splitlines() if "true difference" in line]
    assert power.startswith(" with 40 rows, ")
    assert power.endswith(" would be noticed 4 times out of 5")
    assert [line.split()[:3] for line in shown.splitlines() if "▼" in line] == [["answer=2", "0.000", "▼"]]
    assert "▲" not in shown


def test_a_difference_that_may_be_chance_is_not_marked_and_absent_flips_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"id": str(row), "expected": "1" if row else "2"} for row in range(6)]
    rehearsal = Rehearsal(tmp_path, rows, "duration=1")
    rehearsal.run(vary={"answer": ["1", "2"]}, score={"r": "exact:echo.answer:expected", "same": "contains:echo.id:''"})
    show_comparison(compare(tmp_path / "job", show=2), shows_flips=True)
    shown = capsys.readouterr().out
    assert "may well be chance" in " ".join(shown.split())
    assert not {"▲", "▼"} & set(shown)
    assert "no rows flipped" not in shown
    rehearsal.run(fresh=True, vary={"answer": ["1", "2"]}, score={"same": "contains:echo.id:''"})
    show_comparison(compare(tmp_path / "job", show=2), shows_flips=True)
    assert "no rows flipped" in capsys.readouterr().out
