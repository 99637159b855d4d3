"""The commands of the pages are run one after the other against the simulator, and each ends as a user would expect.

What is left out is run elsewhere: the first block of the README, and the pages on sweeps, recipes and programs.
"""

import re
import shlex
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.command import SECRET, Service, batchrun, environment, rows_file, simulator

ROOT = Path(__file__).parents[2]

WORKFLOW = "7412345678901234567"
"""As the pages have it."""

SHORTER = {
    "duration=lognormal:20,75": "duration=0.1",
    "--rps 50 ": "--rps 500 ",
    " DIR": " rows-run",
    "penguins-simulated ": "rows-run ",
}
"""Durations and names that stand for others in a page."""


def _commands(page: str) -> list[str]:
    text = (ROOT / page).read_text("utf-8")
    lines = re.findall(r"^(?:\$ |[\d* ]+cd \S+ && )batchrun (.*)$", text, re.M)
    for long, short in SHORTER.items():
        lines = [f"{line} ".replace(long, short).strip() for line in lines]
    lines = [line for line in lines if "sweep" not in line]
    return [re.sub(r"\$\(.*?\)", "2026-01-02", line).partition(" | ")[0] for line in lines]


def _folder(tmp_path: Path, service: Service, api: str) -> dict[str, str]:
    """Make the files that the pages name. Returns the environment of the commands."""
    shutil.copytree(ROOT / "samples", tmp_path / "samples")
    for name in ("rows.csv", "a.csv", "b.csv"):
        rows_file(tmp_path, 3, name)
    pq.write_table(pa.table({"id": ["1", "2"], "text": ["a", "b"]}), tmp_path / "table.parquet")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "1.png").write_bytes(b"picture")
    (tmp_path / "pictures.csv").write_text("picture\n1.png\n")
    return environment(COZE_API_BASE=service.base_url, COZE_API_TOKEN=SECRET, BATCHRUN_API=api, HOME=str(tmp_path))


@pytest.mark.parametrize(
    ("page", "api"),
    [
        ("README.md", "v1"),
        ("docs/token-and-workflow.md", "v1"),
        ("docs/inputs.md", "open"),
        ("docs/limits.md", "v1"),
        ("docs/results.md", "v1"),
        ("docs/crashes.md", "v1"),
        ("docs/spreadsheets.md", "v1"),
    ],
)
def test_the_commands_of_a_page(tmp_path: Path, page: str, api: str) -> None:
    commands = _commands(page)
    assert commands
    with simulator(tmp_path, "--any-workflow", "true", "--duration", 0, "--api", api) as service:
        env = _folder(tmp_path, service, api)
        made = batchrun("run", "rows.csv", "--workflow-id", WORKFLOW, "--poll-initial", 0.1, cwd=tmp_path, env=env)
        assert made.returncode == 0, made.stderr
        for command in commands:
            words = [word.replace("~", str(tmp_path)) for word in shlex.split(command, comments=True)]
            done = batchrun(*words, cwd=tmp_path, env=env)
            assert done.returncode in (0, 3), f"{command}\n{done.stdout}{done.stderr}"
