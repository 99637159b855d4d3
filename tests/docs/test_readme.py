"""What the README says is so."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pyarrow.parquet as pq
import pytest

import batchrun
from batchrun.cli.main import COMMANDS, cli
from batchrun.job import Job, option_name
from tests.support.command import environment

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
QUICK_START = README.split("## Quick start")[1].split("\n## ")[0]
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", QUICK_START, re.S | re.M)


def _options(name: str) -> set[str]:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


def test_the_quick_start_has_exactly_two_blocks() -> None:
    assert len(BLOCKS) == 2


def _shell(script: str, folder: Path) -> str:
    """What the script prints."""
    done = subprocess.run(
        ["sh", "-ec", script],
        cwd=folder,
        env=environment(PATH=f"{Path(sys.executable).parent}:/usr/bin:/bin"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_block_gives_a_result_that_can_be_selected_from(tmp_path: Path) -> None:
    """All of it but the setting up, which needs the network; then the example of selections, to the letter."""
    shutil.copytree(ROOT / "samples", tmp_path / "samples")
    lines = [line for line in BLOCKS[0].splitlines() if not line.startswith(("python3 -m venv", "pip "))]
    assert "Adelie" in _shell("\n".join(lines).replace("--rps 50", "--rps 300"), tmp_path)
    assert pq.read_table(tmp_path / "penguins-simulated" / "outputs.parquet").num_rows == 344
    (example,) = re.findall(r"^```console\n(\$ batchrun export .*?)^```$", README, re.S | re.M)
    commands = [line[2:] for line in example.splitlines() if line.startswith("$ ")]
    assert _shell("\n".join(commands), tmp_path).splitlines()[-1] == example.splitlines()[-1]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme_and_has_help(name: str) -> None:
    assert f"`batchrun {name}" in README
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.help


def test_every_option_in_the_readme_exists() -> None:
    known = {option for name in COMMANDS for option in _options(name)} | {"--help"}
    for line in README.splitlines():
        if "pip " not in line and "ruff" not in line:
            for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", line):
                assert option in known, line


def test_every_field_of_a_job_is_an_option_of_run() -> None:
    options = _options("run")
    assert {option_name(field) for field in Job.model_fields if field != "input"} <= options


def test_everything_public_is_there_and_documented() -> None:
    for name in batchrun.__all__:
        value = getattr(batchrun, name)
        assert name == "__version__" or value.__doc__, name
    assert sorted(batchrun.__all__, key=str.lower) == sorted(set(batchrun.__all__), key=str.lower)
