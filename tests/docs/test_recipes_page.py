"""The recipes run as they are written; those that name a scheduler are checked against our exit codes."""

import ast
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from batchrun.errors import ExitCode
from tests.support.command import batchrun, environment

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "recipes.md").read_text("utf-8")
LIMITS = (ROOT / "docs" / "limits.md").read_text("utf-8")
COMMANDS = re.findall(r"^\$ batchrun (.*)$", PAGE, re.M)
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.S | re.M)
FAST = ("--rps", 1000, "--sim", "duration=0", "--poll-initial", 0.1, "--progress", "none")
ANALYZE = shutil.which("systemd-analyze")
NEVER = {ExitCode.BUG, ExitCode.USAGE, ExitCode.ROW_ERRORS, ExitCode.STOPPED}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first command of the page has been run."""
    folder = tmp_path_factory.mktemp("recipes")
    shutil.copytree(ROOT / "samples", folder / "samples")
    done = batchrun(*shlex.split(COMMANDS[0]), *FAST, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def python(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment(), capture_output=True, text=True, timeout=100,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("library", "words"), [("pandas", "Chinstrap"), ("polars", "right"), ("duckdb", "birds")])
def test_results_are_read(folder: Path, library: str, words: str) -> None:
    (block,) = [block for block in BLOCKS if f"import {library}" in block]
    shown = python(block, folder)
    assert words in shown
    assert all(species in shown for species in ("Adelie", "Chinstrap", "Gentoo"))


def test_the_results_of_several_jobs_are_read_together(folder: Path, tmp_path: Path) -> None:
    for name in ("night-1", "night-2"):
        shutil.copytree(folder / "birds-run", tmp_path / name)
    expressions = re.findall(r"^`(pl\.read_parquet\(.*\))`", PAGE, re.M)
    expressions += re.findall(r"^outputs = (pl\.read_parquet\(.*\))$", LIMITS, re.M)
    assert len(expressions) == 2
    for expression in expressions:
        shown = python(f"import polars as pl\ntable = {expression}\nprint(len(table), table['job'][0])", tmp_path)
        assert "688" in shown


def test_the_judge_is_rehearsed(folder: Path) -> None:
    judge, score = COMMANDS[1:]
    assert batchrun(*shlex.split(judge), *FAST, cwd=folder).returncode == 0
    done = batchrun(*shlex.split(score), "--json", cwd=folder)
    assert json.loads(done.stdout)["variants"]["birds-run"]["judged"]["n"] == 344


def test_each_exit_code_has_its_advice() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \| .* \| (.*) \|$", PAGE, re.M)
    advice = {int(code): text for codes, text in rows for code in codes.split(",")}
    assert set(advice) == {*ExitCode, 137} - {ExitCode.NOT_MET}
    assert {code for code, text in advice.items() if text.startswith(("no", "never"))} == {*NEVER, ExitCode.OK}
    (values,) = re.findall(r"values: \[(.*?)\]", PAGE)
    assert list(map(int, values.split(","))) == sorted(NEVER)


def test_an_attempt_tells_what_the_scheduler_should_do() -> None:
    (block,) = [block for block in BLOCKS if "def attempt" in block]
    namespace: dict[str, object] = {}
    exec(compile(block, "recipes.md", "exec"), namespace)
    attempt = namespace["attempt"]
    assert callable(attempt)
    for code in ExitCode:
        command = ["sh", "-c", f"exit {code}"]
        if code in {ExitCode.OK, ExitCode.ROW_ERRORS}:
            assert attempt(command) is True
        elif code in NEVER | {ExitCode.NOT_MET}:
            with pytest.raises(RuntimeError, match=f"batchrun ended with {code:d}"):
                attempt(command)
        else:
            assert attempt(command) is False
    for signal in ("KILL", "TERM"):
        assert attempt(["sh", "-c", f"kill -{signal} $$"]) is False


def test_code_that_was_not_tried_is_said_to_be_so_and_can_be_parsed() -> None:
    parts = re.split(r"^###? ", PAGE, flags=re.M)
    untried = [part for part in parts if re.search(r"^```(py|yaml)$", part, re.M)]
    assert [part.split("\n")[0] for part in untried] == ["Airflow", "Prefect", "A CronJob of Kubernetes"]
    assert all(part.split("\n")[2].startswith("Not tried.") for part in untried)
    for block in re.findall(r"^```py\n(.*?)^```$", PAGE, re.S | re.M):
        ast.parse(block)


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_units_of_the_mail(tmp_path: Path) -> None:
    assert ANALYZE is not None
    dropin, mail = re.findall(r"^```ini\n(.*?)^```$", PAGE, re.S | re.M)
    (tmp_path / "batchrun-mail.service").write_text(mail)
    text = (ROOT / "samples" / "batchrun.service").read_text().replace("/srv/batchrun/bin/batchrun", "/bin/true")
    (tmp_path / "batchrun.service").write_text(text.replace("/srv/jobs", str(tmp_path)))
    (tmp_path / "batchrun.service.d").mkdir()
    (tmp_path / "batchrun.service.d" / "mail.conf").write_text(dropin)
    done = subprocess.run(
        [ANALYZE, "verify", tmp_path / "batchrun.service", tmp_path / "batchrun-mail.service"],
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:"}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, str(tmp_path) in done.stderr) == (0, False), done.stderr


def test_the_notebook_runs(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "samples", tmp_path / "samples")
    notebook = json.loads((ROOT / "samples" / "results.ipynb").read_text("utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"), "none are committed"
    fast = [cell.replace("rps=100", "rps=1000, poll_initial=0.1, sim=['duration=0']") for cell in cells]
    assert fast != cells
    shown = python(_AS_IN_A_NOTEBOOK.format(cells=fast), tmp_path / "samples")
    assert "344 of 344 rows completed; exit code 0" in shown
    assert "PAL0708-Adelie-1" in shown


_AS_IN_A_NOTEBOOK = """
import ast, asyncio, inspect

async def main():
    names = {{}}
    for cell in {cells!r}:
        *tree, last = ast.parse(cell).body
        if isinstance(last, ast.Expr):
            last = ast.parse("print(" + ast.unparse(last) + ")").body[0]
        code = compile(ast.Module([*tree, last], []), "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        found = eval(code, names)
        if inspect.isawaitable(found):
            await found

asyncio.run(main())
"""
"""Each cell in a running loop, with the value of its last line shown."""
