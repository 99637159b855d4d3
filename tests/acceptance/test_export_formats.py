"""`batchrun export --format`, as it is called: which files it names, and what it says."""

import sys
from pathlib import Path

import pandas as pd

from tests.support.command import RUN_FAST, batchrun, rows_file


def finished(folder: Path) -> None:
    (folder / "rows.csv").write_text('id,text\n1,"=HYPERLINK(""http://evil"")"\n2,-5\n')
    done = batchrun(*RUN_FAST, cwd=folder)
    assert done.returncode == 0, done.stderr


def test_several_formats_at_once(tmp_path: Path) -> None:
    finished(tmp_path)
    done = batchrun("export", "rows-simulated", "--format", "csv", "--format", "xlsx", "--to", "out", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    names = ["out/outputs.csv", "out/errors.csv", "out/outputs.xlsx", "out/errors.xlsx"]
    assert done.stdout.splitlines() == names
    assert sorted(f"out/{path.name}" for path in (tmp_path / "out").iterdir()) == sorted(names)
    assert pd.read_csv(tmp_path / "out/outputs.csv")["text"].tolist() == ['=HYPERLINK("http://evil")', "-5"]
    assert pd.read_excel(tmp_path / "out/outputs.xlsx")["text"].tolist() == ['=HYPERLINK("http://evil")', "-5"]


def test_excel_safe(tmp_path: Path) -> None:
    finished(tmp_path)
    done = batchrun("export", "rows-simulated", "--format", "csv", "--excel-safe", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "rows-simulated/outputs.csv")
    assert table["text"].tolist() == ['\'=HYPERLINK("http://evil")', "-5"]


def test_mistakes(tmp_path: Path) -> None:
    finished(tmp_path)
    for options, words in {
        ("--format", "xls"): "--format xls: no such format. Known are parquet, csv, jsonl, xlsx",
        ("--format", "csv", "--format", "xlsx", "--excel-safe"): "--excel-safe: is for --format csv alone (got xlsx)",
        ("--excel-safe",): "--excel-safe: is for --format csv alone (got parquet)",
    }.items():
        done = batchrun("export", "rows-simulated", *options, cwd=tmp_path)
        assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    assert not list((tmp_path / "rows-simulated").glob("*.csv"))


def test_without_the_extra(tmp_path: Path) -> None:
    rows_file(tmp_path, 1)
    batchrun(*RUN_FAST, cwd=tmp_path)

    done = batchrun("export", "rows-simulated", "--format", "xlsx", cwd=tmp_path, before=_hide_library)
    assert done.returncode == 2
    assert done.stderr == (
        "Error: --format xlsx needs xlsxwriter, which is not installed: pip install 'batchrun[xlsx]'\n"
    )


def _hide_library() -> None:
    sys.modules["xlsxwriter"] = None  # type: ignore[assignment]  # this makes its import fail
