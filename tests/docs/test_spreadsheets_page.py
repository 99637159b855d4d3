"""The commands of the page on spreadsheets run as they are, and its limits are those of the code."""

import re
import shlex
from dataclasses import astuple
from pathlib import Path

import pandas as pd

from batchrun.adapters.results.xlsx import EXCEL
from batchrun.domain.result_formats import RESULT_FORMATS
from tests.support.command import batchrun

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "spreadsheets.md").read_text("utf-8")


def test_the_commands_write_what_the_page_says(tmp_path: Path) -> None:
    run = ("run", ROOT / "samples" / "penguins.csv", "--workflow-id", "penguin", "--simulate", "--limit", 12)
    assert batchrun(*run, "--sim", "duration=0", "--poll-initial", 0.1, cwd=tmp_path).returncode == 0
    commands = re.findall(r"^\$ batchrun (.*)$", PAGE, re.M)
    assert len(commands) == 2
    for command in commands:
        done = batchrun(*shlex.split(command), cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
    table = pd.read_excel(tmp_path / "penguins-simulated" / "outputs.xlsx", dtype=str)
    assert len(table) == 12
    assert sorted(path.name for path in (tmp_path / "shared").iterdir()) == [
        "errors.csv", "errors.jsonl", "outputs.csv", "outputs.jsonl"
    ]  # fmt: skip


def test_every_format_and_limit_is_named() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.M) == list(RESULT_FORMATS)
    for limit in astuple(EXCEL):
        assert f"{limit:,}" in PAGE
