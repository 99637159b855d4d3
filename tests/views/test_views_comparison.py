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
