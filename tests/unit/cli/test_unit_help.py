"""Help texts: they fit a terminal of 80 columns, and their examples are commands that exist."""

import shlex

import click
import pytest
from click.testing import CliRunner

from batchrun.cli.main import COMMANDS, cli


def _help(*command: str) -> list[str]:
    done = CliRunner().invoke(cli, [*command, "--help"], terminal_width=80)
    assert done.exit_code == 0
    return done.output.splitlines()


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_help_fits_80_columns(command: tuple[str, ...]) -> None:
    assert [line for line in _help(*command) if len(line) > 80] == []


EXAMPLES = [
    (command, example.strip())
    for command in ((), *((name,) for name in COMMANDS))
    for line in "\n".join(_help(*command)).replace("\\\n", " ").splitlines()
    for example in line.split("; ")
    if line.startswith("    batchrun ")
]


def test_there_are_examples_where_they_help() -> None:
    with_examples = {command for command, _ in EXAMPLES}
    assert with_examples == {(), ("run",), ("resume",), ("retry",), ("export",), ("score",), ("compare",)}


@pytest.mark.parametrize(("command", "example"), EXAMPLES)
def test_examples_are_accepted_by_the_parser(command: tuple[str, ...], example: str) -> None:
    _, name, *arguments = shlex.split(example)
    assert command in {(), (name,)}
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    found.make_context(name, arguments)
