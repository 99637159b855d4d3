"""What the README, the page for programs and the help say is so."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import click
import pyarrow.parquet as pq
import pytest

from batchrun.cli.event_option import EVENT_COMMANDS
from batchrun.cli.main import COMMANDS, cli
from batchrun.cli.option_groups import SECTIONS
from batchrun.cli.run_flags import RUN_FLAGS
from batchrun.job import Job
from batchrun.options.names import option_name
from batchrun.views.progress_events import AnyEvent, Event
from tests.support.command import environment

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PROGRAMS = (ROOT / "docs" / "python.md").read_text("utf-8")
REFERENCE = (ROOT / "docs" / "options.md").read_text("utf-8")
RESULTS = (ROOT / "docs" / "results.md").read_text("utf-8")
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
        timeout=100,
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
    (example,) = re.findall(r"^```console\n(\$ batchrun export .*?)^```$", RESULTS, re.S | re.M)
    _shell(example.removeprefix("$ "), tmp_path)
    schema = pq.read_schema(tmp_path / "penguins-simulated" / "outputs.parquet")
    assert [str(schema.field(name).type) for name in ("guess", "sure")] == ["string", "bool"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_reference_and_has_help(name: str) -> None:
    assert f"\n## {name}\n" in REFERENCE
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.help


def test_every_field_of_a_job_is_an_option_of_run() -> None:
    options = _options("run")
    assert {option_name(field) for field in Job.model_fields if field not in {"input", "variant"}} <= options


def test_the_table_of_events_is_that_of_the_records() -> None:
    table = PROGRAMS.split("| event | when |")[1].split("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    shown = {
        event.strip("`"): re.sub(r" \(.*?\)", "", fields).replace("`", "").split(", ") for event, _, fields in rows
    }
    records = get_args(AnyEvent)
    assert set(Event.__subclasses__()) >= {record for record in records if record.__base__ is Event}
    assert shown == {
        str(record.__struct_config__.tag): [name for name in record.__struct_fields__ if name != "at"]
        for record in records
    }


@pytest.mark.parametrize("page", [README, PROGRAMS], ids=["README", "programs"])
def test_the_python_section_runs_as_it_stands(tmp_path: Path, page: str) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```$", page, re.S | re.M)
    (tmp_path / "rows.csv").write_text("id,text\n" + "".join(f"{n},row {n}\n" for n in range(5)))
    fast = block.replace("simulate=True", "simulate=True, rps=100, poll_initial=0.2, sim=['duration=0.1', 'pending=0']")
    assert fast != block
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", fast],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    first, *others = done.stdout.decode().splitlines()
    assert first.startswith("5 of 5")
    if page is PROGRAMS:
        completed, outputs = others
        assert first == "5 of 5 exit code 0 {}"
        assert completed == "5"
        assert "row 2" in outputs
    assert "\n5 of 5 done" in done.stderr.decode()


@pytest.mark.parametrize("name", sorted(EVENT_COMMANDS & set(COMMANDS)))
def test_the_help_shows_every_option_in_its_section_with_its_default(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    text = command.get_help(click.Context(command, info_name=name, terminal_width=80))
    assert max(map(len, text.splitlines())) <= 80
    headings = re.findall(r"^(\w[\w ]*):$", text, re.M)
    assert headings == [heading for heading in (*SECTIONS, "Other") if heading in headings]
    words = " ".join(text.split())
    for parameter in command.params:
        assert all(option in words for option in (*parameter.opts, *parameter.secondary_opts) if option[0] == "-")
        if isinstance(parameter, click.Option) and not (parameter.is_flag or parameter.count or parameter.multiple):
            assert re.search(r"\[(default: .+|required)\]", parameter.help or "") or parameter.name == "config"


def test_an_option_stands_in_one_section_and_is_one() -> None:
    commands = [cli.get_command(click.Context(cli), name) for name in EVENT_COMMANDS]
    known = {parameter.name for command in commands if command is not None for parameter in command.params}
    placed = [name for names in SECTIONS.values() for name in names]
    assert len(placed) == len(set(placed))
    assert set(placed) <= known
    assert {*Job.model_fields, *RUN_FLAGS} - {"variant"} <= set(placed), "variants are tables of a job file"
